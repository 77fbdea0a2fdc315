"""`skiprnn stream` against a small fake server whose network updates at every fifth sample."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from skiprnn_cli import app
from skiprnn_cli.stream import stream
from skiprnn_cli.stream.command import url_of
from support.fake_server import READY, FakeServer, FakeStream, fake_server

CSV = "ax,ay,az\n" + "".join(f"{t},0,0\n" for t in range(12))


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with fake_server(every=5) as server:
        yield server


def run(*arguments: str | Path, stdin: str = "") -> Result:
    app = typer.Typer()
    app.command()(stream)
    return CliRunner(env={"COLUMNS": "200"}).invoke(
        app, [str(argument) for argument in arguments], input=stdin
    )


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "run.csv"
    path.write_text(CSV)
    return path


def test_a_file_is_streamed_and_updates_are_printed(server: FakeServer, recording: Path) -> None:
    result = run(server.url, "--input", recording)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "t=0  1.000 high  0.000 low",
        "t=5  5.000 low  1.000 high",
        "t=10  10.000 low  1.000 high",
        "12 samples: 3 sent (25.0 %), 3 updates (25.0 %)",
    ]
    assert [message.type for message in server.streams[0].messages] == [None, None, None, "end"]


def test_standard_input_is_the_default(server: FakeServer) -> None:
    result = run(server.url, stdin=CSV)
    assert result.stdout.count("t=") == 3


def test_json_is_an_object_a_line_and_nothing_else(server: FakeServer, recording: Path) -> None:
    result = run(server.url, "--input", recording, "--json")
    updates = [json.loads(line) for line in result.stdout.splitlines()]
    assert updates[1] == {"t": 5, "label": "low", "y": [5.0, 1.0]}
    assert [update["t"] for update in updates] == [0, 5, 10]


def test_arrays_are_streamed_too(server: FakeServer, tmp_path: Path) -> None:
    np.save(tmp_path / "run.npy", np.arange(36.0).reshape(12, 3))
    assert run(server.url, "--input", tmp_path / "run.npy").stdout.count("t=") == 3


def test_a_threshold_is_asked_for(server: FakeServer, recording: Path) -> None:
    assert run(server.url, "-i", recording, "--threshold", "0.75").exit_code == 0
    assert server.streams[0].path.endswith("?threshold=0.75")


def test_real_time_needs_a_sample_rate(server: FakeServer, recording: Path) -> None:
    result = run(server.url, "-i", recording, "--real-time")
    assert result.exit_code == 2
    assert (
        "expected a recording or a model that states its sample rate, got neither; give --sample-rate"
        in result.stderr
    )


def test_real_time_is_the_models(recording: Path) -> None:
    with fake_server(sample_rate=5000.0) as server:
        assert run(server.url, "-i", recording, "--real-time").exit_code == 0


def test_a_name_is_a_model_of_this_machine() -> None:
    assert url_of("watch") == "ws://127.0.0.1:8000/v1/models/watch/stream"


def test_a_server_that_is_not_there_is_named(recording: Path) -> None:
    result = run("ws://127.0.0.1:1/v1/models/watch/stream", "-i", recording)
    assert result.exit_code == 1
    assert "ws://127.0.0.1:1/v1/models/watch/stream" in result.stderr


def test_no_wake_sends_every_sample(server: FakeServer, recording: Path) -> None:
    result = run(server.url, "--input", recording, "--no-wake")
    assert "12 samples: 12 sent (100.0 %), 3 updates (25.0 %)" in result.stdout


def test_a_sample_rate_changes_nothing_but_the_pace(server: FakeServer, recording: Path) -> None:
    paced, free = (run(server.url, "--input", recording, *rate) for rate in (["--sample-rate", "5000"], []))
    assert paced.stdout == free.stdout


def test_a_stream_can_be_named_and_parked(server: FakeServer, recording: Path) -> None:
    assert run(server.url, "--input", recording, "--stream-id", "wrist-7", "--park").exit_code == 0
    assert server.streams[0].path.endswith("?stream_id=wrist-7")
    assert "end" not in [message.type for message in server.streams[0].messages]


def test_a_bad_line_ends_it_with_the_place(server: FakeServer, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("ax,ay,az\n1,2,3\n1,oops,3\n")
    result = run(server.url, "--input", path)
    assert result.exit_code == 2
    assert result.stderr == f"error: {path}, line 3, column 2 (ay): expected a number, got 'oops'\n"
    assert "t=0" in result.stdout


@pytest.fixture
def gaps(tmp_path: Path) -> Path:
    """A recording without the value of ay in samples 5 and 6, and without all of sample 8."""
    path = tmp_path / "gaps.csv"
    rows = [f"{t},{'' if t in (5, 6) else t},0" if t != 8 else ",," for t in range(12)]
    path.write_text("\n".join(["ax,ay,az", *rows, ""]))
    return path


def test_rows_with_empty_cells_are_an_error_that_names_the_way_out(server: FakeServer, gaps: Path) -> None:
    result = run(server.url, "--input", gaps)
    assert result.exit_code == 2
    place = f"{gaps}, line 7, column 2 (ay)"
    assert (
        result.stderr
        == f"error: {place}: expected a number, got ''; --missing wait or hold takes such rows\n"
    )


@pytest.mark.parametrize("wake", ["--wake", "--no-wake"])
def test_an_update_that_falls_on_a_row_with_empty_cells_waits_for_the_next(
    server: FakeServer, gaps: Path, wake: str
) -> None:
    result = run(server.url, "--input", gaps, "--missing", "wait", wake)
    *updates, summary = result.stdout.splitlines()
    assert [line.split()[0] for line in updates] == ["t=0", "t=7"]
    sent = "2 sent (16.7 %)" if wake == "--wake" else "9 sent (75.0 %)"
    assert summary == f"12 samples (3 missed): {sent}, 2 updates (16.7 %)"
    missed = [message.t for message in server.streams[0].messages if message.type == "missed"]
    assert missed == ([5, 6] if wake == "--wake" else [5, 6, 8])


def test_rows_with_empty_cells_may_hold_the_last_value(
    server: FakeServer, gaps: Path, tmp_path: Path
) -> None:
    assert run(server.url, "--input", gaps, "--missing", "hold").stdout.count("t=") == 3
    assert [message.type for message in server.streams[0].messages] == [None, None, None, "end"]
    np.save(tmp_path / "run.npy", np.full((12, 3), np.nan))
    nothing = run(server.url, "--input", tmp_path / "run.npy", "--missing", "hold")
    assert nothing.exit_code == 2
    assert (
        "run.npy, sample 0: expected a value of column 1, since there is none before it to hold"
        in nothing.stderr
    )


def test_a_file_that_goes_on_at_a_missed_row_goes_on(gaps: Path) -> None:
    with fake_server(every=5, resumed=True, next=5, wake=5) as server:
        result = run(server.url, "--input", gaps, "--missing", "wait", "--stream-id", "made-up")
    assert result.stdout.splitlines()[0].startswith("t=7 ")


def test_channels_are_found_by_name_and_a_label_is_left_out(tmp_path: Path) -> None:
    channels = [{"name": name, "unit": "g"} for name in ("ax", "ay", "az")]
    path = tmp_path / "labelled.csv"
    path.write_text("label,az,ay [g],ax\n" + "".join(f"walk,0,0,{t}\n" for t in range(12)))
    with fake_server(every=5, channels=channels) as server:
        result = run(server.url, "--input", path, "--json")
    assert result.exit_code == 0, result.stderr
    assert [json.loads(line)["t"] for line in result.stdout.splitlines()] == [0, 5, 10]
    assert result.stderr == f"{path}: columns left out: label\n"


def test_a_header_that_names_some_of_the_channels_ends_it_with_what_is_missing(tmp_path: Path) -> None:
    channels = [{"name": name, "unit": ""} for name in ("ax", "ay", "az")]
    path = tmp_path / "other.csv"
    path.write_text("ax,ay,t\n1,2,3\n")
    with fake_server(channels=channels) as server:
        result = run(server.url, "--input", path)
    assert result.exit_code == 2
    assert f"{path}, line 1: expected a column for every feature" in result.stderr
    assert "['az'] are missing, ['t'] are none of them" in result.stderr


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["--csv", "FILE"], ["--input", "FILE"]),
        (["-i", "FILE", "--rate", "5000"], ["-i", "FILE", "--sample-rate", "5000"]),
        (["-i", "FILE", "--keep"], ["-i", "FILE", "--park"]),
        (["-i", "FILE", "--give-up", "0"], ["-i", "FILE", "--retry-timeout", "0"]),
    ],
)
def test_an_option_under_its_old_name_does_the_same_and_warns(
    server: FakeServer, recording: Path, old: list[str], new: list[str]
) -> None:
    for names, warnings in ((old, 1), (new, 0)):
        arguments = [str(recording) if name == "FILE" else name for name in names]
        result = CliRunner().invoke(app, ["stream", server.url, *arguments])
        assert result.exit_code == 0
        assert result.stdout.count("t=") == 3
        assert result.stderr.count("will be removed in the next release") == warnings
    before, after = ([message.type for message in stream.messages] for stream in server.streams)
    assert before == after


@pytest.mark.parametrize(
    ("url", "csv", "code", "words"),
    [
        ("ws://127.0.0.1:1/x", "-", 1, "is the server running?"),
        ("localhost:8000", "-", 2, "url: expected ws://HOST:PORT"),
        (
            "ws://127.0.0.1:1/x",
            "missing.csv",
            2,
            "error: missing.csv: expected a file of samples: No such file",
        ),
        ("ws://127.0.0.1:1/x", "/", 2, "error: /: expected a file of samples: Is a directory"),
    ],
)
def test_what_cannot_start_says_why(url: str, csv: str, code: int, words: str) -> None:
    result = run(url, "--input", csv)
    assert result.exit_code == code
    assert words in result.stderr


def test_a_server_that_leaves_ends_it_with_1(recording: Path) -> None:
    def leave(stream: FakeStream) -> None:
        stream.hear()
        stream.socket.close(1012, "restarting")

    with fake_server(leave) as server:
        result = run(server.url, "--input", recording, "--retry-timeout", "0")
    assert result.exit_code == 1
    assert result.stderr == "error: closed with 1012: restarting\n"


def test_a_stream_outlives_its_connection(recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def leave_once(stream: FakeStream) -> None:
        if stream.ready["next"] == 0:
            stream.answer(stream.hear())
            for name, value in {"resumed": True, "next": 1, "wake": 5}.items():
                monkeypatch.setitem(READY, name, value)
            stream.socket.close(1012, "restarting")
        stream.be_honest()

    with fake_server(leave_once) as flaky:
        result = run(flaky.url, "--input", recording)
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["t=0", "t=5", "t=10", "12"]
    broken, *_, again = result.stderr.splitlines()
    said = r"stream made-up: closed with 1012: restarting; connecting again in \d\.\d s \(attempt 1\)"
    assert re.fullmatch(said, broken), broken
    assert again == "connected again"


COMMAND = (
    "import typer; from skiprnn_cli.stream import stream; app = typer.Typer(); app.command()(stream); app()"
)


def test_ctrl_c_prints_the_summary_and_how_to_resume(server: FakeServer) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, server.url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write("1,2,3\n")
        process.stdin.flush()
        assert process.stdout.readline().startswith("t=0")
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate()
    assert process.returncode == 130
    assert "1 samples: 1 sent" in stdout
    resumes = "--stream-id made-up resumes the stream; give only the samples from t=1 on"
    assert stderr == f"error: interrupted; {resumes}\n"


def test_a_file_goes_on_where_its_stream_is(recording: Path, tmp_path: Path) -> None:
    (tmp_path / "short.csv").write_text(CSV[: CSV.index("7,")])
    np.save(tmp_path / "run.npy", np.arange(36.0).reshape(12, 3) / 3)
    with fake_server(resumed=True, next=7, wake=10) as server:
        for file in (recording, tmp_path / "run.npy"):
            result = run(server.url, "--input", file, "--stream-id", "made-up")
            assert result.stdout.splitlines()[0].startswith("t=10  10.000 low"), "row 10 is sample 10"
            assert result.stdout.splitlines()[1].startswith("5 samples: 1 sent")
            skipped = f"the samples before it are skipped in {file}"
            assert result.stderr == f"stream made-up is resumed at t=7: {skipped}\n"
        nothing = run(server.url, "--input", tmp_path / "short.csv", "--stream-id", "made-up")
    assert nothing.exit_code == 2
    assert "short.csv: expected more than 7 samples" in nothing.stderr
    assert "got 7; give other samples on standard input" in nothing.stderr
    assert [message.t for stream in server.streams for message in stream.messages if message.n] == [10, 10]


def test_a_pipe_that_resumes_a_stream_is_told_which_samples_to_give() -> None:
    with fake_server(resumed=True, next=7, wake=10) as server:
        result = run(server.url, "--stream-id", "made-up", stdin="".join(f"{t},0,0\n" for t in range(7, 12)))
    assert result.stdout.startswith("t=10  10.000 low")
    assert result.stderr == "stream made-up is resumed at t=7: give only the samples from there on\n"


def test_a_stream_that_the_server_no_longer_has_names_the_ways_out(recording: Path) -> None:
    def forget(stream: FakeStream) -> None:
        if len(fake.streams) == 1:
            stream.ready |= {"limits": {"replay_updates": 32, "durable": True}}
        stream.answer(stream.hear())
        stream.socket.close(1012, "restarting")

    with fake_server(forget, every=1, resumed=False, limits={"replay_updates": 0}, next=4, wake=4) as fake:
        result = run(fake.url, "--input", recording)
    assert result.exit_code == 1
    assert "start again without --stream-id" in result.stderr
    assert "--store-url sqlite:///" in result.stderr


def test_a_terminal_gets_the_picture(server: FakeServer, recording: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", COMMAND, server.url, "--input", str(recording)]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    with subprocess.Popen(command, stdout=theirs, env=environment) as process:
        os.close(theirs)
        screen = b"".join(iter(lambda: _read(ours), b"")).decode()
    os.close(ours)
    assert process.returncode == 0
    assert "▌" in screen
    assert "12 samples: 3 sent (25.0 %), 3 updates (25.0 %)" in screen


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that the other side is closed
        return b""
