"""The process that scores, from inside."""

import socket

import pytest

from skiprnn_service.scoring import worker


def test_without_a_job_for_a_while_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "IDLE_SECONDS", 0.01)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        worker.main(theirs)  # returns
