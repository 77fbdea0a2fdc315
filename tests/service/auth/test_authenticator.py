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
from starlette.requests import HTTPConnection
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from skiprnn_service.auth import api_keys
from skiprnn_service.auth.api_keys import ApiKeys
from skiprnn_service.auth.authenticator import Authenticator
from skiprnn_service.errors import DiskFullError, InferenceError, ModelError, ShapeError, StoreError
from skiprnn_service.settings import load
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


def token(sub: str, scope: str) -> str:
    claims = {"sub": sub, "exp": time.time() + 60, "scope": scope}
    return jwt.encode(claims, jwt.utils.base64url_decode(SHARED), "HS256")


def test_a_stream_needs_a_key_or_a_token_with_its_scope(server: Running, keys: dict[str, str]) -> None:
    for text, expected in (
        (keys["alice"], 101),
        (token("alice", "stream admin"), 101),
        (token("", "stream"), 401),  # else anonymous, without quotas
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


def test_a_token_and_a_key_of_one_name_are_two_principals(server: Running, keys: dict[str, str]) -> None:
    query = "?stream_id=of-two"
    with opened(server, query, additional_headers=bearer(keys["alice"])) as by_key:
        by_key.recv()
        by_key.send('{"x": [0, 0, 0]}')
        by_key.recv()
        headers = bearer(token("alice", "stream"))
        with opened(server, query, additional_headers=headers) as by_token:
            assert json.loads(by_token.recv())["resumed"] is False
            owners = {session.principal for session in server.state.streams}
            assert {"alice", "jwt:alice"} <= owners


def test_metadata_is_for_clients_with_a_credential_of_any_scope(
    server: Running, keys: dict[str, str]
) -> None:
    paths = ["/metrics", "/v1/models", "/v1/models/watch", "/v2/models/watch", "/v2/models/stats"]
    paths += [f"/v2/models/watch/{name}" for name in ("stats", "config", "ready")]
    for path in paths:
        stranger = httpx.get(server.http + path)
        assert (stranger.status_code, stranger.headers["WWW-Authenticate"]) == (401, "Bearer"), path
        assert "watch" not in stranger.text
        for text in (keys["alice"], keys["root"], token("prometheus", "")):
            assert httpx.get(server.http + path, headers=bearer(text)).status_code == 200, path
    for path in ("/v2", "/v2/health/live", "/v2/health/ready", "/openapi.json", "/"):
        assert httpx.get(server.http + path).status_code == 200, path


def test_metadata_is_public_where_the_setting_says_so_and_where_there_are_no_keys(
    files: Path,
    keys: dict[str, str],  # noqa: ARG001 - the file
) -> None:
    for settings in ({"api_keys_file": files / "keys", "metadata_access": "public"}, {}):
        with serving(files / "models", **settings) as server:
            for path in ("/metrics", "/v1/models", "/v2/models/watch"):
                assert httpx.get(server.http + path).status_code == 200
    with pytest.raises(ValueError, match="metadata_access: expected api_keys_file"):
        Authenticator.of(load(metadata_access="keyed"))


def test_a_ticket_of_a_replica_without_keys_opens_nothing_at_one_with_keys(
    files: Path, keys: dict[str, str], tmp_path: Path
) -> None:
    """They share the secret of tickets; nameless clients have no quotas."""
    (tmp_path / "secret").write_bytes(b"s" * 32)
    with (
        serving(files / "models", ticket_secret_file=tmp_path / "secret") as open_to_all,
        serving(
            files / "models", ticket_secret_file=tmp_path / "secret", api_keys_file=files / "keys"
        ) as keyed,
    ):
        ticket = httpx.post(f"{open_to_all.http}/v1/tickets").json()["ticket"]
        assert status(keyed, f"?ticket={ticket}") == 401
        given = httpx.post(f"{keyed.http}/v1/tickets", headers=bearer(keys["alice"])).json()["ticket"]
        assert status(keyed, f"?ticket={given}") == 101


STORE_ERROR = StoreError("redis://10.0.0.7:6379/0: NOSCRIPT f5b5d3a8c1 in /var/lib/redis")


def test_admins_are_told_the_details_of_an_error_and_strangers_its_kind(
    files: Path, keys: dict[str, str]
) -> None:
    keyed, unkeyed = Authenticator(keys=ApiKeys(files / "keys")), Authenticator()

    def connection(text: str = "") -> HTTPConnection:
        header = (b"authorization", f"Bearer {text}".encode())
        return HTTPConnection({"type": "http", "headers": [header], "query_string": b""})

    assert keyed.message(STORE_ERROR, connection(keys["root"])) == str(STORE_ERROR)
    assert unkeyed.message(STORE_ERROR, connection()) == str(STORE_ERROR)
    for error in (STORE_ERROR, ModelError("/models/x.onnx"), InferenceError("/x"), DiskFullError("/tmp")):
        for text in ("", keys["alice"]):
            said = keyed.message(error, connection(text))
            assert said
            assert "/" not in said
            assert "10.0.0.7" not in said
    assert keyed.message(ShapeError("x: expected …"), connection()) == "x: expected …"


def test_what_is_wrong_with_files_and_store_is_for_admins_and_the_log(
    files: Path, keys: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_random_bundle(tmp_path / "watch.onnx", name="watch")
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    (tmp_path / "link.onnx").symlink_to("/etc/hostname")
    with serving(tmp_path, api_keys_file=files / "keys") as server:
        server.state.streams.store_problem = str(STORE_ERROR)
        said = {}
        for name in ("alice", "root"):
            headers = bearer(keys[name])
            paths = ["/v1/models", "/v2/health/ready", "/v1/models/broken", "/v1/models/link"]
            answers = [httpx.get(server.http + path, headers=headers) for path in paths]
            assert [answer.status_code for answer in answers[2:]] == [503, 503]
            said[name] = "".join(answer.text for answer in answers)
        said["nobody"] = httpx.get(f"{server.http}/v2/health/ready").text
        with pytest.raises(InvalidStatus) as caught:
            connect(server.url("link"), additional_headers=bearer(keys["alice"]))
        said["alice"] += (caught.value.response.body or b"").decode()
    for detail in ("/etc", ".onnx", "10.0.0.7", "f5b5d3a8c1"):
        assert detail in said["root"] or detail == "/etc"
        assert detail not in said["alice"] + said["nobody"], detail
    assert '"broken/1"' in said["nobody"], "which file, not why"
    assert "link.onnx" in caplog.text


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
