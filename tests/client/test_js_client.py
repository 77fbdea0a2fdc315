"""client/js: its own tests, its types, its package, and streams of real servers that are killed and cut, in Node."""

import json
import re
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from skiprnn_export import Bundle, read
from skiprnn_export.unroll import unroll
from support.alarms import RULE, offline_events
from support.bundles import random_sequence, write_random_bundle
from support.cutting_proxy import cutting_proxy
from support.line_process import LineProcess
from support.programs import need
from support.server_process import ServerProcess

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "client" / "js"
REPLAY = ROOT / "tests" / "support" / "replay_file.js"
SOON = {"initialBackoffMs": 20, "maxBackoffMs": 300, "retryTimeoutMs": 60_000}

Samples = NDArray[np.float32]


def node() -> list[str]:
    """Node with a WebSocket: its own from 22 on, behind this flag in 20."""
    return [need("node"), "--experimental-websocket"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_random_bundle(folder / "watch.onnx", features=3, outputs=4, **RULE)
    write_random_bundle(folder / "phone.onnx", features=6)
    return folder


@pytest.fixture(scope="module")
def bundle(models: Path) -> Bundle:
    return read(models / "watch.onnx")


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[ServerProcess]:
    with ServerProcess(models) as server:
        yield server


def replaying(form: str, url: str, **options: Any) -> LineProcess:
    """A Node process that streams lines of its input."""
    given = json.dumps({"url": url, "retry": SOON} | options)
    return LineProcess([*node(), REPLAY, form, given])


def lines(x: Samples, missed: NDArray[np.bool_] | None = None) -> list[str]:
    gone = np.zeros(len(x), bool) if missed is None else missed
    return ["null" if absent else json.dumps(row) for row, absent in zip(x.tolist(), gone, strict=True)]


def some_missed(x: Samples) -> NDArray[np.bool_]:
    """A fifth of the samples, and a gap as of a sensor that was off."""
    missed = np.random.default_rng(0).random(len(x)) < 0.2
    missed[200:260] = True
    return missed


def finished(replay: LineProcess) -> tuple[list[dict[str, Any]], int]:
    """All updates, and how often it connected."""
    out, said = replay.finish()
    return [json.loads(line) for line in out], said.count("ready")


def assert_uninterrupted(
    updates: list[dict[str, Any]], bundle: Bundle, x: Samples, missed: NDArray[np.bool_] | None = None
) -> None:
    expected = unroll(bundle, x, missed=missed)
    assert [update["t"] for update in updates] == expected.t.tolist()
    assert np.array([update["y"] for update in updates], np.float32).tobytes() == expected.y.tobytes()
    events = {update["t"]: update["event"] for update in updates if update["event"]}
    assert events == {t: event._asdict() for t, event in offline_events(bundle, expected).items()}


def test_its_own_tests_pass() -> None:
    names = sorted(CLIENT.glob("test/*.test.js"))
    assert names
    done = subprocess.run(
        [*node(), "--test", *names], cwd=CLIENT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]


FORMS: list[tuple[str, dict[str, Any]]] = [
    ("stream", {}),
    ("stream", {"wake": False, "chunk": 7, "encoding": "json"}),
    ("stream", {"window": 5}),
    ("streamFrom", {}),
]


@pytest.mark.parametrize(("form", "options"), FORMS)
def test_connections_cut_in_the_middle_of_a_frame_cost_no_update(
    server: ServerProcess, bundle: Bundle, form: str, options: dict[str, Any]
) -> None:
    x = random_sequence(bundle, 900)
    missed = some_missed(x)
    with cutting_proxy(server.port, cuts=8, longest=1500) as proxy:
        url = f"ws://127.0.0.1:{proxy.port}/v1/models/watch/stream"
        with replaying(form, url, **options) as replay:
            replay.give(lines(x, missed))
            updates, connections = finished(replay)
    assert_uninterrupted(updates, bundle, x, missed)
    assert connections > 3


def test_a_server_that_is_killed_costs_no_update(models: Path, bundle: Bundle, tmp_path: Path) -> None:
    x, store = random_sequence(bundle, 600), f"sqlite:///{tmp_path / 'streams.db'}"
    missed = some_missed(x)
    given = lines(x, missed)
    with (
        ServerProcess(models, store_url=store, snapshot_interval_seconds=0.1) as server,
        ExitStack() as stack,
    ):
        replays = [stack.enter_context(replaying(form, server.url(), **options)) for form, options in FORMS]
        for replay in replays:
            replay.give(given[:300], until_printed=50)
        server.kill()
        server.start()
        for replay in replays:
            replay.give(given[300:])
            out, said = replay.finish()
            assert_uninterrupted([json.loads(line) for line in out], bundle, x, missed)
            assert said.count("ready") >= 2
            assert re.search(r"^try 1 in [\d.e-]+ ms: closed with \d+", said, re.M), said


def script(code: str, *arguments: str, cwd: Path = CLIENT) -> str:
    """Run a module and return what it prints."""
    command = [*node(), "--input-type=module", "-e", code, "--", *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_connection_takes_messages_ahead_and_leaves_samples_out(
    server: ServerProcess, bundle: Bundle
) -> None:
    x = random_sequence(bundle, 100)
    out = script(
        """
        import { connect, ServerError } from "./index.js";
        const [url, given] = process.argv.slice(1);
        const x = JSON.parse(given), seen = [];
        const connection = await connect(url);
        const replies = await Promise.all([0, 1, 2].map((i) => connection.send(x.slice(10 * i, 10 * i + 10))));
        seen.push(...replies.flatMap(({ updates }) => updates));
        const gap = await connection.send(x[90], { t: 90 }).catch((error) => error);
        if (!(gap instanceof ServerError) || gap.code !== "gap" || connection.next !== 30) throw gap;
        while (connection.nextNeeded < 100) {
          connection.leaveOut(100);
          connection.next = connection.nextNeeded;
          seen.push(...(await connection.send(x[connection.next])).updates);
        }
        await connection.reset();
        const again = await connection.send(x[0]);
        const ended = await connection.end();
        const late = await connection.send(x[1]).catch((error) => error.name);
        console.log(JSON.stringify({ t: seen.map(({ t }) => t), again: again.t, updates: ended.updates, late }));
        """,
        server.url(),
        json.dumps(x.tolist()),
    )
    expected = unroll(bundle, x).t.tolist()
    assert json.loads(out) == {
        "t": expected,
        "again": 0,
        "updates": len(expected) + 1,
        "late": "StreamClosed",
    }


def test_sequences_are_told_apart(server: ServerProcess) -> None:
    out = script(
        """
        import { stream, NEW_SEQUENCE } from "./index.js";
        const source = [[0, 0, 0, 1, 1, 1], NEW_SEQUENCE, [0, 0, 0]];
        const seen = [];
        for await (const { sequence, t } of stream(process.argv[1], source)) seen.push([sequence, t]);
        console.log(JSON.stringify([seen[0], seen.at(-1)]));
        """,
        server.url(),
    )
    assert json.loads(out) == [[0, 0], [1, 0]]


def test_what_goes_wrong_is_said(server: ServerProcess) -> None:
    out = script(
        """
        import { stream } from "./index.js";
        const [url] = process.argv.slice(1);
        async function* broken() { yield [0, 0, 0]; throw new Error("unplugged"); }
        async function* silent() { yield [0, 0, 0]; await new Promise(() => setTimeout(() => {}, 5e3)); }
        const abort = new AbortController();
        const cases = [
          [stream("ws://127.0.0.1:1/x", [[0]])],
          [stream(url, [[0, 0]])],
          [stream(url, [[0, 0, NaN]])],
          [stream(url, broken())],
          [stream(url, [[0, 0, 0]], { window: 0 })],
          [stream(url, silent(), { signal: abort.signal }), () => abort.abort(new Error("enough"))],
        ];
        for (const [updates, then] of cases) {
          let seen = 0;
          try {
            for await (const _ of updates) { seen++; then?.(); }
          } catch (error) {
            console.log(`${seen} ${error.name}: ${error.message}`);
          }
        }
        process.exit();
        """,
        server.url(),
    ).splitlines()
    expected = [
        r"0 ConnectionFailed: ws://127.0.0.1:1/x: no server there, or it rejected the connection",
        r"0 SampleError: sample 0: expected 3 numbers or a multiple of that, got 2",
        r"0 SampleError: sample 0: expected finite float32 numbers, got \[0,0,NaN\]",
        r"1 Error: unplugged",
        r"0 RangeError: window: expected at least 1, got 0",
        r"1 Error: enough",
    ]
    assert len(out) == len(expected)
    for line, pattern in zip(out, expected, strict=True):
        assert re.match(pattern, line), line


def test_a_stream_that_is_left_early_is_parked(server: ServerProcess) -> None:
    out = script(
        """
        import { connect, stream } from "./index.js";
        const [url] = process.argv.slice(1);
        async function* silent() { yield [0, 0, 0]; await new Promise(() => setTimeout(() => {}, 5e3)); }
        for await (const _ of stream(url, silent(), { streamId: "left-early" })) break;
        const { ready } = await connect(url, { streamId: "left-early" });
        console.log(ready.resumed, ready.next);
        process.exit();
        """,
        server.url(),
    )
    assert out.split() == ["true", "1"]


def test_the_code_on_its_pages_runs(server: ServerProcess) -> None:
    page = (ROOT / "docs" / "reference" / "javascript-client.md").read_text()
    readme = (
        (CLIENT / "README.md").read_text().replace("```js\n", "```js\nconst samples = [[1, 2, 3, 4, 5, 6]];")
    )
    for text, pattern in ((page, r'<script type="module">(.*?)</script>'), (readme, r"```js\n(.*?)```")):
        code = re.findall(pattern, text, re.S)[0].replace(
            "ws://127.0.0.1:8000/v1/models/watch", server.url("phone")
        )
        code = (
            code.replace("./client/js/", "./")
            .replace('"skiprnn-client"', '"./index.js"')
            .replace("/stream/stream", "/stream")
        )
        assert script(code).startswith("0 c")


def test_the_package_holds_what_is_needed_and_nothing_else(tmp_path: Path) -> None:
    subprocess.run(
        [need("npm"), "pack", "--pack-destination", tmp_path, "--offline"],
        cwd=CLIENT,
        check=True,
        capture_output=True,
    )
    (package,) = tmp_path.glob("*.tgz")
    with tarfile.open(package) as archive:
        archive.extractall(tmp_path, filter="data")
        names = {name.removeprefix("package/") for name in archive.getnames()}
    assert names == {"README.md", "index.d.ts", "index.js", "package.json"} | {
        f"src/{path.name}" for path in CLIENT.glob("src/*.js")
    }
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "package").rename(tmp_path / "node_modules" / "skiprnn-client")
    code = 'import * as all from "skiprnn-client"; console.log(JSON.stringify(Object.keys(all)))'
    assert set(json.loads(script(code, cwd=tmp_path))) == typed_names()


def test_types_let_a_right_program_through_and_stop_a_wrong_one(tmp_path: Path) -> None:
    compiler = {"strict": True, "noEmit": True, "target": "es2022", "lib": ["es2022", "dom"], "types": []}
    modules = {"module": "nodenext", "moduleResolution": "nodenext"}
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "skiprnn-client").symlink_to(CLIENT)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "program.ts").write_text((REPLAY.parent / "typed_client.ts").read_text())
    said = {"compilerOptions": compiler | modules, "files": ["program.ts"]}
    (tmp_path / "tsconfig.json").write_text(json.dumps(said))
    done = subprocess.run([need("tsc"), "-p", tmp_path], capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert done.returncode == 0


def typed_names() -> set[str]:
    """What index.d.ts says that there is at run time."""
    types = (CLIENT / "index.d.ts").read_text()
    return set(re.findall(r"^export (?:const|function|class) (\w+)", types, re.M))
