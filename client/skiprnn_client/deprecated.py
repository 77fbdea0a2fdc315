"""Names of the release before: they work for this one, with a warning that says the new name."""

from collections.abc import Mapping, MutableMapping
from typing import Any, TypeVar
from warnings import warn

T = TypeVar("T")


def lookup(module: str, name: str, renamed: Mapping[str, tuple[str, Any]]) -> Any:
    """What a module's `__getattr__` returns, from old name → (new name, object). Raises AttributeError."""
    if name not in renamed:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    new, found = renamed[name]
    warn_renamed(name, new, stacklevel=4)
    return found


def take(options: MutableMapping[str, Any], old: str, new: str, value: T, *, default: T) -> T:
    """The argument `new`, which wins, or else what was given by its old name among `options`, the other keywords."""
    if old not in options:
        return value
    warn_renamed(f"{old}=", f"{new}=", stacklevel=5)
    given: T = options.pop(old)
    return given if value is default else value


def warn_renamed(old: str, new: str, *, stacklevel: int) -> None:
    """Say it at the caller's line."""
    warn(f"{old} is now {new}; {old} will be removed in the next release", DeprecationWarning, stacklevel)
