"""Keys, tokens, tickets, scopes and origins: first by themselves, then over real sockets."""

import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from skiprnn_client import connect_sync
from skiprnn_service.auth import api_keys
from skiprnn_service.auth.api_keys import ApiKeys
from skiprnn_service.auth.jwt import Tokens
from skiprnn_service.auth.principal import Principal
from skiprnn_service.auth.tickets import TICKET_SECONDS, Tickets
from support.bundles import write_random_bundle
from support.certificates import write_certificate
from support.servers import Running, serving


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


# -- keys


def test_a_key_is_found_by_its_text_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    made = api_keys.add(file, "alice", ("stream", "score"))
    assert ApiKeys(file).find(made.text) == made.entry
    secret = made.text.rpartition("_")[2]
    assert secret not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0, "nobody else reads it"


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1], lambda t: t + "0", lambda _: "skr_", lambda t: t.upper()]
)
def test_a_key_that_differs_is_not_found(tmp_path: Path, change: Any) -> None:
    made = api_keys.add(tmp_path / "k", "alice", ("stream",))
    assert ApiKeys(tmp_path / "k").find(change(made.text)) is None


def test_added_and_revoked_keys_take_effect_without_a_restart(tmp_path: Path) -> None:
    file, clock = tmp_path / "k", Clock()
    first = api_keys.add(file, "alice", ("stream",))
    keys = ApiKeys(file, clock=clock)
    second = api_keys.add(file, "bob", ("stream",))
    clock.now += 2
    assert keys.find(second.text)
    api_keys.revoke(file, first.entry.id)
    clock.now += 2
    assert keys.find(first.text) is None
    assert keys.find(second.text)


def test_a_file_that_breaks_later_keeps_the_keys_that_were_read(tmp_path: Path) -> None:
    file, clock = tmp_path / "k", Clock()
    made = api_keys.add(file, "alice", ("stream",))
    keys = ApiKeys(file, clock=clock)
    file.write_text("{")
    clock.now += 2
    assert keys.find(made.text)


def test_what_is_no_file_of_keys_or_no_key_is_said(tmp_path: Path) -> None:
    (tmp_path / "k").write_text('{"keys": [{"id": 1}]}')
    with pytest.raises(ValueError, match="skiprnn keys add"):
        ApiKeys(tmp_path / "k")
    with pytest.raises(ValueError, match="'everything'"):
        api_keys.add(tmp_path / "new", "alice", ("everything",))
    api_keys.add(tmp_path / "new", "alice", ("stream",))
    with pytest.raises(ValueError, match="'none'"):
        api_keys.revoke(tmp_path / "new", "none")


# -- tokens

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
        assert tokens.principal(text) == Principal("alice", frozenset({"stream", "admin"}))


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


# -- tickets


def test_a_ticket_is_taken_once_and_within_a_minute() -> None:
    clock = Clock()
    tickets = Tickets(clock=clock)
    alice = Principal("alice", frozenset({"stream", "admin"}))
    ticket = tickets.make(alice)
    assert tickets.take(ticket) == Principal("alice", frozenset({"stream"})), "it opens streams, nothing else"
    assert tickets.take(ticket) is None
    late = tickets.make(alice)
    clock.now += TICKET_SECONDS + 1
    assert tickets.take(late) is None


def test_a_ticket_is_taken_by_whoever_shares_the_secret_and_by_nobody_else() -> None:
    clock = Clock()
    here, there = Tickets(b"s" * 32, clock=clock), Tickets(b"s" * 32, clock=clock)
    ticket = here.make(Principal("alice", frozenset()))
    assert Tickets(clock=clock).take(ticket) is None
    assert there.take(ticket)
    for forged in ("", ".", "a.b", ticket[:-1], "x" + ticket, ticket.partition(".")[0] + ".ü"):
        assert there.take(forged) is None


# -- over sockets


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("auth")
    (folder / "models").mkdir()
    write_random_bundle(folder / "models" / "watch.onnx", name="watch")
    jwks(folder / "jwks")
    return folder


@pytest.fixture(scope="module")
def keys(files: Path) -> dict[str, str]:
    given = {"alice": ("stream",), "bob": ("stream", "score"), "root": ("admin",)}
    return {name: api_keys.add(files / "keys", name, scopes).text for name, scopes in given.items()}


@pytest.fixture(scope="module", params=["fast", "asgi"])
def server(request: pytest.FixtureRequest, files: Path, keys: dict[str, str]) -> Iterator[Running]:  # noqa: ARG001
    with serving(
        files / "models",
        api_keys_file=files / "keys",
        jwks_file=files / "jwks",
        allowed_origins="https://friend.example",
        websocket_impl=request.param,
        max_streams_per_principal=3,
    ) as running:
        yield running


def opened(server: Running, query: str = "", **options: Any) -> ClientConnection:
    socket: ClientConnection = connect(server.url() + query, **options)
    return socket


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def status(server: Running, query: str = "", **options: Any) -> int:
    """Of a handshake: 101 if it is let in."""
    try:
        with opened(server, query, **options):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


def test_a_stream_needs_a_key_or_a_token_with_its_scope(server: Running, keys: dict[str, str]) -> None:
    token = jwt.encode(claims(), EC, "ES256")
    for text, expected in (
        (keys["alice"], 101),
        (token, 101),
        (keys["root"], 403),
        ("skr_0_0", 401),
        ("x", 401),
    ):
        assert status(server, additional_headers=bearer(text)) == expected
    assert status(server) == 401
    assert status(server, additional_headers={"Authorization": f"Basic {keys['alice']}"}) == 401


def test_a_browser_sends_its_key_as_a_subprotocol_or_a_ticket(server: Running, keys: dict[str, str]) -> None:
    offered = [Subprotocol("skiprnn.f32"), Subprotocol(f"skiprnn.token.{keys['alice']}")]
    with opened(server, subprotocols=offered) as socket:
        assert socket.subprotocol == "skiprnn.f32", "the key is not said back"
    answer = httpx.post(f"{server.http}/v1/tickets", headers=bearer(keys["alice"]))
    ticket = answer.json()["ticket"]
    assert answer.json()["expires_in_seconds"] == 60
    assert status(server, f"?ticket={ticket}") == 101
    assert status(server, f"?ticket={ticket}") == 401, "once"
    assert httpx.post(f"{server.http}/v1/tickets").status_code == 401
    assert httpx.post(f"{server.http}/v1/tickets", headers=bearer(keys["root"])).status_code == 403


def test_scoring_needs_its_scope_and_a_refusal_says_how_to_come_in(
    server: Running, keys: dict[str, str]
) -> None:
    url, body = f"{server.http}/v1/models/watch/score", {"sequences": [[[0.0] * 3]]}
    assert httpx.post(url, json=body, headers=bearer(keys["bob"])).status_code == 200
    refused = httpx.post(url, json=body, headers=bearer(keys["alice"]))
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    nobody = httpx.post(url, json=body)
    assert (nobody.status_code, nobody.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_streams_belong_to_their_principal(server: Running, keys: dict[str, str]) -> None:
    query = "?stream_id=shared"
    with opened(server, query, additional_headers=bearer(keys["alice"])) as alice:
        alice.recv()
        alice.send('{"x": [0, 0, 0]}')
        alice.recv()
        with opened(server, query, additional_headers=bearer(keys["bob"])) as bob:
            assert json.loads(bob.recv())["resumed"] is False
            alice.send('{"x": [0, 0, 0]}')
            assert json.loads(alice.recv())["t"] == 1, "it is still hers"


def test_a_page_of_a_foreign_origin_is_refused_whoever_its_visitor_is(
    server: Running, keys: dict[str, str]
) -> None:
    """Cross-site websocket hijacking: RFC 6455 section 10.2."""
    host = f"127.0.0.1:{server.port}"
    for origin, expected in (
        (f"http://{host}", 101),
        ("https://friend.example", 101),
        ("https://evil.example", 403),
        (f"http://{host}.evil.example", 403),
        ("null", 403),
    ):
        assert status(server, additional_headers=bearer(keys["alice"]) | {"Origin": origin}) == expected


def test_a_principal_with_too_many_streams_is_told_to_come_later(
    server: Running, keys: dict[str, str]
) -> None:
    headers = bearer(keys["bob"])
    from contextlib import ExitStack

    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(opened(server, additional_headers=headers)).recv()
        with pytest.raises(InvalidStatus) as caught:
            stack.enter_context(opened(server, additional_headers=headers))
        assert caught.value.response.status_code == 429
        assert int(caught.value.response.headers["Retry-After"]) > 0
        assert status(server, additional_headers=bearer(keys["alice"])) == 101


def test_the_page_comes_with_headers_that_keep_others_out(server: Running) -> None:
    headers = httpx.get(f"{server.http}/").headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "server" not in headers


def test_a_certificate_makes_it_wss(files: Path, tmp_path: Path) -> None:
    certificate, key = write_certificate(tmp_path)
    with serving(files / "models", ssl_certfile=certificate, ssl_keyfile=key) as server:
        context = ssl.create_default_context(cafile=certificate)
        url = server.url().replace("ws://127.0.0.1", "wss://localhost")
        with connect_sync(url, ssl=context) as connection:
            assert connection.ready.resumed is False
        answer = httpx.get(f"https://localhost:{server.port}/v2/health/live", verify=context)
        assert "Strict-Transport-Security" in answer.headers
