"""The folder of a training run: what is in it, and that it is not overwritten.

recipe.json             task, seed, options and every number of the recipe, written before training begins
recordings.json         the user's own files: the part of each, held out or not, and its SHA-256
history.jsonl           a line an epoch
events.out.tfevents…    the same for TensorBoard
checkpoints/            last.ckpt to resume from, best.ckpt
network.safetensors, config.json    the trained network (SkipNetwork.save)
report.json             the figures of every class, group and recording, and how sure they are
training.json           the results; export puts them into the bundle
parity.npz              a few real sequences, on which export holds ONNX against torch
"""

import dataclasses
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skiprnn import tasks
from skiprnn.data.types import Signal
from skiprnn.recipe import REMOVED, Recipe, renamed_fields, with_current_names

RENAMED_RESULTS = {"rate_target": "target_rate", "cadence": "schedule"}  # old key → new key

_IDENTITY = {"task", "seed", "options"}
_SHOWN = 5  # recordings in a message
_MAY_CHANGE = {"epochs", "patience"}  # between a run and its resumption
_OF_A_TARGET_RATE = {"rate_penalty", "rate_dual_step", "start_rate", "calibrate_rate"}

_log = logging.getLogger(__name__)


def with_current_keys(results: Mapping[str, Any]) -> dict[str, Any]:
    """Results that any release wrote, with today's keys too."""
    return {new: results[old] for old, new in RENAMED_RESULTS.items() if old in results} | dict(results)


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """Paths of a run, and how its files are written."""

    path: Path

    @property
    def recipe(self) -> Path:
        return self.path / "recipe.json"

    @property
    def recordings(self) -> Path:
        return self.path / "recordings.json"

    @property
    def history(self) -> Path:
        return self.path / "history.jsonl"

    @property
    def facts(self) -> Path:
        return self.path / "training.json"

    @property
    def report(self) -> Path:
        return self.path / "report.json"

    @property
    def sequences(self) -> Path:
        return self.path / "parity.npz"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def last(self) -> Path:
        return self.checkpoints / "last.ckpt"

    def check(
        self,
        recipe: Recipe,
        identity: Mapping[str, Any],
        *,
        resume: bool,
        recordings: Mapping[str, str] | None = None,
    ) -> bool:
        """Whether there is a checkpoint of this run to resume from. Writes nothing.

        Args:
            identity: what else a run is: task, seed, options.
            recordings: the user's own files, each with its part and digest; None: they are not checked.

        Raises:
            FileExistsError: it holds a run, and `resume` is False.
            ValueError: the run that it holds is another one; the message names the differences.
        """
        if self.recipe.is_file():
            if not resume:
                raise FileExistsError(
                    f"{self.path}: expected no run in it, found one; continue it with --resume, or choose another --out"
                )
            self._check_same(_fields(recipe, identity))
            if recordings is not None:
                self._check_recordings(recordings)
        return self.last.is_file()

    def begin(
        self, recipe: Recipe, identity: Mapping[str, Any], *, recordings: Mapping[str, str] | None = None
    ) -> None:
        """Make the folder and write what the run is; `check` first."""
        self.path.mkdir(parents=True, exist_ok=True)
        _write(self.recipe, json.dumps(_fields(recipe, identity), indent=2, ensure_ascii=False) + "\n")
        if recordings:
            _write(self.recordings, json.dumps(recordings, indent=2, ensure_ascii=False) + "\n")

    def _check_same(self, asked: Mapping[str, Any]) -> None:
        begun, now = _flat(_with_defaults(self._read_fields())), _flat(asked)
        may_change = _MAY_CHANGE | self._check_loss(begun)
        changed = [
            f"{name}: was {begun.get(name)!r}, now {now.get(name)!r}"
            for name in sorted(begun.keys() | now.keys())
            if name not in may_change and begun.get(name) != now.get(name)
        ]
        if changed:
            raise ValueError(
                f"{self.path}: expected the run as it began, got other values ({'; '.join(changed)}); "
                "give the command with which it began, or choose another --out"
            )

    def _check_loss(self, begun: Mapping[str, Any]) -> set[str]:
        """Fields that need not be the same: those of a target rate, for a run of an earlier release without one."""
        removed = sorted(REMOVED.keys() & begun.keys())
        if not removed:
            return set()
        if begun["target_rate"] is not None and begun["schedule"] is None:
            raise ValueError(
                f"{self.path}: expected a run that charges ((r − μ)/μ)², got one that an earlier release began, which "
                f"charges (r − μ)² ({', '.join(f'{name}: {begun[name]!r}' for name in removed)}); finish it with that "
                "release, or choose another --out"
            )
        return _OF_A_TARGET_RATE | REMOVED.keys()

    def _check_recordings(self, found: Mapping[str, str]) -> None:
        """They may be elsewhere, but not others. Runs of the release before did not note them."""
        if not self.recordings.is_file():
            return
        begun = _read_json(self.recordings)
        changes = [_change(name, begun.get(name), found.get(name)) for name in sorted({*begun, *found})]
        if different := [change for change in changes if change]:
            more = f" and {len(different) - _SHOWN} more" if len(different) > _SHOWN else ""
            raise ValueError(
                f"{self.path}: expected the recordings that the run began with, got others "
                f"({'; '.join(different[:_SHOWN])}{more}); put them back, or choose another --out"
            )

    def log(self, line: Mapping[str, Any]) -> None:
        """Add an epoch to the history; lines of a later epoch, from before a crash, are dropped."""
        before = [old for old in self.read_history() if old["epoch"] < line["epoch"]]
        text = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in [*before, line])
        _write(self.history, text)

    def read_history(self) -> list[dict[str, Any]]:
        """What `log` wrote, in order."""
        if not self.history.is_file():
            return []
        return [json.loads(line) for line in self.history.read_text(encoding="utf-8").splitlines()]

    def finished(self, epochs: int) -> dict[str, Any] | None:
        """The results, if training ended after this many epochs or more, or stopped early."""
        if not self.facts.is_file():
            return None
        results = self.read_results()
        return results if results["epochs"] >= epochs or results["stopped"] else None

    def finish(
        self, facts: Mapping[str, Any], samples: Sequence[Signal], report: Mapping[str, Any] | None = None
    ) -> None:
        """Write the sequences for export, the report, and last the results: a run that has them is whole."""
        arrays: dict[str, Any] = {f"sequence_{index}": x for index, x in enumerate(samples)}
        np.savez_compressed(self.sequences, **arrays)
        if report is not None:
            _write(self.report, json.dumps(report, indent=2, ensure_ascii=False) + "\n")
        _write(self.facts, json.dumps(facts, indent=2, ensure_ascii=False) + "\n")

    def read_results(self) -> dict[str, Any]:
        """What `finish` wrote, with today's keys.

        Raises:
            FileNotFoundError: the folder holds no finished run.
        """
        if not self.facts.is_file():
            raise FileNotFoundError(f"{self.path}: expected a finished run, found no {self.facts.name}")
        return with_current_keys(_read_json(self.facts))

    def read_report(self) -> dict[str, Any]:
        """The report that `finish` wrote.

        Raises:
            FileNotFoundError: the folder holds none: the run is not finished, or of an earlier release.
        """
        if not self.report.is_file():
            found = "found none; runs of version 0.1 have none" if self.facts.is_file() else "found none"
            raise FileNotFoundError(
                f"{self.path}: expected a finished run with a {self.report.name}, {found}"
            )
        return _read_json(self.report)

    def read_recipe(self) -> Recipe:
        """The recipe that `begin` wrote.

        Raises:
            FileNotFoundError: the folder holds no run.
        """
        if not self.recipe.is_file():
            raise FileNotFoundError(
                f"{self.path}: expected the folder of a training run, found no {self.recipe.name}"
            )
        left_out = _IDENTITY | REMOVED.keys()
        return Recipe(**{name: value for name, value in self._read_fields().items() if name not in left_out})

    def _read_fields(self) -> dict[str, Any]:
        """All of recipe.json, the old names of an earlier release replaced by new ones."""
        fields = _read_json(self.recipe)
        if renamed := renamed_fields(fields):
            names = ", ".join(f"{old} is now {new}" for old, new in renamed.items())
            _log.warning(
                "warning: %s: %s; the old names will be removed in the next release", self.recipe, names
            )
        return with_current_names(fields)


def _fields(recipe: Recipe, identity: Mapping[str, Any]) -> dict[str, Any]:
    """All of recipe.json, as JSON gives it back."""
    fields: dict[str, Any] = json.loads(json.dumps({**identity, **dataclasses.asdict(recipe)}))
    return fields


def _with_defaults(fields: Mapping[str, Any]) -> dict[str, Any]:
    """With the task's name of today, and the options that it did not have when the run began."""
    name = tasks.RENAMED.get(fields.get("task", ""), fields.get("task"))
    if name not in tasks.NAMES:
        return dict(fields)
    return {**fields, "task": name, "options": {**tasks.find(name).options, **fields.get("options", {})}}


def _flat(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the task beside the other fields."""
    return {**fields, **fields.get("options", {}), "options": None}


def _change(name: str, begun: str | None, found: str | None) -> str:
    """What became of a recording since the run began; empty: nothing."""
    if begun == found:
        return ""
    if begun is None or found is None:
        return f"{name} is {'new' if begun is None else 'missing'}"
    (was, was_digest), (now, now_digest) = (said.rsplit(" ", 1) for said in (begun, found))
    return f"{name} has changed" if was_digest != now_digest else f"{name} was {was}, now {now}"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: expected JSON as training wrote it, found it damaged: {error}") from None
    return read


def _write(path: Path, text: str) -> None:
    """All of it or nothing: an interruption leaves what was there."""
    unfinished = path.with_name(f".{path.name}")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
