"""Features of videos: arrays or folders of text files, padded to one length."""

from pathlib import Path

import numpy as np
import pytest

from skiprnn.data.frames import FrameFiles, open_frames


def videos(folder: Path) -> list[Path]:
    """One of 4 frames as an array, one of 2 as text files; 3 features a frame."""
    np.save(folder / "a.npy", np.arange(12.0).reshape(4, 3))
    (folder / "b").mkdir()
    for frame in range(2):
        np.savetxt(folder / "b" / f"b-{frame:06d}.txt", np.full(3, frame + 1.0))
    return [folder / "a.npy", folder / "b.npy"]


def test_videos_are_padded_and_cut(tmp_path: Path) -> None:
    files = FrameFiles(videos(tmp_path), frames=3)
    x, lengths = files.padded(np.array([0, 1]))
    assert files.width == 3
    assert lengths.tolist() == [3, 2]
    assert x[0].tolist() == np.arange(9.0).reshape(3, 3).tolist()
    assert x[1].tolist() == [[1, 1, 1], [2, 2, 2], [0, 0, 0]]


def test_missing_videos_are_counted_and_the_first_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"c\.npy: expected the features of a video \(2 are missing\)"
    ):
        FrameFiles([*videos(tmp_path), tmp_path / "c.npy", tmp_path / "d.npy"], frames=3)


def test_an_array_of_another_shape_is_an_error(tmp_path: Path) -> None:
    np.save(tmp_path / "flat.npy", np.zeros(3))
    with pytest.raises(ValueError, match=r"flat\.npy: expected features \[frames, size\], got shape \[3\]"):
        open_frames(tmp_path / "flat.npy", 3)
