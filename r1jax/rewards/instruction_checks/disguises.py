r"""Words in disguise: in other letters, with what cannot be seen in them, or cut by markup.

Who reads `ｒｏｃｋ`, `r\u200bock`, `r**o**ck` or `<b>ro</b>ck` sees the word rock. Where a word
must not occur, or not so often, disguised ones count.
"""

import functools
import html
import re
import unicodedata

from r1jax.rewards.instruction_checks import wording
from r1jax.text import tags

# Letters that look like Latin ones and are no form of them to Unicode: Cyrillic, Greek, small
# capitals, letters with a stroke or without their dot or serif, Armenian, Coptic, Cherokee, Lisu.
_LOOKALIKES = str.maketrans(
  'аеорсухіѕјԁһԛԝАВЕКМНОРСТХУІЅЈοιρυνκϲΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢøØđĐłŁħĦıɑɡɾɩʋ'
  'օոսհյզցՕՍԼⲟⲣⲥⲞⲢⲤⲔⲘⲚⲦⲬ'
  'ᎠᎡᎢᎥᎪᎫᎬᎳᎷᎻᏀᏃᏒᏙᏚᏞᏟᏢᏦᏴꓐꓑꓓꓔꓖꓗꓙꓚꓜꓝꓟꓠꓡꓢꓣꓦꓧꓪꓫꓬꓮꓰꓲꓳꓴ',
  'aeopcyxisjdhqwABEKMHOPCTXYISJoipuvkcABEZHIKMNOPTYXCABCDEFGHIJKLMNOPRSTUVWYZoOdDlLhHiagriu'
  'onuhjzgOULopcOPCKMNTX'
  'DRTiAJEWMHGZRVSLCPKBBPDTGKJCZFMNLSRVHWXYAEIOU',
)
# White capitals on black circles and squares.
_ENCLOSED = {
  first + number: chr(ord('A') + number) for first in (0x1F150, 0x1F170) for number in range(26)
}
_PLAIN: dict[int, int | str] = {**_LOOKALIKES, **_ENCLOSED}

_LINK = re.compile(r'\[([^\[\]\n]{1,200})\]\([^()\s]{0,300}\)')
_TAG = re.compile(r'</?[A-Za-z][^<>]{0,200}>')
_ENTITY = re.compile(r'&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{1,31}[0-9]{0,2});')
_MARKS = str.maketrans('', '', '*`~')


@functools.lru_cache(maxsize=8)
def fold(text: str) -> str:
  """Returns a text with letters in disguise made plain: `Ｒóс\u200bk` becomes `rock`.

  Width, style and accents go, and look-alikes of other scripts become Latin letters.
  """
  # Marks go first: to sort a long run of them by their class, as normalising does, takes quadratic
  # time. What is left decomposes to few marks each.
  bare = wording.bare(text).translate(_PLAIN)
  return wording.bare(unicodedata.normalize('NFKD', bare)).translate(_PLAIN).lower()


@functools.lru_cache(maxsize=8)
def show(text: str) -> str:
  """Returns a text as a reader of its Markdown or HTML sees it: without marks, tags and comments.

  `r*o*ck`, `<b>ro</b>ck`, `ro<!-- -->ck`, `[ro](a)ck` and `r&#111;ck` become `rock`.
  """
  text = tags.without_comments(text).translate(_MARKS)
  text = _TAG.sub('', _LINK.sub(r'\1', text))
  return _ENTITY.sub(lambda entity: html.unescape(entity.group()), text)


def count_word(text: str, word: str) -> int:
  """Returns how often a text has a word if those in disguise count too.

  Args:
    text: any text.
    word: one word or several, in either case.
  """
  readings = {text, show(text)}
  # Folding takes marks and accents off, which in other scripts makes another word.
  if wording.straighten(word).isascii():
    readings |= {fold(reading) for reading in readings}
  return max(wording.count_word(reading, word) for reading in readings)


def count_letter(text: str, letter: str) -> int:
  """Returns how often a text has a letter, or any one character, if those in disguise count."""
  readings = {text, show(text)}
  if letter.isascii():
    readings |= {fold(reading) for reading in readings}
  return max(wording.count_letter(reading, letter) for reading in readings)
