"""Requests are for names of this server alone, where no key protects it.

A page whose name first led to its own server and then to this one ("DNS rebinding") has this server's origin: no check
of origins finds it. Its Host is the page's name. An IP address as Host is safe: no DNS can move it.

starlette's TrustedHostMiddleware answers without a code, and takes no port after an IPv6 address.
"""

import ipaddress
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from skiprnn_service.errors import HostError
from skiprnn_service.settings import Settings, words


def hosts_of(settings: Settings) -> frozenset[str] | None:
    """The names that a Host may have; None: any."""
    given = words(settings.allowed_hosts)
    if "*" in given or (not given and (settings.api_keys_file or settings.jwks_file)):
        return None
    own = {"localhost", settings.host, socket.gethostname()}
    return frozenset(name.lower().rstrip(".") for name in given | own)


class AllowedHosts:
    """ASGI middleware for requests and websocket handshakes: 421 for a host that is none of these names.

    Args:
        hosts: names in lower case, without ports.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self.app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hosts = [] if scope["type"] == "lifespan" else Headers(scope=scope).getlist("host")
        other = next((host for host in hosts if not self._allows(host)), None)
        if other is None:  # or no Host at all, but every browser sends it
            await self.app(scope, receive, send)
            return
        error = HostError(
            f"Host: expected a name of this server (allowed_hosts adds names), got {other!r:.100}"
        )
        scope["app"].state.server.stats.rejected[error.code] += 1
        await JSONResponse({"error": str(error), "code": error.code}, error.status)(scope, receive, send)

    def _allows(self, host: str) -> bool:
        name = _name(host)
        return name in self._hosts or _is_address(name)


def _name(host: str) -> str:
    """Without the port; "" where it is no host."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
