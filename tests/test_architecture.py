"""Imports between packages go one way, down the layers, and heavy imports happen only where they must."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOTS = {
    "skiprnn": ROOT / "model",
    "skiprnn_export": ROOT / "export",
    "skiprnn_service": ROOT / "service",
    "skiprnn_client": ROOT / "client",
    "skiprnn_cli": ROOT / "cli",
}
MAY_IMPORT = {
    "skiprnn": set[str](),
    "skiprnn_export": {"skiprnn"},  # files without torch: TORCH_FREE alone
    "skiprnn_service": {"skiprnn_export"},
    "skiprnn_client": set[str](),
    "skiprnn_cli": {"skiprnn", "skiprnn_export", "skiprnn_service", "skiprnn_client"},
}
NEED_TORCH = {"step.py", "parity.py", "sequences.py"}  # of skiprnn_export
TORCH_FREE = {
    "skiprnn.gate_limits",
    "skiprnn.channels",
    "skiprnn.column_names",
    "skiprnn.dialect",
    "skiprnn.events",
    "skiprnn.numerals",
    "skiprnn.paths",
}

# Inside the service: a package, or a file on top → what it may import (docs/explanation/architecture.md).
_LEAVES = {"errors", "settings", "stats"}
SERVICE_PACKAGES = {
    "errors": set[str](),
    "settings": set[str](),
    "stats": set[str](),
    "background": set[str](),
    "engine": {"errors", "stats"},
    "models": {"engine", "errors", "background"},
    "stores": {"engine", "errors"},
    "scoring": {"engine", "errors"},
    "streams": {"models", "stores", "engine", "errors", "stats", "background"},
    "websocket": {"streams", "engine", "errors", "settings"},
    "oip": {"streams", "models", "engine", "errors", "settings"},
    "auth": {"errors", "settings"},
    "telemetry": _LEAVES,
    "middleware": {"telemetry", *_LEAVES},
    "state": {
        "auth",
        "engine",
        "models",
        "oip",
        "scoring",
        "stores",
        "streams",
        "telemetry",
        *_LEAVES,
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
        *_LEAVES,
    },
    "app": {"routes", "middleware", "telemetry", "state", *_LEAVES},
    "server": {
        *("app", "auth", "engine", "models", "state", "stores", "telemetry", "websocket"),
        *_LEAVES,
    },
}


def imports(file: Path) -> set[str]:
    """Dotted names of all that a file imports, anywhere in it; `from a.b import c` is a.b.c."""
    names = set[str]()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def top_level(file: Path) -> set[str]:
    """First names of everything that a file imports."""
    return {name.partition(".")[0] for name in imports(file)}


def within(package: str, file: Path) -> set[str]:
    """What a file imports from a package: names of its folders, files or attributes."""
    prefix = f"{package}."
    return {name.removeprefix(prefix).split(".")[0] for name in imports(file) if name.startswith(prefix)}


@pytest.mark.parametrize(
    "line",
    ["import skiprnn.data.types", "from skiprnn import data", "    from skiprnn.data.types import Batch"],
)
def test_every_form_of_import_is_found(tmp_path: Path, line: str) -> None:
    file = tmp_path / "module.py"
    file.write_text(f"if True:\n    {line.strip()}\n")
    assert top_level(file) == {"skiprnn"}
    assert within("skiprnn", file) == {"data"}


@pytest.mark.parametrize("package", ROOTS)
def test_a_package_imports_only_what_lies_below_it(package: str) -> None:
    for file in (ROOTS[package] / package).rglob("*.py"):
        ours = (top_level(file) & ROOTS.keys()) - {package}
        assert ours <= MAY_IMPORT[package], file
        if package == "skiprnn_export" and file.name not in NEED_TORCH:
            assert "torch" not in top_level(file), file
            assert "skiprnn" not in imports(file), file
            assert {f"skiprnn.{name}" for name in within("skiprnn", file)} <= TORCH_FREE, file


def test_a_package_of_the_service_imports_only_what_lies_below_it() -> None:
    root = ROOTS["skiprnn_service"] / "skiprnn_service"
    found = set[str]()
    for file in root.rglob("*.py"):
        inside = file.relative_to(root)
        package = inside.parts[0] if len(inside.parts) > 1 else inside.stem
        if package != "__init__":
            found.add(package)
            assert within("skiprnn_service", file) - {package} <= SERVICE_PACKAGES[package], file
    assert found == SERVICE_PACKAGES.keys()


def test_formats_import_nothing_of_scoring_but_one_another() -> None:
    folder = ROOTS["skiprnn_service"] / "skiprnn_service" / "scoring" / "formats"
    for file in folder.glob("*.py"):
        assert within("skiprnn_service", file) <= {"errors", "scoring"}, file
        assert within("skiprnn_service.scoring", file) <= {"formats"}, file


def test_every_package_of_the_service_says_what_it_is() -> None:
    for file in (ROOTS["skiprnn_service"] / "skiprnn_service").rglob("__init__.py"):
        assert ast.get_docstring(ast.parse(file.read_text())), file


def test_the_packages_of_the_service_have_layers() -> None:
    """TopologicalSorter raises CycleError, which names the circle."""
    assert list(TopologicalSorter(SERVICE_PACKAGES).static_order())


@pytest.mark.parametrize("package", ROOTS)
def test_no_module_imports_itself_in_a_circle(package: str) -> None:
    root = ROOTS[package]
    modules = {
        ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): file
        for file in (root / package).rglob("*.py")
    }
    graph = {}
    for module, file in modules.items():
        found = imports(file)
        named = {name if name in modules else name.rpartition(".")[0] for name in found}
        graph[module] = (named & modules.keys()) - {module}
    assert list(TopologicalSorter(graph).static_order())


def test_the_service_and_the_client_never_import_torch() -> None:
    for package in ("skiprnn_service", "skiprnn_client"):
        for file in (ROOTS[package] / package).rglob("*.py"):
            assert "torch" not in top_level(file), file


def test_the_client_needs_numpy_and_websockets_alone() -> None:
    allowed = sys.stdlib_module_names | {"numpy", "websockets", "skiprnn_client"}
    for file in (ROOTS["skiprnn_client"] / "skiprnn_client").rglob("*.py"):
        assert top_level(file) <= allowed, file


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
    for package, root in ROOTS.items():
        for file in (root / package).rglob("*.py"):
            assert not top_level(file) & {"dill", "joblib", "cloudpickle", "shelve", "marshal"}, file


@pytest.mark.parametrize(
    ("folder", "below"),
    [
        ("unroll", ""),
        ("data", ""),
        ("tasks", "data"),
        ("training", "data|tasks"),
        ("compare", "data|tasks|training"),
        ("estimators", "data|tasks|training"),
        (".", "data|unroll"),
    ],
)
def test_a_folder_of_the_model_imports_only_those_below_it(folder: str, below: str) -> None:
    folders = {"unroll", "data", "tasks", "training", "compare", "estimators"}
    for file in (ROOTS["skiprnn"] / "skiprnn" / folder).glob("*.py"):
        found = within("skiprnn", file) & folders
        old_name = file.name in {"plots.py", "results.py", "run.py"} and folder == "."
        assert old_name or found <= {*below.split("|"), folder}, file
