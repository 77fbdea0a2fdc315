"""Authentication and authorization of requests and handshakes.

    Authorization: Bearer KEY-OR-TOKEN          programs
    Sec-WebSocket-Protocol: skiprnn.token.…     browsers, where the page may know the key or token
    ?ticket=…                                   browsers, with a ticket from POST /v1/tickets

A key is an API key (`api_keys.py`), a token a JSON Web Token (`jwt.py`). If neither is configured, every client is
accepted. A page of a foreign origin is rejected in both cases: it would act with its visitor's credentials (RFC 6455
section 10.2).
"""

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from skiprnn_service.auth.api_keys import PREFIX, ApiKeys
from skiprnn_service.auth.jwt import Tokens
from skiprnn_service.auth.principal import Principal
from skiprnn_service.auth.tickets import Tickets
from skiprnn_service.errors import AuthenticationError, ForbiddenError, SkipRnnServiceError
from skiprnn_service.settings import Settings, readable_file, words

Scope = Literal["stream", "score", "admin"]

TOKEN_SUBPROTOCOL = "skiprnn.token."  # and then the key or token


class Authenticator:
    """Finds the principal of a request.

    Args:
        keys, tokens: accepted credentials; both None: every client is accepted.
        tickets: for browsers.
        origins: of pages that may connect, beside the server's own; `*` is any.
        metadata_is_public: whether clients without credentials may read what is served, and counts.
    """

    def __init__(
        self,
        *,
        keys: ApiKeys | None = None,
        tokens: Tokens | None = None,
        tickets: Tickets | None = None,
        origins: frozenset[str] = frozenset(),
        metadata_is_public: bool = True,
    ) -> None:
        self._keys, self._tokens, self._tickets = keys, tokens, tickets or Tickets()
        self._origins, self._metadata_is_public = origins, metadata_is_public

    @classmethod
    def of(cls, settings: Settings) -> "Authenticator":
        """From settings. Raises OSError and ValueError when a file is missing or invalid, or keys are missing."""
        keys = tokens = secret = None
        if settings.api_keys_file:
            with readable_file("api_keys_file"):
                keys = ApiKeys(settings.api_keys_file)
        if settings.jwks_file:
            with readable_file("jwks_file"):
                tokens = Tokens(
                    settings.jwks_file, issuer=settings.jwt_issuer, audience=settings.jwt_audience
                )
        if settings.ticket_secret_file:
            with readable_file("ticket_secret_file"):
                secret = _secret(settings.ticket_secret_file)
        access = settings.metadata_access or ("keyed" if keys or tokens else "public")
        if access == "keyed" and not (keys or tokens):
            raise ValueError("metadata_access: expected api_keys_file or jwks_file for 'keyed', got neither")
        return cls(
            keys=keys,
            tokens=tokens,
            tickets=Tickets(secret),
            origins=words(settings.allowed_origins),
            metadata_is_public=access == "public",
        )

    @property
    def required(self) -> bool:
        """Whether clients must authenticate."""
        return self._keys is not None or self._tokens is not None

    def principal(self, connection: HTTPConnection, scope: Scope) -> str:
        """The name of the client's principal; "" where clients need not authenticate.

        Raises:
            AuthenticationError: no credential, or an invalid one.
            ForbiddenError: the principal lacks the scope, or the page is of a foreign origin.
        """
        self._check_origin(connection)
        return self._known(connection, scope).name if self.required else ""

    def is_admin(self, connection: HTTPConnection) -> bool:
        """Whether the client may see details of the server, such as paths.

        Where clients need not authenticate, all of them may: all of them may also load and unload models.
        """
        if not self.required:
            return True
        principal = self._find(connection)
        return principal is not None and "admin" in principal.scopes

    def message(self, error: SkipRnnServiceError, connection: HTTPConnection) -> str:
        """What the client is told of an error: the details if it is an admin."""
        if error.public_message is None or self.is_admin(connection):
            return str(error)
        return error.public_message

    def check_metadata(self, connection: HTTPConnection) -> None:
        """Raises AuthenticationError where metadata needs a credential, of any scope, and the client has none."""
        if not self._metadata_is_public and self._find(connection) is None:
            raise _unauthenticated()

    def ticket(self, connection: HTTPConnection) -> str:
        """A ticket for a client that has the scope `stream`. Errors as `principal`."""
        self._check_origin(connection)
        known = self._known(connection, "stream") if self.required else Principal("", frozenset())
        return self._tickets.make(known)

    def _known(self, connection: HTTPConnection, scope: Scope) -> Principal:
        principal = self._find(connection)
        if (
            principal is None or not principal.name
        ):  # no credential makes a client anonymous: it has no quotas
            raise _unauthenticated()
        if scope not in principal.scopes:
            raise ForbiddenError(
                f"expected the scope {scope!r}, {principal.name!r} has {sorted(principal.scopes)}"
            )
        return principal

    def _find(self, connection: HTTPConnection) -> Principal | None:
        ticket = connection.query_params.get("ticket")
        if ticket is not None and connection.scope["type"] == "websocket":
            return self._tickets.take(ticket)
        text = _credential(connection)
        if text.startswith(PREFIX) and self._keys:
            key = self._keys.find(text)
            return Principal(key.name, frozenset(key.scopes)) if key else None
        return self._tokens.principal(text) if text and self._tokens else None

    def _check_origin(self, connection: HTTPConnection) -> None:
        """Browsers send the origin of a page; other clients need not (RFC 6454)."""
        origin = connection.headers.get("origin")
        if origin is None or "*" in self._origins or origin in self._origins:
            return
        if _host(origin) != connection.headers.get("host"):
            raise ForbiddenError(f"origin: {origin!r:.100} is not allowed here (allowed_origins)")


def _host(origin: str) -> str | None:
    """With the port; None: it is no origin."""
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None


def _unauthenticated() -> AuthenticationError:
    return AuthenticationError("expected a valid API key, token or ticket")


def _credential(connection: HTTPConnection) -> str:
    scheme, _, text = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return text.strip()
    offered: list[str] = connection.scope.get("subprotocols") or []
    tokens = (name for name in offered if name.startswith(TOKEN_SUBPROTOCOL))
    return next(tokens, "").removeprefix(TOKEN_SUBPROTOCOL)


def _secret(path: Path) -> bytes:
    secret = path.read_bytes().strip()
    if len(secret) < 32:
        raise ValueError(f"{path}: expected a secret of 32 bytes or more, got {len(secret)}")
    return secret
