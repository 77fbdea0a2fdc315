"""The program `skiprnn`: commands are imported when they are called, and say which extra they need."""

import subprocess
import sys
from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from skiprnn_cli import app

WITHOUT_EXTRAS = """
import sys
from importlib.abc import MetaPathFinder

class Hidden(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in {"onnx", "onnxruntime", "torch", "fastapi", "uvicorn", "msgspec", "pydantic_settings", "websockets"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden())
from skiprnn_cli import main
main()
"""


def without_extras(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_EXTRAS, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"], ["train", "--help"]])
def test_help_needs_no_extra(arguments: list[str]) -> None:
    done = without_extras(*arguments)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_error_of_our_own_imports_is_not_taken_for_a_missing_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "skiprnn_export", None)
    result = CliRunner().invoke(app, ["inspect", "m.onnx"])
    assert isinstance(result.exception, ModuleNotFoundError)


def test_the_version_is_the_packages() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"skiprnn {version('skiprnn')}\n")


def test_shells_complete_it() -> None:
    result = CliRunner().invoke(
        app, [], env={"_SKIPRNN_COMPLETE": "complete_bash", "COMP_WORDS": "skiprnn st", "COMP_CWORD": "1"}
    )
    assert "stream" in result.stdout


def test_a_command_imports_no_other() -> None:
    code = """
import sys
from skiprnn_cli import app
app(["healthcheck", "--url", "http://127.0.0.1:1"], standalone_mode=False)
ours = {name.removeprefix("skiprnn_cli.") for name in sys.modules if name.startswith("skiprnn")}
print("numpy" in sys.modules, sorted(ours - {"skiprnn_cli", "console", "renamed", "healthcheck"}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False []\n"


def test_a_name_that_is_nearly_one_is_understood() -> None:
    done = CliRunner().invoke(app, ["serv"])
    assert done.exit_code == 2
    assert "Did you mean 'serve'?" in done.output
