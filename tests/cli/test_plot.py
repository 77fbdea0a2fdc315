"""`skiprnn plot`: pictures of runs."""

from pathlib import Path

import typer
from typer.testing import CliRunner, Result

from skiprnn_cli.plot import plot
from support.training import train

app = typer.Typer()
app.command()(plot)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_pictures_are_drawn_of_a_run_and_of_several(tmp_path: Path) -> None:
    train(tmp_path / "learned")
    train(tmp_path / "uniform", target_rate=0.5, schedule="uniform")
    one = run(tmp_path / "uniform", "--out", tmp_path / "pictures")
    assert one.exit_code == 0, one.output
    both = run(tmp_path / "learned", tmp_path / "uniform", "--out", tmp_path / "pictures")
    assert both.exit_code == 0, both.output
    made = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert made == ["curves.png", "front.png", "reads.png"]
    assert all((tmp_path / "pictures" / name).read_bytes().startswith(b"\x89PNG") for name in made)


def test_a_folder_without_a_run_is_not_drawn(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert result.exit_code == 2
    assert "found no recipe.json" in result.stderr
