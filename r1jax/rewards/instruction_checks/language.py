"""Whether all of a response is in one language."""

from r1jax.rewards.prose import languages, words

# Share of the words that must be in the language: names and terms of others are allowed,
# sentences are not.
_SHARE = 0.8


def response_language(text: str, *, language: str) -> bool:
  """Returns whether all of a response is in a language.

  Paper: the language that the whole is likeliest in counts, and a text without any passes; here:
  four words in five have to be of it, as the reward for language consistency judges words, because
  a response with its translation below is not in one language alone.
  """
  return is_in(text, language)


def is_in(text: str, language: str) -> bool:
  """Returns whether a text is in a language; a text without words is in none.

  Args:
    text: any text; a single word is in doubt of every language of its script.
    language: ISO 639-1 code, one of `prose.languages.LANGUAGES`.
  """
  verdicts = [is_own for _, is_own in languages.judge(words.split(text), language)]
  return bool(verdicts) and sum(verdicts) >= _SHARE * len(verdicts)
