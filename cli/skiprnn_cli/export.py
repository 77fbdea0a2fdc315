"""`skiprnn export`: a trained network → one .onnx file, compared with torch before it is written.

With --reseal: a bundle whose graph another tool changed → a bundle again.
"""

import dataclasses
import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skiprnn_cli.console import fail, print_facts

if TYPE_CHECKING:
    from skiprnn_export import Bundle
    from skiprnn_export.step import Report


_SHOWN = 5  # runs that are named


def export(
    run: Annotated[
        Path | None, typer.Argument(help="Folder that `skiprnn train` wrote.", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The .onnx file to write.")] = Path("model.onnx"),
    samples: Annotated[
        Path | None,
        typer.Option(
            help="Real sequences to compare on, in place of those of the training: .npy, .npz, CSV or Parquet, or a "
            "folder of them."
        ),
    ] = None,
    reseal: Annotated[
        Path | None,
        typer.Option(help="Bundle whose graph another tool changed: check it, write it with a new digest."),
    ] = None,
    recording: Annotated[
        Path | None,
        typer.Option(
            help="File of real samples, read as the run read its data: lay it beside the bundle, for the dashboard to "
            "play.",
            show_default=False,
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Write a trained network as one ONNX file, once it is equal to torch within rounding.

    Example: skiprnn export runs/watch --out models/watch.onnx
    """
    if run is not None and reseal is None:
        _export(run, out, samples, recording, json=json)
    elif reseal is not None and run is None and recording is None:
        _reseal(reseal, out, json=json)
    else:
        fail("expected the folder of a training run, or --reseal FILE without --recording")


def _check_is_one_run(run: Path) -> None:
    """Of a folder that `skiprnn compare` wrote, the runs in it are named."""
    inside = sorted(path.parent.name for path in run.glob("*/config.json"))
    if inside and not (run / "config.json").exists():
        shown = ", ".join(inside[:_SHOWN]) + (", …" if len(inside) > _SHOWN else "")
        fail(
            f"{run}: expected the folder of one run, got one of {len(inside)} runs ({shown}): "
            f"skiprnn export {run / inside[0]}"
        )


def _export(run: Path, out: Path, samples: Path | None, recording: Path | None, *, json: bool) -> None:
    from skiprnn.network import SkipNetwork
    from skiprnn_cli.recording import read, write
    from skiprnn_export.sequences import read_sequences
    from skiprnn_export.step import ExportError, features_of
    from skiprnn_export.step import export as write_bundle

    _check_is_one_run(run)
    try:
        features = features_of(SkipNetwork.load(run).config)
        sequences = None if samples is None else read_sequences(samples, features)
        text = read(recording, run) if recording else None
        report = write_bundle(run, out, samples=sequences)
        beside = write(text, out) if text else None
    except ExportError as error:
        fail(error, code=1)
    except (OSError, ValueError) as error:
        fail(error)
    if json:
        typer.echo(jsonlib.dumps(_figures(report, out) | {"recording": beside and str(beside)}))
    else:
        played = {"recording": str(beside or "none; --recording FILE adds one for the dashboard to play")}
        print_facts(f"{out}: equal to torch", _facts(report) | played)


def _reseal(changed: Path, out: Path, *, json: bool) -> None:
    from skiprnn_export.reseal import reseal

    try:
        report = reseal(changed, out)
    except (OSError, ValueError) as error:
        fail(error)
    if json:
        results = {
            "original_sha256": report.bundle.info.original_sha256,
            "row_difference": report.row_difference,
        }
        typer.echo(jsonlib.dumps(_file(report.bundle, out) | results))
    else:
        facts = {
            "file": f"{len(report.bundle.model):,} bytes",
            "sha256 of the file": report.bundle.file_sha256,
            "made from the bundle with inner sha256": str(report.bundle.info.original_sha256),
            "a row alone and in a batch": f"differ by {report.row_difference:.1e} at most",
        }
        print_facts(f"{out}: sealed again; compare its outputs with the original's", facts)


def _figures(report: "Report", out: Path) -> dict[str, Any]:
    return _file(report.bundle, out) | {
        "real_sequences": report.real_sequences,
        "random_sequences": report.random_sequences,
        "parity": dataclasses.asdict(report.parity),
    }


def _file(bundle: "Bundle", out: Path) -> dict[str, Any]:
    return {
        "file": str(out),
        "bytes": len(bundle.model),
        "sha256": bundle.sha256,
        "file_sha256": bundle.file_sha256,
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
