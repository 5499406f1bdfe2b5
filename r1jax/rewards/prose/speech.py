r"""The language within formulas and code, which do not count as language themselves.

Language in them is the text of `\text{...}`; every word in a script other than Latin and Greek; and
of Latin words those in a phrase (three or more with nothing but spaces between) or in a row of too
many for names (see `names`), with light marks such as commas between. So comments, strings, and
sentences written as a formula are heard; keywords and commands are not. Other words are names, told
apart because they have to be few.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from r1jax.rewards.prose import names

# What opens text within a formula, and the braces in which it ends.
_TEXT = re.compile(
  r'\\(?:text(?:bf|it|rm|sf|tt|md|up|normal)?|[hm]box|intertext|emph|tag)\*?\s*+\{'
)
_BRACE = re.compile(rf'(?P<text>{_TEXT.pattern})|\\.|[{{}}]', re.DOTALL)
_SPACE = r'(?:[\s~]|\\[ ,;:!])'
_LATIN = 'A-Za-z\u00c0-\u024f\u1e00-\u1eff'
_OTHER_SCRIPTS = '[\u0400-\u1dff\u2801-\ud7ff\uf900-\U0010ffff]++'
_WORD = rf"\\?[{_LATIN}]{{2,}}+(?:['’][{_LATIN}]{{1,3}}+)?"
# Numbers, kept for the units behind them; other scripts; what is spelled letter by letter; Latin
# words in a row, `a` and `I` between.
_HEARD = re.compile(
  r'[0-9]++'
  rf'|{_OTHER_SCRIPTS}'
  r'|(?<![\\\w])[A-Za-z](?:\s{1,3}+[A-Za-z](?!\w)){11,}+'
  rf'|(?P<phrase>(?<![\\\w]){_WORD}(?:{_SPACE}++(?:[aAI]{_SPACE}++)?{_WORD}){{2,}}+)'
)
_PHRASE_WORDS = 3
# What ends a row of words: brackets, quotes, relations; and the names in what lies between.
_HARD = re.compile(r"(?<!\\)[^\w\s,;.+*/_{}~^&\\'’-]|\n[ \t]*+\n")
_SAID = re.compile(rf'(?P<name>\\?[{_LATIN}][{_LATIN}0-9_]*+)|{_OTHER_SCRIPTS}')

# Commands of LaTeX: they are no words, and stand in no phrase.
_COMMAND_NAMES = """
  alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi
  rho sigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi
  Psi Omega ell hbar imath jmath aleph Re Im partial nabla infty emptyset varnothing frac dfrac
  tfrac cfrac sqrt root over atop binom dbinom tbinom choose sum prod coprod int iint iiint oint
  bigcup bigcap lim limsup liminf sup inf max min arg det dim ker deg gcd lcm hom Pr exp log ln lg
  sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh coth mod bmod pmod pod cdot cdots
  cdotp ldots dots dotsb dotsc dotsi dotsm dotso vdots ddots times div pm mp ast star circ bullet
  bigcirc oplus ominus otimes odot cup cap setminus wedge vee land lor lnot neg not le leq
  leqslant ge geq geqslant lt gt ne neq approx equiv cong sim simeq propto ll gg prec succ mid
  nmid parallel perp subset subseteq supset supseteq in notin ni forall exists nexists top bot to
  gets mapsto rightarrow leftarrow leftrightarrow Rightarrow Leftarrow Leftrightarrow uparrow
  longrightarrow Longrightarrow longleftarrow Longleftrightarrow hookrightarrow downarrow implies
  impliedby iff therefore because triangle bigtriangleup square blacksquare Box diamond angle
  measuredangle degree prime dagger checkmark left right middle big Big bigg Bigg bigl bigr Bigl
  Bigr biggl biggr Biggl Biggr langle rangle lfloor rfloor lceil rceil lvert rvert vert lVert
  rVert Vert lbrace rbrace backslash quad qquad hspace vspace hfill hskip kern enspace thinspace
  par noindent newline text textbf textit textrm textsf texttt textup textmd textnormal mbox hbox
  intertext emph mathrm mathbf mathbb mathcal mathfrak mathit mathsf mathtt mathscr mathop
  operatorname boldsymbol bm rm bf it displaystyle textstyle scriptstyle limits nolimits overline
  underline widehat widetilde hat bar tilde vec dot ddot overrightarrow overleftarrow overbrace
  underbrace stackrel overset underset substack phantom hphantom vphantom boxed fbox cancel
  bcancel xcancel color textcolor colorbox hline cline multicolumn multirow tag notag nonumber
  label ref eqref cite footnote begin end item section subsection subsubsection paragraph
  usepackage documentclass includegraphics caption centering
"""
COMMANDS = frozenset(_COMMAND_NAMES.split())
# Words of programming languages: a row of them is no phrase.
_KEYWORD_NAMES = """
  and as assert async await begin bool boolean break case catch char class const continue def
  default del do double elif else end endif enum except extends false final finally float fn for
  foreach from func function global if implements import in include int integer interface is
  lambda let long mut namespace new nil none not null object or package pass print printf private
  protected public raise return select self short signed static std str string struct super switch
  template then this throw true try typedef typename unsigned use using val var vector virtual
  void where while with yield
"""
_KEYWORDS = frozenset(_KEYWORD_NAMES.split())


class Heard(NamedTuple):
  """What a formula or a piece of code holds.

  Attributes:
    language: its language, in order, and its numbers, because what follows them may be a unit.
    names: the long words of its names.
  """

  language: str
  names: list[str]


def hear(block: str) -> Heard:
  """Returns the language within a formula or a piece of code, and the names."""
  heard: list[str] = []
  found: list[str] = []
  for is_text, piece in _split_texts(block):
    if is_text:
      heard.append(piece)
    else:
      for row in _HARD.split(piece):
        heard += _listen(row, found)
  return Heard(' '.join(heard), found)


def has_phrase(block: str) -> bool:
  r"""Returns whether Latin words stand in a phrase, outside of any `\text{...}`."""
  return any(
    _phrase(heard)
    for is_text, piece in _split_texts(block)
    if not is_text
    for heard in _HEARD.finditer(piece)
  )


def _listen(row: str, found: list[str]) -> Iterator[str]:
  """Yields the language in a row of words and light marks, and adds its names to those found."""
  said: list[str] = []
  telling: list[str] = []
  for word in _SAID.finditer(row):
    if not word['name']:
      said.append(word.group())
    elif not _is_command(word['name']):
      parts = names.parts(word['name'].lstrip('\\'))
      said += parts
      telling += (part for part in parts if part not in _KEYWORDS)
  if names.are_language(telling):
    yield ' '.join(said)
    return
  phrases = set()
  for heard in _HEARD.finditer(row):
    language = _phrase(heard) if heard['phrase'] else heard.group()
    phrases.update(language.lower().split())
    yield language
  found += (word for word in names.long_ones(telling) if word not in phrases)


def _phrase(heard: re.Match[str]) -> str:
  """Returns the phrase without its commands; '' if it is none."""
  words = re.split(rf'{_SPACE}++', heard['phrase'] or '')
  words = [word.lstrip('\\') for word in words if not _is_command(word)]
  is_phrase = sum(len(word) > 1 and word.lower() not in _KEYWORDS for word in words)
  return ' '.join(words) if is_phrase >= _PHRASE_WORDS else ''


def _is_command(word: str) -> bool:
  return word[:1] == '\\' and word[1:] in COMMANDS


def _split_texts(block: str) -> Iterator[tuple[bool, str]]:
  r"""Yields in order the pieces of a block, and whether each is the content of a `\text{...}`."""
  if not _TEXT.search(block):
    yield False, block
    return
  start, depth, outermost = 0, 0, -1  # Depth of the braces; that at which a text began, or -1.
  for brace in _BRACE.finditer(block):
    if brace['text'] and outermost < 0:
      yield False, block[start : brace.start()]
      start, outermost = brace.end(), depth
    elif brace.group() == '}' and depth - 1 == outermost:
      yield True, block[start : brace.start()]
      start, outermost = brace.end(), -1
    depth += bool(brace['text'] or brace.group() == '{') - (brace.group() == '}')
  yield outermost >= 0, block[start:]
