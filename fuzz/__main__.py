"""`python -m fuzz [--seconds 60] [TARGET …]`: fuzz each target for so long; ends with 1 where one failed.

A failing input stays in fuzz/found/TARGET-…; `python -m fuzz.one TARGET -runs=1 FILE` runs it again.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from fuzz import FOUND
from fuzz.targets import SEEDS, TARGETS


def fuzz(target: str, seconds: int) -> bool:
    """Run one target in a process of its own. Returns whether it held."""
    FOUND.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(SEEDS[target]):
            (Path(folder) / str(number)).write_bytes(seed)
        limits = [f"-max_total_time={seconds}", "-timeout=20", "-rss_limit_mb=2048", "-max_len=4096"]
        command = [
            sys.executable,
            "-m",
            "fuzz.one",
            target,
            *limits,
            f"-artifact_prefix={FOUND}/{target}-",
            folder,
        ]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    lines = done.stderr.splitlines()
    print(f"{target}: {next((line for line in reversed(lines) if 'Done' in line), 'failed')}")
    if done.returncode:
        print("\n".join(lines[-40:]))
    return done.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz what reads bytes from outside.")
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], help="default: all")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default 60)")
    arguments = parser.parse_args()
    held = [fuzz(target, arguments.seconds) for target in arguments.targets or TARGETS]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
