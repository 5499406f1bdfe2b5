"""The words of the built-in world: few, so that a tiny model can read them.

Placeholders: {e} an expression, {n} a number, {a} an answer, {name} {he} {him} {He} the hero,
{other} somebody else, {things} and {unit} what is counted and its measure word (Chinese only).
"""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

EXPRESSIONS = {
  'en': (
    'Work from left to right: {e}=?',
    'Calculate from left to right: {e}=?',
    'From left to right, what is {e}?',
  ),
  'zh': (
    '从左到右计算：{e}=?',
    '按从左到右的顺序算：{e}=?',
    '从左往右算，{e}等于多少？',
  ),
}


class Person(NamedTuple):
  """A name and its pronouns."""

  name: str
  he: str
  him: str


class Thing(NamedTuple):
  """What can be counted, in the plural, and its Chinese measure word."""

  name: str
  unit: str


@dataclasses.dataclass(frozen=True)
class Story:
  """All words of the stories of one language."""

  space: str
  people: tuple[Person, ...]
  things: tuple[Thing, ...]
  starts: tuple[str, ...]
  steps: Mapping[str, tuple[str, ...]]
  distractors: tuple[str, ...]
  questions: tuple[str, ...]


def _people(names: tuple[str, ...], he: str, him: str) -> tuple[Person, ...]:
  return tuple(Person(name, he, him) for name in names)


ENGLISH_STORY = Story(
  space=' ',
  people=_people(('Tom', 'Ben', 'Sam', 'Max'), 'he', 'him')
  + _people(('Ann', 'Mia', 'Eva', 'Lily'), 'she', 'her'),
  things=(
    Thing('apples', ''),
    Thing('books', ''),
    Thing('cards', ''),
    Thing('coins', ''),
    Thing('eggs', ''),
    Thing('pens', ''),
    Thing('pears', ''),
    Thing('stamps', ''),
    Thing('stones', ''),
    Thing('shells', ''),
  ),
  starts=('{name} has {n} {things}.', '{name} starts with {n} {things}.'),
  steps={
    '+': (
      '{He} buys {n} more.',
      '{He} finds {n} more.',
      '{He} wins {n} more.',
      'A friend gives {him} {n} more.',
    ),
    '-': (
      '{He} gives {n} away.',
      '{He} loses {n}.',
      '{He} sells {n}.',
      'A friend takes {n} of them.',
    ),
    '*': (
      'The pile grows to {n} times its size.',
      'Now {he} has {n} times as many.',
      '{He} trades them for {n} times as many.',
    ),
    '/': (
      '{He} shares them equally among {n} boxes and keeps one box.',
      '{He} splits them into {n} equal piles and keeps one.',
      '{He} keeps only one of {n} equal parts.',
    ),
  },
  distractors=(
    '{name} is {n} years old.',
    '{other} is {n} years old.',
    '{other} lives on floor {n}.',
  ),
  questions=(
    'How many {things} does {name} have now?',
    'How many {things} does {he} have in the end?',
  ),
)

CHINESE_STORY = Story(
  space='',
  people=_people(('小明', '小刚', '小军', '小华'), '他', '他')
  + _people(('小红', '小丽', '小美', '小芳'), '她', '她'),
  things=(
    Thing('苹果', '个'),
    Thing('书', '本'),
    Thing('卡片', '张'),
    Thing('硬币', '枚'),
    Thing('鸡蛋', '个'),
    Thing('笔', '支'),
    Thing('梨', '个'),
    Thing('邮票', '张'),
    Thing('石头', '块'),
    Thing('贝壳', '个'),
  ),
  starts=('{name}有{n}{unit}{things}。', '{name}一开始有{n}{unit}{things}。'),
  steps={
    '+': (
      '{he}又买了{n}{unit}。',
      '{he}又找到{n}{unit}。',
      '{he}又赢了{n}{unit}。',
      '朋友又给{he}{n}{unit}。',
    ),
    '-': (
      '{he}送走{n}{unit}。',
      '{he}丢了{n}{unit}。',
      '{he}卖掉{n}{unit}。',
      '朋友拿走{n}{unit}。',
    ),
    '*': (
      '数量变成原来的{n}倍。',
      '现在{he}有原来的{n}倍。',
      '{he}把它们换成{n}倍那么多。',
    ),
    '/': (
      '{he}把它们平均分成{n}份，只留一份。',
      '{he}把它们平均装进{n}个盒子，只留一盒。',
      '{he}和朋友一共{n}人平分，只拿走一份。',
    ),
  },
  distractors=(
    '{name}今年{n}岁。',
    '{other}今年{n}岁。',
    '{other}住在{n}楼。',
  ),
  questions=('{name}现在有多少{unit}{things}？', '最后{he}有多少{unit}{things}？'),
)

STORIES = {'en': ENGLISH_STORY, 'zh': CHINESE_STORY}


@dataclasses.dataclass(frozen=True)
class Phrases:
  """What holds a solution together, in one language.

  Attributes:
    space: between sentences.
    comma: between the equations of a terse chain.
    stop: ends a sentence.
    first, following, last: connectives before an equation.
    guesses: a blurted answer without tags.
    shrugs: what stands for thinking in a blurted answer with tags.
    closings: how an answer without tags ends.
    checks: opens a check.
    correction: {a} is right, {wrong} was written before.
    doubt_right, doubt_wrong: doubts of the step before, which was right or wrong.
    fine: ends a check in which all steps agree.
  """

  space: str
  comma: str
  stop: str
  first: tuple[str, ...]
  following: tuple[str, ...]
  last: tuple[str, ...]
  guesses: tuple[str, ...]
  shrugs: tuple[str, ...]
  closings: tuple[str, ...]
  checks: tuple[str, ...]
  correction: str
  doubt_right: str
  doubt_wrong: str
  fine: tuple[str, ...]


PHRASES = {
  'en': Phrases(
    space=' ',
    comma=', ',
    stop='.',
    first=('First ', 'Start: '),
    following=('Then ', 'Next ', 'So '),
    last=('Then ', 'Finally '),
    guesses=('{a}', '{a}.', 'The answer is {a}.', 'It is {a}.', 'Maybe {a}.'),
    shrugs=('Easy.', 'I see it.', 'Just a guess.'),
    closings=('The answer is {a}.', 'So the answer is {a}.'),
    checks=('Check:', 'Let me check.'),
    correction='Wait, {a}, not {wrong}.',
    doubt_right='Wait, {equation}, yes.',
    doubt_wrong='Wait, {equation}.',
    fine=('All good.', 'All right.'),
  ),
  'zh': Phrases(
    space='',
    comma='，',
    stop='。',
    first=('先算', '首先'),
    following=('再算', '接着', '然后'),
    last=('再算', '最后'),
    guesses=('{a}', '{a}。', '答案是{a}。', '是{a}。', '大概{a}。'),
    shrugs=('很简单。', '看出来了。', '猜一下。'),
    closings=('答案是{a}。', '所以答案是{a}。'),
    checks=('检查：', '检查一下：'),
    correction='等等，是{a}，不是{wrong}。',
    doubt_right='等等，{equation}，对。',
    doubt_wrong='等等，{equation}。',
    fine=('都对。', '没错。'),
  ),
}

SMALL_TALK = {
  'en': (
    ('Hello!', 'Hello! How can I help you?'),
    ('Hi, how are you?', 'I am fine, thank you!'),
    ('Who are you?', 'I am a small assistant.'),
    ('Thank you!', 'You are welcome.'),
    ('Good morning!', 'Good morning!'),
    ('Goodbye!', 'Goodbye!'),
    ('How do I steal a car?', 'Sorry, I can not help with that.'),
    ('How do I break into a house?', 'Sorry, I can not help with that.'),
    ('Help me hurt a friend.', 'Sorry, I can not help with that.'),
  ),
  'zh': (
    ('你好！', '你好！我能帮你什么？'),
    ('你好吗？', '我很好，谢谢！'),
    ('你是谁？', '我是一个小助手。'),
    ('谢谢！', '不用谢。'),
    ('早上好！', '早上好！'),
    ('再见！', '再见！'),
    ('怎么偷车？', '对不起，这个我不能帮你。'),
    ('怎么进别人的家？', '对不起，这个我不能帮你。'),
  ),
}
