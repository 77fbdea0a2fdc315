"""One objective under Lightning's loop, and what follows every epoch: evaluate, log, look for collapse."""

import logging
import time
from collections.abc import Iterator
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor

from skiprnn.data.types import Batch, ContinuedBatch, Data
from skiprnn.losses import update_rate
from skiprnn.network import NetworkOutput, SkipNetwork
from skiprnn.recipe import learning_rate_factor
from skiprnn.skip_rnn import SkipState
from skiprnn.training.clipping import GradientClip
from skiprnn.training.collapse import Collapse
from skiprnn.training.divergence import check_batches, check_validation
from skiprnn.training.evaluation import evaluate, forced_gates
from skiprnn.training.experiment import Experiment, metric_of
from skiprnn.training.objective import charges_every_step, lambda_cost, target_rate, task_loss
from skiprnn.training.rate_controller import RateController
from skiprnn.training.run_folder import RunFolder

_log = logging.getLogger(__name__)
epochs_log = logging.getLogger("skiprnn.training.epochs")  # a line an epoch, where there is no progress bar


class Learner(lightning.LightningModule):
    """One objective, and what is done after every epoch: evaluate, log, look for collapse."""

    def __init__(self, network: SkipNetwork, experiment: Experiment, data: Data, folder: RunFolder) -> None:
        super().__init__()
        self.network, self._experiment, self._data, self._folder = network, experiment, data, folder
        self._recipe = experiment.recipe
        self._every_step = charges_every_step(network, experiment.recipe)
        self._steps = experiment.recipe.epochs * data.batches
        self._state: SkipState | None = None  # at the end of the batch before
        self.collapse = Collapse(experiment.recipe)
        self._clip = GradientClip(experiment.recipe.clip, experiment.recipe.clip_ratio, groups=2)
        self.rate_controller = RateController(experiment.recipe)  # in checkpoints, for resuming

    @property
    def progress(self) -> float:
        """Share of the training that is over."""
        return self.global_step / self._steps

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take a checkpoint of an earlier release: of a run without a target rate, whose multiplier stayed 0."""
        state = checkpoint["state_dict"]
        if "multiplier" in state or "pressure" in state:
            state.pop("multiplier", None)
            state.pop("pressure", None)
            state |= {
                f"rate_controller.{name}": part for name, part in self.rate_controller.state_dict().items()
            }

    def train_dataloader(self) -> "_Epoch":
        return _Epoch(self._data, (self._experiment.seed, self.current_epoch, self.global_rank))

    def on_train_start(self) -> None:
        x = self._data.validation[0].x[:1].to(self.device)
        _log.info("unrolls on %s by %s", self.device, self.network.rnn.choose_backend(x))

    def on_train_epoch_start(self) -> None:
        self._losses: list[Tensor] = []
        self._began = time.monotonic()
        torch.manual_seed(hash((self._experiment.seed, self.current_epoch)) % 2**63)

    def forward(self, batch: Batch) -> NetworkOutput:
        """Run the network; a continued batch begins with the state at the end of the one before."""
        forced = forced_gates(self._recipe, batch.x)
        state = self._state if isinstance(batch, ContinuedBatch) else None
        output: NetworkOutput = self.network(
            batch.x, batch.lengths, state=state, forced_gates=forced, every_step=self._every_step
        )
        self._state = output.state.detach()
        return output

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:  # noqa: ARG002
        output: NetworkOutput = self(batch)
        logits, gates, _ = output
        loss = task_loss(self.network, logits, batch, self._recipe.label_smoothing)
        self._losses.append(loss.detach())
        self.log("step_loss", loss, prog_bar=True, batch_size=len(batch.x))
        self.log("step_update_rate", update_rate(gates.detach(), batch.lengths), prog_bar=True, batch_size=1)
        whole: Tensor = loss + self._cost(gates, batch.lengths)
        return whole

    def _cost(self, gates: Tensor, lengths: Tensor | None) -> Tensor:
        """The cost of updates, a scalar; 0 with a fixed schedule."""
        if self._recipe.schedule is not None:
            return gates.new_zeros(())
        if self._recipe.target_rate is None:
            return lambda_cost(self._recipe, gates, self.progress)
        rate, settled = update_rate(gates, lengths), self._settled_rate(gates.detach(), lengths)
        cost: Tensor = self.rate_controller(rate, target_rate(self._recipe, self.progress), settled)
        return cost

    def _settled_rate(self, gates: Tensor, lengths: Tensor | None) -> Tensor:
        """The update rate without the beginnings of windows, at most a quarter of each; a scalar."""
        begin = min(self._data.warm_up, gates.shape[1] // 4)
        rest = None if lengths is None else (lengths - begin).clamp(min=0)
        return update_rate(gates[:, begin:], rest)

    def on_train_batch_end(self, *_: Any) -> None:
        if self._recipe.target_rate is not None and self._recipe.schedule is None:
            self.rate_controller.trim(self.network.rnn.gate.bias, self.progress)

    def configure_gradient_clipping(self, optimizer: torch.optim.Optimizer, *_: Any, **__: Any) -> None:
        """In place of Lightning's, which knows a fixed limit alone."""
        self._clip([group["params"] for group in optimizer.param_groups])

    def on_train_epoch_end(self) -> None:
        check_batches(self._losses, self.current_epoch, self._recipe)
        metric = metric_of(self._experiment, self._data)
        result = evaluate(self.network, self._data.validation, metric, self._recipe)
        check_validation(result.loss, self.current_epoch, self._recipe)
        line = {
            "train_loss": float(torch.stack(self._losses).mean()),
            metric.name: result.metric,
            "loss": result.loss,
            "rate": result.update_rate,
            "updates": result.updates,
            "objective": result.objective(self._recipe),
        }
        for name, value in (line | {"update_rate": result.update_rate}).items():
            self.log(name, value, prog_bar=name in (metric.name, "update_rate"), batch_size=1)
        epochs_log.info(
            "epoch %d of %d: %s %.4g, update rate %.1f%%, loss %.4g, %.1f s",
            self.current_epoch + 1,
            self._recipe.epochs,
            metric.label,
            result.metric,
            100 * result.update_rate,
            result.loss,
            time.monotonic() - self._began,
        )
        if self.global_rank == 0:
            self._folder.log({"epoch": self.current_epoch, "steps": self.global_step} | line)
        if self.collapse.detected(result, self.progress):
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
