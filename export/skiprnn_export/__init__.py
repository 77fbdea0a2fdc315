"""Bundles: the update step of a Skip RNN in one ONNX file, with all that a server needs to know about it.

    read, parse, write         the file (docs/reference/bundle.md)
    skips, SkipTable           how many samples an update lets a stream skip
    EventRule, EventDetector   which updates of an event network are an alarm
    unroll                     the offline reference that every server equals

Importing this package needs numpy alone; bundles need onnx and msgspec, `unroll` needs onnxruntime. Exporting a trained
network is in `skiprnn_export.step`, which needs torch.
"""

from skiprnn.channels import Feature
from skiprnn.events import NEVER, Alarm, EventDetector, EventRule
from skiprnn.gate_limits import DEFAULT_MAX_SKIP
from skiprnn_export.bundle import Bundle, BundleError, BundleInfo, parse, read, write
from skiprnn_export.gate import SkipTable, recursion, skip_table, skips
from skiprnn_export.unroll import Unrolled, open_session, unroll

__all__ = [
    "DEFAULT_MAX_SKIP",
    "NEVER",
    "Alarm",
    "Bundle",
    "BundleError",
    "BundleInfo",
    "EventDetector",
    "EventRule",
    "Feature",
    "SkipTable",
    "Unrolled",
    "open_session",
    "parse",
    "read",
    "recursion",
    "skip_table",
    "skips",
    "unroll",
    "write",
]
