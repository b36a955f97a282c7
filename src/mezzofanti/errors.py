"""Every error the toolkit raises on purpose.

    MezzofantiError
    ├── ConfigurationError (ValueError)      a setting, a recipe, an argument is wrong: the user mends it
    ├── DataError (ValueError)               a file or a row is wrong, missing or empty
    ├── MissingExtraError (ImportError)      an optional dependency is not installed
    ├── BaseUnavailableError                 an open model could not be brought here
    ├── TeacherError                         a teacher model's server failed for good
    ├── SandboxUnavailableError              model-written code cannot be isolated here, so it is not run
    ├── StateError                           a learner or a build folder does not fit what is asked of it
    └── SolverError (ArithmeticError)        an equation has no solution, or the solver did not find it

Each message says what was wrong and where; `cure` says what to do about it. The command line prints both
on one line and exits with code 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "BaseUnavailableError",
    "ConfigurationError",
    "DataError",
    "MezzofantiError",
    "MissingExtraError",
    "SandboxUnavailableError",
    "SolverError",
    "StateError",
    "TeacherError",
    "nearest",
    "require",
]


class MezzofantiError(Exception):
    """Base of every error raised on purpose. `cure` is the sentence that says what to do."""

    def __init__(self, message: str, *, cure: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.message} {self.cure}".strip()

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.cure)


class ConfigurationError(MezzofantiError, ValueError):
    """A setting, a recipe or an argument is wrong."""


class DataError(MezzofantiError, ValueError):
    """A file or a row is wrong, missing or empty."""


class MissingExtraError(MezzofantiError, ImportError):
    """An optional dependency is not installed."""


class BaseUnavailableError(MezzofantiError):
    """An open model could not be brought here."""


class TeacherError(MezzofantiError):
    """A teacher model's server failed for good."""


class SandboxUnavailableError(MezzofantiError):
    """Model-written code cannot be isolated on this machine, so it is not run."""


class StateError(MezzofantiError):
    """A learner or a build folder does not fit what is asked of it."""


class SolverError(MezzofantiError, ArithmeticError):
    """An equation has no solution, or the solver did not find it."""


def _rebuild(kind: type[MezzofantiError], message: str, cure: str) -> MezzofantiError:
    return kind(message, cure=cure)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return "Did you mean 'x'?" or the list of what is known, for the cure of an error."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(known)}."


def require(extra: str, *modules: str) -> None:
    """Raise `MissingExtraError` in one line unless every one of `modules` can be imported."""
    import importlib.util

    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        raise MissingExtraError(
            f"This needs {', '.join(missing)}, which is not installed.",
            cure=f"Install it with: pip install 'mezzofanti[{extra}]'",
        )
