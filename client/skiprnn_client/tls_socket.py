"""TLS for a connection that one thread reads while another writes, as websockets' synchronous connections do.

`ssl.SSLSocket` does not allow that: OpenSSL forbids two threads in one TLS state, and CPython lets go of its lock while
it is there (python/cpython#76714). A connection then hangs or breaks: one in some hundreds when it is opened, busy ones
within a second, and the process may end with it. Here TLS is behind a lock that nobody holds while waiting for the
network.
"""

import socket
import ssl
from contextlib import suppress
from threading import Lock

_CIPHERTEXT_BYTES = 65_536  # read at once during the handshake


class TlsContext:
    """Stands where websockets' `connect` expects an `ssl.SSLContext`."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context

    def wrap_socket(self, sock: socket.socket, *, server_hostname: str) -> "TlsSocket":
        """The connected socket after a handshake. Raises ssl.SSLError, or TimeoutError by the socket's timeout."""
        return TlsSocket(sock, self._context, server_hostname)


class TlsSocket:
    """As much of a socket as websockets uses. One thread may receive, one may send and shut down, any may close."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, server_hostname: str) -> None:
        self._sock = sock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()  # ciphertext
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_hostname)
        self._state = Lock()  # of TLS
        self._sending = Lock()  # records leave in the order in which they were made
        self._shake_hands()
        self.fileno, self.settimeout = sock.fileno, sock.settimeout
        self.getsockname, self.getpeername = sock.getsockname, sock.getpeername

    def recv(self, size: int) -> bytes:
        """What comes, up to about `size` bytes; b"" at the end. Leaves nothing behind that a look at the socket misses.

        Raises:
            ssl.SSLError: what came is not what was sent.
        """
        while True:
            received = self._sock.recv(size)
            with self._state:
                self._take(received)
                plain, ended = self._decrypted()
                answers = bool(self._outgoing.pending)  # TLS's own, to a change of keys
            if answers:
                self._send(b"")
            if ended and plain:
                with suppress(OSError):  # closed meanwhile
                    self._sock.shutdown(socket.SHUT_RD)  # so that the next call comes, and finds the end
            if ended or plain:
                return plain

    def sendall(self, data: bytes) -> None:
        """Send all of it. Raises OSError."""
        self._send(data)

    def shutdown(self, how: int) -> None:
        """Say that nothing more will be sent, in TLS and in TCP."""
        with self._state, suppress(ssl.SSLError):  # that the peer has not answered: `recv` reads what it says
            self._tls.unwrap()
        self._send(b"")
        self._sock.shutdown(how)

    def close(self) -> None:
        """Hang up. A thread that receives is woken: that the socket is gone it would not notice."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()

    def _shake_hands(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._send(b"")
                self._take(self._sock.recv(_CIPHERTEXT_BYTES))
            except ssl.SSLError:
                self._send(b"")  # what is wrong with the peer's certificate, say
                raise
            else:
                self._send(b"")
                return

    def _take(self, received: bytes) -> None:
        if received:
            self._incoming.write(received)
        else:
            self._incoming.write_eof()

    def _decrypted(self) -> tuple[bytes, bool]:
        """All that can be read by now, and whether it was the end: with a goodbye or without."""
        parts = []
        try:
            while part := self._tls.read(_CIPHERTEXT_BYTES):
                parts.append(part)
        except ssl.SSLWantReadError:
            return b"".join(parts), False
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            pass
        return b"".join(parts), True

    def _send(self, data: bytes) -> None:
        with self._sending:
            with self._state:
                if data:
                    self._tls.write(data)
                records = self._outgoing.read()
            self._sock.sendall(records)
