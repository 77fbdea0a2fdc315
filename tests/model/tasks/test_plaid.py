"""Currents of appliances: the .ts format and the published set."""

import pytest

from skiprnn.tasks.plaid import read_ts
from support.tasks import load


def test_ts_files_are_read_line_by_line() -> None:
    signals, classes = read_ts("# about\n@univariate true\n@data\n1,2,3:4\n0.5,-1e-3:0\n")
    assert [signal.ravel().tolist() for signal in signals] == [[1, 2, 3], pytest.approx([0.5, -1e-3])]
    assert classes == [4, 0]
    with pytest.raises(ValueError, match="line 2: expected value,value"):
        read_ts("@data\n1,2,3\n")
    with pytest.raises(ValueError, match="expected @data"):
        read_ts("1,2:3\n")


def test_plaid_has_currents_of_different_lengths() -> None:
    data = load("plaid")
    assert sum(len(batch.x) for batch in data.test) == 537
    lengths = [batch.lengths for batch in data.test]
    assert min(int(length.min()) for length in lengths if length is not None) >= 100
    assert max(int(length.max()) for length in lengths if length is not None) <= 1344
