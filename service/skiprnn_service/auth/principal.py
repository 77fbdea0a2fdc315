"""A client, and its scopes."""

from typing import NamedTuple


class Principal(NamedTuple):
    """A client, and its scopes."""

    name: str
    scopes: frozenset[str]
