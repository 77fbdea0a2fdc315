"""The tree of errors."""

import pickle

import pytest

from skiprnn_client import (
    BufferFullError,
    ClientError,
    ConnectionFailed,
    ConnectionRejected,
    ProtocolError,
    SampleError,
    ServerError,
    StreamClosed,
    StreamLost,
)


def test_every_error_is_a_client_error() -> None:
    for error in (
        ProtocolError,
        ConnectionRejected,
        SampleError,
        ServerError,
        StreamClosed,
        ConnectionFailed,
    ):
        assert issubclass(error, ClientError)


@pytest.mark.parametrize(
    "error",
    [
        BufferFullError("3 samples"),
        ConnectionFailed("no server"),
        ConnectionRejected(503, "full", retry_after_seconds=4),
        ProtocolError("odd"),
        SampleError("sample 0"),
        ServerError("gap", "lost some", next=12, fatal=True),
        StreamClosed(1012, "restarting"),
        StreamLost("the server no longer has the stream", sequence=1, t=2),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_comes_out_of_a_pickle_as_it_went_in(error: ClientError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
