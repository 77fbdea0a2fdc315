"""python -m benchmarks: the table of docs/results/benchmarks.md, the curves, the peers. Results: build/benchmarks/."""

import argparse

from benchmarks import curves, machine, peers, serving
from benchmarks.results import as_markdown, keep, note

_RESULTS = machine.BUILD / "results.json"


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", default=["table", "peers", "curves"], help="table, peers, curves")
    parser.add_argument("--seconds", type=float, default=2.0, help="of one measurement")
    parser.add_argument("--repeats", type=int, default=3, help="of each pair; medians are shown")
    said = parser.parse_args()
    note(machine.describe())
    machine.BUILD.mkdir(parents=True, exist_ok=True)
    keep(_RESULTS, machine=machine.describe(), date=machine.today())
    with serving.bench(seconds=said.seconds, repeats=said.repeats) as b:
        ceiling = b.echo.load(1, connections=64, seconds=said.seconds)
        note(f"the generator's ceiling (C echo behind it): {ceiling.messages_per_s:,.0f} messages/s")
        rows = serving.rows(b) if "table" in said.parts else []
        if rows:
            keep(_RESULTS, table=rows, ceiling=ceiling.messages_per_s)
        if "peers" in said.parts:
            compared = peers.rows(b)
            keep(_RESULTS, peers=compared)
            rows += compared
        if "curves" in said.parts:
            keep(_RESULTS, curves=curves.draw(said.seconds))
    if rows:
        print(as_markdown(rows))


main()
