"""`skiprnn export`: a trained network → one .onnx file, compared with torch before it is written."""

import dataclasses
import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skiprnn_cli.console import fail, print_facts

if TYPE_CHECKING:
    from skiprnn_export.step import Report


def export(
    run: Annotated[Path, typer.Argument(help="Folder that `skiprnn train` wrote.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The .onnx file to write.")] = Path("model.onnx"),
    json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Write a trained network as one ONNX file, once it is equal to torch within rounding.

    Example: skiprnn export runs/watch --out models/watch.onnx
    """
    from skiprnn_export.step import ExportError
    from skiprnn_export.step import export as write_bundle

    try:
        report = write_bundle(run, out)
    except ExportError as error:
        fail(error, code=1)
    except (OSError, ValueError) as error:
        fail(error)
    if json:
        typer.echo(jsonlib.dumps(_figures(report, out)))
    else:
        print_facts(f"{out}: equal to torch", _facts(report))


def _figures(report: "Report", out: Path) -> dict[str, Any]:
    return {
        "file": str(out),
        "bytes": len(report.bundle.model),
        "sha256": report.bundle.sha256,
        "file_sha256": report.bundle.file_sha256,
        "real_sequences": report.real_sequences,
        "random_sequences": report.random_sequences,
        "parity": dataclasses.asdict(report.parity),
    }


def _facts(report: "Report") -> dict[str, str]:
    parity = report.parity
    explained = f"{parity.differing}, each by rounding across a boundary of the skip table"
    return {
        "file": f"{len(report.bundle.model):,} bytes",
        "sha256 of the file": report.bundle.file_sha256,
        "compared on": f"{report.real_sequences} real and {report.random_sequences} random sequences",
        "largest difference": f"output {parity.max_output:.1e}, state {parity.max_state:.1e}, "
        f"update probability {parity.max_update_prob:.1e}",
        "gate decisions": f"{parity.decisions:,}",
        "differing": explained if parity.differing else "none",
    }
