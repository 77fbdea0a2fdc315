"""Names of the release before: they work, and warn with the new one."""

import pickle
from typing import Any

import numpy as np
import pytest

import skiprnn_client
from skiprnn_client import (
    RetryPolicy,
    StreamClosed,
    errors,
    stream,
    stream_from,
    stream_from_sync,
    stream_sync,
)
from support.fake_server import FEATURES, FakeStream, fake_server

X = np.zeros((43, FEATURES))
RENAMED = {"Refused": "ConnectionRejected", "Unreachable": "ConnectionFailed", "Unsaved": "BufferFullError"}


@pytest.mark.parametrize("module", [skiprnn_client, errors])
@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_old_name_of_an_error_is_the_new_class(module: Any, old: str, new: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"{old} is now {new}") as caught:
        found = getattr(module, old)
    assert found is getattr(module, new)
    assert [warning.filename for warning in caught] == [__file__]


def test_except_takes_an_old_name() -> None:
    def fails() -> str:
        try:
            raise skiprnn_client.ConnectionFailed("no server")
        except skiprnn_client.Unreachable as error:
            return str(error)

    with pytest.warns(DeprecationWarning, match="ConnectionFailed"):
        assert fails() == "no server"


def test_a_pickle_with_an_old_name_is_read() -> None:
    data = pickle.dumps(skiprnn_client.ConnectionFailed("no server"), protocol=0)
    with pytest.warns(DeprecationWarning, match="ConnectionFailed"):
        again = pickle.loads(data.replace(b"ConnectionFailed", b"Unreachable"))
    assert type(again) is skiprnn_client.ConnectionFailed


def test_a_name_that_never_was_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'skiprnn_client' has no attribute 'Rejected'"):
        skiprnn_client.Rejected  # type: ignore[attr-defined]  # noqa: B018


def test_old_names_are_not_among_those_that_a_star_imports() -> None:
    assert not {*RENAMED, "Resume"} & set(skiprnn_client.__all__)


def test_resume_is_a_retry_policy_with_the_old_field_names() -> None:
    with pytest.warns(DeprecationWarning, match="Resume is now RetryPolicy"):
        policy = skiprnn_client.Resume(max_samples=7, first_seconds=1, cap_seconds=2, give_up_seconds=None)
    assert isinstance(policy, RetryPolicy)
    assert (policy.max_samples, policy.initial_backoff_seconds) == (7, 1)
    assert (policy.max_backoff_seconds, policy.retry_timeout_seconds) == (2, None)
    assert type(policy)(initial_backoff_seconds=3, first_seconds=1).initial_backoff_seconds == 3
    with pytest.warns(DeprecationWarning, match="cap_seconds is now max_backoff_seconds"):
        assert policy.cap_seconds == 2
    with pytest.raises(AttributeError, match="no attribute 'patience'"):
        policy.patience  # noqa: B018


def closes(stream: FakeStream) -> None:
    stream.hear()
    stream.socket.close(1012)


@pytest.mark.parametrize(
    "sync", [stream_sync, lambda url, _, **given: stream_from_sync(url, X.__getitem__, **given)]
)
def test_resume_is_still_an_argument_of_the_synchronous_functions(sync: Any) -> None:
    warns = pytest.warns(DeprecationWarning, match="resume= is now retry=")
    with fake_server(closes) as server, warns as caught, pytest.raises(StreamClosed):
        list(sync(server.url, X, resume=None))
    assert [warning.filename for warning in caught] == [__file__]


async def test_resume_is_still_an_argument_of_the_asynchronous_functions() -> None:
    warns = pytest.warns(DeprecationWarning, match="resume= is now retry=")
    with fake_server(closes) as server:
        for updates in (
            stream(server.url, X, resume=None),
            stream_from(server.url, X.__getitem__, resume=None),
        ):
            with warns, pytest.raises(StreamClosed):
                await anext(updates)


@pytest.mark.parametrize("retry", [None, RetryPolicy(retry_timeout_seconds=0)])
@pytest.mark.parametrize(
    "sync", [stream_sync, lambda url, _, **given: stream_from_sync(url, X.__getitem__, **given)]
)
def test_retry_wins_over_resume(sync: Any, retry: RetryPolicy | None) -> None:
    """With the old argument's policy the client would connect again."""
    with (
        fake_server(closes) as server,
        pytest.warns(DeprecationWarning, match="resume= is now retry="),
        pytest.raises(StreamClosed),
    ):
        list(
            sync(
                server.url,
                X,
                retry=retry,
                resume=RetryPolicy(max_backoff_seconds=0.1, retry_timeout_seconds=2),
            )
        )
    assert len(server.streams) == 1


async def test_retry_wins_over_resume_in_the_asynchronous_functions() -> None:
    old = RetryPolicy(max_backoff_seconds=0.1, retry_timeout_seconds=2)
    with fake_server(closes) as server:
        for updates in (
            stream(server.url, X, retry=None, resume=old),
            stream_from(server.url, X.__getitem__, retry=None, resume=old),
        ):
            with pytest.warns(DeprecationWarning, match="resume="), pytest.raises(StreamClosed):
                await anext(updates)
    assert len(server.streams) == 2
