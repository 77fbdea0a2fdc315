"""Fuzzing of everything that reads bytes from outside: `python -m fuzz --seconds 60`, `python -m fuzz.bodies`."""

import sys
from pathlib import Path

FOUND = Path(__file__).parent / "found"  # inputs that failed

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # bodies to damage
