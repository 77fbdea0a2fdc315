"""The task on docs/how-to/own-task.md trains, exports, and finds its clicks."""

import json
import re
import textwrap
from pathlib import Path

from typer.testing import CliRunner

from skiprnn_cli import app
from skiprnn_export import read

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "own-task.md").read_text(encoding="utf-8")


def test_the_task_of_the_page_trains_and_exports(tmp_path: Path) -> None:
    code = re.findall(r"^ +```python\n(.*?)^ +```", PAGE, re.MULTILINE | re.DOTALL)[0]
    (tmp_path / "clicks.py").write_text(textwrap.dedent(code))
    run, bundle = tmp_path / "run", tmp_path / "clicks.onnx"
    for command in (
        ["train", tmp_path / "clicks.py", "--out", run, "--override", "samples=2000", "--quiet"],
        ["export", run, "--out", bundle],
    ):
        done = CliRunner().invoke(app, [str(part) for part in command])
        assert done.exit_code == 0, done.output
    results = json.loads((run / "training.json").read_text())
    assert (results["task"], results["options"]) == ("clicks", {"samples": 2000})
    assert results["f1"] > 0.8
    rule = read(bundle).info.events
    assert rule is not None
    assert (rule.background, rule.refractory) == ("none", 25)
