"""A training step: ours against torch's own layers and a plain loop, at three update rates.

    python -m benchmarks.training [--cases mnist,adding,…] [--repeats N] [--memory fresh,reused]

One thread. Times are CPU seconds of the process, so other programs on the machine do not count (though they share its
caches), and the least of interleaved repetitions. A step is forward, loss and backward: the optimiser is the same for
all. The gate is a learned one. Its bias is set so that it has the update rate that is asked for; rows update at
different samples. The gate's own gradient is taken.

`fresh`: memory comes from the C library as by default. `reused`: it never goes back to the system (mallopt), which
torch's layers gain much by. Each is measured in a process of its own, and peak memory in one a form.
"""

import argparse
import ctypes
import itertools
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
# A form and its update rate in per cent. products: the recurrent matrix products alone, a floor; loop: our reference,
# an eager loop under autograd.
NAMES = [
    "torch.nn",
    "products",
    "loop 100",
    *(f"{form} {rate}" for form in ("torch", "kernel") for rate in (100, 50, 10)),
]


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


def products_step(case: Case, cell: str, *, training: bool) -> Step:
    """The recurrent matrix products of the lowest layer and nothing else: a floor for an update at every sample."""
    rows = (4 if cell == "lstm" else 3) * case.H
    h, w, z = torch.rand(case.B, case.H), torch.rand(rows, case.H), torch.empty(case.B, rows)
    dh, dw = torch.empty_like(h), torch.zeros(case.H, rows)

    def step() -> None:
        for _ in range(case.T):
            torch.mm(h, w.t(), out=z)
            if training:
                torch.mm(z, w, out=dh)
                dw.addmm_(h.t(), z)

    return step


def skip_step(case: Case, cell: str, x: Tensor, form: str, rate: int, *, training: bool) -> Step:
    layer = (SkipLSTM if cell == "lstm" else SkipGRU)(case.F, case.H, case.L)
    set_rate(layer, x, rate)
    layer.backend = _BACKENDS[form]

    def step() -> None:
        layer.zero_grad()
        with torch.set_grad_enabled(training):
            _, state, gates = layer(x)
        if training:
            (state.h[-1].square().mean() + 1e-4 * gates.sum(1).mean()).backward()

    return step


def set_rate(layer: SkipLSTM | SkipGRU, x: Tensor, rate: int) -> None:
    """Set the gate's bias for an update rate of `rate` per cent on x, within a per cent of that where it can be."""
    low, high = -12.0, 20.0
    for _ in range(1 if rate == 100 else 20):
        with torch.no_grad():
            layer.gate.bias.fill_(high if rate == 100 else (low + high) / 2)
            found = 100 * float(layer(x[:32])[2].mean())
        low, high = (low, (low + high) / 2) if found > rate else ((low + high) / 2, high)
        if abs(found - rate) < rate / 100:
            return


def steps_of(case: Case, cell: str, names: list[str], *, training: bool) -> dict[str, Step]:
    """The step of every name, such as "torch.nn" or "kernel 50"."""
    torch.manual_seed(0)
    x = torch.rand(case.B, case.T, case.F)
    steps: dict[str, Step] = {}
    for name in names:
        form, _, rate = name.partition(" ")
        if rate:
            steps[name] = skip_step(case, cell, x, form, int(rate), training=training)
        elif form == "products":
            steps[name] = products_step(case, cell, training=training)
        else:
            steps[name] = torch_step(case, cell, x, training=training)
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
    """The most memory that a step adds to the process, in MB."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts from here
    before = _resident_kilobytes("VmRSS")
    step()
    return (_resident_kilobytes("VmHWM") - before) / 1024


def _resident_kilobytes(field: str) -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(field))


def measure(task: dict[str, Any]) -> dict[str, float]:
    """In a child process: times of forms side by side, or, with no repeats, the peak memory of each."""
    torch.set_num_threads(1)
    if task["memory"] == "reused":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    case, cell, names = Case(**task["case"]), task["cell"], task["names"]
    if task["repeats"]:
        return seconds(steps_of(case, cell, names, training=task["training"]), task["repeats"])
    for step in steps_of(Case(4, 2, case.F, 8, case.L), cell, names, training=True).values():
        step()  # loads what is loaded once
    return {name: peak_megabytes(step) for name, step in steps_of(case, cell, names, training=True).items()}


def run(**task: Any) -> dict[str, float]:
    """`measure` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.training", "--task", json.dumps(task)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def time_table(cases: list[str], memories: list[str], repeats: int, *, training: bool) -> None:
    print_head(["memory", *NAMES])
    for case, cell, memory in itertools.product(cases, ("lstm", "gru"), memories):
        task = {"case": asdict(CASES[case]), "cell": cell, "memory": memory, "training": training}
        found = run(**task, repeats=repeats, names=NAMES)
        ratios = [f"{found[name] / found['torch.nn']:.2f}" for name in NAMES[1:]]
        print_row(case, cell, memory, f"{1e3 * found['torch.nn']:.0f} ms", *ratios)


def memory_table(cases: list[str]) -> None:
    names = [name for name in NAMES if name != "products"]
    print_head(names)
    for case, cell in itertools.product(cases, ("lstm", "gru")):
        task = {"case": asdict(CASES[case]), "cell": cell, "memory": "fresh", "training": True, "repeats": 0}
        peaks = [run(**task, names=[name])[name] for name in names]
        print_row(case, cell, *(f"{peak:.0f} MB" for peak in peaks))


def print_head(names: list[str]) -> None:
    columns = ["shape", "cell", *names]
    print("|", " | ".join(columns), "|")
    print("|" + "---|" * len(columns))


def print_row(case: str, cell: str, *columns: str) -> None:
    print("|", " | ".join([str(CASES[case]), cell.upper(), *columns]), "|", flush=True)


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
