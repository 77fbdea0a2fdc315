"""Train a SkipNetwork on a task: Lightning's loop around one objective, into one folder (see run.py).

A run is repeatable: data and dropout of an epoch depend on the seed and the number of the epoch alone, so a run that
was interrupted and resumed ends with the same weights, bit for bit, as one that was not (same machine, same number
of threads).
"""

import dataclasses
import logging
import math
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor

from skiprnn.clipping import GradientClip
from skiprnn.collapse import Collapse
from skiprnn.evaluation import Evaluation, evaluate, forced_gates
from skiprnn.losses import update_rate
from skiprnn.network import NetworkConfig, SkipNetwork
from skiprnn.objective import price, reads_every_step, task_loss, wanted_rate
from skiprnn.recipe import Recipe, learning_rate_factor
from skiprnn.run import RunFolder
from skiprnn.tasks.task import Batch, Data, Source, Task

_THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)  # of the gate at run time, at which a trained network is judged

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What to train.

    Attributes:
        folder: the user's data, for tasks that need it.
        options: the task's own settings.
        warm_start: a run or network directory to take the weights from.
    """

    task: Task
    recipe: Recipe
    seed: int = 0
    folder: Path | None = None
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    warm_start: Path | None = None

    def load(self) -> Data:
        """The task's data.

        Raises:
            ValueError: an option that the task does not have.
            FileNotFoundError, DownloadError: data that is not there.
        """
        if unknown := sorted(set(self.options) - set(self.task.options)):
            raise ValueError(
                f"{self.task.name}: expected options among {sorted(self.task.options)}, got {unknown}"
            )
        return self.task.load(
            Source(self.folder, self.recipe, self.seed, {**self.task.options, **self.options})
        )

    def identity(self) -> dict[str, Any]:
        """What makes a run this run, beside its recipe."""
        return {"task": self.task.name, "seed": self.seed, "options": {**self.task.options, **self.options}}


class TrainingInterruptedError(RuntimeError):
    """SIGINT or SIGTERM ended a training before its last epoch."""


def fit(plan: Plan, out: Path, *, resume: bool = False, progress_bar: bool = True) -> dict[str, Any]:
    """Train, judge and save; return the figures, as in training.json.

    Args:
        out: the run's folder.
        resume: go on from its last checkpoint, if there is one.
        progress_bar: show one.

    Raises:
        FileExistsError: `out` holds a run, and `resume` was not asked for.
        ValueError: it holds another run, or the warm start is of another shape.
        FileNotFoundError, DownloadError: data or the warm start is not there.
        TrainingInterruptedError: by SIGINT or SIGTERM; the epochs that ended are kept.
    """
    data = plan.load()
    folder = RunFolder(out)
    goes_on = folder.begin(plan.recipe, plan.identity(), resume=resume)
    if goes_on and (figures := folder.finished(plan.recipe.epochs)) is not None:
        return figures
    lightning.seed_everything(plan.seed, verbose=False)
    network = build(plan, data)
    learner = Learner(network, plan, data, folder)
    began = time.monotonic()
    with _quiet_lightning():
        trainer = _trainer(plan.recipe, data, folder, progress_bar=progress_bar)
        _run(trainer, learner, folder, goes_on=goes_on)
    _take(network, folder, plan.recipe)
    figures = _figures(plan, data, network.cpu()) | {
        "epochs": trainer.current_epoch,
        "stopped": trainer.should_stop,
        "seconds": round(time.monotonic() - began, 1),
        "warning": learner.collapse.message,
    }
    network.save(out)
    folder.finish(figures, data.samples)
    return figures


def build(plan: Plan, data: Data) -> SkipNetwork:
    """The network before training: the recipe's shape, the data's scale, the warm start's weights."""
    network = SkipNetwork(NetworkConfig(name=plan.task.name, **data.network, **plan.recipe.network()))
    with torch.no_grad():
        network.rnn.gate.weight.mul_(plan.recipe.gate_scale)
    if plan.recipe.clock_start and plan.recipe.rate is not None:
        _start_as_clock(network, plan.recipe.rate)
    if plan.warm_start is not None:
        weights = SkipNetwork.load(plan.warm_start).state_dict()
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            raise ValueError(
                f"{plan.warm_start}: expected a network of the recipe's shape: {error}"
            ) from error
    if data.mean is not None and data.std is not None:
        network.input_mean.copy_(data.mean)
        network.input_std.copy_(data.std)
    return network


def _start_as_clock(network: SkipNetwork, rate: float) -> None:
    """Δũ = 0.5 / (n + 0.5) skips n samples (rounded to whole ones) after every update."""
    skipped = max(0.0, 1 / rate - 1)
    delta_u = min(0.5 / (skipped + 0.5), 0.9)
    torch.nn.init.zeros_(network.rnn.gate.weight)
    torch.nn.init.constant_(network.rnn.gate.bias, math.log(delta_u / (1 - delta_u)))


class Learner(lightning.LightningModule):
    """One objective, and what is done after every epoch: judge, log, look out for collapse."""

    pressure: Tensor

    def __init__(self, network: SkipNetwork, plan: Plan, data: Data, folder: RunFolder) -> None:
        super().__init__()
        self.network, self._plan, self._data, self._folder = network, plan, data, folder
        self._recipe = plan.recipe
        self._every_step = reads_every_step(network, plan.recipe)
        self._steps = plan.recipe.epochs * data.batches
        self.collapse = Collapse(plan.recipe)
        self._clip = GradientClip(plan.recipe.clip, plan.recipe.clip_ratio, groups=2)
        self.register_buffer("pressure", torch.zeros(()))  # in checkpoints, for resuming

    @property
    def progress(self) -> float:
        """Share of the training that is over."""
        return self.global_step / self._steps

    def train_dataloader(self) -> "_Epoch":
        return _Epoch(self._data, (self._plan.seed, self.current_epoch, self.global_rank))

    def on_train_start(self) -> None:
        x = self._data.validation[0].x[:1].to(self.device)
        _log.info("unrolls on %s by %s", self.device, self.network.rnn.choose_backend(x))

    def on_train_epoch_start(self) -> None:
        self._losses: list[Tensor] = []
        torch.manual_seed(hash((self._plan.seed, self.current_epoch)) % 2**63)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:  # noqa: ARG002
        forced = forced_gates(self._recipe, batch.x)
        logits, gates, _ = self.network(
            batch.x, batch.lengths, forced_gates=forced, every_step=self._every_step
        )
        loss = task_loss(self.network, logits, batch, self._recipe.label_smoothing)
        self._losses.append(loss.detach())
        self.log("step_loss", loss, prog_bar=True, batch_size=len(batch.x))
        cost = price(self._recipe, gates, batch.lengths, self.progress, self.pressure.clone())
        self._adapt(update_rate(gates.detach(), batch.lengths))
        return loss + cost

    def configure_gradient_clipping(self, optimizer: torch.optim.Optimizer, *_: Any, **__: Any) -> None:
        """In place of Lightning's, which knows a fixed limit alone."""
        self._clip([group["params"] for group in optimizer.param_groups])

    def _adapt(self, rate: Tensor) -> None:
        """Press harder while more is read than wanted, less while less is."""
        self.log("step_rate", rate, prog_bar=True, batch_size=1)
        if self._recipe.rate is not None:
            self.pressure += self._recipe.rate_gain * (rate - wanted_rate(self._recipe, self.progress))

    def on_train_epoch_end(self) -> None:
        metric = self._plan.task.metric
        result = evaluate(self.network, self._data.validation, metric, self._recipe)
        line = {
            "train_loss": float(torch.stack(self._losses).mean()),
            metric.name: result.metric,
            "loss": result.loss,
            "rate": result.rate,
            "updates": result.updates,
            "objective": result.objective(self._recipe),
        }
        for name, value in line.items():
            self.log(name, value, prog_bar=name in (metric.name, "rate"), batch_size=1)
        if self.global_rank == 0:
            self._folder.log({"epoch": self.current_epoch, "steps": self.global_step} | line)
        if self.collapse.seen(result, self.progress):
            self.trainer.should_stop = True

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Adam (AdamW without decay is Adam), the gate as a group of its own."""
        recipe, gate = self._recipe, list(self.network.rnn.gate.parameters())
        rest = [weight for weight in self.network.parameters() if all(weight is not other for other in gate)]
        groups: list[dict[str, Any]] = [
            {"params": rest},
            {"params": gate, "lr": recipe.learning_rate * recipe.gate_learning_rate, "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: learning_rate_factor(recipe, step / self._steps)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class _Epoch:
    """The training batches of one epoch; iterating again gives the same ones."""

    def __init__(self, data: Data, seed: tuple[int, ...]) -> None:
        self._data, self._seed = data, seed

    def __len__(self) -> int:
        return self._data.batches

    def __iter__(self) -> Iterator[Batch]:
        return self._data.epoch(np.random.default_rng(self._seed))


def _trainer(recipe: Recipe, data: Data, folder: RunFolder, *, progress_bar: bool) -> lightning.Trainer:
    callbacks: list[Callback] = [_checkpoints(folder)]
    if progress_bar:
        callbacks.append(TQDMProgressBar(refresh_rate=10))
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


def _run(trainer: lightning.Trainer, learner: Learner, folder: RunFolder, *, goes_on: bool) -> None:
    try:
        trainer.fit(learner, ckpt_path=folder.last if goes_on else None, weights_only=True)
    except SystemExit as end:  # Lightning's answer to both signals; its status of SIGTERM would be 0
        said = f"{folder.path}: interrupted in epoch {trainer.current_epoch}; go on with --resume"
        raise TrainingInterruptedError(said) from end


def _checkpoints(folder: RunFolder) -> ModelCheckpoint:
    """After every epoch last.ckpt; best.ckpt where the objective fell."""
    return ModelCheckpoint(
        folder.checkpoints,
        filename="best",
        monitor="objective",
        save_last=True,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )


def _take(network: SkipNetwork, folder: RunFolder, recipe: Recipe) -> None:
    """Put the weights that the recipe keeps into the network."""
    if recipe.keep == "last":
        return
    held = torch.load(folder.checkpoints / "best.ckpt", map_location="cpu", weights_only=True)["state_dict"]
    weights = {name: weight for name, weight in held.items() if name.startswith("network.")}
    network.load_state_dict({name.removeprefix("network."): weight for name, weight in weights.items()})


def _figures(plan: Plan, data: Data, network: SkipNetwork) -> dict[str, Any]:
    """What training.json says."""
    recipe, metric = plan.recipe, plan.task.metric
    batches = data.test or data.validation
    judged = evaluate(network, batches, metric, recipe)
    figures = plan.identity() | {
        "metric": metric.name,
        metric.name: judged.metric,
        "update_rate": judged.rate,
        "updates": judged.updates,
        "samples": judged.samples,
        "lambda": recipe.budget,
        "rate_target": recipe.rate,
        "cadence": recipe.cadence,
        "cell": recipe.cell,
        "hidden_size": recipe.hidden_size,
        "parameters": sum(weight.numel() for weight in network.parameters()),
        "torch": torch.__version__,
    }
    if metric.solved is not None:
        figures["solved"] = metric.is_solved(judged.metric)
    if recipe.cadence is None:
        figures["thresholds"] = list(_thresholds(plan, network, batches))
    return figures


def _thresholds(plan: Plan, network: SkipNetwork, batches: Any) -> Iterator[dict[str, float]]:
    """The same network at higher thresholds of the gate: fewer updates, without training."""
    trained = network.rnn.threshold
    for threshold in _THRESHOLDS:
        network.rnn.threshold = threshold
        judged: Evaluation = evaluate(network, batches, plan.task.metric, plan.recipe)
        yield {"threshold": threshold, plan.task.metric.name: judged.metric, "update_rate": judged.rate}
    network.rnn.threshold = trained


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Keep what Lightning says about itself from people who cannot act on it."""
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
