"""`docker compose up`: one server over SQLite, hardened, and streams that outlive its process."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.compose import Project, status, until
from support.docker import Engine
from support.durable_stream import DurableStream, Samples, stream_all

Answers = list[dict[int, bytes]]


@pytest.fixture(scope="module")
def project(
    container_engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    assert image
    project = Project(container_engine, tmp_path_factory.mktemp("one"))
    project.down()
    try:
        project.up()
        yield project
    finally:
        project.down()


@pytest.fixture
def server(project: Project) -> str:
    """The container's name."""
    [name] = project.containers("skiprnn")
    return name


def test_it_serves_the_page_and_the_shipped_model(project: Project) -> None:
    assert [status(project.http("skiprnn") + path) for path in ("/", "/v1/models/watch")] == [200, 200]


def test_it_is_published_on_loopback_alone_unless_told(project: Project, server: str) -> None:
    ports = project.engine.inspect(server)["NetworkSettings"]["Ports"]
    assert [port["HostIp"] for published in ports.values() if published for port in published] == [
        "127.0.0.1"
    ]


def test_it_has_no_capability_and_can_gain_none(project: Project, server: str) -> None:
    said = project.engine.docker("exec", server, "grep", "-E", "CapEff|CapBnd|NoNewPrivs", "/proc/1/status")
    assert {line.split()[1].strip("0") for line in said.splitlines()} == {"", "1"}
    assert "NoNewPrivs:\t1" in said


def test_its_root_is_read_only(project: Project, server: str) -> None:
    project.engine.docker("exec", server, "touch", "/tmp/writable")
    with pytest.raises(RuntimeError, match="Read-only file system"):
        project.engine.docker("exec", server, "touch", "/models/new", "/usr/new")


def test_streams_from_outside_get_the_bits_of_the_offline_unroll(
    project: Project, recordings: list[Samples], expected: Answers
) -> None:
    streams = stream_all(project.stream("skiprnn"), recordings, "plain")
    assert [stream.updates for stream in streams] == expected
    assert {stream.connections for stream in streams} == {1}


def test_a_restart_under_load_loses_no_stream(
    project: Project, recordings: list[Samples], expected: Answers
) -> None:
    """SIGTERM: streams are told, saved, closed with 1012, and go on with the next process."""
    streams = stream_all(
        project.stream("skiprnn"), recordings, "restart", lambda: project.run("restart", "skiprnn")
    )
    assert [stream.updates for stream in streams] == expected
    assert {(stream.connections, stream.lost) for stream in streams} == {(2, 0)}
    assert {code for stream in streams for code in stream.closes} == {1012}


def test_the_process_ends_by_itself_when_told_to(project: Project, server: str) -> None:
    project.run("stop", "skiprnn")
    assert project.engine.inspect(server)["State"]["ExitCode"] == 0
    project.up()


def test_a_kill_under_load_loses_no_stream(
    project: Project, server: str, recordings: list[Samples], expected: Answers
) -> None:
    """SIGKILL: what was not saved is sent again."""

    def kill() -> None:
        project.engine.docker("kill", "--signal", "KILL", server)
        project.up()

    streams = stream_all(project.stream("skiprnn"), recordings, "kill", kill)
    assert [stream.updates for stream in streams] == expected
    assert {(stream.connections, stream.lost) for stream in streams} == {(2, 0)}


def test_parked_streams_outlive_their_container(
    project: Project, recordings: list[Samples], expected: Answers
) -> None:
    stream = DurableStream(project.stream("skiprnn"), "parked", recordings[0], seconds_between=0)
    asyncio.run(stream.run(until=1000, end=False))
    project.down(volumes=False)
    project.up()
    asyncio.run(stream.run())
    assert stream.updates == expected[0]
    assert (stream.connections, stream.lost) == (2, 0)


def test_a_crashed_server_is_started_again(project: Project, server: str) -> None:
    process = project.engine.inspect(server)["State"]["Pid"]
    if os.geteuid() != 0 or not Path(f"/proc/{process}").exists():
        pytest.skip("the engine's processes are not on this machine, or not ours to kill")
    os.kill(process, 9)
    assert until(lambda: project.engine.inspect(server)["State"]["Pid"] not in (0, process))
    assert until(lambda: status(project.http("skiprnn") + "/v2/health/ready") == 200)
