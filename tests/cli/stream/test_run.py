"""One source through one stream: its pace."""

from pathlib import Path

import pytest

from skiprnn_cli.stream.run import Run, _paced
from skiprnn_cli.stream.sources import Source
from skiprnn_client import Ready


def pace(
    sample_rate: float | None, real_time: bool, recorded: float | None, stated: float | None
) -> float | None:
    run = Run("-", None, sample_rate=sample_rate, real_time=real_time, wake=True, json=False)
    facts = {} if stated is None else {"sample_rate": stated}
    ready = Ready(stream_id="s", model="m", version="1", features=1, outputs=1, facts=facts)
    return run._pace(ready, Source(iter(()), recorded))


@pytest.mark.parametrize(
    ("sample_rate", "real_time", "recorded", "stated", "expected"),
    [
        (None, False, 8000, 50, None),
        (20, False, 8000, 50, 20),
        (20, True, 8000, 50, 20),
        (None, True, 8000, 50, 8000),
        (None, True, None, 50, 50),
    ],
)
def test_the_pace_is_the_given_rate_else_that_of_the_recording_else_that_of_the_model(
    sample_rate: float | None,
    real_time: bool,
    recorded: float | None,
    stated: float | None,
    expected: float | None,
) -> None:
    assert pace(sample_rate, real_time, recorded, stated) == expected


def test_real_time_without_any_rate_is_an_error_that_names_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"^--real-time: .* got neither; give --sample-rate$"):
        pace(None, True, None, None)


@pytest.mark.parametrize("rate", [None, 1e6])
def test_a_pace_leaves_nothing_out(rate: float | None) -> None:
    assert list(_paced("abc", rate)) == ["a", "b", "c"]


def test_an_interrupted_stream_names_its_id_once_it_is_known(tmp_path: Path) -> None:
    run = Run("-", None, sample_rate=None, real_time=False, wake=True, json=False)
    assert run.interrupted() == "interrupted"
    run._on_ready(Ready(stream_id="s1", model="m", version="1", features=1, outputs=1))
    resumes = "interrupted; --stream-id s1 resumes the stream"
    assert run.interrupted() == f"{resumes}; give only the samples from t=0 on"
    (tmp_path / "run.csv").touch()
    run._source = str(tmp_path / "run.csv")
    assert run.interrupted() == resumes, "a file begins at the right sample by itself"
