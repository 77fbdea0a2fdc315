"""docs/results/training-speed.md: its code runs, and prints what it says."""

import contextlib
import io
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "results" / "training-speed.md"


def test_the_code_of_the_page_runs_and_prints_what_it_says() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, str(PAGE), "exec"), {})
    first, second = printed.getvalue().splitlines()
    assert first.startswith(("kernel (", "torch ("))
    assert second == "torch (asked for)"
