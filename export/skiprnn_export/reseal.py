"""A bundle whose graph another tool changed, quantised for example → a bundle again.

Its digest does not fit any more, so no server loads it. `reseal` checks the changed graph as if it had been exported,
runs it, and writes a new digest; `original_sha256` in the description says which bundle it was made from. It does not
say that the outputs are still good: compare them on held-out recordings.
"""

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skiprnn.paths import StrPath
from skiprnn_export import graph
from skiprnn_export.bundle import Bundle, BundleError, BundleInfo, description, info_of, pack, parse, save
from skiprnn_export.escaping import escaped
from skiprnn_export.gate import skip_table
from skiprnn_export.unroll import open_session

_ROWS, _STEPS = 32, 20
_TOLERANCE = 1e-5  # what rounding explains, relative above magnitude 1

Outputs = list[NDArray[np.float32]]  # new_state, update_prob, y


@dataclasses.dataclass(frozen=True)
class Resealed:
    """The bundle that was written, and the largest difference of a row's result alone and in a batch."""

    bundle: Bundle
    row_difference: float


def reseal(changed: StrPath, out: StrPath) -> Resealed:
    """Write a bundle again whose graph was changed.

    Args:
        changed: the file that another tool wrote, with the description that `skiprnn export` put into the metadata.
        out: the .onnx file, written atomically; its folder is created. It may be the same file.

    Raises:
        BundleError: there is no description, the graph breaks the contract, or the file is a whole bundle already.
        ValueError: the step gives numbers that no step gives, or a row depends on the others of its batch.
        OSError: a file cannot be read or written.
    """
    changed, out = Path(changed), Path(out)
    bundle = _sealed(changed.read_bytes(), source=str(changed))
    difference = _try(bundle, source=str(changed))
    out.parent.mkdir(parents=True, exist_ok=True)
    save(out, bundle)
    return Resealed(bundle, difference)


def _sealed(data: bytes, *, source: str) -> Bundle:
    try:
        model = graph.decode(data)
        fields = description(model)
        original = fields.get("original_sha256") or fields.get("sha256")
        info = dataclasses.replace(info_of(fields), original_sha256=original)
    except ValueError as error:
        raise BundleError(f"{source}: {escaped(str(error))}") from error
    if _is_whole(data, source=source):
        raise BundleError(
            f"{source}: expected a bundle that was changed, got one whose digest fits: nothing to do"
        )
    return pack(model, info, source=source)


def _is_whole(data: bytes, *, source: str) -> bool:
    try:
        parse(data, source=source)
    except BundleError:
        return False
    return True


def _try(bundle: Bundle, *, source: str) -> float:
    """Run the step on noise, all rows at once and each alone; the largest difference."""
    session, info = open_session(bundle.model), bundle.info
    generator, worst = np.random.default_rng(0), 0.0
    state = np.repeat(info.initial_state[np.newaxis], _ROWS, axis=0)
    for _ in range(_STEPS):
        x = generator.standard_normal((_ROWS, info.input_size)).astype(np.float32)
        together: Outputs = session.run(["new_state", "update_prob", "y"], {"x": x, "state": state})
        _check_numbers(together, source)
        _check_period(together[1], info, source)
        alone: Outputs = session.run(["new_state", "update_prob", "y"], {"x": x[:1], "state": state[:1]})
        pairs = zip(together, alone, strict=True)
        worst = max(worst, *(_distance(batch[:1], one) for batch, one in pairs))
        state = together[0]
    if worst > _TOLERANCE:
        raise ValueError(
            f"{source}: expected a row's result not to depend on the others of its batch, got a difference of "
            f"{worst:.1e}; quantise statically (docs/reference/bundle.md)"
        )
    return worst


def _check_numbers(outputs: Outputs, source: str) -> None:
    if not all(np.isfinite(values).all() for values in outputs):
        raise ValueError(f"{source}: expected finite outputs of finite samples, got NaN or infinity")
    update_prob = outputs[1]
    if update_prob.min() < 0 or update_prob.max() > 1:
        raise ValueError(
            f"{source}: expected update_prob in [0, 1], got [{update_prob.min():g}, {update_prob.max():g}]"
        )


def _check_period(update_prob: NDArray[np.float32], info: BundleInfo, source: str) -> None:
    skipped = skip_table(info.threshold, info.max_skip)(update_prob)
    if info.period is not None and (skipped != info.period - 1).any():
        raise ValueError(
            f"{source}: expected an update at every {info.period} samples, as `period` says, got {skipped.min()} to "
            f"{skipped.max()} skipped samples; leave what computes update_prob as it was"
        )


def _distance(actual: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    return float((np.abs(actual - expected) / np.maximum(1, np.abs(expected))).max())
