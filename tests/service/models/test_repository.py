"""The model folder: what is in it is served, what cannot be is explained, and nothing stops the rest."""

import hashlib
import logging
from pathlib import Path

import pytest

from skiprnn_export import write
from skiprnn_service.errors import ModelError, UnknownModelError
from skiprnn_service.models.repository import ModelRepository, read_digests
from support.bundles import random_bundle, write_random_bundle
from support.graphs import depends_on_batch_size


def loaded(path: Path) -> ModelRepository:
    folder = ModelRepository(path, max_batch=8)
    folder.load()
    return folder


def test_a_file_is_version_1_and_a_folder_holds_several(tmp_path: Path) -> None:
    write_random_bundle(tmp_path / "watch.onnx")
    (tmp_path / "ecg").mkdir()
    for version in (9, 10, 2):
        write_random_bundle(tmp_path / "ecg" / f"{version}.onnx", seed=version)
    folder = loaded(tmp_path)
    assert {name: list(versions) for name, versions in folder.models.items()} == {
        "ecg": ["2", "9", "10"],
        "watch": ["1"],
    }
    assert folder.get("ecg").version == "10"
    assert folder.get("ecg", "2").bundle.info.training == {"seed": 2}
    assert (folder.get("watch").engine.model, folder.get("watch").engine.version) == ("watch", "1")
    assert len(list(folder)) == 4
    assert not folder.failures
    folder.close()


def test_a_model_that_is_not_there_is_unknown(tmp_path: Path) -> None:
    write_random_bundle(tmp_path / "watch.onnx")
    folder = loaded(tmp_path)
    with pytest.raises(UnknownModelError, match=r"expected one of \['watch'\], got 'ecg'"):
        folder.get("ecg")
    with pytest.raises(UnknownModelError, match=r"expected a version of \['1'\], got '2'"):
        folder.get("watch", "2")


def test_a_broken_file_keeps_nobody_else_from_being_served(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_random_bundle(tmp_path / "good.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    folder = loaded(tmp_path)
    assert folder.get("good").name == "good"
    assert list(folder.failures) == [("bad", "1")]
    with pytest.raises(ModelError, match=r"bad\.onnx: .*not an ONNX file"):
        folder.get("bad")
    assert "not served: bad.onnx" in caplog.text


def test_an_older_version_is_served_where_the_newest_is_broken(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    write_random_bundle(tmp_path / "m" / "1.onnx")
    (tmp_path / "m" / "2.onnx").write_bytes(b"")
    folder = loaded(tmp_path)
    assert folder.get("m").version == "1"
    with pytest.raises(ModelError, match=r"m/2\.onnx"):
        folder.get("m", "2")


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("a b.onnx", "a b.onnx: name: expected letters, digits"),
        ("-a.onnx", "-a.onnx: name: expected letters, digits"),
        ("m/latest.onnx", "m/latest.onnx: version: expected a whole number from 1 on, got 'latest'"),
        ("m/0.onnx", "m/0.onnx: version: expected a whole number from 1 on, got '0'"),
        ("m/01.onnx", "m/01.onnx: version: expected a whole number from 1 on, got '01'"),
        ("good/1.onnx", "good.onnx: there are two files of version 1 of 'good'"),
    ],
)
def test_names_and_versions_that_do_not_fit_are_refused(tmp_path: Path, file: str, reason: str) -> None:
    write_random_bundle(tmp_path / "good.onnx")
    (tmp_path / file).parent.mkdir(exist_ok=True)
    write_random_bundle(tmp_path / file)
    folder = loaded(tmp_path)
    assert [why.startswith(reason) for why in folder.failures.values()] == [True]
    assert list(folder.models) == ["good"]


def test_hidden_and_other_files_are_passed_over(tmp_path: Path) -> None:
    for name in (".export.onnx.7.tmp", ".hidden.onnx", "README.md"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "empty").mkdir()
    folder = loaded(tmp_path)
    assert not folder.models
    assert not folder.failures


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model folder: .*nowhere"):
        loaded(tmp_path / "nowhere")


def test_says_so_where_batches_must_be_padded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model, info = random_bundle()
    write(tmp_path / "m.onnx", depends_on_batch_size(model), info)
    with caplog.at_level(logging.WARNING):
        folder = loaded(tmp_path)
    assert folder.get("m").runner.batching == "padded"
    assert "model 'm'" in caplog.text
    assert "padded" in caplog.text


def test_a_link_out_of_the_folder_is_not_followed_and_one_within_it_is(tmp_path: Path) -> None:
    outside, path = tmp_path / "outside.onnx", tmp_path / "models"
    write_random_bundle(outside)
    (path / "..data").mkdir(parents=True)
    write_random_bundle(path / "..data" / "real.onnx")  # as Kubernetes mounts a ConfigMap
    (path / "away.onnx").symlink_to(outside)
    (path / "within.onnx").symlink_to(path / "..data" / "real.onnx")
    folder = loaded(path)
    assert list(folder.models) == ["within"]
    assert "link to" in folder.failures["away", "1"]
    folder.close()


def digest(file: Path) -> str:
    """As `sha256sum FILE` prints it."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_only_files_with_an_allowed_digest_are_served(tmp_path: Path) -> None:
    for name in ("good", "other"):
        write_random_bundle(tmp_path / f"{name}.onnx", seed=len(name))
    (tmp_path / "digests").write_text(f"# what we trained\n\n{digest(tmp_path / 'good.onnx')}  good.onnx\n")
    folder = ModelRepository(tmp_path, max_batch=8, allowed_digests=read_digests(tmp_path / "digests"))
    folder.load()
    assert list(folder.models) == ["good"]
    assert digest(tmp_path / "other.onnx") in folder.failures["other", "1"]
    folder.close()


def test_the_digest_of_version_0_1_works_and_the_new_one_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bundle = write_random_bundle(tmp_path / "good.onnx")
    folder = ModelRepository(tmp_path, max_batch=8, allowed_digests=frozenset({bundle.sha256}))
    folder.load()
    assert list(folder.models) == ["good"]
    assert digest(tmp_path / "good.onnx") in caplog.text
    folder.close()


def test_a_file_of_digests_that_holds_something_else_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "digests").write_text("abc good.onnx\n")
    with pytest.raises(ValueError, match=r"SHA-256.*'abc'"):
        read_digests(tmp_path / "digests")
