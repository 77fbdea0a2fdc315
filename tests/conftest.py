"""What holds for every test: no deadlines (machines are noisy), and no skips where CI must run everything."""

import os

import pytest
from hypothesis import settings

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before anything imports onnxruntime

settings.register_profile("default", deadline=None)
settings.load_profile("default")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """With SKIPRNN_REQUIRE_ALL=1 a test that skips (a system program is missing) fails instead."""
    report: pytest.TestReport = yield
    if report.skipped and os.environ.get("SKIPRNN_REQUIRE_ALL") == "1" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"SKIPRNN_REQUIRE_ALL=1, yet it skipped: {report.longrepr}"
    return report
