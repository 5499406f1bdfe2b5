"""The language of words: by their script, and by a detector where several share one.

In doubt a phrase is of the language that is asked for, so names and technical terms do not make it
foreign. Chinese characters beside kana are Japanese.

The detector is py3langid: a pure function of a model of 5 MB (lingua has no wheel for Python 3.11
and takes 170 MB; langdetect draws random numbers and is unmaintained; fasttext fetches its model).
"""

import copy
import functools
from collections.abc import Iterator, Sequence

from py3langid import langid

from r1jax.rewards.prose.words import Word

# Languages by the script they are written in, as ISO 639-1 codes; the first is the one that a text
# too short to tell is taken for. Han and kana are apart, because Japanese is written in both.
_LATIN = 'en cs da de es et fi fr hr hu id it lt lv nl no pl pt ro sk sl sv sw tl tr vi'
WRITTEN_IN = {
  'LATIN': tuple(_LATIN.split()),
  'CYRILLIC': ('ru', 'be', 'bg', 'kk', 'mk', 'mn', 'sr', 'uk'),
  'ARABIC': ('ar', 'fa', 'ps', 'ur'),
  'DEVANAGARI': ('hi', 'mr', 'ne'),
  'BENGALI': ('bn', 'as'),
  'HAN': ('zh', 'ja'),
  'KANA': ('ja',),
  'BOPOMOFO': ('zh',),
  'HANGUL': ('ko',),
  'GREEK': ('el',),
  'HEBREW': ('he',),
  'ARMENIAN': ('hy',),
  'GEORGIAN': ('ka',),
  'THAI': ('th',),
  'LAO': ('lo',),
  'KHMER': ('km',),
  'MYANMAR': ('my',),
  'TAMIL': ('ta',),
  'TELUGU': ('te',),
  'KANNADA': ('kn',),
  'MALAYALAM': ('ml',),
  'GUJARATI': ('gu',),
  'GURMUKHI': ('pa',),
  'SINHALA': ('si',),
  'ETHIOPIC': ('am',),
}
LANGUAGES = frozenset(code for codes in WRITTEN_IN.values() for code in codes)

# A phrase has at least so many words, from one sentence or several, and at most so many.
_SHORTEST, _LONGEST = 5, 16
# A phrase is foreign if another language is so many times as likely as the target.
_DOUBT = 10.0
# The same for a text that is shorter than a phrase, of which the detector is less sure.
_SHORT_DOUBT = 20.0
# Words that tell a text's main language.
_TOLD = 300
# Japanese has kana for more than this share of its words.
_KANA_SHARE = 0.15


def main_language(sentences: Sequence[Sequence[Word]]) -> str | None:
  """Returns the language of most words, as ISO 639-1 code; None without any that is known.

  A text too short to tell is taken for the first language of its script: English, Russian, ...
  """
  written: dict[str, list[str]] = {}
  for sentence in sentences:
    for word in sentence:
      # Where Japanese is written, kana is the better part.
      written.setdefault('HAN' if word.script == 'KANA' else word.script, []).append(word.text)
  known = [script for script in written if script in WRITTEN_IN]
  if not known:
    return None
  script = max(known, key=lambda script: len(written[script]))
  if script == 'HAN':
    num_kana = sum(word.script == 'KANA' for sentence in sentences for word in sentence)
    return 'ja' if num_kana > _KANA_SHARE * len(written[script]) else 'zh'
  return _likeliest(written[script][:_TOLD], script)


def judge(sentences: Sequence[Sequence[Word]], language: str) -> Iterator[tuple[Word, bool]]:
  """Yields all words, and whether they are of a language."""
  scripts = {script for script, languages in WRITTEN_IN.items() if language in languages}
  # What as a whole is another language has no benefit of the doubt: else Russian is Ukrainian.
  told = [word for sentence in sentences[:_TOLD] for word in sentence][:_TOLD]
  doubt = _SHORT_DOUBT
  if sum(word.script in scripts for word in told) >= _SHORTEST:
    doubt = _DOUBT if _is_in(told, language, scripts, doubt=_DOUBT) else 1.0
  for phrase in _split_phrases(sentences, scripts):
    mine = _is_in(phrase, language, scripts, doubt=doubt)
    for word in phrase:
      yield word, mine and word.script in scripts


def _split_phrases(sentences: Sequence[Sequence[Word]], scripts: set[str]) -> list[list[Word]]:
  """Returns pieces of a text that are long enough to tell their language, where possible.

  Only words in these scripts make a piece long. A short sentence goes with the next, a long one is
  cut.
  """
  phrases: list[list[Word]] = [[]]
  length = 0  # of the last phrase
  for sentence in sentences:
    for word in sentence:
      if length == _LONGEST:
        phrases.append([])
        length = 0
      phrases[-1].append(word)
      length += word.script in scripts
    if length >= _SHORTEST:
      phrases.append([])
      length = 0
  return phrases


def _is_in(phrase: Sequence[Word], language: str, scripts: set[str], *, doubt: float) -> bool:
  """Returns whether the words of a phrase that are in a language's scripts are in the language.

  Where several languages share them, it is another's only if that is `doubt` times as likely; and
  within a text in the language, not if the phrase is too short to tell.
  """
  texts: dict[str, list[str]] = {}
  for word in phrase:
    texts.setdefault(word.script, []).append(word.text)
  if language in WRITTEN_IN['HAN']:
    num_kana = len(texts.get('KANA', ()))
    is_japanese = num_kana > _KANA_SHARE * (num_kana + len(texts.get('HAN', ())))
    if is_japanese or language == 'zh':
      return is_japanese == (language == 'ja')
  script = max(scripts & texts.keys(), key=lambda script: len(texts[script]), default=None)
  if script is None or WRITTEN_IN[script] == (language,):
    return script is not None
  if doubt == _DOUBT and len(texts[script]) < _SHORTEST:
    return True
  likelihood = _detect(texts[script], script)
  return doubt * likelihood[language] >= max(likelihood.values())


def _likeliest(texts: Sequence[str], script: str) -> str:
  """Returns the likeliest language of words in a script, in doubt the script's first."""
  first = WRITTEN_IN[script][0]
  if len(WRITTEN_IN[script]) == 1:
    return first
  likelihood = _detect(texts, script)
  best = max(likelihood, key=likelihood.__getitem__)
  return first if _DOUBT * likelihood[first] >= likelihood[best] else best


def _detect(texts: Sequence[str], script: str) -> dict[str, float]:
  """Returns how likely words are in each language of their script."""
  return dict(_detector(WRITTEN_IN[script]).rank(' '.join(texts)))


@functools.cache
def _detector(languages: tuple[str, ...]) -> langid.LanguageIdentifier:
  detector = copy.copy(_all_languages())
  detector.set_languages(languages)
  return detector


@functools.cache
def _all_languages() -> langid.LanguageIdentifier:
  # Normalized, so that a likelihood tells how sure it is.
  return langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
