"""MIT-BIH in its published format: a header, two signals of 12 bits, annotations; written and read with wfdb."""

import sys
from pathlib import Path

import numpy as np
import pytest

from skiprnn.tasks.ecg import BEATS, TEST, TRAIN, VALIDATION, read_record
from support.tasks import load, train_once

wfdb = pytest.importorskip("wfdb", reason="the extra ecg is not installed")

# What wfdb does with pandas to write a record.
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword in")

SECONDS, BEATS_AT = 20, np.arange(200, 7000, 300)  # samples at 360 Hz


def write(folder: Path, record: str, *, leads: tuple[str, str] = ("V5", "MLII")) -> None:
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(int(record))
    signals = 0.01 * rng.standard_normal((360 * SECONDS, 2))
    signals[:, 0] -= 1
    for at in BEATS_AT:
        signals[at - 5 : at + 6, 1] += 1 - abs(np.arange(-5, 6)) / 6
    symbols = ["V" if n % 4 == 0 else "N" for n in range(len(BEATS_AT))]
    scale = {"fmt": ["212", "212"], "adc_gain": [200.0, 200.0], "baseline": [1024, 1024]}
    wfdb.wrsamp(
        record,
        fs=360,
        units=["mV", "mV"],
        sig_name=list(leads),
        p_signal=signals,
        write_dir=str(folder),
        **scale,
    )
    rhythm = np.concatenate([[18], BEATS_AT]), ["+", *symbols]
    wfdb.wrann(record, "atr", *rhythm, aux_note=["(N", *[""] * len(symbols)], write_dir=str(folder))


def records(folder: Path) -> Path:
    for record in (*TRAIN, *VALIDATION, *TEST):
        write(folder, record)
    return folder


def test_a_record_is_its_lead_at_120_hz_and_its_beats(tmp_path: Path) -> None:
    write(tmp_path, "100")
    stream = read_record(tmp_path, "100", BEATS["all"])
    assert stream.x.shape == (120 * SECONDS, 1)
    assert stream.x.dtype == np.float32
    assert stream.starts.tolist() == (BEATS_AT // 3).tolist()  # the change of rhythm is none of them
    assert stream.x[stream.starts].min() > 0.5  # mV
    assert abs(np.median(stream.x)) < 0.05
    ventricular = read_record(tmp_path, "100", BEATS["ventricular"])
    assert ventricular.starts.tolist() == (BEATS_AT[::4] // 3).tolist()


def test_records_are_divided_as_published() -> None:
    """DS1 and DS2 of de Chazal et al., without 102, 104, 107 and 217, which are paced."""
    assert (len(TRAIN) + len(VALIDATION), len(TEST)) == (22, 22)
    assert len({*TRAIN, *VALIDATION, *TEST}) == 44
    assert not {*TRAIN, *VALIDATION, *TEST} & {"102", "104", "107", "217"}


def test_it_trains_and_reports_alarms(tmp_path: Path) -> None:
    results = train_once("ecg", records(tmp_path / "mitdb"), tmp_path / "run", beats="ventricular")
    assert results["metric"] == "f1"
    assert results["events"] == 22 * len(BEATS_AT[::4])
    assert results["hours"] == pytest.approx(22 * SECONDS / 3600)


def test_what_does_not_fit_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="beats: expected one of all, ventricular, got 'some'"):
        load("ecg", tmp_path, beats="some")
    with pytest.raises(FileNotFoundError, match=r"expected 101\.hea, found none"):
        load("ecg", tmp_path)
    write(tmp_path, "101", leads=("V5", "V1"))
    with pytest.raises(ValueError, match=r"101\.hea: expected the lead MLII, got V5, V1"):
        load("ecg", tmp_path)
    monkeypatch.setitem(sys.modules, "wfdb", None)
    with pytest.raises(ValueError, match=r"expected the package wfdb, found none; install the extra 'ecg'"):
        load("ecg", tmp_path)
    (tmp_path / "101.atr").unlink()
    with pytest.raises(FileNotFoundError, match=r"expected 101\.atr, found none"):
        load("ecg", tmp_path)
