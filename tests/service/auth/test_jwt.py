"""JSON Web Tokens: those of every kind of key are taken, and nothing else."""

import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from skiprnn_service.auth.jwt import Tokens
from skiprnn_service.auth.principal import Principal

RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
SHARED = "a shared secret of at least thirty-two bytes"


def jwks(path: Path) -> Path:
    rsa_key = RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True) | {"kid": "rsa", "alg": "RS256"}
    ec_key = ECAlgorithm.to_jwk(EC.public_key(), as_dict=True) | {"kid": "ec", "alg": "ES256"}
    k = jwt.utils.base64url_encode(SHARED.encode()).decode()
    path.write_text(
        json.dumps({"keys": [rsa_key, ec_key, {"kty": "oct", "kid": "hs", "alg": "HS256", "k": k}]})
    )
    return path


def claims(**changes: Any) -> dict[str, Any]:
    usual = {"sub": "alice", "exp": time.time() + 60, "scope": "stream admin"}
    return {name: value for name, value in (usual | changes).items() if value is not None}


@pytest.mark.parametrize(
    ("kid", "algorithm", "key"), [("rsa", "RS256", RSA), ("ec", "ES256", EC), ("hs", "HS256", SHARED)]
)
def test_tokens_of_every_kind_of_key_are_taken(tmp_path: Path, kid: str, algorithm: str, key: Any) -> None:
    tokens = Tokens(jwks(tmp_path / "jwks"))
    for headers in ({"kid": kid}, {}):
        text = jwt.encode(claims(), key, algorithm, headers)
        assert tokens.principal(text) == Principal("jwt:alice", frozenset({"stream", "admin"}))


def test_tokens_that_are_not_valid_are_not_taken(tmp_path: Path) -> None:
    tokens = Tokens(jwks(tmp_path / "jwks"), issuer="us", audience="skiprnn")
    good = {"iss": "us", "aud": "skiprnn"}
    assert tokens.principal(jwt.encode(claims(**good), EC, "ES256"))
    stranger = ec.generate_private_key(ec.SECP256R1())
    public_pem = RSA.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    confused = _hs256_with(public_pem, claims(**good))
    refused = [
        jwt.encode(claims(**good, exp=time.time() - 120), EC, "ES256"),
        jwt.encode(claims(**good, exp=None), EC, "ES256"),
        jwt.encode(claims(**good, sub=None), EC, "ES256"),
        jwt.encode(claims(**good, sub=""), EC, "ES256"),
        jwt.encode(claims(**good, sub=" "), EC, "ES256"),
        jwt.encode(claims(**good | {"iss": "them"}), EC, "ES256"),
        jwt.encode(claims(**good | {"aud": "else"}), EC, "ES256"),
        jwt.encode(claims(**good), stranger, "ES256", {"kid": "ec"}),
        jwt.encode(claims(**good), EC, "ES256", {"kid": "unknown"}),
        jwt.encode(claims(**good), None, "none"),  # type: ignore[arg-type]
        confused,
        "",
        "a.b.c",
        "skr_1_2",
    ]
    assert [tokens.principal(text) for text in refused] == [None] * len(refused)


def _hs256_with(secret: bytes, said: dict[str, Any]) -> str:
    """The public key of an RSA pair used as if it were a shared secret: RFC 8725 section 2.1."""
    import hashlib
    import hmac

    encode = jwt.utils.base64url_encode
    body = encode(b'{"alg":"HS256","kid":"rsa"}') + b"." + encode(json.dumps(said).encode())
    return (body + b"." + encode(hmac.digest(secret, body, hashlib.sha256))).decode()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"keys": []}', '{"keys": [{"kty": "rubbish"}]}', '{"keys": 1}']
)
def test_what_is_no_key_set_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "jwks").write_text(text)
    with pytest.raises(ValueError, match="jwks: expected"):
        Tokens(tmp_path / "jwks")
