"""Tickets for browsers: JSON Web Tokens that this server signs (RFC 7519, HS256).

A browser cannot send a header with a websocket, and a token in a URL is written to logs. So it requests a ticket first,
which is valid for a minute and for one connection.
"""

import secrets
import time
from collections.abc import Callable

from skiprnn_service.auth.principal import Principal

TICKET_SECONDS = 60

_ALGORITHM = "HS256"
_AUDIENCE = "skiprnn-ticket"  # no other token of the same secret is a ticket
_MAX_USED = 100_000  # used tickets that are remembered; more in a minute are rejected


class Tickets:
    """Makes tickets, and accepts each once. Every server with the same secret accepts them.

    Args:
        secret: 32 random bytes or more; None generates them: then only this process accepts its tickets.
        clock: seconds since the epoch.
    """

    def __init__(self, secret: bytes | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self._secret, self._clock = secret or secrets.token_bytes(32), clock
        self._used: dict[str, float] = {}  # jti → when it expires, in order

    def make(self, principal: Principal) -> str:
        """A ticket with which `principal` may open one stream within TICKET_SECONDS."""
        import jwt

        claims = {
            "sub": principal.name,
            "aud": _AUDIENCE,
            "exp": self._clock() + TICKET_SECONDS,
            "jti": secrets.token_hex(8),
        }
        return jwt.encode(claims, self._secret, _ALGORITHM)

    def take(self, ticket: str) -> Principal | None:
        """The principal of a ticket; None: it is invalid, was used before, or has expired."""
        import jwt

        try:
            claims = jwt.decode(
                ticket,
                self._secret,
                algorithms=[_ALGORITHM],
                audience=_AUDIENCE,
                options={"require": ["exp", "jti", "sub"], "verify_exp": False},  # by our clock, below
            )
            name, number, expires_at = claims["sub"], claims["jti"], float(claims["exp"])
        except (jwt.PyJWTError, TypeError, ValueError, OverflowError):
            return None
        now = self._clock()
        self._forget(now)
        if not now < expires_at <= now + 2 * TICKET_SECONDS:  # clocks of replicas differ
            return None
        if number in self._used or len(self._used) >= _MAX_USED:
            return None
        self._used[number] = expires_at
        return Principal(name, frozenset({"stream"}))

    def _forget(self, now: float) -> None:
        while self._used and next(iter(self._used.values())) <= now - TICKET_SECONDS:
            del self._used[next(iter(self._used))]
