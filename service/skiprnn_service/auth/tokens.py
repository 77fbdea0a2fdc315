"""What others sign and what we sign: JSON Web Tokens (RFC 7519), and tickets for browsers.

A browser cannot send a header with a websocket, and a token in a URL ends up in logs. So it asks for a ticket first:
valid for a minute, for one connection.
"""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # 30 ms and 9 MiB, for servers that check tokens alone
    import jwt

TICKET_SECONDS = 60
# A key says which of these it signs with; "none" is not among them.
ALGORITHMS = frozenset(f"{kind}{size}" for kind in ("HS", "RS", "PS", "ES") for size in (256, 384, 512))

_MOST_TICKETS = 100_000  # used ones that are remembered; more in a minute are refused


class Principal(NamedTuple):
    """Who asks, and what they may do."""

    name: str
    scopes: frozenset[str]


class Tokens:
    """Checks JSON Web Tokens against a JWKS file (RFC 7517): HS, RS, PS and ES with SHA-2.

    Args:
        path: the file.
        issuer, audience: what `iss` and `aud` must be; None is not checked.

    Raises:
        OSError, ValueError: the file cannot be read, or holds no usable key.
    """

    def __init__(self, path: Path, *, issuer: str | None = None, audience: str | None = None) -> None:
        import jwt

        try:
            keys = jwt.PyJWKSet.from_json(path.read_text(encoding="utf-8")).keys
        except (jwt.PyJWTError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path}: expected a JSON Web Key Set (RFC 7517): {error}") from None
        self._keys = [key for key in keys if key.algorithm_name in ALGORITHMS]
        if not self._keys:
            raise ValueError(f"{path}: expected a key for one of {sorted(ALGORITHMS)}, found none")
        self._issuer, self._audience = issuer, audience

    def principal(self, token: str) -> Principal | None:
        """Who a token stands for: `sub`, with the scopes in `scope`. None: it is not valid, or no longer."""
        import jwt

        try:
            key_id = jwt.get_unverified_header(token).get("kid")
        except jwt.PyJWTError:
            return None
        fitting = [key for key in self._keys if key_id is None or key.key_id == key_id]
        claims = next(filter(None, (self._claims(token, key) for key in fitting)), None)
        if claims is None:
            return None
        return Principal(str(claims["sub"]), frozenset(str(claims.get("scope", "")).split()))

    def _claims(self, token: str, key: "jwt.PyJWK") -> dict[str, object] | None:
        """The algorithm is the key's, never the token's (RFC 8725 section 3.1)."""
        import jwt

        checks = {"require": ["exp", "sub"], "verify_aud": self._audience is not None}
        try:
            claims: dict[str, object] = jwt.decode(
                token,
                key.key,
                algorithms=[str(key.algorithm_name)],
                issuer=self._issuer,
                audience=self._audience,
                options=checks,  # type: ignore[arg-type]
            )
        except (jwt.PyJWTError, TypeError, ValueError):
            return None
        return claims


class Tickets:
    """Makes tickets and takes each once. Any server with the same secret takes them.

    Args:
        secret: 32 random bytes or more; None makes them up: then only this process takes its tickets.
        clock: seconds since the epoch.
    """

    def __init__(self, secret: bytes | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self._secret, self._clock = secret or secrets.token_bytes(32), clock
        self._used: dict[str, float] = {}  # id → when it expires, in order

    def make(self, principal: Principal) -> str:
        """A ticket with which `principal` may open one stream within TICKET_SECONDS."""
        fields = [secrets.token_hex(8), self._clock() + TICKET_SECONDS, principal.name]
        body = base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")
        return f"{body}.{self._sign(body)}"

    def take(self, ticket: str) -> Principal | None:
        """Who a ticket stands for; None: it is not ours, was taken already, or is too old."""
        body, _, signature = ticket.partition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(body).encode()):
            return None
        try:
            number, expires_at, name = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        except (ValueError, binascii.Error):
            return None
        now = self._clock()
        self._forget(now)
        if expires_at <= now or number in self._used or len(self._used) >= _MOST_TICKETS:
            return None
        self._used[number] = expires_at
        return Principal(name, frozenset({"stream"}))

    def _sign(self, body: str) -> str:
        return hmac.new(self._secret, body.encode(), hashlib.sha256).hexdigest()

    def _forget(self, now: float) -> None:
        while self._used and next(iter(self._used.values())) <= now - TICKET_SECONDS:
            del self._used[next(iter(self._used))]
