"""Alerts and dashboard: what they ask for is what the server counts, and each alert fires on what it is for."""

import json
import re
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from skiprnn_service.engine.engine import Engine
from skiprnn_service.engine.step_runner import StepRunner
from skiprnn_service.scoring.process import Limits
from skiprnn_service.scoring.scheduler import Scoring
from skiprnn_service.telemetry.metrics import Metrics
from support.bundles import write_random_bundle
from support.docker import ROOT
from support.programs import need

PROMETHEUS = ROOT / "deploy/prometheus"
RULES: list[dict[str, Any]] = yaml.safe_load((PROMETHEUS / "skiprnn.rules.yml").read_text())["groups"][0][
    "rules"
]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/dashboards/skiprnn.json").read_text())
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def promtool(*arguments: str | Path) -> None:
    done = subprocess.run([need("promtool"), *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def metrics_in(query: str) -> set[str]:
    return set(re.findall(r"\b(?:skiprnn|process)_\w+", query))


@pytest.fixture
def counted(tmp_path: Path) -> set[str]:
    """Names of all that a scrape shows."""
    engine = Engine(StepRunner(write_random_bundle(tmp_path / "m.onnx")), model="watch", version="1")
    scoring = Scoring(at_once=1, waiting=1, limits=Limits(1 << 30, 60), spool_bytes=1 << 30)
    metrics = Metrics(lambda: [engine], lanes=scoring.lanes)
    families = text_string_to_metric_families(metrics.render().decode())
    names = {sample.name for family in families for sample in family.samples}
    names |= {
        family.name + "_total" for family in text_string_to_metric_families(Metrics(list).render().decode())
    }
    engine.close()
    return names


def test_prometheus_takes_its_configuration_and_rules() -> None:
    promtool("check", "config", PROMETHEUS / "prometheus.yml")


def test_every_alert_fires_on_what_it_is_for_and_on_nothing_else() -> None:
    promtool("test", "rules", Path(__file__).with_name("alerts.test.yml"))


def test_every_alert_is_tested_to_fire() -> None:
    tests = yaml.safe_load(Path(__file__).with_name("alerts.test.yml").read_text())["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    fired = {case["alertname"] for case in cases if case.get("exp_alerts")}
    assert fired == {rule["alert"] for rule in RULES}


def test_every_alert_has_its_place_in_the_runbook() -> None:
    runbook = (ROOT / "docs/how-to/deploy.md").read_text()
    assert [rule["alert"] for rule in RULES if f"### {rule['alert']}\n" not in runbook] == []


def test_alerts_and_panels_ask_for_what_the_server_counts(counted: set[str]) -> None:
    asked = set[str]().union(*map(metrics_in, [rule["expr"] for rule in RULES] + QUERIES))
    assert "skiprnn_streams_live" in asked
    assert asked - counted == set()


def test_the_queries_of_the_dashboard_are_promql(tmp_path: Path) -> None:
    plain = [query.replace("$__rate_interval", "1m").replace("$model", ".*") for query in QUERIES]
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(plain)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", tmp_path / "rules.yml")


def test_the_dashboard_reads_the_data_source_that_is_provisioned() -> None:
    path = ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml"
    [source] = yaml.safe_load(path.read_text())["datasources"]
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {source["uid"]}


def test_panels_have_numbers_of_their_own_and_do_not_overlap() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_x or apart_y, (one, other)
    assert max(panel["gridPos"]["x"] + panel["gridPos"]["w"] for panel in panels) <= 24
