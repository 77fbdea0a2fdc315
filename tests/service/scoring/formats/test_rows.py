"""Rows of an output: the columns and their names, and that rows of samples, updates and sequences join."""

import datetime
import io
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skiprnn_export import EventDetector, EventRule, Feature
from skiprnn_service.errors import ClientError, MessageError, ShapeError, TooLargeError
from skiprnn_service.scoring.formats.base import InputSpec, OutputSpec, Scored
from skiprnn_service.scoring.formats.registry import read, writer
from skiprnn_service.scoring.formats.rows import RESERVED, carried_columns, labels, output_columns
from skiprnn_service.scoring.score import Score
from support.score_tables import BODIES, READERS, mixed

SPEC = OutputSpec("m", "1", ("low", "high"), updates=False)


def written(kind: str, scored: list[Scored], chunk: int = 2, **changes: Any) -> pd.DataFrame:
    sink = io.BytesIO()
    out = writer(kind, sink, SPEC._replace(**changes))
    for begin in range(0, len(scored), chunk):
        out.write(scored[begin : begin + chunk])
    out.close()
    return READERS[kind](sink.getvalue())


def random_scores(lengths: list[int], seed: int, *, rows: bool) -> list[Scored]:
    """Of sequences whose rows are mixed in the file, with the number of each row carried through."""
    rng, order = np.random.default_rng(seed), mixed(lengths, seed)
    owner = np.repeat(np.arange(len(lengths)), lengths)[order]
    scored = []
    for i, length in enumerate(lengths):
        t = np.flatnonzero(rng.random(length) < 0.4)
        t = t if len(t) and t[0] == 0 else np.array([0, *t])
        row = np.flatnonzero(owner == i) if rows else None
        score = Score(length, t, rng.random((len(t), 2), np.float32), length)
        scored.append(Scored(f"s{i}", score, row, (np.arange(length) if row is None else row,)))
    return sorted(scored, key=lambda one: 0 if one.row is None else int(one.row[0]))


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=7),
    seed=st.integers(0, 2**32 - 1),
    rows=st.booleans(),
    kind=st.sampled_from(sorted(READERS)),
)
def test_rows_of_samples_updates_and_sequences_join(
    lengths: list[int], seed: int, rows: bool, kind: str
) -> None:
    scored = random_scores(lengths, seed, rows=rows)
    samples, updates, whole = (
        written(kind, scored, per=per, carried=("n",)) for per in ("sample", "update", "sequence")
    )
    assert samples["row"].tolist() == list(range(sum(lengths)))
    if rows:
        assert samples["n"].tolist() == samples["row"].tolist()
    on = samples[samples["updated"].astype(bool)].merge(updates, on=["id", "t"], validate="1:1")
    assert len(on) == len(updates) == sum(len(one.score.t) for one in scored)
    for name in ("row", "n", "label", "low", "high"):
        assert on[f"{name}_x"].tolist() == on[f"{name}_y"].tolist()
    for one in scored:
        mine = samples[samples["id"] == one.id].sort_values("t")
        held = one.score.y[one.score.t.searchsorted(np.arange(one.score.samples), "right") - 1]
        np.testing.assert_array_equal(mine[["low", "high"]].to_numpy(np.float32), held)
        last = whole[whole["id"] == one.id].iloc[0]
        assert (
            last[["low", "high", "label", "n"]].tolist()
            == mine.iloc[-1][["low", "high", "label", "n"]].tolist()
        )


@pytest.mark.parametrize("kind", sorted(READERS))
@pytest.mark.parametrize("per", ["sequence", "update", "sample"])
def test_every_format_has_the_same_columns(kind: str, per: Any) -> None:
    own = {
        "sequence": ["id", "samples", "update_count"],
        "update": ["id", "row", "t"],
        "sample": ["id", "row", "t", "updated"],
    }
    found = written(kind, random_scores([3, 4], 0, rows=True), per=per, carried=("n",))
    assert list(found) == [*own[per], "n", "label", "low", "high", "y"]


RULE = EventRule("low", 0.6, 2)


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=5),
    seed=st.integers(0, 2**32 - 1),
    rows=st.booleans(),
    kind=st.sampled_from(sorted(READERS)),
)
def test_events_stand_at_the_updates_that_give_an_alarm(
    lengths: list[int], seed: int, rows: bool, kind: str
) -> None:
    scored = random_scores(lengths, seed, rows=rows)
    samples, updates, whole = (
        written(kind, scored, per=per, events=RULE).astype({"event": object}).fillna({"event": ""})
        for per in ("sample", "update", "sequence")
    )
    detector = EventDetector(RULE, SPEC.outputs)
    for one in scored:
        alarms, _ = detector.detect(detector.start(), one.score.t, one.score.y)
        expected = {alarm.t: SPEC.outputs[alarm.label] for alarm in alarms}
        for table in (samples, updates):
            mine = table[(table["id"] == one.id) & (table["event"] != "")].sort_values("t")
            assert dict(zip(mine["t"], mine["event"], strict=True)) == expected
        assert whole.loc[whole["id"] == one.id, "event"].tolist() == [";".join(expected.values())]


def test_only_a_network_with_events_has_their_column_and_keeps_its_name() -> None:
    scored, names = random_scores([3], 0, rows=True), ("none", "event")
    plain = written("csv", scored, outputs=names)
    assert list(plain) == ["id", "samples", "update_count", "label", "none", "event", "y"]
    found = written("csv", scored, outputs=names, events=EventRule("none", 0.5, 1))
    assert list(found) == ["id", "samples", "update_count", "label", "event", "none", "y_event", "y"]


def test_outputs_that_are_no_classes_have_no_label() -> None:
    found = written("parquet", random_scores([3], 0, rows=True), classes=False)
    assert list(found) == ["id", "samples", "update_count", "low", "high", "y"]


def test_a_label_is_the_most_probable_class_or_all_at_a_half_and_above() -> None:
    y = np.array([[0.5, 0.5], [0.4, 0.7], [0.1, 0.2]], np.float32)
    assert labels(y, ["a", "b"], multi_label=False) == ["a", "b", "b"]
    assert labels(y, ["a", "b"], multi_label=True) == ["a;b", "b", ""]


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        (["upright row", "größe"], ["upright row", "größe"]),
        (["id", "", " label "], ["y_id", "y_", "y_label"]),
        (["a\nb", "a b", "a\tb"], ["a b", "a b_2", "a b_3"]),
    ],
)
def test_a_column_has_the_name_of_its_output_on_one_line(names: list[str], columns: list[str]) -> None:
    assert output_columns(names) == columns


@given(st.lists(st.sampled_from(["id", "y", "y_id", "a", "a_2", "", " ", "a\n"]), max_size=8))
def test_columns_of_outputs_are_different_and_not_reserved(names: list[str]) -> None:
    columns = output_columns(names)
    assert len({*columns}) == len(names)
    assert RESERVED.isdisjoint(columns)


def test_a_carried_column_gives_way_to_one_of_the_output() -> None:
    assert carried_columns(["label", "t", "site", "low"], ["low"]) == [
        "input_label",
        "input_t",
        "site",
        "input_low",
    ]
    with pytest.raises(ShapeError, match="got 'input_t' twice"):
        carried_columns(["t", "input_t"], [])


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1, None, 3]),
        pa.array(["a", None, "c"]),
        pa.array([True, False, None]),
        pa.array([1, None, 3], pa.timestamp("ns", "Europe/Paris")),
        pa.array([1, None, 3], pa.date32()),
        pa.array([1, None, 3], pa.int8()),
        pa.array([1.5, None, 3]),
    ],
    ids=lambda values: str(values.type),
)
@pytest.mark.parametrize("kind", ["arrow", "parquet"])
def test_carried_columns_keep_their_type(values: pa.Array, kind: str) -> None:
    table = pa.table({"v": values} | {f"x{i}": [1.0, 2.0, 3.0] for i in range(3)})
    spec = InputSpec(tuple(Feature(f"x{i}") for i in range(3)), 10**6, carry=("v",))
    found = read(kind, io.BytesIO(BODIES[kind](table)), spec)
    (one,) = found.examples
    scored = Scored("s", Score(3, np.array([0]), np.zeros((1, 2), np.float32), 3), one.row, one.carried)
    sink = io.BytesIO()
    out = writer(kind, sink, SPEC._replace(per="sample", carried=found.carried, types=found.types))
    out.write([scored])
    out.close()
    body = sink.getvalue()
    back = pa.ipc.open_stream(body).read_all() if kind == "arrow" else pa.parquet.read_table(io.BytesIO(body))
    assert back["v"].type == values.type
    if pa.types.is_floating(values.type):
        np.testing.assert_array_equal(back["v"].to_numpy(), values.to_numpy(zero_copy_only=False))
    else:
        assert back["v"].to_pylist() == values.to_pylist()


def test_scores_that_wait_for_their_row_are_limited() -> None:
    y = np.zeros((50, 2), np.float32)
    scored = Scored("a", Score(50, np.arange(50), y, 50), np.arange(1, 51))  # row 0 does not come
    with pytest.raises(TooLargeError, match="sort the table by its sequences"):
        written("ndjson", [scored], per="sample", max_bytes=500)


@pytest.mark.parametrize("chunk", [1, 3], ids=["in several batches", "in one batch"])
def test_a_table_takes_carried_values_of_one_type_alone(chunk: int) -> None:
    values: list[Any] = [1, "a", 2]
    scored = [
        one._replace(carried=(np.array([value], object),))
        for one, value in zip(random_scores([1, 1, 1], 0, rows=False), values, strict=True)
    ]
    with pytest.raises(MessageError, match="v: expected one type for a table"):
        written("parquet", scored, chunk, carried=("v",))
    assert written("ndjson", scored, chunk, carried=("v",))["v"].tolist() == values
    assert written("npz", scored, chunk, carried=("v",))["v"].tolist() == ["1", "a", "2"]


@pytest.mark.parametrize("kind", ["arrow", "arrow_file", "parquet"])
@pytest.mark.parametrize("chunk", [1, 2, 4])
def test_ids_of_two_types_are_an_error_however_many_are_written_at_a_time(kind: str, chunk: int) -> None:
    ids: list[int | str] = [0, 1, "a", "b"]
    scored = [one._replace(id=id) for one, id in zip(random_scores([2] * 4, 0, rows=False), ids, strict=True)]
    with pytest.raises(MessageError, match="id: expected one type for a table"):
        written(kind, scored, chunk)


MOMENT = datetime.datetime(2024, 3, 1, 10, 0, 0, 123456, datetime.UTC)
TYPES = [
    *(pa.array([MOMENT, None], pa.timestamp("us", zone)) for zone in (None, "UTC", "Europe/Berlin")),
    *(pa.array([1500, None], pa.duration(unit)) for unit in ("s", "ms", "us", "ns")),
    pa.array([MOMENT.date(), None], pa.date32()),
    pa.array([MOMENT.date(), None], pa.date64()),
    pa.array([1000, None], pa.time64("ns")),
    pa.array([1, None], pa.time32("s")),
    pa.array([Decimal("1.5"), None]),
    pa.array([b"\xff\x00", None]),
    pa.array([True, None]),
    pa.array([1.5, None], pa.float16()),
    pa.array([2**64 - 1, None], pa.uint64()),
    pa.array([1, None], pa.int8()),
    pa.array(["a", None]).dictionary_encode(),
    pa.array(["a", None], pa.string_view()),
    pa.nulls(2),
    pa.array([(1, 2, 3), None], pa.month_day_nano_interval()),
]


@pytest.mark.parametrize("kind", sorted(READERS))
@pytest.mark.parametrize("values", TYPES, ids=lambda values: str(values.type))
def test_a_carried_column_of_any_type_comes_back_or_is_an_error(values: pa.Array, kind: str) -> None:
    """With a missing value and without."""
    for carried in (values, values.slice(0, 1)):
        columns = {f"x{i}": [1.0] * len(carried) for i in range(3)} | {"c": carried}
        spec = InputSpec(tuple(Feature(f"x{i}") for i in range(3)), 10**6, carry=("c",))
        score = Score(len(carried), np.array([0]), np.ones((1, 2), np.float32), len(carried))
        try:
            found = read("arrow", io.BytesIO(BODIES["arrow"](pa.table(columns))), spec)
            scored = [Scored(0, score, one.row, one.carried) for one in found.examples]
            frame = written(kind, scored, per="sample", carried=found.carried, types=found.types)
        except ClientError as error:
            assert "interval" in str(error)  # noqa: PT017
        else:
            assert len(frame["c"]) == len(carried)


@pytest.mark.parametrize("kind", ["csv", "tsv", "json", "ndjson"])
@pytest.mark.parametrize(
    ("values", "text"),
    [
        (pa.array([MOMENT], pa.timestamp("us")), "2024-03-01T10:00:00.123456"),
        (pa.array([MOMENT], pa.timestamp("us", "Europe/Berlin")), "2024-03-01T10:00:00.123456Z"),
        (pa.array([1500], pa.duration("ns")), "PT0.0000015S"),
        (pa.array([-1500], pa.duration("ms")), "PT-1.5S"),
        (pa.array([90], pa.duration("s")), "PT90S"),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
def test_times_and_durations_are_iso_8601_in_text(kind: str, values: pa.Array, text: str) -> None:
    score = Score(1, np.array([0]), np.ones((1, 2), np.float32), 1)
    scored = [Scored(0, score, np.array([0]), (values.to_numpy(),))]
    found = written(kind, scored, per="sample", carried=("t",), types={"t": values.type})
    assert found["input_t"].tolist() == [text]
