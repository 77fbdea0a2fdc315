"""Who asks, and what they may do."""

from typing import NamedTuple


class Principal(NamedTuple):
    """Who asks, and what they may do."""

    name: str
    scopes: frozenset[str]
