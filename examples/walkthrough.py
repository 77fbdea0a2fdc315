"""From a folder of recordings to a live stream, cell by cell: paste it into a notebook, or run it as it is.

    python examples/walkthrough.py

It makes recordings of two kinds of machine hum, trains on them for half a minute, and streams one.
"""

# %% Recordings: a folder of CSV files, a column for each channel and one for the label.
import csv
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

folder = Path(tempfile.mkdtemp())
rng = np.random.default_rng(0)
for number in range(32):
    label, hertz = ("healthy", 2.0) if number % 2 else ("worn", 3.5)
    t = np.arange(200) / 100
    hum = np.sin(2 * np.pi * hertz * t + rng.uniform(0, 6)) + rng.normal(0, 0.2, t.size)
    path = folder / "recordings" / f"{label}-{number:02d}.csv"
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["vibration", "label"])
        writer.writerows([f"{value:.4f}", label] for value in hum)


# %% Train: update on a quarter of the samples. A notebook would use `!skiprnn …`.
def skiprnn(*words: str) -> None:
    subprocess.run([sys.executable, "-c", "from skiprnn_cli import main; main()", *words], check=True)


run, model = folder / "run", folder / "models" / "hum.onnx"
data = str(folder / "recordings")
settings = ["--update-rate", "0.25", "--epochs", "8", "--hidden", "24", "--quiet"]
skiprnn("train", "recordings", "--data", data, "--out", str(run), *settings)

# %% Export: one ONNX file, checked against PyTorch.
model.parent.mkdir()
skiprnn("export", str(run), "--out", str(model))
skiprnn("inspect", str(model))

# %% Which samples does it update on? Without a server.
from skiprnn_export import read, unroll  # noqa: E402 - cells import what they need

bundle = read(model)
recording = np.loadtxt(folder / "recordings" / "worn-00.csv", delimiter=",", skiprows=1, usecols=[0], ndmin=2)
unrolled = unroll(bundle, recording)
print(f"updates on {len(unrolled.t)} of {len(recording)} samples: {unrolled.t[:12].tolist()} …")
print("final:", dict(zip(bundle.info.classes, unrolled.y[-1].round(3).tolist(), strict=True)))

# %% Serve it and stream the recording: the outputs are the same bits.
from skiprnn_client import stream_sync  # noqa: E402

command = [
    sys.executable,
    "-c",
    "from skiprnn_cli import main; main()",
    "serve",
    "--models-dir",
    str(model.parent),
]
server = subprocess.Popen(
    [*command, "--port", "0", "--log-level", "warning"], stdout=subprocess.PIPE, text=True
)
try:
    assert server.stdout
    dashboard = next(line.split()[1] for line in server.stdout if "dashboard" in line)
    updates = list(stream_sync(f"{dashboard}v1/models/hum/stream", recording))
    assert [update.t for update in updates] == unrolled.t.tolist()
    assert np.array([update.y for update in updates]).tobytes() == unrolled.y.tobytes()
    print(f"streamed: {len(updates)} updates, the last says {updates[-1].label}")
finally:
    server.terminate()
    server.communicate()
