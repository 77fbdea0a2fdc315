"""What columns and cells of a table are: cases that every reader is held to, in Python and in JavaScript."""

import json
from pathlib import Path
from typing import Any

PATH = Path(__file__).with_suffix(".json")
CASES: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
