"""`skiprnn inspect`: what is in a bundle."""

import json as jsonlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skiprnn_cli.console import fail, print_facts

if TYPE_CHECKING:
    from skiprnn.events import EventRule
    from skiprnn_export import Bundle, BundleInfo

_LISTED = 12  # names of features or classes that are printed
_OLD_KEYS = {"rate_target", "cadence"}  # of an earlier release: the new ones stand beside them


def inspect(
    model: Annotated[Path, typer.Argument(help="The .onnx file to look at.", show_default=False)],
    json: Annotated[
        bool, typer.Option("--json", help="Print the description and both digests as JSON.")
    ] = False,
) -> None:
    """Check a bundle and print what is in it.

    Example: skiprnn inspect models/watch.onnx
    """
    from skiprnn_export import read

    try:
        bundle = read(model)
    except (OSError, ValueError) as error:
        fail(error)
    if json:
        digests = {"sha256": bundle.sha256, "file_sha256": bundle.file_sha256}
        typer.echo(jsonlib.dumps(bundle.info.to_json() | digests, ensure_ascii=False))
    else:
        print_facts(f"{model}: {bundle.info.name}", _facts(bundle))


def _facts(bundle: "Bundle") -> dict[str, str]:
    info = bundle.info
    network = (
        f"{info.layers} × {info.hidden} {info.cell.upper()}, {info.state_size} values of state per stream"
    )
    units = [
        f"{feature.name} [{feature.unit}]" if feature.unit else feature.name for feature in info.features
    ]
    facts = {
        "file": f"{len(bundle.model):,} bytes, format {info.format}",
        "sha256 of the file": bundle.file_sha256,
        "inner sha256": bundle.sha256,
        "network": network,
        "task": info.task.replace("_", " "),
        "features": f"{len(units)}: {_listed(units)}",
        "sample rate": "not given" if info.sample_rate is None else f"{info.sample_rate:g} Hz",
        "outputs": _outputs(info),
        "gate": f"{info.gate}; threshold {info.threshold:g}, skips {info.max_skip} samples at most",
    }
    if info.events is not None:
        facts["events"] = _events(info.events, info.sample_rate)
    if info.original_sha256 is not None:
        facts["changed from inner sha256"] = info.original_sha256
    training = {name: value for name, value in info.training.items() if name not in _OLD_KEYS}
    return facts | {f"training: {name}": _text(value) for name, value in training.items()}


def _outputs(info: "BundleInfo") -> str:
    probabilities = "independent probabilities" if info.multi_label else "probabilities"
    kind = "values" if info.is_regression else probabilities
    return f"{info.outputs} {kind}" + (
        f": {_listed(info.output_names)}" if info.classes or info.targets else ""
    )


def _events(rule: "EventRule", sample_rate: float | None) -> str:
    refractory = f"{rule.refractory} samples"
    if sample_rate is not None:
        refractory += f" ({rule.refractory / sample_rate:g} s)"
    return f"all but {rule.background!r}; threshold {rule.threshold:g}, refractory time {refractory}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")


def _text(fact: Any) -> str:
    match fact:
        case str():
            return fact
        case float():
            return f"{fact:.4g}"
        case [dict(first), *_] if all(isinstance(row, dict) and row.keys() == first.keys() for row in fact):
            rows = [[_text(value) for value in row.values()] for row in fact]
            return _table([[str(name) for name in first], *rows])
    return jsonlib.dumps(fact, ensure_ascii=False)


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Lines of columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
