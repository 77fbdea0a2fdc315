"""Who asks, and what they may do."""

from typing import Literal, Protocol

from starlette.requests import HTTPConnection

Scope = Literal["stream", "score", "admin"]


class Authenticator(Protocol):
    """Tells principals by what a request carries."""

    def principal(self, connection: HTTPConnection, scope: Scope) -> str:
        """The name of whoever asks, who may do what `scope` says; "" where nobody has to say."""


class Anyone:
    """An Authenticator that asks for nothing: for servers that only this machine reaches."""

    def principal(self, connection: HTTPConnection, scope: Scope) -> str:  # noqa: ARG002
        return ""
