"""Pictures of training runs: curves, at which samples the network updates, and the metric against the update rate.

Drawn as the paper draws them (figures 2 to 4): pixels with an update in red, skipped ones in blue; a dot on a signal
at every update.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from skiprnn.data.types import Signal
from skiprnn.metric_label import metric_label
from skiprnn.network import SkipNetwork
from skiprnn.paths import StrPath
from skiprnn.recipe import Recipe
from skiprnn.training.evaluation import forced_gates
from skiprnn.training.run_folder import RunFolder

UPDATED, SKIPPED = "#d62728", "#1f77b4"

_SHOWN = 400  # samples of a signal
KINDS = {  # kind of a run → label, marker, colour
    "target rate": ("learned, target rate", "o", UPDATED),
    "lambda": ("learned, λ", "D", "#9467bd"),
    "every sample": ("every sample", "*", "#2ca02c"),
    "uniform": ("uniform schedule", "s", "#7f7f7f"),
    "random": ("random schedule", "^", "#bcbd22"),
}


def plot_run(run: StrPath, out: StrPath) -> list[Path]:
    """Draw one run's curves and at which samples its network updates; return the files.

    Raises:
        FileNotFoundError: the folder holds no finished run.
    """
    folder, out = RunFolder(Path(run)), Path(out)
    recipe = folder.read_recipe()
    out.mkdir(parents=True, exist_ok=True)
    files = []
    if history := folder.read_history():
        files.append(_save(_curves(history, _metric(history)), out / "curves.png"))
    if folder.sequences.is_file():
        files.append(_save(_updates(SkipNetwork.load(run), _sequences(folder), recipe), out / "reads.png"))
    return files


def plot_front(runs: Sequence[StrPath], out: StrPath) -> Path:
    """Draw the metric of finished runs of one task against their update rates.

    Raises:
        FileNotFoundError: a folder holds no finished run.
        ValueError: the runs are of different tasks.
    """
    out = Path(out)
    results = [RunFolder(Path(run)).read_results() for run in runs]
    tasks = sorted({result["task"] for result in results})
    if len(tasks) > 1:
        raise ValueError(f"expected runs of one task, got {tasks}")
    out.mkdir(parents=True, exist_ok=True)
    return _save(_front(results, tasks[0]), out / "front.png")


def _metric(history: Sequence[dict[str, Any]]) -> str:
    """The task's metric stands second in every line."""
    known = {"epoch", "steps", "train_loss", "loss", "rate", "updates", "objective"}
    return next(name for name in history[-1] if name not in known)


def _sequences(folder: RunFolder) -> list[Signal]:
    with np.load(folder.sequences, allow_pickle=False) as archive:
        return [archive[name] for name in archive.files]


def _save(figure: Figure, path: Path) -> Path:
    figure.savefig(path, dpi=150, bbox_inches="tight")
    return path


def _curves(history: Sequence[dict[str, Any]], metric: str) -> Figure:
    """Metric, losses and update rate over the epochs."""
    figure = Figure(figsize=(9, 3), layout="constrained")
    axes = figure.subplots(1, 3)
    epochs = [line["epoch"] + 1 for line in history]
    for ax, names in zip(axes, ([metric], ["train_loss", "loss"], ["rate"]), strict=True):
        for name in names:
            label = "update rate" if name == "rate" else metric_label(name)
            ax.plot(epochs, [line[name] for line in history], label=label)
        ax.set_xlabel("epoch")
        ax.legend()
    axes[2].set_ylim(0, 1.02)
    if metric.endswith("error"):
        axes[0].set_yscale("log")
    return figure


@torch.no_grad()
def _updates(network: SkipNetwork, sequences: Sequence[Signal], recipe: Recipe) -> Figure:
    """At which samples of a few sequences the network updates."""
    gates = []
    for sequence in sequences:
        x = torch.from_numpy(sequence).unsqueeze(0)
        gates.append(network(x, forced_gates=forced_gates(recipe, x)).gates[0].numpy() > 0)
    if _are_images(sequences):
        return _images(sequences, gates)
    return _signals(sequences[:4], gates[:4])


def _are_images(sequences: Sequence[Signal]) -> bool:
    """One channel, a square number of samples, and no less than 8 × 8."""
    lengths = {len(sequence) for sequence in sequences}
    square = all(math.isqrt(length) ** 2 == length >= 64 for length in lengths)
    return square and len(lengths) == 1 and sequences[0].shape[1] == 1 and sequences[0].min() >= 0


def _images(sequences: Sequence[Signal], gates: Sequence[NDArray[np.bool_]]) -> Figure:
    figure = Figure(figsize=(1.4 * len(sequences), 1.6), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(sequences)))
    for ax, sequence, updated in zip(axes, sequences, gates, strict=True):
        ax.imshow(_coloured(sequence, updated))
        ax.set_title(f"{updated.mean():.0%} updates", fontsize=8)
        ax.set_axis_off()
    return figure


def _coloured(sequence: Signal, updated: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Grey pixels tinted red where the network updates and blue where it skips, [side, side, 3]."""
    side = math.isqrt(len(sequence))
    grey = sequence / max(float(sequence.max()), 1e-12)
    tint = np.where(updated[:, np.newaxis], _rgb(UPDATED), _rgb(SKIPPED))
    return (0.65 * tint + 0.35 * grey).clip(0, 1).reshape(side, side, 3)


def _rgb(colour: str) -> NDArray[np.float64]:
    return np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])


def _signals(sequences: Sequence[Signal], gates: Sequence[NDArray[np.bool_]]) -> Figure:
    figure = Figure(figsize=(9, 1.6 * len(sequences)), layout="constrained")
    axes = np.atleast_1d(figure.subplots(len(sequences), 1))
    for ax, sequence, updated in zip(axes, sequences, gates, strict=True):
        _signal(ax, sequence[:_SHOWN], updated[:_SHOWN])
        ax.set_ylabel(f"{updated.mean():.0%} updates")
    axes[-1].set_xlabel("sample")
    return figure


def _signal(ax: Axes, sequence: Signal, updated: NDArray[np.bool_]) -> None:
    t = np.arange(len(sequence))
    for channel in sequence.T:
        ax.plot(t, channel, color=SKIPPED, linewidth=0.7, alpha=0.6)
        ax.plot(t[updated], channel[updated], ".", color=UPDATED, markersize=3)


def _kind(results: dict[str, Any]) -> str:
    if results["schedule"]:
        return "every sample" if results["target_rate"] == 1 else str(results["schedule"])
    return "lambda" if results["target_rate"] is None else "target rate"


def _front(results: Sequence[dict[str, Any]], task: str) -> Figure:
    """A point a run; a thin line joins the thresholds at which a learned gate was evaluated."""
    figure = Figure(figsize=(5, 4), layout="constrained")
    ax = figure.subplots()
    metric = results[0]["metric"]
    for kind, (label, marker, colour) in KINDS.items():
        runs = [entry for entry in results if _kind(entry) == kind]
        if runs:
            points = [[entry[name] for entry in runs] for name in ("update_rate", metric)]
            ax.plot(*points, marker, color=colour, label=label)
        for entry in (entry for entry in runs if "thresholds" in entry):
            line = [[at[name] for at in entry["thresholds"]] for name in ("update_rate", metric)]
            ax.plot(*line, color=colour, linewidth=0.6, alpha=0.5)
    if any("thresholds" in entry for entry in results):
        ax.plot([], [], color="black", linewidth=0.6, alpha=0.5, label="its higher thresholds")
    ax.set(
        xlabel="update rate",
        ylabel=metric_label(metric),
        title=task,
        xlim=(0, 1.02),
    )
    ax.legend()
    return figure
