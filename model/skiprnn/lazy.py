"""Names of a package that are imported when they are first used (PEP 562), and old names that point to new ones."""

import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any


def lazy_names(
    package: str, modules: Mapping[str, str], renamed: Mapping[str, str] | None = None
) -> Callable[[str], Any]:
    """A package's `__getattr__`.

    Args:
        package: its name.
        modules: public name → the module that defines it.
        renamed: old name → public name. An old name gives a DeprecationWarning that says the new one.
    """
    renamed = renamed or {}

    def get(name: str) -> Any:
        if name in renamed:
            warn_renamed(f"{package}.{name}", f"{package}.{renamed[name]}")
            name = renamed[name]
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(modules[name]), name)

    return get


def warn_renamed(old: str, new: str, *, stacklevel: int = 3) -> None:
    """Say that `old` is now `new`, at the line of the caller's caller."""
    text = f"{old} is now {new}; {old} goes in the release after this one"
    warnings.warn(text, DeprecationWarning, stacklevel=stacklevel)
