"""What the name of a column says: whose or which recording a row is of, or when it was measured.

It is the one rule of training, which leaves such columns out of the channels, and of scoring, which asks whether they
were forgotten. A name is compared word by word: `patientId`, `Patient ID` and `patient_id` are alike.
"""

import re

from skiprnn.channels import feature_of

TIME_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("ms", "msec", "msecs", "millis", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("us", "µs", "μs", "usec", "micros", "microsecond", "microseconds"), "us"),
    **dict.fromkeys(("ns", "nsec", "nanos", "nanosecond", "nanoseconds"), "ns"),
}
"""Spelling → `s`, `ms`, `us` or `ns`."""

_GROUPS = {
    "subject",
    "subjects",
    "person",
    "participant",
    "patient",
    "user",
    "wearer",
    "volunteer",
    "athlete",
    "animal",
    "driver",
    "operator",
    "device",
    "machine",
    "session",
}
_RECORDINGS = {
    "recording",
    "record",
    "trial",
    "run",
    "sequence",
    "seq",
    "session",
    "take",
    "file",
    "filename",
    "segment",
    "episode",
    "repetition",
    "rep",
    "series",
}
_ROWS = {"index", "idx", "row"}
_SURE_IDS = {"id", "ids", "uid", "uuid", "guid"}
_IDS = _ROWS | _SURE_IDS | {"key", "nr", "no", "number", "num", "name", "code"}
_COUNTS = {"t", "ts", "time", "timestamp", "sample", "samples", "step", "frame", "count", "counter"}
_TIMES = {"t", "ts", "time", "times", "timestamp", "stamp", "datetime", "date", "epoch", "elapsed", "clock"}
_BESIDE_TIMES = {
    "unix",
    "utc",
    "local",
    "rel",
    "relative",
    "sample",
    "sensor",
    "system",
    "device",
    "since",
    "start",
    "recorded",
    "rec",
    "recording",
    "record",
    "measured",
    "measurement",
    "logged",
    "log",
    "acquisition",
    "at",
}
_WORDS = re.compile(r"[^\W\d_]+")
_CAPITAL = re.compile(r"(?<=[a-zµμ])(?=[A-Z])")


def is_group_name(name: str) -> bool:
    """Whether a column is named as whose recording it is: `subject`, `Patient ID`, `deviceName`."""
    words = words_of(name)
    return bool(words & _GROUPS) and words <= _GROUPS | _IDS


def is_recording_name(name: str) -> bool:
    """Whether a column is named as which recording a row is of: `trial`, `run_id`, `id`."""
    words = words_of(name)
    return bool(words) and words <= _RECORDINGS | _IDS and not words <= _ROWS


def is_id_name(name: str) -> bool:
    """Whether a column, with its unit or without, may tell recordings apart: those above, or whatever has an id."""
    name = feature_of(name).name
    return is_group_name(name) or is_recording_name(name) or bool(words_of(name) & _SURE_IDS)


def is_row_name(name: str) -> bool:
    """Whether a column is named as which row it is: `index`, `Row`."""
    words = words_of(name)
    return bool(words) and words <= _ROWS


def is_count_name(name: str) -> bool:
    """Whether a column is named as what may count the rows: `sample`, `frame`, `t`."""
    return words_of(name) <= _COUNTS


def is_time_name(name: str) -> bool:
    """Whether a column, with its unit or without, is named as a time: `ts`, `timestamp_ms`, `elapsed seconds`."""
    name = feature_of(name).name
    words = words_of(name)
    known = _TIMES | (TIME_UNITS.keys() - {"s"})
    return bool(words & known) and words <= {*known, *_BESIDE_TIMES, "s"} and not re.search(r"\d", name)


def words_of(name: str) -> frozenset[str]:
    """`sampleTime_ms` → sample, time, ms; numbers are no words."""
    return frozenset(_spelled(name))


def last_word(name: str) -> str:
    """`sampleTime_ms` → ms; empty: it has no word."""
    return (_spelled(name) or [""])[-1]


def _spelled(name: str) -> list[str]:
    return [word.lower() for word in _WORDS.findall(_CAPITAL.sub(" ", name))]
