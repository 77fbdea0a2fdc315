"""docker-compose.yml as tests bring it up: on free ports, under a name of its own, with nothing left behind."""

import time
from collections.abc import Callable
from pathlib import Path
from resource import RLIMIT_NOFILE, getrlimit
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import yaml

from support.docker import ROOT, Engine, free_port

FILE = ROOT / "docker-compose.yml"


def public_images() -> list[str]:
    """Those that the project names and does not build, the Python base first."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    base = next(line.partition("=")[2] for line in lines if line.startswith("ARG PYTHON_IMAGE="))
    services = yaml.safe_load(FILE.read_text())["services"].values()
    return [base, *sorted({service["image"] for service in services if "build" not in service})]


class Project:
    """The services of docker-compose.yml. `down` at the end.

    Args:
        folder: for a file that adapts them to a stand-in engine.
        profiles: that are active.
        environment: variables of docker-compose.yml, beside the ports.
    """

    def __init__(self, engine: Engine, folder: Path, *profiles: str, **environment: str) -> None:
        self.engine = engine
        self.ports = {name: free_port() for name in ("skiprnn", "balancer", "prometheus", "grafana")}
        self._environment = environment | {
            "COMPOSE_PROJECT_NAME": "skiprnn-test",
            "COMPOSE_PROFILES": ",".join(profiles),
            "SKIPRNN_PUBLISH": f"127.0.0.1:{self.ports['skiprnn']}",
            "SKIPRNN_PUBLISH_HA": f"127.0.0.1:{self.ports['balancer']}",
            "PROMETHEUS_PORT": str(self.ports["prometheus"]),
            "GRAFANA_PORT": str(self.ports["grafana"]),
            "SKIPRNN_OPEN_FILES": str(min(65536, getrlimit(RLIMIT_NOFILE)[1])),  # what this machine allows
        }
        self._files = ["-f", str(FILE), *self._adapted(folder)]

    def _adapted(self, folder: Path) -> list[str]:
        """A stand-in engine has no registry to pull from, and builds on the host's network."""
        if not self.engine.stand_in:
            return []
        services = yaml.safe_load(FILE.read_text())["services"]
        adapted = {
            name: {"pull_policy": "never"} | ({"build": {"network": "host"}} if "build" in service else {})
            for name, service in services.items()
        }
        path = folder / "stand-in.yml"
        path.write_text(yaml.safe_dump({"services": adapted}))
        return ["-f", str(path)]

    def run(self, *arguments: str, check: bool = True) -> str:
        """`docker compose` with these arguments."""
        files = [*self._files, "--project-directory", str(ROOT)]
        return self.engine.compose(*files, *arguments, environment=self._environment, check=check)

    def up(self, *services: str) -> None:
        """Start them and wait until they are healthy."""
        self.run("up", "-d", "--no-build", "--wait", "--wait-timeout", "180", *services)

    def down(self, *, volumes: bool = True) -> None:
        """Remove everything, or all but the volumes."""
        self.run("down", "--timeout", "20", "--remove-orphans", *(["--volumes"] if volumes else []))

    def containers(self, service: str) -> list[str]:
        """Names of its containers, also of those that stopped."""
        return sorted(self.run("ps", "--all", "--format", "{{.Name}}", service).split())

    def image(self, service: str) -> str:
        """The name of a service's image."""
        found: str = yaml.safe_load(FILE.read_text())["services"][service]["image"]
        return found

    def http(self, service: str) -> str:
        """Where a service is published."""
        return f"http://127.0.0.1:{self.ports[service]}"

    def stream(self, service: str) -> str:
        """Where it takes streams of the shipped model."""
        return f"ws://127.0.0.1:{self.ports[service]}/v1/models/watch/stream"


def status(url: str) -> int:
    """HTTP status of a GET; 0: nobody answers."""
    try:
        with urlopen(url, timeout=5) as response:
            code: int = response.status
            return code
    except HTTPError as error:
        return error.code
    except (URLError, OSError):
        return 0


def until(true: Callable[[], bool], *, seconds: float = 60) -> bool:
    """Wait until it is; False if it was not within so many seconds."""
    deadline = time.monotonic() + seconds
    while not (fulfilled := true()) and time.monotonic() < deadline:
        time.sleep(0.3)
    return fulfilled
