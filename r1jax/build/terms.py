"""Names the terms of a reward, and what is right where answers are of a kind."""

import dataclasses
import functools
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import ModuleType

from r1jax.evaluation.judging import Vote
from r1jax.rewards import (
  accuracy,
  choice,
  exact_match,
  format,
  instructions,
  language,
  lenient,
  programs,
  random_reward,
  readability,
  reasoning_steps,
  repetition,
  sandbox,
  strict,
  tag_count,
)
from r1jax.rewards.combine import Term
from r1jax.structs import Problem
from r1jax.tasks.jsonl import Check


@dataclasses.dataclass(frozen=True)
class Kind:
  """What is right where answers are of a kind; what a config calls accuracy, strict and lenient.

  Attributes:
    accuracy: whether the final answer is right, or how much of it.
    check: of problems, for `accuracy` and the judges.
    judges: of evaluations, 'strict' and 'lenient': term and vote by name.
    unframed: the strict judge where no format is asked for: whether the final answer is right.
    check_machine: raises RuntimeError, with what to do, if answers cannot be judged here.
  """

  accuracy: Term
  check: Check
  judges: Mapping[str, tuple[Term, Vote | None]]
  unframed: tuple[Term, Vote | None]
  check_machine: Callable[[], object] = lambda: None

  def judges_of(self, prompt: str) -> dict[str, tuple[Term, Vote | None]]:
    """Returns the judges for answers to a prompt, which asks for the format or does not."""
    return {**self.judges} if '<answer>' in prompt else {**self.judges, 'strict': self.unframed}

  @property
  def terms(self) -> dict[str, Term]:
    """The terms that go by the kind, by the names that configs have for them."""
    return {'accuracy': self.accuracy, **{name: term for name, (term, _) in self.judges.items()}}


def _kind(
  accuracy: Term,
  check: Check,
  *,
  right: Term | None = None,
  vote: Vote | None = None,
  check_machine: Callable[[], object] = lambda: None,
) -> Kind:
  """Returns a kind whose strict judge asks for the format as well.

  Args:
    accuracy: as in `Kind`.
    check: as in `Kind`.
    right: 1 for a right answer and 0 for any other; None if `accuracy` is so.
    vote: the answer that a response votes for, if answers can be voted for.
    check_machine: as in `Kind`.
  """
  right = right or accuracy
  strictly = functools.partial(_in_format, right)
  votes = None if vote is None else functools.partial(_vote_in_format, vote)
  judges: dict[str, tuple[Term, Vote | None]] = {
    'strict': (strictly, votes),
    'lenient': (right, vote),
  }
  return Kind(accuracy, check, judges, (right, vote), check_machine)


def _in_format(right: Term, problem: Problem, response: str) -> float:
  return right(problem, response) * format.reward(problem, response)


def _vote_in_format(vote: Vote, problem: Problem, response: str) -> str | None:
  return vote(problem, response) if format.is_well_formed(response) else None


def _vote_for_text(problem: Problem, response: str) -> str | None:
  """Returns the gold answer as it is written if the final answer matches it, else that answer."""
  right = exact_match.reward(problem, response)
  return problem.gold if right else accuracy.extract_answer(response)


def _of_gold(check_gold: Callable[[str], object]) -> Check:
  return lambda problem: check_gold(problem.gold)


KINDS: dict[str, Kind] = {
  'math': Kind(
    accuracy.reward,
    _of_gold(accuracy.check_gold),
    {'strict': (strict.reward, strict.vote), 'lenient': (lenient.reward, lenient.vote)},
    (accuracy.reward, lambda problem, response: accuracy.extract_answer(response)),
  ),
  'text': _kind(exact_match.reward, _of_gold(exact_match.check_gold), vote=_vote_for_text),
  'choice': _kind(choice.reward, choice.check_problem, vote=choice.vote),
  'instructions': _kind(
    instructions.reward, _of_gold(instructions.check_gold), right=instructions.all_followed
  ),
  'programs': _kind(
    programs.reward,
    _of_gold(programs.check_gold),
    right=programs.all_passed,
    check_machine=sandbox.default_backend,
  ),
}
REWARDS: dict[str, Term] = {
  'exact_match': exact_match.reward,
  'format': format.reward,
  'language': language.reward,
  'programs_all': programs.all_passed,
  'random': random_reward.reward,
  'readability': readability.reward,
  'reasoning_steps': reasoning_steps.reward,
  'repetition': repetition.reward,
  'tag_count': tag_count.reward,
}
# Of the terms that cannot judge every problem.
CHECKS: dict[str, Check] = {
  'exact_match': _of_gold(exact_match.check_gold),
  'language': language.check_problem,
  'programs_all': _of_gold(programs.check_gold),
}


def compares_text(names: Collection[str]) -> bool:
  """Returns whether a reward of these terms has `exact_match` in the place of `accuracy`."""
  return 'exact_match' in names and not KINDS['text'].terms.keys() & set(names)


def check_of(names: Collection[str], kind: Kind) -> Check:
  """Returns the check of a problem for all terms of a reward, and for the judges of evaluations."""
  checks = {name: CHECKS[name] for name in names if name in CHECKS}

  def check(problem: Problem) -> None:
    kind.check(problem)
    for name, check_term in checks.items():
      try:
        check_term(problem)
      except ValueError as error:
        raise ValueError(f'for the reward term {name!r}: {error}') from error

  return check


def reward_term(name: str, kind: Kind = KINDS['math']) -> Term:
  """Returns a reward term by its name.

  Args:
    name: `accuracy`, `strict`, `lenient`, one of `REWARDS`, a function's dotted path
      `package.function`, or its file and name, `path/to/file.py:function`.
    kind: of the problems' answers, by which the first three go.

  Raises:
    ValueError: if there is none of that name.
  """
  known = {**kind.terms, **REWARDS}
  if name in known:
    return known[name]
  is_file = ':' in name or name.endswith('.py')
  if is_file:
    place, _, function = name.rpartition(':') if ':' in name else (name, '', '')
  else:
    place, _, function = name.rpartition('.')
  if not place:
    raise ValueError(
      f'reward term {name!r} is neither one of {", ".join(known)} nor a function named with its '
      "module, as 'my_rewards.whole_number', or with its file, as 'my_rewards.py:whole_number'"
    )
  try:
    module = _import_file(Path(place)) if is_file else importlib.import_module(place)
  except (ImportError, OSError, ValueError) as error:
    raise ValueError(f'reward term {name!r} cannot be imported: {error}') from error
  term = getattr(module, function, None)
  if not callable(term):
    found = f'no function {function!r}' if term is None else f'{function} = {term!r}'
    raise ValueError(
      f'reward term {name!r}: {place} has {found}; its functions are '
      f'{", ".join(_functions(module)) or "none"}'
    )
  return term


def _functions(module: ModuleType) -> list[str]:
  """Returns the names of the functions that a module defines and does not keep to itself."""
  return [
    name
    for name, thing in vars(module).items()
    if inspect.isfunction(thing) and thing.__module__ == module.__name__ and name[0] != '_'
  ]


def _import_file(path: Path) -> ModuleType:
  """Imports a Python file under its own name; once, until it changes."""
  if path.suffix != '.py':
    raise ValueError(f"{path} is no Python file; the name of one ends in '.py'")
  path = path.resolve()
  return _run_file(path, path.stat().st_mtime_ns)


@functools.cache
def _run_file(path: Path, changed: int) -> ModuleType:
  """Imports a file as it was at a time."""
  del changed
  spec = importlib.util.spec_from_file_location(path.stem, path)
  assert spec is not None and spec.loader is not None, f'{path} is no Python file'
  module = importlib.util.module_from_spec(spec)
  # As `import` does, so that what the file defines can be found again by its module's name.
  sys.modules.setdefault(path.stem, module)
  spec.loader.exec_module(module)
  return module
