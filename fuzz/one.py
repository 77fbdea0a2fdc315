"""One target in this process; the rest of the command line is libFuzzer's."""

import sys

import atheris

with atheris.instrument_imports(include=["skiprnn_export", "skiprnn_service", "skiprnn_client"]):
    from fuzz.targets import TARGETS

target = TARGETS[sys.argv.pop(1)]
atheris.Setup(sys.argv, lambda data: target(bytes(data)))
atheris.Fuzz()
