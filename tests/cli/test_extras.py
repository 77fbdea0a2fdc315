"""Every command in an environment of every extra: it works, or names in one line the extra that it lacks."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from skiprnn_cli import _EXTRAS

ROOT = Path(__file__).parents[2]
OURS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ENVIRONMENTS = [
    "",
    "bundle",
    "client",
    "serve",
    "score",
    "train",
    "serve,client",
]  # the last: of `make serve`
COMMANDS = {  # what gets past the reading of options; FILE is empty
    "demo": "demo --no-open --models-dir FILE",
    "serve": "serve --models-dir FILE",
    "stream": "stream watch --input FILE",
    "score": "score FILE FILE.csv -o FILE.json",
    "inspect": "inspect FILE",
    "train": "train watch --out FILE --override nothing=1",
    "plot": "plot FILE",
    "report": "report FILE",
    "export": "export FILE --out models/x.onnx",
    "compare": "compare FILE --update-rates 0.5",
    "bench": "bench ws://127.0.0.1:9/v1/models/m/stream",
    "healthcheck": "healthcheck --url http://127.0.0.1:9",
    "keys": "keys list --file FILE",
}
IN_THE_ENVIRONMENT = """
import json, sys
from importlib.abc import MetaPathFinder

hidden, commands = json.load(sys.stdin)

class Without(MetaPathFinder):
    # a finder that does not find what is hidden

    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in hidden else self.finder.find_spec(name, path, target)

sys.meta_path[:] = map(Without, sys.meta_path)
from skiprnn_cli import app
from typer.testing import CliRunner

done = {}
for name, arguments in commands.items():
    result = CliRunner().invoke(app, arguments)
    done[name] = (result.exit_code, result.stdout, result.stderr, repr(result.exception))
json.dump(done, sys.__stdout__)
"""


def needed(extras: str) -> frozenset[str]:
    """Names of all packages that `pip install skiprnn[extras]` brings."""
    optional: dict[str, list[str]] = OURS["optional-dependencies"]
    own = [*OURS["dependencies"], *(line for extra in extras.split(",") if extra for line in optional[extra])]
    found = set[str]()
    for requirement in map(Requirement, own):
        if requirement.name == "skiprnn":
            found |= needed(",".join(requirement.extras))
        else:
            found |= _with_its_own(requirement.name, frozenset(requirement.extras))
    return frozenset(found)


@cache
def _with_its_own(name: str, extras: frozenset[str]) -> frozenset[str]:
    found, left = {canonicalize_name(name)}, [(name, extras)]
    while left:
        for requirement in _required(*left.pop()):
            if (one := canonicalize_name(requirement.name)) not in found:
                found.add(one)
                left.append((one, frozenset(requirement.extras)))
    return frozenset(found)


def _required(name: str, extras: frozenset[str]) -> Iterator[Requirement]:
    try:
        lines = requires(name) or []
    except PackageNotFoundError:  # of another platform
        return
    for requirement in map(Requirement, lines):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield requirement


def hidden(extras: str) -> list[str]:
    """Modules of all packages that are installed here and would not be there."""
    there = needed(extras)
    modules = packages_distributions().items()
    return [
        module
        for module, packages in modules
        if not module.startswith("skiprnn") and not {canonicalize_name(name) for name in packages} & there
    ]


@cache
def outcomes(extras: str, folder: Path) -> dict[str, tuple[int, str, str, str]]:
    """Command → exit code, standard output, standard error, exception."""
    commands = {name: COMMANDS[name].replace("FILE", str(folder / "empty")).split() for name in _EXTRAS}
    done = subprocess.run(
        [sys.executable, "-c", IN_THE_ENVIRONMENT],
        input=json.dumps([hidden(extras), commands]),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, tuple[int, str, str, str]] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("folder")
    for name in ("empty", "empty.csv"):
        (found / name).touch()
    return found


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("command", _EXTRAS)
def test_a_command_works_or_names_the_extra_that_it_lacks(
    folder: Path, command: str, environment: str
) -> None:
    code, out, err, exception = outcomes(environment, folder)[command]
    extra = _EXTRAS[command]
    if extra is None or needed(extra) <= needed(environment):
        assert "not installed" not in err, err
        return
    if "not installed" not in err:  # it got by without: what it was asked for needs less
        assert code in (1, 2)
        assert err.startswith("error: "), (err, exception)
        return
    (line,) = err.splitlines()
    install = f"pip install -e '.[{extra}]' in a checkout, or pip install '/path/to/skiprnn[{extra}]'"
    assert line.startswith("error: ")
    assert line.endswith(f" is not installed; install the extra {extra!r}: {install}")
    assert (code, out) == (2, "")


def test_without_any_extra_every_command_but_one_lacks_its_own(folder: Path) -> None:
    lacking = {name for name, (_, _, err, _) in outcomes("", folder).items() if "is not installed" in err}
    assert lacking == _EXTRAS.keys() - {"healthcheck"}


def test_a_command_that_lacks_its_extra_leaves_nothing_behind(folder: Path) -> None:
    for environment in ENVIRONMENTS:
        outcomes(environment, folder)
    assert {path.name for path in folder.iterdir()} == {"empty", "empty.csv"}
