"""A training step: ours against torch's own layers and a plain loop, at three shares of samples used.

    python -m benchmarks.training [--cases mnist,adding,…] [--repeats N] [--memory fresh,reused]

One thread. Times are CPU seconds of the process, so other programs on the machine do not count (though they share its
caches), and the least of interleaved repetitions. A step is forward, loss and backward: the optimiser is the same for
all. The gate is a learned one, its bias set so that rows read the wanted share, each at moments of its own; the gate's
own gradient is taken.

`fresh`: memory comes from the C library as by default. `reused`: it never goes back to the system (mallopt), which
torch's layers gain much by. Each is measured in a process of its own, and peak memory in one a form.
"""

import argparse
import ctypes
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.machine import describe
from skiprnn import SkipGRU, SkipLSTM
from skiprnn.unroll import Backend

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_BACKENDS: dict[str, Backend] = {"loop": "reference", "torch": "torch", "kernel": "kernel"}
_FORMS = ("torch.nn", *_BACKENDS)  # loop: our reference, an eager loop under autograd
_SHARES = (100, 50, 10)  # per cent of the samples


@dataclass(frozen=True)
class Case:
    """A shape: T samples, B sequences, F features, H units, L layers."""

    T: int
    B: int
    F: int
    H: int
    L: int = 1

    def __str__(self) -> str:
        layers = f", {self.L} layers" if self.L > 1 else ""
        return f"T {self.T}, B {self.B}, F {self.F}, H {self.H}{layers}"


CASES = {
    "mnist": Case(784, 256, 1, 110),
    "adding": Case(50, 256, 2, 110),
    "sensor": Case(128, 64, 9, 64),
    "frames": Case(100, 32, 512, 128, 2),
}
Step = Callable[[], None]


def torch_step(case: Case, cell: str, x: Tensor, *, training: bool) -> Step:
    layer = (nn.LSTM if cell == "lstm" else nn.GRU)(case.F, case.H, case.L, batch_first=True)

    def step() -> None:
        layer.zero_grad()
        with torch.set_grad_enabled(training):
            state = layer(x)[1]
            last = state[0][-1] if cell == "lstm" else state[-1]
        if training:
            last.square().mean().backward()

    return step


def skip_step(case: Case, cell: str, x: Tensor, form: str, share: int, *, training: bool) -> Step:
    layer = (SkipLSTM if cell == "lstm" else SkipGRU)(case.F, case.H, case.L)
    set_share(layer, x, share)
    layer.backend = _BACKENDS[form]

    def step() -> None:
        layer.zero_grad()
        with torch.set_grad_enabled(training):
            _, state, gates = layer(x)
        if training:
            (state.h[-1].square().mean() + 1e-4 * gates.sum(1).mean()).backward()

    return step


def set_share(layer: SkipLSTM | SkipGRU, x: Tensor, share: int) -> None:
    """Set the gate's bias so that `share` per cent of x is read, within a per cent of that where it can be."""
    low, high = -12.0, 20.0
    for _ in range(1 if share == 100 else 20):
        with torch.no_grad():
            layer.gate.bias.fill_(high if share == 100 else (low + high) / 2)
            read = 100 * float(layer(x)[2].mean())
        low, high = (low, (low + high) / 2) if read > share else ((low + high) / 2, high)
        if abs(read - share) < share / 100:
            return


def steps_of(case: Case, cell: str, *, training: bool, forms: tuple[str, ...] = _FORMS) -> dict[str, Step]:
    """Every form at every share it is measured at, by a name such as "kernel 50"."""
    torch.manual_seed(0)
    x = torch.rand(case.B, case.T, case.F)
    steps: dict[str, Step] = {}
    for form in forms:
        if form == "torch.nn":
            steps[form] = torch_step(case, cell, x, training=training)
            continue
        for share in _SHARES if form != "loop" else _SHARES[:1]:
            steps[f"{form} {share}"] = skip_step(case, cell, x, form, share, training=training)
    return steps


def seconds(steps: dict[str, Step], repeats: int) -> dict[str, float]:
    """Least CPU seconds of each, interleaved; the loop, the slowest and never close, three times at most."""
    least = dict.fromkeys(steps, math.inf)
    for repeat in range(repeats + 1):  # the first warms up
        for name, step in steps.items():
            if name.startswith("loop") and repeat > 3:
                continue
            began = time.process_time()
            step()
            if repeat:
                least[name] = min(least[name], time.process_time() - began)
    return least


def peak_megabytes(step: Step) -> float:
    """How much a step adds to what the process holds, at most."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts from here
    before = _resident_kilobytes("VmRSS")
    step()
    return (_resident_kilobytes("VmHWM") - before) / 1024


def _resident_kilobytes(field: str) -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(field))


def measure(task: dict[str, Any]) -> dict[str, float]:
    """What a child process does: times of all forms of a case, or the peak of one form at one share."""
    torch.set_num_threads(1)
    if task["memory"] == "reused":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    case = Case(**task["case"])
    steps = steps_of(case, task["cell"], training=task["training"], forms=tuple(task["forms"]))
    if not task["peak"]:
        return seconds(steps, task["repeats"])
    small = steps_of(Case(4, 2, case.F, 8, case.L), task["cell"], training=True, forms=tuple(task["forms"]))
    for step in small.values():
        step()  # loads what is loaded once
    name = task["peak"]
    return {name: peak_megabytes(steps[name])}


def run(**task: Any) -> dict[str, float]:
    """`measure` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.training", "--task", json.dumps(task)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def time_table(cases: list[str], memories: list[str], repeats: int, *, training: bool) -> None:
    names = list(steps_names())
    print("| shape | cell | memory | " + " | ".join(names) + " |")
    print("|---|---|---|" + "---|" * len(names))
    for case in cases:
        for cell in ("lstm", "gru"):
            for memory in memories:
                task = {"case": asdict(CASES[case]), "cell": cell, "memory": memory, "training": training}
                found = run(**task, repeats=repeats, forms=_FORMS, peak="")
                base = found["torch.nn"]
                cells = [
                    f"{1e3 * found[n]:.0f} ms" if n == "torch.nn" else f"{found[n] / base:.2f}" for n in names
                ]
                print(
                    f"| {CASES[case]} | {cell.upper()} | {memory} | " + " | ".join(cells) + " |", flush=True
                )


def memory_table(cases: list[str]) -> None:
    names = list(steps_names())
    print("| shape | cell | " + " | ".join(names) + " |")
    print("|---|---|" + "---|" * len(names))
    for case in cases:
        for cell in ("lstm", "gru"):
            task = {
                "case": asdict(CASES[case]),
                "cell": cell,
                "memory": "fresh",
                "training": True,
                "repeats": 0,
            }
            peaks = [run(**task, forms=[name.split()[0]], peak=name)[name] for name in names]
            print(
                f"| {CASES[case]} | {cell.upper()} | " + " | ".join(f"{p:.0f} MB" for p in peaks) + " |",
                flush=True,
            )


def steps_names() -> list[str]:
    ours = [f"{form} {share}" for form in ("torch", "kernel") for share in _SHARES]
    return ["torch.nn", "loop 100", *ours]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--memory", default="fresh,reused")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--tables", default="training,evaluation,peak")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.task:
        print(json.dumps(measure(json.loads(asked.task))))
        return
    cases, tables = asked.cases.split(","), asked.tables.split(",")
    print(describe())
    for table in ("training", "evaluation"):
        if table in tables:
            print(f"\n{table}: ratios to torch.nn\n")
            time_table(cases, asked.memory.split(","), asked.repeats, training=table == "training")
    if "peak" in tables:
        print("\npeak memory that a training step adds\n")
        memory_table(cases)


if __name__ == "__main__":
    main()
