"""The Kubernetes manifests: they fit the schemas of the API, and agree with each other and with the image."""

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from skiprnn_service.app import create_app
from skiprnn_service.settings import Settings
from support.docker import ROOT

FOLDER = ROOT / "deploy/kubernetes"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
VERSIONS = ["1.33", kubernetes_validate.latest_version()]

Manifest = dict[str, Any]


def manifests() -> list[Manifest]:
    files = [FOLDER / name for name in KUSTOMIZATION["resources"]]
    return [manifest for path in files for manifest in yaml.safe_load_all(path.read_text())]


def of_kind(kind: str, name: str = "skiprnn") -> Manifest:
    [found] = [m for m in manifests() if (m["kind"], m["metadata"]["name"]) == (kind, name)]
    return found


def pod(manifest: Manifest) -> dict[str, Any]:
    template: dict[str, Any] = manifest["spec"]["template"]
    return template


def server() -> dict[str, Any]:
    [container] = pod(of_kind("Deployment"))["spec"]["containers"]
    found: dict[str, Any] = container
    return found


WORKLOADS = [of_kind("Deployment"), of_kind("StatefulSet", "redis")]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("manifest", manifests(), ids=lambda m: f"{m['kind']}-{m['metadata']['name']}")
def test_it_fits_the_schema_of_the_api(manifest: Manifest, version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


def test_every_manifest_in_the_folder_is_applied() -> None:
    others = {"kustomization.yaml", "adapter-values.yaml"}  # the second is for a Helm chart
    assert {path.name for path in FOLDER.glob("*.yaml")} - others == set(KUSTOMIZATION["resources"])


@pytest.mark.parametrize(
    "manifest",
    [m for m in manifests() if m["kind"] in ("Service", "PodDisruptionBudget", "NetworkPolicy")],
    ids=lambda m: f"{m['kind']}-{m['metadata']['name']}",
)
def test_selectors_find_the_pods_of_their_name(manifest: Manifest) -> None:
    [workload] = [w for w in WORKLOADS if w["metadata"]["name"] == manifest["metadata"]["name"]]
    selector = manifest["spec"].get("podSelector") or manifest["spec"]["selector"]
    assert selector.get("matchLabels", selector) == pod(workload)["metadata"]["labels"]


@pytest.mark.parametrize("workload", WORKLOADS, ids=["server", "redis"])
def test_pods_are_as_restricted_as_the_namespace_demands(workload: Manifest) -> None:
    spec = pod(workload)["spec"]
    assert of_kind("Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    for container in spec["containers"]:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert set(container["resources"]["limits"]) == {"cpu", "memory"}


def test_the_user_is_that_of_the_image() -> None:
    [user] = set(re.findall(r"^USER (\d+):\d+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    assert pod(of_kind("Deployment"))["spec"]["securityContext"]["runAsUser"] == int(user)


def test_the_image_is_that_of_the_compose_file() -> None:
    [image] = KUSTOMIZATION["images"]
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert f"{image['name']}:{image['newTag']}" == compose["skiprnn"]["image"]
    assert server()["image"] == image["name"]
    [redis] = pod(of_kind("StatefulSet", "redis"))["spec"]["containers"]
    assert redis["image"] == compose["redis"]["image"]


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_probes_ask_routes_that_there_are(probe: str) -> None:
    paths = create_app(Settings()).openapi()["paths"]
    assert server()[probe]["httpGet"]["path"] in paths


def test_a_pod_has_the_time_to_drain() -> None:
    lines = (FOLDER / "settings.env").read_text().splitlines()
    settings = dict(line.split("=") for line in lines if not line.startswith("#"))
    grace = pod(of_kind("Deployment"))["spec"]["terminationGracePeriodSeconds"]
    assert grace > float(settings["SKIPRNN_DRAIN_SECONDS"]) + 10


def test_the_settings_in_it_are_settings() -> None:
    names = re.findall(r"^(SKIPRNN_\w+)=", (FOLDER / "settings.env").read_text(), re.MULTILINE)
    names += [variable["name"] for variable in server()["env"]]
    assert {name.removeprefix("SKIPRNN_").lower() for name in names} <= set(Settings.model_fields)


def test_the_autoscaler_reads_what_the_adapter_gives() -> None:
    metrics = of_kind("HorizontalPodAutoscaler")["spec"]["metrics"]
    rules = yaml.safe_load((FOLDER / "adapter-values.yaml").read_text())["rules"]["custom"]
    given = {rule.get("name", {}).get("as") or rule["seriesQuery"].partition("{")[0] for rule in rules}
    assert {metric["pods"]["metric"]["name"] for metric in metrics} == given


def test_redis_is_set_up_as_under_compose() -> None:
    def said(text: str) -> list[str]:
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        return [line for line in lines if not line.startswith("include")]

    assert said(of_kind("ConfigMap", "redis")["data"]["redis.conf"]) == said(
        Path(ROOT / "deploy/redis.conf").read_text()
    )


def test_scoring_fits_the_memory_and_the_disk_of_a_pod() -> None:
    lines = (FOLDER / "settings.env").read_text().splitlines()
    settings = dict(line.split("=", 1) for line in lines if line.startswith("SKIPRNN_"))
    (spool,) = (
        v["emptyDir"]["sizeLimit"]
        for v in pod(of_kind("Deployment"))["spec"]["volumes"]
        if v["name"] == "tmp"
    )
    assert (spool, server()["resources"]["limits"]["memory"]) == ("4Gi", "2Gi")
    assert int(settings["SKIPRNN_MAX_SPOOL_BYTES"]) + 64 * 2**20 <= 4 * 2**30
    assert 2 * int(settings["SKIPRNN_SCORING_MEMORY_BYTES"]) + 256 * 2**20 <= 2 * 2**30
