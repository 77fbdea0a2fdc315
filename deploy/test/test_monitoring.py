"""`docker compose --profile observability up`: Prometheus counts what was streamed, Grafana finds its dashboard."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import pytest

from support.compose import Project, status, until
from support.docker import Engine
from support.durable_stream import Samples, stream_all


@pytest.fixture(scope="module")
def project(
    container_engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    assert image
    project = Project(container_engine, tmp_path_factory.mktemp("monitoring"), "observability")
    project.down()
    try:
        project.up()
        yield project
    finally:
        project.down()


def ask(project: Project, path: str) -> Any:
    with urlopen(f"{project.http('prometheus')}/api/v1/{path}", timeout=10) as response:
        return json.load(response)["data"]


def value(project: Project, query: str) -> float:
    """Of a query with one result; −1: there is none yet."""
    found = ask(project, f"query?query={quote(query)}")["result"]
    return float(found[0]["value"][1]) if found else -1.0


def test_the_server_is_found_and_scraped(project: Project) -> None:
    assert until(lambda: value(project, 'up{job="skiprnn"}') == 1)


def test_all_rules_are_loaded_and_can_be_evaluated(project: Project) -> None:
    def healthy() -> bool:
        rules = [rule for group in ask(project, "rules")["groups"] for rule in group["rules"]]
        return len(rules) > 5 and {rule["health"] for rule in rules} == {"ok"}

    assert until(healthy)


def test_it_counts_exactly_what_was_streamed(
    project: Project, recordings: list[Samples], expected: list[dict[int, bytes]]
) -> None:
    stream_all(project.stream("skiprnn"), recordings, "counted")
    samples, updates = sum(map(len, recordings)), sum(map(len, expected))
    assert until(lambda: value(project, "sum(skiprnn_samples_total)") == samples)
    assert value(project, "sum(skiprnn_updates_total)") == updates
    assert value(project, "sum(skiprnn_samples_skipped_total)") == samples - updates


def test_a_server_that_is_gone_raises_an_alert(project: Project) -> None:
    [server] = project.containers("skiprnn")
    project.engine.docker("kill", server)
    assert until(lambda: value(project, 'ALERTS{alertname=~"SkiprnnDown|SkiprnnGone"}') == 1)


def test_grafana_is_up_with_what_was_provisioned(project: Project) -> None:
    """With a stand-in engine this is a stand-in too, which looks for the files and no more."""
    assert status(project.http("grafana") + "/api/health") == 200


def test_the_dashboard_is_there(project: Project) -> None:
    if project.engine.stand_in:
        pytest.skip("a stand-in engine has no Grafana")
    assert status(project.http("grafana") + "/d/skiprnn") == 200
