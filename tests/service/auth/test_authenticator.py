"""Keys, tokens, tickets, scopes and origins over real sockets."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from skiprnn_service.auth import api_keys
from support.bundles import write_random_bundle
from support.servers import Running, serving

SHARED = "c2VjcmV0" * 8  # base64url


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("auth")
    (folder / "models").mkdir()
    write_random_bundle(folder / "models" / "watch.onnx", name="watch")
    (folder / "jwks").write_text(json.dumps({"keys": [{"kty": "oct", "alg": "HS256", "k": SHARED}]}))
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
    claims = {"sub": "alice", "exp": time.time() + 60, "scope": "stream admin"}
    token = jwt.encode(claims, jwt.utils.base64url_decode(SHARED), "HS256")
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
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(opened(server, additional_headers=headers)).recv()
        with pytest.raises(InvalidStatus) as caught:
            stack.enter_context(opened(server, additional_headers=headers))
        assert caught.value.response.status_code == 429
        assert int(caught.value.response.headers["Retry-After"]) > 0
        assert status(server, additional_headers=bearer(keys["alice"])) == 101
