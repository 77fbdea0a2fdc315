"""JSON Web Tokens of an identity provider (RFC 7519)."""

from pathlib import Path
from typing import TYPE_CHECKING

from skiprnn_service.auth.principal import JWT_PREFIX, Principal

if TYPE_CHECKING:  # 30 ms and 9 MiB, which only servers that check tokens need
    import jwt

# Every key names one of these; "none" is not among them.
ALGORITHMS = frozenset(f"{kind}{size}" for kind in ("HS", "RS", "PS", "ES") for size in (256, 384, 512))


class Tokens:
    """Checks JSON Web Tokens against a JWKS file (RFC 7517): HS, RS, PS and ES with SHA-2.

    Args:
        path: the file.
        issuer, audience: required `iss` and `aud`; None is not checked.

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
        """The principal of a token: "jwt:" and `sub`, with the scopes in `scope`. None: invalid, expired, no `sub`."""
        import jwt

        try:
            key_id = jwt.get_unverified_header(token).get("kid")
        except jwt.PyJWTError:
            return None
        fitting = [key for key in self._keys if key_id is None or key.key_id == key_id]
        claims = next(filter(None, (self._claims(token, key) for key in fitting)), None)
        if claims is None or not str(claims["sub"]).strip():
            return None
        return Principal(f"{JWT_PREFIX}{claims['sub']}", frozenset(str(claims.get("scope", "")).split()))

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
