"""A client, and its scopes."""

from typing import NamedTuple

JWT_PREFIX = "jwt:"  # of the principals of JSON Web Tokens: no API key's name begins so


class Principal(NamedTuple):
    """A client, and its scopes.

    Attributes:
        name: of an API key; or JWT_PREFIX and the `sub` of a token. The two kinds never meet.
    """

    name: str
    scopes: frozenset[str]
