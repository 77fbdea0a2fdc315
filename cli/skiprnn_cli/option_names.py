"""Messages of the training name an option as Python takes it, `missing=interpolate`; here it is typed as
`--override missing=interpolate`.
"""

import logging
import re

_FIRST = re.compile(r"(?<![\w./='\"-])(?=[a-z_]+=[^=\s])")


def as_typed(message: object) -> str:
    """The message with `--override` before the first option that it names."""
    text = str(message)
    return text if "--override" in text else _FIRST.sub("--override ", text, count=1)


class TypedOptions(logging.Formatter):
    """Lines of the log, without level and name."""

    def format(self, record: logging.LogRecord) -> str:
        """The line as it is shown."""
        return as_typed(super().format(record))


def log_as_typed() -> None:
    """Show what the training says, from INFO on, on stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(TypedOptions())
    logging.basicConfig(handlers=[handler])
    logging.getLogger("skiprnn").setLevel(logging.INFO)
