import functools

from r1jax.rewards.instruction_checks import composition


def test_repeat_prompt(misjudged):
  check = functools.partial(composition.repeat_prompt, prompt_to_repeat='Write a haiku. (Be funny)')
  right = ['Write a haiku. (Be funny)\n\nOld pond', 'write a HAIKU.  (Be\nfunny) Old pond']
  wrong = [
    'Write a haiku. (Be funny)',
    'Write a haiku. (Be funny)\n\n.',
    'Old pond',
    'Write a haiku. Old',
    'Sure! Write a haiku. (Be funny) Old pond',
    '"Write a haiku. (Be funny)" Old pond',
    'Write a haiku.(Be funny) Old pond',
    'Write a haiku. (Be funny)\u200b',
  ]
  assert misjudged(check, right, wrong) == []


def test_a_repeated_request_ends_where_it_ended(misjudged):
  check = functools.partial(composition.repeat_prompt, prompt_to_repeat="Don't say hi ")
  right = ["Don't say hi\n\nHo!", 'Don’t say hi, man', "Don't say hi你好", "Don't say hi*ho*"]
  assert misjudged(check, right, ["Don't say high, man", "Don't say hi5", "Don't say híp"]) == []
  check = functools.partial(composition.repeat_prompt, prompt_to_repeat='请说你好')
  assert misjudged(check, ['请说你好你好！', '请说你好\n你好！'], ['请说']) == []
  assert composition.answer_after('Don’t say “hi” ‘ho’', "don't  say") == ' “hi” ‘ho’'


def test_two_responses(misjudged):
  check = composition.two_responses
  right = ['a\n******\nb', 'a******b', '\n******a******b******\n', 'a\n***\n******\nb']
  wrong = [
    'a',
    'a\n******\na',
    'a\n******\nA.',
    'a\n******\n\u0430',
    'a\n******\n',
    '******',
    'a\n***\nb',
    'a\n******\nb\n******\nc',
    'a\n******\n******\nb',
    'a\n*******\nb',
    'a\n*****\nb',
    'a\n******\n.',
    'a\n******\n\u200b',
    'a\n******\n a',
    'a\n******\na\u200b',
  ]
  assert misjudged(check, right, wrong) == []


def test_end_checker(misjudged):
  check = functools.partial(composition.end_checker, end_phrase=' in India. ')
  right = ['He lives in India.', 'HE LIVES IN INDIA.\n', '"He lives in India."\n', 'He (in India.']
  wrong = [
    'in India.',
    '. in India.',
    'He lives within India.',
    'He lives in India',
    'in India. he said',
    'in India.\u200b',
    'He lives in  India.',
    'He: in India.\u200b',
  ]
  assert misjudged(check, right, wrong) == []


def test_the_end_may_be_printed_in_any_way(misjudged):
  check = functools.partial(composition.end_checker, end_phrase="Don't stop!")
  right = ["So: **Don't stop!**", 'So: _Don’t stop!_', "So: *Don't stop*!", '“So: **Don’t stop!**”']
  wrong = ["**Don't stop!**", "So: **Don't stop**", "So: Don't stop!* ok", 'So: Dont stop!']
  assert misjudged(check, right, wrong) == []
  check = functools.partial(composition.end_checker, end_phrase='Say "hi"')
  assert misjudged(check, ['So: say "hi"', 'So: say “hi”'], ['So: say hi5', 'So: ‘hi’']) == []


def test_quotation(misjudged):
  check = composition.quotation
  right = [
    '"a"',
    ' "He said "hi" to me."\n',
    '“a “b” c”',
    '"a\n\nb"',
    '"The 6\'2" man"',
    '"a "b" "c" d"',
    '"P1\n\n"P2"',
    '"{"key": "value"}"',
    '""a""',
    '"a "b""',
    '"It is 5""',
    '"The board is 5"."',
    '"It is "it"."',
    '"It is 5" or so "',
  ]
  wrong = [
    'a',
    '"a',
    'a"',
    '"',
    '""',
    '" "',
    '"."',
    '"\u200b"',
    '“a"',
    "'a'",
    '"a" b "c"',
    '"Yes" and "no"',
    '"a " b "c"',
    '"a"b "c"',
    '"a".',
    '“a” b “c”',
    '"a"\n\n"b"',
    '”a“',
    '"x" "',
    '"x"\n\n"',
    '"x" ."',
  ]
  assert misjudged(check, right, wrong) == []
