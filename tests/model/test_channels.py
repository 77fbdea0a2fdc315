"""Which column of a table is which channel, by the cases that the dashboard is held to as well."""

from typing import Any

import pytest

from skiprnn import Feature
from skiprnn.channels import feature_of, is_header, left_out, match
from support.table_cases import CASES


def features_of(case: dict[str, Any]) -> list[Feature]:
    return [feature_of(name) for name in case["features"]]


@pytest.mark.parametrize("case", CASES["match"], ids=lambda case: f"{case['names']} → {case['features']}")
def test_columns_are_matched_by_name(case: dict[str, Any]) -> None:
    if "error" in case:
        with pytest.raises(ValueError, match="expected") as caught:
            match(case["names"], features_of(case))
        assert case["error"] in str(caught.value)
        return
    chosen = match(case["names"], features_of(case))
    assert chosen == case["chosen"]
    if chosen is not None:
        assert left_out(case["names"], chosen) == case.get("left_out", [])


@pytest.mark.parametrize("case", CASES["header"], ids=lambda case: str(case["cells"]))
def test_a_first_line_is_a_header_or_a_sample(case: dict[str, Any]) -> None:
    assert is_header(case["cells"], features_of(case)) == case["header"]


@pytest.mark.parametrize(
    ("header", "feature"),
    [
        ("ax [g]", Feature("ax", "g")),
        (" ax(g) ", Feature("ax", "g")),
        ("a [raw] [m/s(2)]", Feature("a [raw]", "m/s(2)")),
        ("[g]", Feature("[g]")),
        ("ax [g", Feature("ax [g")),
        ("ax []", Feature("ax")),
        ("", Feature("")),
    ],
)
def test_a_unit_stands_in_brackets_at_the_end(header: str, feature: Feature) -> None:
    assert feature_of(header) == feature


@pytest.mark.parametrize("header", ["(" * 500_000, "1" * 500_000 + "x", " " * 500_000 + "x", ".,_" * 200_000])
def test_a_long_cell_takes_no_longer_than_its_length(header: str) -> None:
    """One that took its square would not end."""
    assert match([header], [Feature("ax", "g")]) is None
    is_header([header], [Feature("ax", "g")])
