import functools

from r1jax.rewards.instruction_checks import keywords


def test_existence(misjudged):
  check = functools.partial(keywords.existence, keywords=['war', 'Peace'])
  right = ['War and peace.', 'PEACE! (war)', '_war_ **peace**', 'war-torn peace', "war's peace"]
  wrong = [
    'War alone.',
    'Warm peaceful days',
    'forward peace',
    'w\u200bar and peace',
    'w\u0430r and peace',
    '\U000e0077\U000e0061\U000e0072 and peace',
    'wars and peace',
    'war0 and peace',
    'war\u0301 and peace',
  ]
  assert misjudged(check, right, wrong) == []


def test_words_end_where_their_script_does(misjudged):
  check = functools.partial(keywords.existence, keywords=['indicator'])
  assert misjudged(check, ['이 indicator를 봅니다', '用indicator表示'], ['지표를 봅니다']) == []
  check = functools.partial(keywords.existence, keywords=['C++'])
  assert misjudged(check, ['I like C++.', 'C++11'], ['I like C.', 'ABC++']) == []
  check = functools.partial(keywords.existence, keywords=['和平'])
  assert misjudged(check, ['世界和平了'], ['世界平和']) == []
  check = functools.partial(keywords.existence, keywords=['जल'])
  assert misjudged(check, ['यह जल है'], ['जलवायु है', 'यह जाल है', 'जले']) == []


def test_any_apostrophe_and_any_space_will_do(misjudged):
  check = functools.partial(keywords.existence, keywords=["don't"])
  assert misjudged(check, ['I don’t', "DON'T", 'donʼt'], ['I dont', 'I don t', 'I don’ t']) == []
  check = functools.partial(keywords.existence, keywords=['don’t'])
  assert misjudged(check, ["I don't"], ['I dont']) == []
  check = functools.partial(keywords.existence, keywords=[' New york'])
  right = ['New York', 'in new\nyork.', 'New  York', 'New\u00a0York']
  assert misjudged(check, right, ['NewYork', 'New-York', 'Anew York', 'New Yorker', 'New']) == []


def test_frequency(misjudged):
  check = functools.partial(keywords.frequency, keyword='war', relation='at least', frequency=2)
  right = ['war. War!', 'war war war']
  wrong = ['war', 'war warm forward', 'war w\u0430r', 'war w\u200bar']
  assert misjudged(check, right, wrong) == []
  check = functools.partial(keywords.frequency, keyword='war', relation='less than', frequency=2)
  right = ['none', 'war', 'warm war']
  wrong = ['war war', 'war w\u0430r', 'war ｗａｒ', 'war w\u200bar', '𝐰𝐚𝐫 war']
  assert misjudged(check, right, wrong) == []


def test_forbidden_words(misjudged):
  check = functools.partial(keywords.forbidden_words, forbidden_words=['rock', 'roll'])
  right = ['Rocky and rolled', 'crock', 'rocks', 'row']
  wrong = [
    'ROCK',
    'a (roll)',
    '_rock_',
    'rock-hard',
    'r\u043eck',
    'ｒｏｃｋ',
    '𝓻𝓸𝓬𝓴',
    'r\u200bock',
    'r\u0336o\u0336c\u0336k\u0336',
    'röck',
    'ʀᴏᴄᴋ',
    'r\u00adock',
    'ro\ufe0fck',
    'ⓡⓞⓒⓚ',
    'a 🅡🅞🅒🅚 b',
    'ꓣꓳꓚꓗ',
    'ɾօϲκ',
    'r*o*ck',
    'r**o**ck',
    '<b>ro</b>ck',
    'ro<!-- and -->ck',
    '[ro](https://a.b/c)ck',
    'r&#111;ck',
    'ro&shy;ck',
    '`ro`ck',
  ]
  assert misjudged(check, right, wrong) == []


def test_forbidden_phrases(misjudged):
  check = functools.partial(keywords.forbidden_words, forbidden_words=["don't", 'new york'])
  right = ['I do not', 'dont', 'New Yorkers', 'New, York']
  wrong = ["I don't", 'I don’t', 'I donʼt', 'I dоn’t', 'New\nYork', 'New  York', '**New** York']
  assert misjudged(check, right, wrong) == []


def test_what_looks_like_markup_hides_no_word(misjudged):
  check = functools.partial(keywords.forbidden_words, forbidden_words=['rock', 'C*'])
  wrong = ['<rock', 'a < rock > b', '<a href="rock">x</a>', 'rock<br>star', '[rock]', 'C* is']
  assert misjudged(check, ['rocks', 'r.o.c.k', 'C is'], [*wrong, '<!-- rock', '&rock;']) == []


def test_case_of_what_is_asked_does_not_matter(misjudged):
  check = functools.partial(keywords.forbidden_words, forbidden_words=['BC'])
  assert misjudged(check, ['abc'], ['in bc', 'in BC', 'in ʙᴄ', 'in ｂｃ']) == []
  letter = functools.partial(keywords.letter_frequency, letter='O', let_frequency=2)
  check = functools.partial(letter, let_relation='less than')
  assert misjudged(check, ['o'], ['oO', 'oｏ', 'ｏｏ']) == []
  assert misjudged(functools.partial(letter, let_relation='at least'), ['oO'], ['oｏ']) == []


def test_letter_frequency(misjudged):
  check = functools.partial(
    keywords.letter_frequency, letter='o', let_relation='at least', let_frequency=3
  )
  right = ['Oo no', 'zoo OOo']
  wrong = ['no go', 'no go \u043e', 'no go ö']
  assert misjudged(check, right, wrong) == []
  check = functools.partial(
    keywords.letter_frequency, letter='o', let_relation='less than', let_frequency=3
  )
  right = ['no go', 'a']
  wrong = ['no go o', 'no g\u043e ｏ', 'ö ó o', 'ø no o', 'no g&#111; &#x6f;']
  assert misjudged(check, right, wrong) == []
  check = functools.partial(
    keywords.letter_frequency, letter='#', let_relation='at least', let_frequency=2
  )
  right = ['#a #b']
  wrong = ['#a', '＃a #b']
  assert misjudged(check, right, wrong) == []
