"""The arrows between packages point one way, and heavy imports happen only where they must."""

import ast
import re
import subprocess
import sys
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
            assert set(names) <= {"skiprnn.gate_limits"}, file  # which needs nothing itself


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
