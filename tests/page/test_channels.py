"""The dashboard's reader of CSV, in Node: columns and numbers as in training, in streams and in scoring."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import skiprnn_service
from skiprnn.channels import feature_of
from support.programs import need
from support.table_cases import CASES

PAGE = Path(skiprnn_service.__file__).parent / "page"
SCRIPT = """
import { bareName, isHeader, leftOut, match, parseNumber } from "./channels.mjs";
import { rateSaid } from "./rate.mjs";
import { parseCsv } from "./sources.mjs";
const tried = (work) => { try { return work(); } catch (error) { return { error: error.message }; } };
let text = "";
for await (const part of process.stdin) text += part;
const { match: matched, header, numbers, files, times, truth } = JSON.parse(text);
const truthOf = ({ kind, columns, classes, decimal, events, cells }) => tried(() => {
  const [separator, x] = decimal === "," ? [";", "0,5"] : ["\\t", "0.5"];
  const lines = [["x", ...columns], ...cells.map((row) => [x, ...row])].map((row) => row.join(separator));
  const task = kind === "regression" ? "step_regression" : "";
  const model = { classes, events, multi_label: kind === "multi-label", task };
  return parseCsv(lines.join("\\n"), [{ name: "x", unit: "" }], columns, model).labels;
});
const several = (text) => parseCsv(text, [{ name: "x", unit: "" }], ["hot", "wet"]).labels;
console.log(JSON.stringify({
  several: several("hot,x,wet\\n0,9,1\\n1,9,1\\n0,9,0\\n,9,1"),
  truth: truth.map(truthOf),
  match: matched.map(({ names, features }) => tried(() => {
    const chosen = match(names, features);
    return { chosen, left_out: chosen ? leftOut(names, chosen) : [] };
  })),
  times: times.map(({ text, rate }) => rateSaid(parseCsv(text, [{ name: "x", unit: "" }]).time, rate)),
  bare: [["vib [mm/s]", "mm/s"], ["vib (mm/s)", "mm/s"], ["vib", "mm/s"], ["y [?]", "g"]].map((it) => bareName(...it)),
  header: header.map(({ cells, features }) => isHeader(cells, features)),
  numbers: Object.keys(numbers).map((text) => [text, parseNumber(text)]),
  files: files.map(({ text, features }) => tried(() => {
    const { rows, channels, columnsLeftOut, labels } = parseCsv(text, features);
    return { rows: rows(0), channels, columnsLeftOut, labels };
  })),
}));
"""
FILES: list[tuple[str, list[str], Any]] = [
    ("1,2\n3,4\n", ["ax", "ay"], {"rows": [[1, 2], [3, 4]], "channels": None, "columnsLeftOut": []}),
    ("ay [g],ax [g]\n1,2\n", ["ax [g]", "ay [g]"], {"rows": [[2, 1]], "channels": ["ax [g]", "ay [g]"]}),
    (" ay, ax\n1,2\n", ["ax [g]", "ay [g]"], {"rows": [[2, 1]]}),
    ("p;q\n1;2\n", ["ax", "ay"], {"rows": [[1, 2]], "channels": ["p", "q"], "columnsLeftOut": []}),
    (
        "ax,who,label\n1,m,a\n2,m,\n",
        ["ax"],
        {"rows": [[1], [2]], "columnsLeftOut": ["who"], "labels": ["a", ""]},
    ),
    ("ax;ay\n1,5;-2,25e1\n3;4\n", ["ax", "ay"], {"rows": [[1.5, -22.5], [3, 4]], "labels": None}),
    ("ax;ay\n1.5;2\n", ["ax", "ay"], {"rows": [[1.5, 2]]}),
    ("ax;ay\n1.5;2,5\n", ["ax", "ay"], {"error": "Line 2, column 2: expected a number, got “2,5”."}),
    ("ax;ay\n1,500;2,250\n", ["ax", "ay"], {"error": "Line 2, column 1: expected a number, got “1,500”."}),
    ("ax\tay\n1,5\t2\n", ["ax", "ay"], {"rows": [[1.5, 2]]}),
    ("ax;ay;note\n1;2;a, b\n3;4;c, d, e\n", ["ax", "ay"], {"rows": [[1, 2], [3, 4]]}),
    ('"ax, left","say ""ay"""\n1,"2"\n', ['say "ay"', "ax, left"], {"rows": [[2, 1]]}),
    ("\ufeffay,ax\n1,2\n", ["ax", "ay"], {"rows": [[2, 1]]}),
    ("t,ay\n1,2\n", ["ax", "ay"], {"error": "Line 1: expected a column for every feature"}),
    ("ax,ay\n1,0x1F\n", ["ax", "ay"], {"error": "Line 2, column 2: expected a number, got “0x1F”."}),
    ("ax,ay\n\n1_000,2\n", ["ax", "ay"], {"error": "Line 3, column 1: expected a number, got “1_000”."}),
    ('1,"1,013.2"\n', ["ax", "ay"], {"error": "Line 1, column 2: expected a number, got “1,013.2”."}),
    ("0b1,1\n", ["ax", "ay"], {"error": "Line 1, column 1: expected a number, got “0b1”."}),
    ("ax,ay\n1,\n", ["ax", "ay"], {"error": "Line 2, column 2: expected a number, got “”."}),
    (
        "ax,ay,label\n1,2\n",
        ["ax", "ay"],
        {"error": "Line 2: expected 3 columns, as the first line has names"},
    ),
    ("label,x\n1,2\n", ["ax"], {"error": "Line 1: expected 1 column, as the model has features, got 2."}),
]

TIMES: list[tuple[str, float | None, str]] = [  # a file, the model's rate, what is said
    (
        "timestamp,x\n0,1\n0.04,1\n0.08,1\n",
        50,
        "“timestamp” says 25 Hz, the model takes 50 Hz: resample first",
    ),
    ("timestamp,x\n0,1\n0.04,1\n0.08,1\n", 25.5, ""),
    ("timestamp,x\n0,1\n0.04,1\n0.08,1\n", None, ""),
    ("t [ms];x\n0;1\n40;1\n80;1\n", 50, "says 25 Hz"),
    ("t;x\n0,00;1\n0,04;1\n0,08;1\n", 50, "says 25 Hz"),
    ("t,x\n0,1\n1,1\n2,1\n", 50, ""),
    ("date,x\n2026-01-01T00:00:00Z,1\n2026-01-01T00:00:01Z,1\n2026-01-01T00:00:02Z,1\n", 50, "says 1 Hz"),
    ("who,x\n0,1\n0.04,1\n0.08,1\n", 50, ""),
]


def with_features(case: dict[str, Any]) -> dict[str, Any]:
    """As the server describes features."""
    named = [feature_of(name) for name in case["features"]]
    return case | {"features": [{"name": feature.name, "unit": feature.unit} for feature in named]}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the page's modules make of all cases. Node takes a file for a module by its name."""
    folder = tmp_path_factory.mktemp("page")
    for name in ("api", "channels", "dialect", "outputs", "rate", "sources", "truth"):
        text = (PAGE / f"{name}.js").read_text(encoding="utf-8")
        (folder / f"{name}.mjs").write_text(
            re.sub(r'(from "\./\w+)\.js"', r'\1.mjs"', text), encoding="utf-8"
        )
    (folder / "run.mjs").write_text(SCRIPT, encoding="utf-8")
    cases = {name: [with_features(case) for case in CASES[name]] for name in ("match", "header")}
    files = [with_features({"text": text, "features": features}) for text, features, _ in FILES]
    files += [with_features(case) for case in CASES["dialects"]]
    times = [{"text": text, "rate": rate} for text, rate, _ in TIMES]
    given = json.dumps(
        cases | {"numbers": CASES["numbers"], "files": files, "times": times, "truth": CASES["truth"]}
    )
    command = [need("node"), str(folder / "run.mjs")]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=True)
    shutil.rmtree(folder)
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def assert_is(answer: dict[str, Any], expected: dict[str, Any]) -> None:
    if "error" in expected:
        assert expected["error"] in answer["error"]
    else:
        assert answer == answer | expected


def test_columns_are_matched_by_name_as_everywhere(answers: dict[str, Any]) -> None:
    for case, answer in zip(CASES["match"], answers["match"], strict=True):
        rest = {name: case[name] for name in ("chosen", "left_out", "error") if name in case}
        assert_is(answer, rest)


def test_a_first_line_is_a_header_as_everywhere(answers: dict[str, Any]) -> None:
    assert answers["header"] == [case["header"] for case in CASES["header"]]


def test_a_number_is_one_as_everywhere(answers: dict[str, Any]) -> None:
    assert dict(answers["numbers"]) == CASES["numbers"]


@pytest.mark.parametrize("index", range(len(FILES)), ids=lambda index: repr(FILES[index][0]))
def test_a_file_is_read_by_the_rule(answers: dict[str, Any], index: int) -> None:
    assert_is(answers["files"][index], FILES[index][2])


def test_a_file_is_read_in_every_dialect_as_everywhere(answers: dict[str, Any]) -> None:
    for case, answer in zip(CASES["dialects"], answers["files"][len(FILES) :], strict=True):
        assert (answer["rows"] if case["rows"] else "error" in answer) == (case["rows"] or True), case


def test_several_columns_of_labels_are_one_truth(answers: dict[str, Any]) -> None:
    assert answers["several"] == ["0;1", "1;1", "0;0", ""]


@pytest.mark.parametrize(
    "index", range(len(CASES["truth"])), ids=lambda index: str(CASES["truth"][index]["cells"])
)
def test_labels_say_what_they_say_in_training(answers: dict[str, Any], index: int) -> None:
    case, answer = CASES["truth"][index], answers["truth"][index]
    if "error" in case:
        assert case["error"] in answer["error"]
        assert answer["error"].startswith("Line ")
    else:
        assert answer == case["truth"]


@pytest.mark.parametrize("index", range(len(TIMES)), ids=lambda index: repr(TIMES[index][0]))
def test_another_sample_rate_is_told_of(answers: dict[str, Any], index: int) -> None:
    said, expected = answers["times"][index], TIMES[index][2]
    assert expected in said
    assert bool(said) == bool(expected)


def test_a_name_beside_its_unit_has_none(answers: dict[str, Any]) -> None:
    assert answers["bare"] == ["vib", "vib", "vib", "y [?]"]
