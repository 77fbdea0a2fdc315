"""Train a SkipNetwork on a task: Lightning's loop around one objective, into one folder (run_folder.py).

A run is repeatable: data and dropout of an epoch depend on the seed and the number of the epoch alone, so a run that
was interrupted and resumed ends with the same weights, bit for bit, as one that was not (same machine, same number
of threads).
"""

import dataclasses
import logging
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.callbacks.progress.tqdm_progress import Tqdm
from lightning.pytorch.loggers import TensorBoardLogger

from skiprnn.data.types import Data, EventStreams
from skiprnn.network import SkipNetwork
from skiprnn.paths import StrPath
from skiprnn.recipe import Recipe
from skiprnn.training.calibration import Calibration, calibrate
from skiprnn.training.event_evaluation import EventTest, choose_threshold
from skiprnn.training.experiment import Experiment, build
from skiprnn.training.learner import Learner
from skiprnn.training.report import report_of
from skiprnn.training.run_folder import RunFolder
from skiprnn.training.run_results import results_of


class TrainingInterruptedError(RuntimeError):
    """SIGINT or SIGTERM ended a training before its last epoch."""


def fit(
    experiment: Experiment,
    out: StrPath,
    *,
    resume: bool = False,
    progress_bar: bool = True,
    data: Data | None = None,
) -> dict[str, Any]:
    """Train, evaluate and save; return the results, as in training.json.

    Args:
        out: the run's folder.
        resume: continue from its last checkpoint, if there is one.
        progress_bar: show one on stderr. For a log, the logger skiprnn.training.epochs says a line an epoch (INFO).
        data: what `experiment.load()` gave, where it was called before; None: fit calls it.

    Raises:
        FileExistsError: `out` holds a run, and `resume` is False.
        ValueError: it holds another run, or one of other recordings, or a damaged checkpoint; or the warm start is of
            another shape.
        FileNotFoundError, DownloadError: data or the warm start is not there.
        TrainingInterruptedError: by SIGINT or SIGTERM; the finished epochs are saved.
        TrainingDivergedError: a loss is not finite; the epochs before are saved.
    """
    data, out = data or experiment.load(), Path(out)
    folder, recipe, identity = RunFolder(out), experiment.recipe, experiment.identity()
    resumes = folder.check(recipe, identity, resume=resume, recordings=data.recordings)
    if resumes and (results := folder.finished(recipe.epochs)) is not None:
        return results
    if resumes:
        _check_readable(folder.last)
    lightning.seed_everything(experiment.seed, verbose=False)
    network = build(experiment, data)  # what cannot be built leaves no folder
    folder.begin(recipe, identity, recordings=data.recordings)
    learner = Learner(network, experiment, data, folder)
    began = time.monotonic()
    with _quiet_lightning():
        trainer = _trainer(recipe, data, folder, progress_bar=progress_bar)
        _run(trainer, learner, folder, resumes=resumes)
    _take(network, folder, recipe)
    facts = {
        "epochs": trainer.current_epoch,
        "stopped": trainer.should_stop,
        "warning": learner.collapse.message,
    }
    return _finish(network, experiment, data, folder, facts, began)


def _finish(
    network: SkipNetwork,
    experiment: Experiment,
    data: Data,
    folder: RunFolder,
    facts: Mapping[str, Any],
    began: float,
) -> dict[str, Any]:
    """Calibrate the trained network, evaluate it and save it all; the results, with the facts of the training."""
    recipe = experiment.recipe
    network.cpu()
    if recipe.period is not None:
        network.update_every(recipe.period)
    calibration = None if facts["warning"] else _calibrate(network, experiment, data)
    events = None if data.events is None else _alarms(network, data.events, recipe)
    results = results_of(experiment, data, network, events) | {
        **facts,
        "seconds": round(time.monotonic() - began, 1),
        "calibration": calibration and dataclasses.asdict(calibration),
    }
    network.save(folder.path)
    folder.finish(results, data.samples, report_of(experiment, data, network, results, events))
    return results


def _check_readable(checkpoint: Path) -> None:
    """torch's errors of a damaged file are of many kinds, and do not name it."""
    try:
        torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ValueError(
            f"{checkpoint}: expected a checkpoint, found a file that is cut short or damaged ({reason}); remove it, "
            "and --resume begins with the first epoch"
        ) from None


def _trainer(recipe: Recipe, data: Data, folder: RunFolder, *, progress_bar: bool) -> lightning.Trainer:
    callbacks: list[Callback] = _checkpoints(folder)
    if progress_bar:
        callbacks.append(_ProgressBar(refresh_rate=10))
    if recipe.patience is not None:
        callbacks.append(EarlyStopping("objective", patience=recipe.patience, check_on_train_epoch_end=True))
    return lightning.Trainer(
        max_epochs=recipe.epochs,
        callbacks=callbacks,
        logger=TensorBoardLogger(folder.path, name="", version=""),
        log_every_n_steps=min(10, data.batches),
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        enable_progress_bar=progress_bar,
        enable_model_summary=False,
    )


class _ProgressBar(TQDMProgressBar):
    """Lightning's, on stderr: its own is on stdout, among the results."""

    def init_train_tqdm(self) -> Tqdm:
        bar = {"desc": self.train_description, "disable": self.is_disabled, "leave": True, "smoothing": 0}
        return Tqdm(**bar, position=2 * self.process_position, dynamic_ncols=True, file=sys.stderr)


def _run(trainer: lightning.Trainer, learner: Learner, folder: RunFolder, *, resumes: bool) -> None:
    try:
        trainer.fit(learner, ckpt_path=folder.last if resumes else None, weights_only=True)
    except SystemExit as end:  # Lightning's answer to both signals; its status of SIGTERM would be 0
        message = f"{folder.path}: interrupted in epoch {trainer.current_epoch}; continue with --resume"
        raise TrainingInterruptedError(message) from end


def _checkpoints(folder: RunFolder) -> list[Callback]:
    """After every epoch last.ckpt; best.ckpt where the objective fell. Lightning's `save_last` would write the one only
    with the other.
    """
    return [
        ModelCheckpoint(
            folder.checkpoints,
            filename=filename,
            monitor=monitor,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
        for filename, monitor in (("best", "objective"), ("last", None))
    ]


def _take(network: SkipNetwork, folder: RunFolder, recipe: Recipe) -> None:
    """Put the weights that `recipe.keep` names into the network."""
    if recipe.keep == "last":
        return
    checkpoint = torch.load(folder.checkpoints / "best.ckpt", map_location="cpu", weights_only=True)
    weights = {
        name: weight for name, weight in checkpoint["state_dict"].items() if name.startswith("network.")
    }
    network.load_state_dict({name.removeprefix("network."): weight for name, weight in weights.items()})


def _alarms(network: SkipNetwork, streams: EventStreams, recipe: Recipe) -> EventTest:
    choose_threshold(network, streams, recipe)
    return EventTest.of(network, streams, recipe)


def _calibrate(network: SkipNetwork, experiment: Experiment, data: Data) -> Calibration | None:
    """None where the recipe asks for no rate of a learned gate."""
    recipe = experiment.recipe
    if recipe.target_rate is None or recipe.schedule is not None or not recipe.calibrate_rate:
        return None
    return calibrate(network, data, recipe.target_rate, experiment.seed)


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Hide Lightning's messages about its own parts: users cannot act on them."""
    loggers = [
        logging.getLogger(f"lightning.pytorch.{part}") for part in ("utilities.rank_zero", "callbacks")
    ]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r".*isinstance\(treespec, LeafSpec\)")
            warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty", UserWarning)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
