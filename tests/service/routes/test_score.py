"""Whole sequences over HTTP in every kind of body and answer: the bits of the offline unroll."""

import asyncio
import contextlib
import csv
import gzip
import io
import json
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skiprnn_client import connect_sync
from skiprnn_export import Bundle, Unrolled, open_session, read, unroll
from skiprnn_service.routes import score as scoring_route
from skiprnn_service.scoring.formats.registry import FORMATS
from support.bundles import random_sequence, write_random_bundle
from support.score_bodies import (
    Samples,
    as_arrow,
    as_arrow_file,
    as_csv,
    as_joined_npz,
    as_ndjson,
    as_npy,
    as_npz,
    as_padded_npz,
    as_parquet,
    long,
    nested,
)
from support.score_tables import BODIES, READERS, mixed, table_by_subject
from support.servers import Running, serving

ARROW, PARQUET, NDJSON = (FORMATS[kind].types[0] for kind in ("arrow", "parquet", "ndjson"))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_random_bundle(folder / "watch.onnx", hidden=16, outputs=2)
    write_random_bundle(folder / "slow.onnx", hidden=16, outputs=2, sample_rate=25.0)
    return folder


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[Running]:
    with serving(
        models, scoring_priority="normal", max_request_bytes=4_000_000, max_score_bytes=20_000_000
    ) as running:
        yield running


@pytest.fixture(scope="module")
def bundle(models: Path) -> Bundle:
    return read(models / "watch.onnx")


@pytest.fixture(scope="module")
def sequences(bundle: Bundle) -> list[Samples]:
    return [random_sequence(bundle, n, seed=n) for n in (40, 1, 90, 17)]


@pytest.fixture(scope="module")
def expected(bundle: Bundle, sequences: list[Samples]) -> list[Unrolled]:
    return unrolled(bundle, sequences)


def unrolled(bundle: Bundle, sequences: list[Samples], **options: Any) -> list[Unrolled]:
    session = open_session(bundle.model)
    return [unroll(bundle, x, session=session, **options) for x in sequences]


def post(
    server: Running, body: bytes, kind: str, accept: str = "json", query: str = "", **headers: str
) -> httpx.Response:
    said = {
        "Content-Type": FORMATS[kind].types[0],
        "Accept": FORMATS[accept].types[0] if accept in FORMATS else accept,
    }
    url = f"{server.http}/v1/models/watch/score{query}"
    return httpx.post(url, content=body, headers=said | headers, timeout=60)


# -- bodies of every kind


class Way(NamedTuple):
    """One way to send sequences, and whether they then have names."""

    kind: str
    body: Callable[[list[Samples]], bytes]
    named: bool = False


WAYS = {
    "json": Way("json", lambda s: json.dumps({"sequences": [x.tolist() for x in s]}).encode()),
    "ndjson": Way("ndjson", as_ndjson, named=True),
    "npz padded": Way("npz", as_padded_npz),
    "npz together": Way("npz", as_joined_npz),
    "npz by name": Way("npz", lambda s: as_npz(**{f"s{i}": x for i, x in enumerate(s)}), named=True),
    "arrow nested": Way("arrow", lambda s: as_arrow(nested(s), rows=2)),
    "arrow fixed": Way(
        "arrow", lambda s: as_arrow(nested(s, fixed=True, ids=[f"s{i}" for i in range(4)])), True
    ),
    "arrow long": Way("arrow", lambda s: as_arrow(long(s)), named=True),
    "arrow file": Way("arrow_file", lambda s: as_arrow_file(nested(s))),
    "parquet nested": Way("parquet", lambda s: as_parquet(nested(s))),
    "parquet long": Way("parquet", lambda s: as_parquet(long(s)), named=True),
    "csv": Way("csv", lambda s: as_csv(long(s)), named=True),
    "csv by order": Way("csv", lambda s: as_csv(long(s, names=("a", "b", "c"))), named=True),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_every_kind_of_body_is_scored_to_the_same_bits(
    server: Running, sequences: list[Samples], expected: list[Unrolled], way: Way
) -> None:
    answer = post(server, way.body(sequences), way.kind)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["model"], said["version"]) == ("watch", "1")
    for i, (x, one, wanted) in enumerate(zip(sequences, said["scores"], expected, strict=True)):
        assert one["id"] == (f"s{i}" if way.named else i)
        assert (one["samples"], one["update_count"]) == (len(x), len(wanted.t))
        assert [update["t"] for update in one["updates"]] == wanted.t.tolist()
        assert np.array([u["y"] for u in one["updates"]], np.float32).tobytes() == wanted.y.tobytes()
        assert one["y"] == wanted.y[-1].tolist()


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", ">f4"])
def test_npy_of_any_kind_of_number_is_read(server: Running, bundle: Bundle, dtype: str) -> None:
    x = (random_sequence(bundle, 60) * 9).astype(dtype)
    for body in (as_npy(x), as_npy(np.stack([x, x]))):
        scores = post(server, body, "npy").json()["scores"]
        for one in scores:
            assert one["y"] == unroll(bundle, x.astype(np.float32)).y[-1].tolist()


def test_one_feature_may_come_as_plain_lists(tmp_path: Path) -> None:
    bundle = write_random_bundle(tmp_path / "watch.onnx", features=1)
    x = random_sequence(bundle, 40)
    with serving(tmp_path) as server:
        table = pa.table({"x": pa.array([x[:, 0].tolist()], pa.list_(pa.float32()))})
        (one,) = post(server, as_parquet(table), "parquet").json()["scores"]
    assert one["y"] == unroll(bundle, x).y[-1].tolist()


# -- answers of every kind


def table_of(answer: httpx.Response) -> pa.Table:
    kind = answer.headers["content-type"]
    if kind == PARQUET:
        return pa.parquet.read_table(io.BytesIO(answer.content))
    if kind == ARROW:
        return pa.ipc.open_stream(answer.content).read_all()
    return pa.ipc.open_file(answer.content).read_all()


@pytest.mark.parametrize("kind", ["arrow", "arrow_file", "parquet"])
@pytest.mark.parametrize("updates", [True, False])
def test_tables_have_a_row_a_sequence(
    server: Running, sequences: list[Samples], expected: list[Unrolled], kind: str, updates: bool
) -> None:
    answer = post(server, as_ndjson(sequences), "ndjson", kind, f"?updates={str(updates).lower()}")
    rows = table_of(answer).to_pylist()
    for i, (row, x, wanted) in enumerate(zip(rows, sequences, expected, strict=True)):
        assert (row["id"], row["samples"], row["update_count"]) == (f"s{i}", len(x), len(wanted.t))
        assert row["y"] == wanted.y[-1].tolist()
        assert ("t" in row) is updates
        if updates:
            assert row["t"] == wanted.t.tolist()
            assert row["update_y"] == wanted.y.tolist()
    assert table_of(answer).schema.metadata[b"model"] == b"watch"


def test_numpy_csv_and_lines_hold_the_same(
    server: Running, sequences: list[Samples], expected: list[Unrolled]
) -> None:
    body, y = as_ndjson(sequences), np.stack([one.y[-1] for one in expected])
    np.testing.assert_array_equal(
        np.load(io.BytesIO(post(server, body, "ndjson", "npy").content)), y, strict=True
    )
    npz = np.load(io.BytesIO(post(server, body, "ndjson", "npz").content), allow_pickle=False)
    assert npz["id"].tolist() == ["s0", "s1", "s2", "s3"]
    assert npz["samples"].tolist() == [len(x) for x in sequences]
    np.testing.assert_array_equal(npz["t"], np.concatenate([one.t for one in expected]))
    np.testing.assert_array_equal(npz["update_y"], np.concatenate([one.y for one in expected]))
    rows = list(csv.DictReader(io.StringIO(post(server, body, "ndjson", "csv").text)))
    assert list(rows[0]) == ["id", "samples", "update_count", "label", "c0", "c1", "y"]
    np.testing.assert_array_equal(np.array([[row["c0"], row["c1"]] for row in rows], np.float32), y)
    lines = [
        json.loads(line)
        for line in post(server, body, "ndjson", "ndjson", "?updates=false").text.splitlines()
    ]
    assert [line["y"] for line in lines] == y.tolist()
    assert "updates" not in lines[0]


def test_accept_is_weighed(server: Running, sequences: list[Samples]) -> None:
    body = as_ndjson(sequences)
    for accept, kind in [
        ("*/*", "application/json"),
        ("text/html, application/x-npy;q=0.5, text/csv;q=0.9", "text/csv"),
        ("application/json;q=0, application/x-ndjson;q=0.1", "application/x-ndjson"),
    ]:
        assert post(server, body, "ndjson", accept).headers["content-type"].startswith(kind)
    answer = post(server, body, "ndjson", "text/html")
    assert (answer.status_code, "Accept: expected some of" in answer.json()["error"]) == (406, True)


# -- columns by name


@pytest.fixture(scope="module")
def subjects(sequences: list[Samples]) -> dict[str, Samples]:
    return {f"{i:03}": x for i, x in enumerate(sequences)}


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("accept", READERS)
def test_mixed_rows_are_scored_by_sequence_and_come_back_joined(
    server: Running, subjects: dict[str, Samples], expected: list[Unrolled], kind: str, accept: str
) -> None:
    table = table_by_subject(subjects, np.random.default_rng(0).permutation(sum(map(len, subjects.values()))))
    query = "?sequence=subject&time=seconds&carry=note&per=sample"
    answer = post(server, BODIES[kind](table), kind, accept, query)
    assert answer.status_code == 200, answer.text
    assert scoring_route.WARNINGS_HEADER not in answer.headers
    rows, sent = READERS[accept](answer.content), table.to_pandas()
    assert rows["row"].tolist() == list(range(len(sent)))
    assert rows["note"].tolist() == sent["note"].tolist()
    np.testing.assert_array_equal(rows["seconds"].astype(float), sent["seconds"])
    for (id, mine), x, wanted in zip(rows.groupby("id"), subjects.values(), expected, strict=True):
        mine = mine.sort_values("t")
        assert (id in subjects, len(mine)) == (True, len(x))
        assert mine.loc[mine["updated"].astype(bool), "t"].tolist() == wanted.t.tolist()
        held = wanted.y[wanted.t.searchsorted(np.arange(len(x)), "right") - 1]
        np.testing.assert_array_equal(mine[["c0", "c1"]].to_numpy(np.float32), held)
        assert mine["label"].tolist() == [f"c{k}" for k in held.argmax(1)]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(sorted(BODIES)))
def test_mixing_rows_of_sequences_changes_no_bit(
    server: Running, subjects: dict[str, Samples], expected: list[Unrolled], seed: int, kind: str
) -> None:
    table = table_by_subject(subjects, mixed([len(x) for x in subjects.values()], seed))
    scores = post(server, BODIES[kind](table), kind, query="?sequence=subject").json()["scores"]
    found = {one["id"]: one["updates"] for one in scores}
    for id, wanted in zip(subjects, expected, strict=True):
        assert [update["t"] for update in found[id]] == wanted.t.tolist()
        assert [update["y"] for update in found[id]] == wanted.y.tolist()


@pytest.mark.parametrize("kind", BODIES)
def test_a_left_out_column_of_ids_is_told_of_in_a_header(
    server: Running, subjects: dict[str, Samples], kind: str
) -> None:
    answer = post(server, BODIES[kind](table_by_subject(subjects)), kind, "npy")
    said = json.loads(answer.headers[scoring_route.WARNINGS_HEADER])
    assert any("sequence=subject" in one for one in said)
    assert any("time=seconds" in one for one in said)


def test_another_sample_rate_is_told_of_in_a_header(server: Running, subjects: dict[str, Samples]) -> None:
    answer = httpx.post(
        f"{server.http}/v1/models/slow/score?sequence=subject&time=seconds",
        content=BODIES["csv"](table_by_subject(subjects)),
        headers={"Content-Type": "text/csv"},
    )
    (said,) = json.loads(answer.headers[scoring_route.WARNINGS_HEADER])
    assert said.startswith("the column 'seconds' says 50 Hz, the model takes 25 Hz: resample first")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?sequence=nope", "sequence: expected a column 'nope', got ['subject'"),
        ("?time=note", "note: expected a time in every row"),
        ("?time=seconds", "seconds: expected each time once in a sequence, got '0' in rows 1 and 41 of "),
        ("?carry=subject,nope", "carry: expected a column 'nope'"),
        ("?per=row", "per"),
    ],
)
def test_what_names_no_column_is_rejected(
    server: Running, subjects: dict[str, Samples], query: str, said: str
) -> None:
    answer = post(server, BODIES["csv"](table_by_subject(subjects)), "csv", query=query)
    assert (answer.status_code, said in answer.json()["error"]) == (400, True), answer.text


def test_whole_sequences_carry_a_value_each(server: Running, sequences: list[Samples]) -> None:
    lines = [{"who": f"{i:03}", "site": f"at {i}", "x": x.tolist()} for i, x in enumerate(sequences)]
    query = "?sequence=who&carry=site&updates=false"
    body = "\n".join(map(json.dumps, lines)).encode()
    table = pa.table({name: [line[name] for line in lines] for name in ("who", "site", "x")})
    for sent in (body, json.dumps({"sequences": lines}).encode(), as_parquet(table)):
        kind = {b"P": "parquet", b"{": "json"}[sent[:1]] if sent is not body else "ndjson"
        scores = post(server, sent, kind, query=query).json()["scores"]
        assert [(one["id"], one["site"]) for one in scores] == [(f"{i:03}", f"at {i}") for i in range(4)]


# -- large bodies: a process of their own


@pytest.fixture(scope="module")
def many(bundle: Bundle) -> list[Samples]:
    return [random_sequence(bundle, 300 + 7 * i, seed=i) for i in range(200)]


def test_a_large_body_is_scored_in_another_process_and_streams_out(
    server: Running, bundle: Bundle, many: list[Samples]
) -> None:
    body = as_arrow(nested(many))
    assert len(body) > 2 * scoring_route.SMALL
    got: dict[str, pa.Table] = {}
    for kind in ("arrow", "parquet"):
        got[kind] = table_of(post(server, body, "arrow", kind, "?threshold=0.7"))
    wanted = unrolled(bundle, many, threshold=0.7)
    for table in got.values():
        assert table["t"].to_pylist() == [one.t.tolist() for one in wanted]
        flat = table["update_y"].combine_chunks().flatten().flatten().to_numpy()
        assert flat.tobytes() == np.concatenate([one.y for one in wanted]).tobytes()


@pytest.mark.parametrize("kind", ["parquet", "csv", "npz"])
def test_large_bodies_of_kinds_that_seek_are_read_too(
    server: Running, bundle: Bundle, many: list[Samples], kind: str
) -> None:
    few = many if kind != "csv" else many[:70]
    made = {
        "parquet": lambda: as_parquet(long(few)),
        "csv": lambda: as_csv(long(few)),
        "npz": lambda: as_joined_npz(few),
    }
    body = made[kind]()
    assert len(body) > scoring_route.SMALL
    y = np.load(io.BytesIO(post(server, body, kind, "npy").content))
    np.testing.assert_array_equal(y, np.stack([one.y[-1] for one in unrolled(bundle, few)]))


def test_what_is_wrong_with_a_large_body_is_told_as_with_a_small_one(
    server: Running, many: list[Samples]
) -> None:
    body = as_ndjson([x[:, :2] for x in many])
    answer = post(server, body, "ndjson")
    assert (answer.status_code, answer.json()["code"]) == (400, "shape")
    assert answer.json()["error"].startswith("line 1: expected [T, 3]")
    bad = [*many[:120], np.full((1, 3), np.nan, np.float32)]
    answer = post(server, as_arrow(nested(bad)), "arrow")
    assert (answer.status_code, answer.json()["error"]) == (
        400,
        "sequence 120, sample 0: expected finite numbers",
    )


@pytest.mark.parametrize("accept", ["json", "ndjson", "arrow", "parquet"])
def test_an_error_behind_the_first_scores_keeps_its_status(
    server: Running, bundle: Bundle, accept: str
) -> None:
    short = [random_sequence(bundle, 8, seed=i) for i in range(5000)]  # more than a chunk
    body = as_ndjson([*short, np.zeros((1, 2), np.float32)])
    answer = post(server, body, "ndjson", accept, "?updates=false")
    assert (answer.status_code, answer.json()["code"]) == (400, "shape")
    assert answer.json()["error"].startswith("line 5001: ")
    assert post(server, as_ndjson(short[:1]), "ndjson").status_code == 200


@pytest.fixture(scope="module")
def strict(models: Path) -> Iterator[Running]:
    with serving(models, scoring_priority="normal", max_score_bytes=50_000) as running:
        yield running


@pytest.mark.parametrize("accept", FORMATS)
@pytest.mark.parametrize("small", [1 << 20, 100], ids=["on a thread", "in a process"])
def test_an_answer_beyond_its_limit_is_rejected(
    strict: Running, monkeypatch: pytest.MonkeyPatch, accept: str, small: int
) -> None:
    monkeypatch.setattr(scoring_route, "SMALL", small)
    body = as_npz(x=np.zeros((20_000, 1, 3), np.float32), lengths=np.ones(20_000, int))
    assert 100 < len(body) < 50_000
    answer = post(strict, body, "npz", accept)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert answer.json()["error"].startswith("output: expected 50000 bytes at most (max_score_bytes)")


def test_a_client_that_leaves_ends_its_job(models: Path, many: list[Samples]) -> None:
    before = temporary_files()
    with serving(models, scoring_priority="normal") as server:
        (process,) = server.state.scoring.large._processes
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(request_with(as_ndjson(many * 4)))
            while server.state.scoring.large._processes or process._process is None:
                time.sleep(0.001)
            scoring = process._process
        assert scoring.wait(30) == -signal.SIGKILL
        while temporary_files() - before:
            time.sleep(0.001)
        assert post(server, as_ndjson(many[:1]), "ndjson").status_code == 200


def test_a_client_that_does_not_read_its_answer_holds_no_turn_and_is_closed(
    models: Path, many: list[Samples], caplog: pytest.LogCaptureFixture
) -> None:
    before = temporary_files()
    with (
        serving(models, scoring_priority="normal", slow_client_timeout_seconds=0.3) as server,
        socket.create_connection(("127.0.0.1", server.port)) as client,
    ):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(request_with(as_ndjson(many * 4)))
        client.recv(1000)
        assert post(server, as_ndjson(many[:1]), "ndjson").status_code == 200
        while "slow_client_timeout_seconds" not in caplog.text or temporary_files() - before:
            time.sleep(0.01)


def temporary_files() -> set[str]:
    """Those that this process has open; they have no name."""
    links = set[str]()
    for file in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it was closed meanwhile
            links.add(str(file.readlink()))
    return {link for link in links if link.startswith(f"{tempfile.gettempdir()}/#")}


def request_with(body: bytes) -> bytes:
    head = (
        f"POST /v1/models/watch/score HTTP/1.1\r\nHost: localhost\r\nContent-Type: {NDJSON}\r\n"
        f"Accept: {NDJSON}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


# -- refusals


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("json", b"{", "sequences"),
        ("ndjson", b"\n\n", "expected one sequence at least"),
        ("npy", b"PK", "expected a file as numpy.save writes it"),
        ("parquet", b"no parquet", "Parquet: "),
        ("csv", b"x0,x1,x2\n1,,2\n", "expected finite numbers"),
    ],
)
def test_a_body_that_is_not_what_it_says_is_rejected(
    server: Running, kind: str, body: bytes, said: str
) -> None:
    answer = post(server, body, kind)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_unknown_kinds_are_refused(server: Running) -> None:
    url = f"{server.http}/v1/models/watch/score"
    answer = httpx.post(url, content=b"", headers={"Content-Type": "application/pdf"})
    assert (answer.status_code, "Content-Type: expected one of" in answer.json()["error"]) == (415, True)
    answer = httpx.post(url, json={}, headers={"Content-Encoding": "br"})
    assert answer.status_code == 415
    assert httpx.post(url + "?threshold=0.2", json={"sequences": [[[0.0] * 3]]}).status_code == 400


def test_bodies_beyond_their_limits_are_refused_before_they_fill_the_memory(server: Running) -> None:
    zeros = np.zeros((1_800_000, 3), np.float32)  # 21.6 MB
    for kind, body, setting in [
        ("npy", as_npy(zeros), "max_score_bytes"),
        ("json", b'{"sequences": [' + b" " * 4_000_000, "max_request_bytes"),
    ]:
        answer = post(server, body, kind)
        assert (answer.status_code, setting in answer.json()["error"]) == (413, True)
        squeezed = post(server, gzip.compress(body, 1), kind, **{"Content-Encoding": "gzip"})
        assert (squeezed.status_code, setting in squeezed.json()["error"]) == (413, True)
    long_one = zeros[:400_000]  # 4.8 MB in one sequence
    for kind, body in [
        ("npy", as_npy(long_one)),
        ("npz", as_npz(x=long_one)),
        ("parquet", as_parquet(nested([long_one]))),
        ("arrow", as_arrow(long([long_one]))),
        ("csv", b"x0,x1,x2\n" + b"0,0,0\n" * 400_000),
        ("ndjson", b'{"x": [' + b"[0,0,0]," * 600_000),
    ]:
        answer = post(server, body, kind)
        assert answer.status_code == 413, (kind, answer.text)


def test_more_requests_than_may_wait_are_refused(models: Path, many: list[Samples]) -> None:
    body = as_arrow(nested(many))

    async def all_of(server: Running) -> list[int]:
        url = f"{server.http}/v1/models/watch/score"
        headers = {"Content-Type": ARROW, "Accept": FORMATS["npy"].types[0]}
        async with httpx.AsyncClient(timeout=60) as client:
            answers = await asyncio.gather(
                *[client.post(url, content=body, headers=headers) for _ in range(5)]
            )
        assert all(answer.headers["Retry-After"] for answer in answers if answer.status_code == 503)
        return sorted(answer.status_code for answer in answers)

    with serving(models, scoring_priority="normal", max_scoring=1, max_scoring_waiting=2) as server:
        assert asyncio.run(all_of(server)) == [200, 200, 200, 503, 503]


def test_a_full_disk_is_told(server: Running, monkeypatch: pytest.MonkeyPatch, many: list[Samples]) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "TemporaryFile", partial(open, "/dev/full", "r+b", buffering=0))
        answer = post(server, as_arrow(nested(many)), "arrow")
    assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
    assert "the disk is full" in answer.json()["error"]
    assert post(server, as_arrow(nested(many)), "arrow").status_code == 200


def test_without_pyarrow_tables_are_refused_with_the_way_out(
    server: Running, monkeypatch: pytest.MonkeyPatch, sequences: list[Samples]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for kind, accept in (("parquet", "json"), ("ndjson", "parquet")):
        answer = post(server, as_ndjson(sequences), kind, accept)
        assert (answer.status_code, "install the extra 'score'" in answer.json()["error"]) == (415, True)
    assert post(server, as_ndjson(sequences), "ndjson").status_code == 200


def test_streams_are_answered_while_scoring_runs(server: Running, many: list[Samples]) -> None:
    body = as_arrow(nested(many))

    async def both() -> int:
        async with httpx.AsyncClient(timeout=60) as client:
            headers = {"Content-Type": ARROW}
            asked = asyncio.create_task(
                client.post(f"{server.http}/v1/models/watch/score", content=body, headers=headers)
            )
            with connect_sync(server.url()) as connection:
                answered = 0
                while not asked.done():
                    await asyncio.to_thread(connection.send, many[0][:1])
                    answered += 1
            return answered if (await asked).status_code == 200 else 0

    assert asyncio.run(both())
