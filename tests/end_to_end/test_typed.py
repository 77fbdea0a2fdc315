"""README and tutorials, typed word by word into a fresh copy of the checkout, as a new user would.

Every block of a page runs as it stands, in order, in one shell; only a command that serves goes into the background
until the reader presses Ctrl-C. Each reader has a network of their own, so port 8000 is free.

The environment of a copy sees the packages that are installed here, and the install lines run without an index. With
SKIPRNN_TYPED=fresh (`make typed`) there is no environment, and the install lines install everything: minutes, with
port 8000 of this machine. Only then all trainings last as long as they would; else those of which a page promises no
figure end after an epoch.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from support.programs import need

ROOT = Path(__file__).parents[2]
FRESH = os.environ.get("SKIPRNN_TYPED") == "fresh"
NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", ".*_cache", ".hypothesis", "runs", "build", "dist", "site"
)

pytestmark = pytest.mark.timeout(3600 if FRESH else 1800)

HANDS = r"""
set -e
in_background() {
  set -m  # a process group of its own, which Ctrl-C goes to
  command "$@" > server.log 2>&1 &
  server=$!
  set +m
  until (exec 3<> /dev/tcp/127.0.0.1/8000) 2> /dev/null; do
    kill -0 $server 2> /dev/null || { cat server.log; return 1; }
    sleep 0.2
  done
}
make() { if [ "$1" = serve ]; then in_background make "$@"; else command make "$@"; fi; }
skiprnn() {
  case "$1" in
    serve) in_background skiprnn "$@" ;;
    train | compare) command skiprnn "$@" $short ;;
    *) command skiprnn "$@" ;;
  esac
}
press_ctrl_c() { kill -INT -- -$server; wait $server || true; unset server; }
trap 'status=$?; test -z "$server" || { kill -KILL -- -$server; test $status = 0 || cat server.log; }' EXIT
PS4='$ '
set -x
"""


class Reader:
    """Somebody who types into a copy of the checkout.

    Args:
        folder: of the copy.
        hurry: end trainings after an epoch, where that is allowed.

    Attributes:
        folder: the copy.
    """

    def __init__(self, folder: Path, *, hurry: bool) -> None:
        short = "--epochs 1" if hurry and not FRESH else ""
        self.folder, self._typed = folder, [f"short={short!r}\n", HANDS]
        shutil.copytree(ROOT, folder, ignore=NOT_COPIED)
        if not FRESH:
            _prepare(folder)

    def follow(self, page: str, *languages: str) -> None:
        """Type all blocks of a page, or those of some languages. Python that the page tells to save is saved."""
        text = (ROOT / page).read_text()
        blocks = list(re.finditer(r"^```(sh|python)\n(.*?)^```", text, re.M | re.S))
        assert {block[1] for block in blocks} == {"sh", "python"}, page
        for block in blocks:
            if block[1] not in (languages or ("sh", "python")):
                continue
            before = text[: block.start()].rstrip().rpartition("\n\n")[2]
            saved = re.search(r"Save this as `([\w.]+)`", before)
            into = f"cat > {saved[1]}" if saved else "python -"
            self._typed.append(block[2] if block[1] == "sh" else f"{into} <<'END'\n{block[2]}END\n")

    def type(self, command: str, *, of: str) -> None:
        """Type a command that stands in the text of a page."""
        text = (ROOT / of).read_text()
        assert re.search(rf"(?:^ *|`){re.escape(command)}(?:`|\s)", text, re.M), (of, command)
        self._typed.append(f"{command}\n")

    def press_ctrl_c(self) -> None:
        """End the server."""
        self._typed.append("press_ctrl_c\n")

    def done(self) -> str:
        """Run everything; returns what the terminal showed."""
        script = self.folder.with_suffix(".sh")
        script.write_text("".join(self._typed))
        command = ["bash", str(script)]
        if not FRESH:
            inside = f"{need('ip')} link set lo up && exec bash {script}"
            command = [need("unshare"), "--net", "bash", "-c", inside]
        shown = self.folder.with_suffix(".log")
        with shown.open("w") as log:
            done = subprocess.run(
                command,
                cwd=self.folder,
                env=_environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
            )
        assert done.returncode == 0, shown.read_text()[-5000:]
        return shown.read_text()


def _environment() -> dict[str, str]:
    """Of a terminal in which nothing was done for skiprnn."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    base = Path(sys.executable).resolve().parent
    path = f"{base}:{os.environ['PATH']}"
    if FRESH:
        return kept | {"PATH": path}
    offline = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0"}  # 0: without isolation
    return kept | {"PATH": path, "OMP_NUM_THREADS": "1"} | offline


def _prepare(folder: Path) -> None:
    """An environment that sees all packages that are installed here, as after an earlier `make serve`."""
    environment = folder / ".venv"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    others = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "others.pth").write_text(
        "".join(f"import site; site.addsitedir({path!r})\n" for path in others)
    )
    pip = [str(environment / "bin" / "pip"), "--quiet"]
    for arguments in (
        "uninstall --yes setuptools",
        "install --no-deps -e .",
    ):  # Python 3.11's setuptools is old
        subprocess.run([*pip, *arguments.split()], cwd=folder, env=_environment(), check=True)
    (environment / ".serve").touch()


Start = Callable[..., Reader]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A reader in a copy; it takes room, so it goes when the test is over."""
    if not FRESH and subprocess.run([need("unshare"), "--net", "true"], capture_output=True).returncode:
        pytest.skip("no rights to make a network namespace")
    yield lambda hurry=True: Reader(tmp_path / "skiprnn", hurry=hurry)
    shutil.rmtree(tmp_path / "skiprnn", ignore_errors=True)


def training(run: Path) -> dict[str, float]:
    found: dict[str, float] = json.loads((run / "training.json").read_text())
    return found


def test_the_readme_and_then_choosing_an_update_rate(start: Start) -> None:
    """With recordings of the reader's own, which are short here."""
    reader = start()
    write_recordings(reader.folder / "recordings")
    reader.type("make serve", of="README.md")
    reader.press_ctrl_c()
    reader.follow("README.md", "sh")  # its last line serves
    reader.press_ctrl_c()
    reader.type("python examples/make_exercise.py recording.csv", of="README.md")
    reader.type("make serve", of="README.md")
    reader.follow("README.md", "python")
    reader.press_ctrl_c()
    reader.type("make serve", of="docs/tutorials/choosing-an-update-rate.md")
    reader.follow("docs/tutorials/choosing-an-update-rate.md")
    reader.press_ctrl_c()
    shown = reader.done()
    assert (reader.folder / "models" / "mine.onnx").is_file()
    assert (reader.folder / "plots" / "front.png").is_file()
    assert len(re.findall(r"^0\.\d update rate [\d.]+%$", shown, re.M)) == 2


def write_recordings(folder: Path) -> None:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(12):
        label, hertz = ("still", 4.0) if number % 2 else ("busy", 16.0)
        signal = np.sin(2 * np.pi * hertz * np.arange(40) / 100) + rng.normal(0, 0.1, 40)
        rows = [f"{value:.4f},{label}" for value in signal]
        (folder / f"{number:02d}.csv").write_text("\n".join(["signal,label", *rows, ""]))


def test_the_quickstart_and_then_own_sensors(start: Start) -> None:
    reader = start(hurry=False)
    reader.follow("docs/tutorials/quickstart.md")
    reader.press_ctrl_c()
    reader.follow("docs/tutorials/own-sensors.md")
    reader.press_ctrl_c()
    shown = reader.done()
    assert re.search(r"^1,930 samples: \d+ sent \(20\.9 %\)", shown, re.M), "as the quickstart says"
    results = training(reader.folder / "runs" / "mine")
    assert results["balanced_accuracy"] == 1
    assert 0.2 < results["update_rate"] < 0.3, "close to 25 %"
    assert re.search(r"^200 samples: \d\d sent", shown, re.M), "about a quarter"
    assert "columns left out: label" in shown


def test_your_trained_gru(start: Start) -> None:
    reader = start()
    reader.type(". .venv/bin/activate", of="docs/tutorials/own-sensors.md")
    reader.type("pip install -e '.[all]'", of="docs/tutorials/own-sensors.md")
    reader.follow("docs/tutorials/your-trained-gru.md")
    reader.press_ctrl_c()
    shown = reader.done()
    assert re.search(r"^100 samples: \d+ sent", shown, re.M)


def test_is_skipping_worth_it(start: Start) -> None:
    reader = start()
    reader.type(". .venv/bin/activate", of="docs/tutorials/own-sensors.md")
    reader.type("pip install -e '.[all]'", of="docs/tutorials/own-sensors.md")
    reader.follow("docs/tutorials/is-skipping-worth-it.md")
    shown = reader.done()
    assert re.search(r"^Take .* of the samples", shown, re.M)
    assert re.search(r"^next: skiprnn export runs/knocks/\S+ --out models/recordings-", shown, re.M)
    assert (reader.folder / "models" / "recordings-uniform-0.25.onnx").is_file()
    assert "uniform, every 4 samples" in shown, "as the page says"


def test_video_features(start: Start) -> None:
    """With features of a folder in the layout of the page."""
    reader = start()
    write_features(reader.folder / "features")
    reader.type("make serve", of="docs/tutorials/quickstart.md")
    reader.type(". .venv/bin/activate", of="docs/tutorials/own-sensors.md")
    reader.type("pip install -e '.[all]'", of="docs/tutorials/own-sensors.md")
    reader.type("python examples/make_exercise.py recording.csv", of="README.md")
    reader.follow("docs/tutorials/video-features.md")
    reader.done()
    assert (reader.folder / "models" / "video.onnx").is_file()


def write_features(folder: Path) -> None:
    rng = np.random.default_rng(0)
    clips = [(kind, number) for number in range(12) for kind in ("jump", "walk")]
    for kind, number in clips:
        path = folder / "features" / kind / f"clip-{number:02d}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, (rng.normal(0, 0.1, (12, 4)) + (kind == "jump")).astype(np.float32))
    train = [f"{kind}/clip-{number:02d}.avi {1 + (kind == 'walk')}\n" for kind, number in clips if number < 9]
    test = [f"{kind}/clip-{number:02d}.avi\n" for kind, number in clips if number >= 9]
    (folder / "trainlist01.txt").write_text("".join(train))
    (folder / "testlist01.txt").write_text("".join(test))
