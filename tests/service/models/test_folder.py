"""The layouts of the model folder, and everything in one that has the name of a bundle and is none."""

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from skiprnn_service.errors import ModelError
from skiprnn_service.models import folder
from skiprnn_service.models.repository import ModelRepository
from support.bundles import write_random_bundle


def loaded(path: Path, **limits: int) -> ModelRepository:
    repository = ModelRepository(path, **({"max_batch": 8} | limits))  # type: ignore[arg-type]
    repository.load()
    return repository


def place(path: Path, file: str) -> None:
    (path / file).parent.mkdir(parents=True, exist_ok=True)
    write_random_bundle(path / file)


def test_three_layouts_stand_beside_each_other(tmp_path: Path) -> None:
    for file in ("a.onnx", "b/2.onnx", "c/1/model.onnx", "c/10/model.onnx", "b/3/model.onnx"):
        place(tmp_path, file)
    (tmp_path / "c" / "config.pbtxt").write_text('name: "c"')
    (tmp_path / "c" / "1" / "notes.txt").touch()
    repository = loaded(tmp_path)
    assert {name: list(versions) for name, versions in repository.models.items()} == {
        "a": ["1"],
        "b": ["2", "3"],
        "c": ["1", "10"],
    }
    assert not repository.failures
    assert set(folder.stamps(tmp_path)) == {file.path for file in folder.files(tmp_path)}
    repository.close()


def test_two_files_of_one_version_are_a_conflict_that_names_both(tmp_path: Path) -> None:
    for file in ("m.onnx", "m/1.onnx", "m/1/model.onnx"):
        place(tmp_path, file)
    repository = loaded(tmp_path)
    assert repository.get("m").version == "1"
    why = repository.failures["m", "1"]
    assert "m.onnx: there are two files of version 1 of 'm'" in why
    assert "m/1.onnx: there are two files of version 1 of 'm'" in why
    repository.close()


@pytest.mark.parametrize(
    ("inside", "reason"),
    [
        ((), "m/1: expected model.onnx in it, found nothing"),
        (("model.plan", "a.txt"), "m/1: expected model.onnx in it, found ['a.txt', 'model.plan']"),
    ],
)
def test_a_version_of_triton_s_without_a_model_says_what_is_expected(
    tmp_path: Path, inside: tuple[str, ...], reason: str
) -> None:
    (tmp_path / "m" / "1").mkdir(parents=True)
    for name in inside:
        (tmp_path / "m" / "1" / name).touch()
    assert loaded(tmp_path).failures == {("m", "1"): reason}


def make_socket(path: Path) -> None:
    """The address of a socket is short, wherever the test runs."""
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    finally:
        os.chdir(before)


def make_large(path: Path) -> None:
    path.touch()
    os.truncate(path, 4 << 30)


STRANGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a FIFO": (os.mkfifo, "x.onnx: expected a file, got a FIFO"),
    "a socket": (make_socket, "x.onnx: expected a file, got a socket"),
    "a device": (
        lambda path: path.symlink_to("/dev/zero"),
        "x.onnx: expected a file in the model folder, got a link",
    ),
    "a folder": (Path.mkdir, "x.onnx: expected a file, got a folder"),
    "a link to nothing": (
        lambda path: path.symlink_to("nothing"),
        "x.onnx: expected a file, got a link to 'nothing', which is not there",
    ),
    "a link to itself": (
        lambda path: path.symlink_to(path.name),
        "x.onnx: expected a file, got a link to 'x.onnx'",
    ),
    "an empty file": (Path.touch, "x.onnx: not an ONNX file, or a truncated one"),
    "4 GiB of nothing": (
        make_large,
        "x.onnx: expected a file of 2147483647 bytes at most, got 4294967296",
    ),
}


@pytest.mark.parametrize("kind", STRANGE)
@pytest.mark.parametrize("inner", ["", "x/1.onnx", "x/1/model.onnx"], ids=["file", "version", "triton"])
def test_what_is_no_file_is_reported_and_never_opened(tmp_path: Path, kind: str, inner: str) -> None:
    make, reason = STRANGE[kind]
    place(tmp_path, "good.onnx")
    path = tmp_path / (inner or "x.onnx")
    path.parent.mkdir(parents=True, exist_ok=True)
    make(path)
    found: list[ModelRepository] = []
    thread = threading.Thread(target=lambda: found.append(loaded(tmp_path)), daemon=True)
    thread.start()
    thread.join(60)
    assert found, "the start hangs"
    assert list(found[0].models) == ["good"]
    why = found[0].failures["x", "1"]
    assert why.startswith(reason.replace("x.onnx", inner or "x.onnx", 1).replace("'x.onnx'", repr(path.name)))
    found[0].close()


@pytest.fixture
def not_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Root may read everything: tests of permissions run as another user, from the folder itself."""
    monkeypatch.chdir(tmp_path)
    if os.geteuid() == 0:
        tmp_path.chmod(0o755)
    return Path()


def as_somebody(work: Callable[[], ModelRepository]) -> ModelRepository:
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65534)
    try:
        return work()
    finally:
        if was_root:
            os.seteuid(0)


@pytest.mark.parametrize(
    ("closed", "key", "reason"),
    [
        ("x.onnx", ("x", "1"), "x.onnx: Permission denied"),
        ("x", ("x", ""), "x: cannot be read: Permission denied"),
        ("x/1", ("x", "1"), "x/1: expected model.onnx in it, found nothing"),
    ],
)
def test_what_may_not_be_read_is_reported(
    not_root: Path, closed: str, key: tuple[str, str], reason: str
) -> None:
    place(not_root, "good.onnx")
    place(not_root, "x.onnx" if closed == "x.onnx" else "x/1/model.onnx")
    (not_root / closed).chmod(0)
    try:
        repository = as_somebody(lambda: loaded(not_root))
    finally:
        (not_root / closed).chmod(0o755)
    assert list(repository.models) == ["good"]
    assert repository.failures == {key: reason}


def test_a_folder_that_cannot_be_a_model_s_is_ignored_where_it_may_not_be_read(not_root: Path) -> None:
    (not_root / "lost+found").mkdir(mode=0)
    place(not_root, "good.onnx")
    repository = as_somebody(lambda: loaded(not_root))
    assert not repository.failures


def test_a_folder_that_may_not_be_searched_is_reported(not_root: Path) -> None:
    place(not_root, "models/good.onnx")
    (not_root / "models").chmod(0o444)
    try:
        repository = as_somebody(lambda: loaded(not_root / "models"))
    finally:
        (not_root / "models").chmod(0o755)
    assert repository.failures == {("good", "1"): "good.onnx: Permission denied"}


@pytest.mark.parametrize("name", [b"\xff\xfe", b"a\x1b[31m", b"a\nERROR forged", "a\u202eb".encode()])
def test_names_reach_the_log_and_the_reasons_in_printable_characters(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: bytes
) -> None:
    place(tmp_path, "good.onnx")
    for file in (name + b".onnx", name + b"/1.onnx", b"m/" + name + b".onnx", name + b"/1/model.onnx"):
        place(tmp_path, os.fsdecode(file))
    (tmp_path / "m" / "broken.onnx").write_bytes(name)
    repository = loaded(tmp_path)
    assert list(repository.models) == ["good"]
    assert len(repository.failures) == 3
    texts = [record.getMessage() for record in caplog.records]
    for text in (
        *texts,
        *repository.failures.values(),
        *(word for key in repository.failures for word in key),
    ):
        assert text.isprintable()
        text.encode()
    repository.close()


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert folder.read_file(tmp_path / "a") == b"abc"
    with pytest.raises(ModelError, match="expected a file, got a folder"):
        folder.read_file(tmp_path)
