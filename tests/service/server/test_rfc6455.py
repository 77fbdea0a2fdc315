"""RFC 6455, case by case, over real sockets: uvicorn's protocol class and ours must answer alike, on both event loops.

The route echoes. What a frame must lead to is quoted by its section.
"""

from collections.abc import AsyncIterator

import pytest
from starlette.websockets import WebSocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from skiprnn_service.server.websocket_protocol import StreamProtocol
from skiprnn_service.websocket.transport import transport_of
from support.raw_websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Frame,
    RawClient,
    Served,
    close_frame,
    frame,
    mask,
    serving,
)

BOTH_LOOPS = True  # conftest.py
MAX_SIZE = 1 << 20


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    transport = transport_of(websocket)
    await transport.run(lambda data, is_text: transport.send(data.decode() if is_text else data))


@pytest.fixture(params=[WebSocketsSansIOProtocol, StreamProtocol], ids=["uvicorn", "ours"])
async def served(request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    async with serving(echo, request.param, ws_max_size=MAX_SIZE) as served:
        yield served


@pytest.fixture
async def client(served: Served) -> RawClient:
    return await served.connect()


async def fails_with(client: RawClient, code: int, *data: bytes) -> None:
    """7.1.7: the server sends a close frame with the code and ends the connection."""
    client.send(*data)
    frames = await client.read_to_end()
    assert [(frame.opcode, frame.code) for frame in frames] == [(CLOSE, code)]


# -- 4: opening handshake


async def test_the_handshake_answers_the_key_of_the_rfcs_example(client: RawClient) -> None:
    """1.3"""
    assert client.response.startswith(b"HTTP/1.1 101 ")
    assert b"sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=" in client.response.lower()
    assert b"sec-websocket-extensions" not in client.response.lower()


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ("Sec-WebSocket-Version: 13", b"400"),  # no key
        ("Sec-WebSocket-Key: short\r\nSec-WebSocket-Version: 13", b"400"),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 12", b"400"),
    ],
)
async def test_a_wrong_handshake_is_refused(served: Served, lines: str, status: bytes) -> None:
    """4.2.2"""
    request = f"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{lines}\r\n\r\n"
    client = await served.connect(request=request)
    assert client.response.split()[1] == status


# -- 5.2, 5.3: framing and masking


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, MAX_SIZE])
async def test_a_message_of_any_size_comes_back(client: RawClient, opcode: int, size: int) -> None:
    payload = b"*" * size
    assert await client.ask(opcode, payload) == (opcode, payload)


async def test_the_examples_of_the_rfc(client: RawClient) -> None:
    """5.7"""
    client.send(bytes.fromhex("818537fa213d7f9f4d5158"))
    assert await client.reader.readexactly(7) == bytes.fromhex("810548656c6c6f")
    client.send(b"\x82\x81\0\0\0\0\x07")
    assert await client.reader.readexactly(3) == b"\x82\x01\x07"
    client.send(bytes.fromhex("898537fa213d7f9f4d5158"))
    assert await client.reader.readexactly(7) == bytes.fromhex("8a0548656c6c6f")


@pytest.mark.parametrize("width", [2, 8])
async def test_a_length_in_more_bytes_than_it_needs_is_understood(client: RawClient, width: int) -> None:
    client.send(frame(BINARY, b"abc", width=width))
    assert await client.read() == (BINARY, b"abc")


@pytest.mark.parametrize("opcode", [TEXT, BINARY, CONTINUATION, PING, CLOSE])
@pytest.mark.parametrize("payload", [b"", b"abc", b"*" * 300])
async def test_a_frame_that_is_not_masked_is_an_error(client: RawClient, opcode: int, payload: bytes) -> None:
    """5.1: the server must close the connection."""
    await fails_with(client, 1002, frame(opcode, payload, masked=False))


async def test_the_header_of_an_unmasked_frame_is_enough(client: RawClient) -> None:
    await fails_with(client, 1002, frame(BINARY, b"*" * 300, masked=False)[:4])


@pytest.mark.parametrize("key", [b"\0\0\0\0", b"\xff\0\xff\0", b"\x01\x02\x03\x04"])
async def test_any_masking_key_is_undone(client: RawClient, key: bytes) -> None:
    payload = bytes(range(100))
    client.send(b"\x82\xe4" + key + mask(payload, key))
    assert await client.read() == (BINARY, payload)


@pytest.mark.parametrize("rsv", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING])
async def test_a_reserved_bit_is_an_error(client: RawClient, rsv: int, opcode: int) -> None:
    """5.2: no extension was negotiated."""
    await fails_with(client, 1002, frame(opcode, b"abc", rsv=rsv))


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("payload", [b"", b"abc"])
async def test_a_reserved_opcode_is_an_error(client: RawClient, opcode: int, payload: bytes) -> None:
    await fails_with(client, 1002, frame(opcode, payload))


async def test_the_header_of_a_reserved_opcode_is_enough(client: RawClient) -> None:
    await fails_with(client, 1002, frame(3, b"*" * 300)[:9])


async def test_one_byte_at_a_time(client: RawClient) -> None:
    whole = frame(TEXT, b"Hello") + frame(PING, b"!") + frame(BINARY, b"*" * 300)
    await client.drip(whole)
    assert [await client.read() for _ in range(3)] == [(TEXT, b"Hello"), (PONG, b"!"), (BINARY, b"*" * 300)]


async def test_many_frames_in_one_segment(client: RawClient) -> None:
    payloads = [b"%d" % number for number in range(2_000)]
    client.send(*(frame(TEXT if number % 3 else BINARY, payload) for number, payload in enumerate(payloads)))
    answers = [await client.read() for _ in payloads]
    assert answers == [(TEXT if number % 3 else BINARY, payload) for number, payload in enumerate(payloads)]


# -- 5.4: fragmentation


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize(
    "parts", [[b"Hel", b"lo"], [b"", b"Hello"], [b"Hello", b""], [b"H", b"e", b"l", b"", b"lo"]]
)
async def test_fragments_make_one_message(client: RawClient, opcode: int, parts: list[bytes]) -> None:
    first, *middle, last = parts
    client.send(frame(opcode, first, fin=False))
    client.send(*(frame(CONTINUATION, part, fin=False) for part in middle))
    client.send(frame(CONTINUATION, last))
    assert await client.read() == (opcode, b"Hello")
    assert await client.ask(BINARY, b"next") == (BINARY, b"next")


async def test_control_frames_may_come_between_fragments(client: RawClient) -> None:
    """5.4, 5.5: and are answered before the message is whole."""
    client.send(frame(TEXT, b"Hel", fin=False), frame(PING, b"1"))
    assert await client.read() == (PONG, b"1")
    client.send(
        frame(PONG), frame(CONTINUATION, b"l", fin=False), frame(PING, b"2"), frame(CONTINUATION, b"o")
    )
    assert await client.read() == (PONG, b"2")
    assert await client.read() == (TEXT, b"Hello")


@pytest.mark.parametrize("fin", [False, True])
async def test_a_continuation_of_nothing_is_an_error(client: RawClient, fin: bool) -> None:
    await fails_with(client, 1002, frame(CONTINUATION, b"abc", fin=fin))


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("fin", [False, True])
async def test_a_new_message_inside_a_fragmented_one_is_an_error(
    client: RawClient, opcode: int, fin: bool
) -> None:
    await fails_with(client, 1002, frame(TEXT, b"abc", fin=False), frame(opcode, b"abc", fin=fin))


# -- 5.5: control frames


@pytest.mark.parametrize("payload", [b"", b"abc", bytes(range(125))])
async def test_a_ping_is_answered_with_its_own_payload(client: RawClient, payload: bytes) -> None:
    assert await client.ask(PING, payload) == (PONG, payload)


async def test_a_pong_that_nobody_asked_for_changes_nothing(client: RawClient) -> None:
    client.send(frame(PONG, b"abc"))
    assert await client.ask(TEXT, b"next") == (TEXT, b"next")


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
async def test_a_control_frame_longer_than_125_bytes_is_an_error(client: RawClient, opcode: int) -> None:
    await fails_with(client, 1002, frame(opcode, b"\x03\xe8" + b"*" * 124))


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
async def test_a_control_frame_in_fragments_is_an_error(client: RawClient, opcode: int) -> None:
    await fails_with(client, 1002, frame(opcode, fin=False))


# -- 5.5.1, 7: closing


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 3000, 3999, 4000, 4999]
)
async def test_a_close_frame_is_echoed_and_the_connection_ends(client: RawClient, code: int) -> None:
    client.send(close_frame(code, "grüße".encode()))
    assert await client.read_to_end() == [(CLOSE, code.to_bytes(2, "big") + "grüße".encode())]


async def test_a_close_frame_without_a_code_is_echoed_without_one(client: RawClient) -> None:
    client.send(frame(CLOSE))
    assert await client.read_to_end() == [(CLOSE, b"")]


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535])
async def test_a_close_code_that_must_not_be_sent_is_an_error(client: RawClient, code: int) -> None:
    """7.4.1, 7.4.2"""
    await fails_with(client, 1002, close_frame(code))


async def test_half_a_close_code_is_an_error(client: RawClient) -> None:
    await fails_with(client, 1002, frame(CLOSE, b"\x03"))


async def test_a_close_reason_that_is_not_utf8_is_an_error(client: RawClient) -> None:
    """8.1"""
    await fails_with(client, 1007, close_frame(1000, b"\xff"))


async def test_data_behind_a_close_frame_is_discarded(client: RawClient) -> None:
    """1.4"""
    client.send(close_frame(1000), frame(TEXT, b"behind"), frame(PING), close_frame(1001))
    assert await client.read_to_end() == [(CLOSE, b"\x03\xe8")]


# -- 8.1: UTF-8


async def test_text_of_all_lengths_of_code_points(client: RawClient) -> None:
    text = "aß水𝄞\0\U0010ffff".encode()
    assert await client.ask(TEXT, text) == (TEXT, text)


BAD_UTF8 = ["80", "c0af", "c3", "c328", "e28281e282", "eda080", "f0808080", "f4908080", "fe", "48656cff6c6f"]


@pytest.mark.parametrize("text", BAD_UTF8)
async def test_text_that_is_not_utf8_is_an_error(client: RawClient, text: str) -> None:
    await fails_with(client, 1007, frame(TEXT, bytes.fromhex(text)))


@pytest.mark.parametrize("text", BAD_UTF8)
async def test_the_same_bytes_are_fine_as_binary(client: RawClient, text: str) -> None:
    assert await client.ask(BINARY, bytes.fromhex(text)) == (BINARY, bytes.fromhex(text))


async def test_a_code_point_may_lie_across_fragments(client: RawClient) -> None:
    """5.4: only the whole message must be UTF-8."""
    parts = [bytes((byte,)) for byte in "水𝄞".encode()]
    client.send(frame(TEXT, b"", fin=False), *(frame(CONTINUATION, part, fin=False) for part in parts))
    client.send(frame(CONTINUATION))
    assert await client.read() == (TEXT, "水𝄞".encode())


async def test_a_message_that_ends_inside_a_code_point_is_an_error(client: RawClient) -> None:
    await fails_with(client, 1007, frame(TEXT, b"\xf0\x9d", fin=False), frame(CONTINUATION, b"\x84"))


# -- 10.4: limits


async def test_a_message_over_the_limit_is_refused_by_its_header(client: RawClient) -> None:
    await fails_with(client, 1009, frame(BINARY, b"*" * (MAX_SIZE + 1))[:14])


@pytest.mark.parametrize("size", [1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
async def test_no_length_is_too_absurd_to_refuse(client: RawClient, size: int) -> None:
    await fails_with(client, 1009, b"\x82\xff" + size.to_bytes(8, "big") + b"\0\0\0\0")


async def test_fragments_over_the_limit_together_are_refused(client: RawClient) -> None:
    half = b"*" * (MAX_SIZE // 2 + 1)
    await fails_with(client, 1009, frame(BINARY, half, fin=False), frame(CONTINUATION, half)[:14])


# -- 7.1: the server closes


async def say_goodbye(websocket: WebSocket) -> None:
    await websocket.accept()
    transport = transport_of(websocket)

    def on_message(data: bytes, _: bool) -> None:
        transport.send(data)
        transport.close(4000, "enough")
        transport.send(b"too late")
        transport.close(4001)

    await transport.run(on_message)
    transport.send(b"much too late")


@pytest.mark.parametrize("ws", [WebSocketsSansIOProtocol, StreamProtocol], ids=["uvicorn", "ours"])
async def test_the_servers_close_frame_is_the_last_it_sends(ws: type) -> None:
    """5.5.1; and 7.1.1: the connection ends when the client has answered it."""
    async with serving(say_goodbye, ws) as served:
        client = await served.connect()
        client.send(frame(BINARY, b"first"), frame(BINARY, b"ignored"))
        assert await client.read() == (BINARY, b"first")
        assert await client.read() == Frame(CLOSE, b"\x0f\xa0enough")
        client.send(frame(TEXT, b"still ignored"), close_frame(4000))
        assert await client.read_to_end() == []
