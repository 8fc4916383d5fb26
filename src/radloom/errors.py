"""Errors that a user can act on.

Every error of this package that stems from input (a file, a key, a prompt, a recipe) is a `RadloomError`
whose text is one or two plain sentences: the thing at fault by name, then the remedy. The command line prints
that text alone and exits with code 2; from Python it is an ordinary exception.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from enum import StrEnum
from typing import TypeVar

E = TypeVar("E", bound=StrEnum)

_COMPARED = 100  # characters of a wrong name that are compared with known ones, which takes time


class RadloomError(Exception):
    """Something the caller can mend: names the thing at fault and says what to do."""


class ImageError(RadloomError):
    """An image file that cannot be used as an X-ray."""


class ReportError(RadloomError):
    """A report that cannot be read."""


class ManifestError(RadloomError):
    """A corpus or manifest that cannot be used."""


class CheckpointError(RadloomError):
    """A checkpoint that is incomplete, of another version or of another class."""


class RecipeError(RadloomError):
    """A recipe with an unknown key, a wrong value or a missing stage."""


class MissingPackageError(RadloomError):
    """An optional package that a feature needs; the text names the command that installs it."""


class TrainingError(RadloomError):
    """Training that cannot go on, for example because a loss is not finite."""


def member(kind: type[E], name: str) -> E:
    """The member of an enumeration that has that value.

    Raises:
        RadloomError: there is none; the text names the nearest one and all of them.
    """
    known = [str(one.value) for one in kind]
    if name not in known:
        what = kind.__name__.lower()
        raise RadloomError(
            f"Unknown {what} {str(name)!r}{did_you_mean(str(name), known)}; {what}s: {', '.join(known)}."
        )
    return kind(name)


def installation(extra: str) -> str:
    """The command that installs what an extra of radloom needs; it is run where radloom's `pyproject.toml` lies."""
    return f"pip install '.[{extra}]'"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`" (did you mean 'x'?)"` for the nearest known name, or `""` if none is near."""
    near = get_close_matches(name[:_COMPARED], list(known), n=1, cutoff=0.6)
    return f" (did you mean {near[0]!r}?)" if near else ""
