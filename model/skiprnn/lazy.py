"""Names of a package that are imported when they are first used (PEP 562), and old names that point to new ones."""

import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any


def lazy_names(
    package: str, modules: Mapping[str, str] | None = None, *, renamed: Mapping[str, str] | None = None
) -> Callable[[str], Any]:
    """The `__getattr__` of a package or module.

    Args:
        package: its name.
        modules: public name → the module that defines it.
        renamed: old name → module and name of today. An old name gives a DeprecationWarning that names the new one.
    """
    places = {name: f"{module}.{name}" for name, module in (modules or {}).items()} | dict(renamed or {})

    def get(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if renamed and name in renamed:
            warn_renamed(f"{package}.{name}", renamed[name])
        module, _, current = places[name].rpartition(".")
        return getattr(importlib.import_module(module), current)

    return get


def warn_renamed(old: str, new: str, *, stacklevel: int = 3) -> None:
    """Say that `old` is now `new`, at the line of the caller's caller."""
    text = f"{old} is now {new}; {old} will be removed in the next release"
    warnings.warn(text, DeprecationWarning, stacklevel=stacklevel)
