"""The log: text for people or JSON for machines, with the ids of request and stream, and without secrets.

Fields beside the message are given as `extra=`: `log.info("stream opened", extra={"stream_id": …})`.
"""

import json
import logging
import re
import sys
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Literal, TextIO

import msgspec

Format = Literal["text", "json"]

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

# What every record has; everything else was given as `extra`.
_OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "color_message"}
_SECRET = re.compile(r"((?:ticket=|skiprnn\.token\.)|skr_[0-9a-f]+_|Bearer )[^\s&\"',]+")
_NOISE = re.compile(r'^(connection (open|closed)$|%s - "WebSocket %s")')  # of uvicorn, for every connection
_encode = msgspec.json.Encoder(enc_hook=str).encode


def configure(level: str, log_format: Format) -> None:
    """Send the log of this process, uvicorn's included, to stderr in one format."""
    handler = _ToStderr()
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    handler.addFilter(_is_no_noise)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True


class _ToStderr(logging.StreamHandler[TextIO]):
    """To `sys.stderr` at the time of a line, not at the time of `configure`."""

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, _: object) -> None:
        """The base class sets it."""


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (RFC 3339, UTC), level, logger, message, request_id, extra fields, exception."""

    def format(self, record: logging.LogRecord) -> str:
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields: dict[str, Any] = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields |= _extra(record)
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        try:
            line = _encode(fields).decode()
        except UnicodeEncodeError:  # a file name that is not UTF-8: half a surrogate pair for each wrong byte
            line = json.dumps(fields, default=str)
        return _without_secrets(_printable(line, _in_json))


class TextFormatter(logging.Formatter):
    """`LEVEL logger: message  key=value …`, and below it an exception, indented."""

    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f"  {name}={value}" for name, value in _extra(record).items())
        lines = [f"{record.levelname:<8} {record.name}: {record.getMessage()}{fields}"]
        if record.exc_info:
            lines += [f"  {line}" for line in self.formatException(record.exc_info).split("\n")]
        return _without_secrets("\n".join(_printable(line, _in_text) for line in lines))


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    given = {name: value for name, value in record.__dict__.items() if name not in _OWN}
    current = request_id.get()
    return given if current is None else {"request_id": current} | given


def _printable(line: str, escape: Callable[[str], str]) -> str:
    """Else a name in a request, or of a file, could forge a line or control a terminal."""
    if line.isprintable():
        return line
    return "".join(each if each.isprintable() else escape(each) for each in line)


def _in_text(character: str) -> str:
    return ascii(character)[1:-1]


def _in_json(character: str) -> str:
    return f"\\u{ord(character):04x}" if character.isascii() else json.dumps(character)[1:-1]


def _without_secrets(line: str) -> str:
    return _SECRET.sub(r"\1…", line)


def _is_no_noise(record: logging.LogRecord) -> bool:
    return not (record.name == "uvicorn.error" and _NOISE.match(str(record.msg)))
