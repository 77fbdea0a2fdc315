"""Names that are imported when they are first used, and old names."""

import importlib
import subprocess
import sys
from types import ModuleType

import pytest

import skiprnn
from skiprnn import gate, gate_limits, losses, recipe, training
from skiprnn.data import types
from skiprnn.lazy import lazy_names
from skiprnn.tasks import task
from skiprnn.training import plots, run_folder


@pytest.mark.parametrize("package", [skiprnn, training])
def test_every_public_name_is_there(package: object) -> None:
    names = package.__all__  # type: ignore[attr-defined]
    assert all(getattr(package, name) is not None for name in names)


def test_importing_the_package_does_not_import_torch() -> None:
    code = "import sys, skiprnn; print(skiprnn.DEFAULT_MAX_SKIP, skiprnn.__version__ != '', 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1023 True False\n"


@pytest.mark.parametrize(
    ("package", "old", "new"),
    [
        (skiprnn, "budget", "budget_loss"),
        (skiprnn, "target_rate", "target_rate_loss"),
        (losses, "budget", "budget_loss"),
        (losses, "target_rate", "target_rate_loss"),
        (training, "Plan", "Experiment"),
        (recipe, "Cadence", "Schedule"),
    ],
)
def test_an_old_name_is_the_new_one_with_a_warning(package: object, old: str, new: str) -> None:
    with pytest.warns(DeprecationWarning, match=rf"{old} is now .*\.{new}; .* will be removed") as caught:
        found = getattr(package, old)
    assert found is getattr(package, new)
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("module", "name", "place"),
    [
        (gate, "DEFAULT_MAX_SKIP", gate_limits),
        (gate, "check_gate", gate_limits),
        (task, "Batch", types),
        (task, "Signal", types),
    ],
)
def test_a_name_that_moved_is_there_with_a_warning(module: ModuleType, name: str, place: ModuleType) -> None:
    moved = rf"{module.__name__}\.{name} is now {place.__name__}\.{name};"
    space: dict[str, object] = {}
    with pytest.warns(DeprecationWarning, match=moved) as caught:
        exec(compile(f"from {module.__name__} import {name} as found", __file__, "exec"), space)
    assert space["found"] is getattr(place, name)
    assert caught[0].filename == __file__


@pytest.mark.parametrize(("old", "place"), [("skiprnn.run", run_folder), ("skiprnn.plots", plots)])
def test_a_module_that_moved_is_there_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, old: str, place: ModuleType
) -> None:
    monkeypatch.delitem(sys.modules, old, raising=False)
    with pytest.warns(DeprecationWarning, match=rf"{old} is now {place.__name__};"):
        module = importlib.import_module(old)
    assert module.__all__
    assert all(getattr(module, name) is getattr(place, name) for name in module.__all__)


def test_other_names_are_missing() -> None:
    with pytest.raises(AttributeError, match="module 'made' has no attribute 'nothing'"):
        lazy_names("made", {})("nothing")
    with pytest.raises(ImportError, match="cannot import name 'nothing' from 'skiprnn'"):
        exec("from skiprnn import nothing")
