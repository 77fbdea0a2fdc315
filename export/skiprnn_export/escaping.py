"""Text from files, made fit for a line of a log, a terminal or JSON."""

_MOST = 1000  # characters: enough for every message of ours; a file may put megabytes into one


def escaped(text: str) -> str:
    """One line of printable characters: other characters as Python writes them, bytes that are no UTF-8 too."""
    line = " ".join(text[: 2 * _MOST].split()) if "\n" in text else text[: 2 * _MOST]
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
    return shown if len(shown) <= _MOST else f"{shown[: _MOST - 1]}…"
