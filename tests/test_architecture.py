"""The arrows between packages point one way, and heavy imports happen only where they must."""

import ast
import re
import subprocess
import sys
from collections.abc import Collection
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "skiprnn": ROOT / "model",
    "skiprnn_export": ROOT / "export",
    "skiprnn_service": ROOT / "service",
    "skiprnn_client": ROOT / "client",
    "skiprnn_cli": ROOT / "cli",
}
MAY_IMPORT = {
    "skiprnn": set[str](),
    "skiprnn_export": {"skiprnn"},  # in the files below alone
    "skiprnn_service": {"skiprnn_export"},
    "skiprnn_client": set[str](),
    "skiprnn_cli": {"skiprnn", "skiprnn_export", "skiprnn_service", "skiprnn_client"},
}
NEED_TORCH = {"step.py", "parity.py"}  # of skiprnn_export
NEED_NOTHING = {"skiprnn.gate_limits", "skiprnn.channels", "skiprnn.numerals"}  # of the model

# Inside a package: a folder, or a file on top → what it may import (docs/explanation/architecture.md).
_EVERYWHERE = {"errors", "settings", "stats"}
ROOMS = {
    "skiprnn_service": {
        "errors": set[str](),
        "settings": set[str](),
        "stats": set[str](),
        "engine": {"errors", "stats"},
        "models": {"engine", "errors"},
        "stores": {"engine", "errors"},
        "scoring": {"engine", "errors"},
        "streams": {"models", "stores", "engine", "errors", "stats"},
        "websocket": {"streams", "engine", "errors", "settings"},
        "oip": {"streams", "models", "engine", "errors", "settings"},
        "auth": {"errors", "settings"},
        "telemetry": _EVERYWHERE,
        "middleware": {"telemetry", *_EVERYWHERE},
        "state": {
            "auth",
            "engine",
            "models",
            "oip",
            "scoring",
            "stores",
            "streams",
            "telemetry",
            *_EVERYWHERE,
        },
        "routes": {
            "state",
            "auth",
            "engine",
            "models",
            "oip",
            "scoring",
            "streams",
            "websocket",
            *_EVERYWHERE,
        },
        "app": {"routes", "middleware", "telemetry", "state", *_EVERYWHERE},
        "server": {
            *("app", "auth", "engine", "models", "state", "stores", "telemetry", "websocket"),
            *_EVERYWHERE,
        },
    },
}


def imported(file: Path) -> set[str]:
    """First names of everything that a file imports, anywhere in it."""
    names = set[str]()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_lies_below_it(package: str) -> None:
    for file in (PACKAGES[package] / package).rglob("*.py"):
        ours = (imported(file) & PACKAGES.keys()) - {package}
        assert ours <= MAY_IMPORT[package], file
        if package == "skiprnn_export" and file.name not in NEED_TORCH:
            assert "torch" not in imported(file), file
            names = re.findall(r"^\s*(?:from|import) (skiprnn(?:\.\w+)*) ", file.read_text(), re.M)
            assert set(names) <= NEED_NOTHING, file


def rooms(package: str) -> dict[str, set[str]]:
    """Room → the rooms that it imports. A room is a folder, or a file on top."""
    root = PACKAGES[package] / package
    arrows: dict[str, set[str]] = {}
    for file in root.rglob("*.py"):
        inside = file.relative_to(root)
        room = inside.parts[0] if len(inside.parts) > 1 else inside.stem
        arrows.setdefault(room, set()).update(_within(package, file) - {room})
    return arrows


def _within(package: str, file: Path) -> set[str]:
    """Rooms of its own package that a file imports from."""
    found = set[str]()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == package:
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{package}."):
            found.add((node.module or "").split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {
                alias.name.split(".")[1] for alias in node.names if alias.name.startswith(f"{package}.")
            }
    return found


@pytest.mark.parametrize("package", ROOMS)
def test_inside_a_package_a_room_imports_only_what_lies_below_it(package: str) -> None:
    found = rooms(package)
    found.pop("__init__", None)
    assert found.keys() == ROOMS[package].keys()
    for room, imports in found.items():
        assert imports <= ROOMS[package][room], room


@pytest.mark.parametrize("package", ROOMS)
def test_the_rooms_of_a_package_have_floors(package: str) -> None:
    """TopologicalSorter raises CycleError, which names the circle."""
    assert list(TopologicalSorter(ROOMS[package]).static_order())


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_imports_itself_in_a_circle(package: str) -> None:
    root = PACKAGES[package]
    files = list((root / package).rglob("*.py"))
    names = {
        ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): file
        for file in files
    }
    arrows = {name: _modules(file, names.keys()) - {name} for name, file in names.items()}
    assert list(TopologicalSorter(arrows).static_order())


def _modules(file: Path, known: Collection[str]) -> set[str]:
    """Those of the known modules that a file imports, anywhere in it."""
    found = set[str]()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names if names <= set(known) else {*names, node.module}
    return found & set(known)


def test_the_service_and_the_client_never_import_torch() -> None:
    for package in ("skiprnn_service", "skiprnn_client"):
        for file in (PACKAGES[package] / package).rglob("*.py"):
            assert "torch" not in imported(file), file


def test_the_client_needs_numpy_and_websockets_alone() -> None:
    allowed = sys.stdlib_module_names | {"numpy", "websockets", "skiprnn_client"}
    for file in (PACKAGES["skiprnn_client"] / "skiprnn_client").rglob("*.py"):
        assert imported(file) <= allowed, file


@pytest.mark.parametrize(
    ("module", "kept_out"),
    [
        ("skiprnn_export", "torch,onnx,onnxruntime"),
        ("skiprnn_service.app", "torch,onnxruntime,onnx"),
        ("skiprnn_client", "torch,onnxruntime,fastapi"),
        ("skiprnn_cli", "torch,onnxruntime,fastapi,matplotlib,pandas"),
    ],
)
def test_importing_a_package_does_not_load_what_it_may_never_use(module: str, kept_out: str) -> None:
    code = f"import sys, {module}; print(sorted(set({kept_out.split(',')!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nothing_is_pickled() -> None:
    for package, root in PACKAGES.items():
        for file in (root / package).rglob("*.py"):
            assert not imported(file) & {"dill", "joblib", "cloudpickle", "shelve", "marshal"}, file


@pytest.mark.parametrize(
    ("folder", "below"),
    [("unroll", ""), ("data", ""), ("tasks", "data"), ("training", "data|tasks"), (".", "data|unroll")],
)
def test_a_folder_of_the_model_imports_only_those_below_it(folder: str, below: str) -> None:
    folders = {"unroll", "data", "tasks", "training"}
    for file in (PACKAGES["skiprnn"] / "skiprnn" / folder).glob("*.py"):
        found = set(re.findall(r"^\s*from skiprnn\.(\w+)", file.read_text(), re.M)) & folders
        old_name = file.name == "results.py" and folder == "."
        assert old_name or found <= {*below.split("|"), folder}, file
