"""`docker compose --profile ha up balancer`: two replicas over Redis, and streams that outlive either."""

import time
from collections.abc import Iterator

import pytest

from support.compose import Project, status, until
from support.docker import Engine
from support.durable_stream import Samples, stream_all

Answers = list[dict[int, bytes]]


@pytest.fixture(scope="module")
def project(
    container_engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    assert image
    project = Project(container_engine, tmp_path_factory.mktemp("ha"), "ha")
    project.down()
    try:
        project.up("balancer")
        assert until(lambda: status(project.http("balancer") + "/v2/health/ready") == 200)
        yield project
    finally:
        project.down()


def test_the_single_server_is_not_started_beside_them(project: Project) -> None:
    assert len(project.containers("replica")) == 2
    assert project.containers("skiprnn") == []


def test_counts_of_one_replica_are_not_shown_as_those_of_all(project: Project) -> None:
    assert status(project.http("balancer") + "/metrics") == 404


def test_streams_are_spread_over_both(project: Project, recordings: list[Samples], expected: Answers) -> None:
    live: dict[str, int] = {}

    def look() -> None:
        live.update({name: live_streams(project, name) for name in project.containers("replica")})

    streams = stream_all(project.stream("balancer"), recordings, "spread", look)
    assert [stream.updates for stream in streams] == expected
    assert sum(live.values()) == len(recordings)
    assert min(live.values()) > len(recordings) / 4


def test_a_replica_killed_under_load_loses_no_stream(
    project: Project, recordings: list[Samples], expected: Answers
) -> None:
    victim, _ = project.containers("replica")
    streams = stream_all(project.stream("balancer"), recordings, "killed", lambda: kill(project, victim))
    assert [stream.updates for stream in streams] == expected
    assert {stream.lost for stream in streams} == {0}
    assert {stream.connections for stream in streams} == {1, 2}  # those elsewhere noticed nothing


def test_a_replica_stopped_under_load_hands_its_streams_over(
    project: Project, recordings: list[Samples], expected: Answers
) -> None:
    project.up("balancer")
    victim, _ = project.containers("replica")
    streams = stream_all(
        project.stream("balancer"), recordings, "stopped", lambda: project.engine.docker("stop", victim)
    )
    assert [stream.updates for stream in streams] == expected
    assert {stream.lost for stream in streams} == {0}
    assert {stream.connections for stream in streams} == {1, 2}
    assert {code for stream in streams for code in stream.closes} == {1012}


def test_streams_go_on_unsaved_while_redis_hangs(
    project: Project, recordings: list[Samples], expected: Answers
) -> None:
    project.up("balancer")
    replica, _ = project.containers("replica")
    [redis] = project.containers("redis")
    seen: list[str] = []

    def hang() -> None:
        project.engine.docker("pause", redis)
        try:
            time.sleep(8)  # longer than a call to the store may take
            seen.append(health(project, replica))
        finally:
            project.engine.docker("unpause", redis)
        assert until(lambda: '"saving":"ok"' in health(project, replica))

    streams = stream_all(project.stream("balancer"), recordings, "hang", hang)
    assert [stream.updates for stream in streams] == expected
    assert {stream.connections for stream in streams} == {1}
    assert '"ready":true' in seen[0]
    assert '"saving":"ok"' not in seen[0]


def kill(project: Project, container: str) -> None:
    project.engine.docker("kill", "--signal", "KILL", container)


def live_streams(project: Project, container: str) -> int:
    lines = ask(project, container, "/metrics").splitlines()
    return sum(int(float(line.split()[1])) for line in lines if line.startswith("skiprnn_streams_live{"))


def health(project: Project, container: str) -> str:
    return ask(project, container, "/v2/health/ready")


def ask(project: Project, container: str, path: str) -> str:
    """GET from inside, where each replica has an address of its own."""
    script = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=5).read().decode())"
    return project.engine.docker("exec", container, "python", "-c", script, f"http://127.0.0.1:8000{path}")
