"""`python -m fuzz.bodies [--inputs 1000] [FORMAT …]`: damage valid bodies of scoring requests.

Each input is a valid body with one to four bytes changed, scored by the process that scores in the server. It is
scored, or rejected with a status below 500; or that process dies, which costs the request alone. Anything else is a
failure: its body stays in fuzz/found/, and the command ends with 1.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa

from fuzz import FOUND
from skiprnn_service.engine.step_runner import StepRunner
from skiprnn_service.errors import InferenceError, SkipRnnServiceError
from skiprnn_service.scoring.formats.registry import FORMATS
from skiprnn_service.scoring.job import Job
from skiprnn_service.scoring.process import Limits, ScoreProcess
from support import score_bodies as bodies
from support.bundles import write_random_bundle

DIED = "process died"
_MIB = 1 << 20
_LIMITS = Limits(memory_bytes=1024 * _MIB, cpu_seconds=20)


def seeds() -> dict[str, list[bytes]]:
    """Valid bodies of every format."""
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((n, 3)).astype(np.float32) for n in (6, 1, 9)]
    ids: list[object] = ["a", "b", None]
    nested, long = bodies.nested(x, ids=ids), bodies.long(x)
    tables = [nested, long, bodies.nested(x, fixed=True), long.set_column(0, "sequence", _encoded(long))]
    return {
        "json": [b'{"sequences": [[[1, 2.5, -3e8], [0, 0, 1]], [[4, 5, 6]]], "threshold": 0.7}'],
        "ndjson": [bodies.as_ndjson(x), b'{"x0": 1, "x1": null, "x2": 3.5, "sequence": "a"}\n' * 3],
        "npy": [bodies.as_npy(x[0]), bodies.as_npy(np.ones((2, 4, 3)))],
        "npz": [bodies.as_padded_npz(x), bodies.as_joined_npz(x), bodies.as_npz(a=x[0], b=x[1])],
        "arrow": [
            bodies.as_arrow(table, compression=how) for table in tables for how in (None, "zstd", "lz4")
        ],
        "arrow_file": [bodies.as_arrow_file(table) for table in tables],
        "parquet": [
            bodies.as_parquet(table, compression=how) for table in tables for how in ("snappy", "zstd")
        ],
        "csv": [
            bodies.as_csv(long),
            b"\n".join(b"%d,2,3.5e-1" % i for i in range(9)),
            b"\xef\xbb\xbfsep=;\r\nx0;x1;x2\r\n1,5;1,234;-2e3\r\n",
        ],
        "tsv": [bodies.as_csv(long).replace(b",", b"\t")],
    }


def _encoded(table: pa.Table) -> pa.Array:
    return table["sequence"].combine_chunks().dictionary_encode()


def damaged(rng: random.Random, body: bytes) -> bytes:
    """One to four bytes are others: any, or one that stands elsewhere in the body."""
    changed = bytearray(body)
    for _ in range(rng.randint(1, 4)):
        changed[rng.randrange(len(changed))] = rng.choice((rng.randrange(256), rng.choice(body)))
    return bytes(changed)


class Bodies:
    """Scores damaged bodies.

    Attributes:
        found: what came of them: how many were scored, were rejected with which code, ended the process.
        failures: what must not come of one.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self._runner = StepRunner(write_random_bundle(folder / "m.onnx"))
        self._process = ScoreProcess(priority="normal", limits=_LIMITS)
        self._rng = random.Random(seed)
        self.found, self.failures = Counter[str](), list[str]()

    async def score(self, format_name: str, inputs: int) -> None:
        """Damage bodies of a format and score them."""
        valid = seeds()[format_name]
        with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as sink:
            for _ in range(inputs):
                body = damaged(self._rng, self._rng.choice(valid))
                for file, data in ((source, body), (sink, b"")):
                    file.seek(0)
                    file.truncate()
                    file.write(data)
                    file.seek(0)
                self.found[await self._outcome(format_name, body, source, sink)] += 1

    async def _outcome(self, format_name: str, body: bytes, source: IO[bytes], sink: IO[bytes]) -> str:
        job = Job("m", "1", format_name, "npy", None, updates=False, max_bytes=_MIB, max_output_bytes=_MIB)
        try:
            await self._process.run(job, self._runner, source, sink)
        except SkipRnnServiceError as error:
            if isinstance(error, InferenceError) and "has died" in str(error):
                return DIED
            if error.status < 500:
                return error.code
            self._fail(format_name, body, str(error))
            return "failed"
        return "scored"

    def _fail(self, format_name: str, body: bytes, why: str) -> None:
        FOUND.mkdir(exist_ok=True)
        file = FOUND / f"{format_name}-{len(self.failures)}"
        file.write_bytes(body)
        self.failures.append(f"{file.name}: {why}")

    def close(self) -> None:
        self._process.close()


def run(format_name: str, inputs: int, seed: int) -> bool:
    """Score so many damaged bodies of a format. Returns whether all was as it should be."""
    with tempfile.TemporaryDirectory() as folder:
        bodies = Bodies(Path(folder), seed)
        try:
            asyncio.run(bodies.score(format_name, inputs))
        finally:
            bodies.close()
    found = ", ".join(f"{count} {what}" for what, count in bodies.found.most_common())
    print(f"{format_name}: {inputs} inputs: {found}", *bodies.failures[:10], sep="\n    ", flush=True)
    return not bodies.failures


def main() -> int:
    parser = argparse.ArgumentParser(description="Damage bodies of scoring requests.")
    parser.add_argument("formats", nargs="*", choices=[[], *FORMATS], help="default: all")
    parser.add_argument("--inputs", type=int, default=1000, help="of each format (default 1000)")
    parser.add_argument("--seed", type=int, default=0)
    said = parser.parse_args()
    held = [run(name, said.inputs, said.seed) for name in said.formats or FORMATS]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
