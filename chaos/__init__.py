"""Seeded runs that kill, pause, cut and fill under load: every stream must end as if nothing had happened."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # servers, stores and bundles to break
