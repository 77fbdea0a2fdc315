"""One target in this process; the rest of the command line is libFuzzer's."""

import os
import resource
import sys

os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"  # as in the process that scores, and with its limit
resource.setrlimit(resource.RLIMIT_DATA, (2**30, 2**30))

import atheris  # noqa: E402

with atheris.instrument_imports(include=["skiprnn_export", "skiprnn_service", "skiprnn_client"]):
    from fuzz.targets import TARGETS

target = TARGETS[sys.argv.pop(1)]
atheris.Setup(sys.argv, lambda data: target(bytes(data)))
atheris.Fuzz()
