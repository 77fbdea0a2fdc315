"""The compose files: they fit their schema, and no service is softer, larger or more open than it has to be."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from skiprnn_service.settings import Settings
from support.docker import ROOT
from support.programs import need

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]

each_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)


@pytest.mark.parametrize("name", ["docker-compose.yml", "docker-compose.gpu.yml"])
def test_it_fits_the_schema_of_the_compose_specification(name: str) -> None:
    check = Path(sys.executable).with_name("check-jsonschema")
    arguments = ["--builtin-schema", "vendor.compose-spec", str(ROOT / name)]
    done = subprocess.run([check, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@each_service
def test_it_is_hardened_and_limited(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert "privileged" not in service


@each_service
def test_its_image_has_an_exact_tag(service: dict[str, Any]) -> None:
    assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+(-alpine)?", service["image"])


@each_service
def test_it_is_open_to_this_machine_alone_unless_told(service: dict[str, Any]) -> None:
    for port in service.get("ports", []):
        assert re.match(r"\$\{\w+:-127\.0\.0\.1:|127\.0\.0\.1:", port), port


@each_service
def test_its_environment_holds_no_password(service: dict[str, Any]) -> None:
    secret = [
        value
        for name, value in service.get("environment", {}).items()
        if re.search("PASSWORD|SECRET|TOKEN|KEY", name)
    ]
    assert all(value.startswith("/run/secrets/") for value in secret)


@each_service
def test_whoever_it_waits_for_is_waited_for_until_healthy(service: dict[str, Any]) -> None:
    for name, wait in service.get("depends_on", {}).items():
        assert wait == {"condition": "service_healthy"}
        assert "healthcheck" in SERVICES[name] or "build" in SERVICES[name]  # else the image's own


def test_only_the_one_server_starts_when_no_profile_is_named() -> None:
    assert [name for name, service in SERVICES.items() if "profiles" not in service] == ["skiprnn"]


def test_every_secret_is_made_by_the_script_that_makes_them() -> None:
    secrets = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["secrets"]
    script = (ROOT / "deploy/make_secrets.sh").read_text()
    assert {Path(secret["file"]).name for secret in secrets.values()} == set(
        re.findall(r"^write (\S+)", script, re.MULTILINE)
    )


def test_secrets_are_made_once_and_agree(tmp_path: Path) -> None:
    script = tmp_path / "make_secrets.sh"
    script.write_text((ROOT / "deploy/make_secrets.sh").read_text())
    (tmp_path / "secrets").mkdir()

    def made() -> dict[str, str]:
        subprocess.run(["sh", script], check=True, capture_output=True)
        return {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}

    first = made()
    password = first["redis_auth.conf"].split()[1]
    assert re.fullmatch(r"[\w-]{48}", password)
    assert len(set(first.values())) == len(first)
    assert first["skiprnn_store_url"] == f"redis://:{password}@redis:6379/0\n"
    assert made() == first


def test_the_settings_in_it_are_settings() -> None:
    lines = (ROOT / "deploy/server.env").read_text().splitlines()
    names = {line.partition("=")[0] for line in lines if line and not line.startswith("#")}
    names |= {name for service in SERVICES.values() for name in service.get("environment", {})}
    ours = {name.removeprefix("SKIPRNN_").lower() for name in names if name.startswith("SKIPRNN_")}
    assert ours
    assert ours <= set(Settings.model_fields)


def test_the_balancer_takes_its_configuration() -> None:
    done = subprocess.run(
        [need("haproxy"), "-c", "-f", ROOT / "deploy/haproxy.cfg"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def server_settings() -> dict[str, str]:
    lines = (ROOT / "deploy/server.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line.startswith("SKIPRNN_"))


@pytest.mark.parametrize("name", ["skiprnn", "replica"])
def test_scoring_fits_the_memory_and_its_files_are_not_in_it(name: str) -> None:
    service = SERVICES[name]
    assert not service["tmpfs"]
    assert "spool:/tmp" in service["volumes"]
    memory = service["deploy"]["resources"]["limits"]["memory"]
    assert memory == "${SKIPRNN_MEMORY:-2g}"
    processes = 2 * Settings().max_scoring * int(server_settings()["SKIPRNN_SCORING_MEMORY_BYTES"])
    assert processes + 256 * 2**20 <= 2 * 2**30
