"""A server that records requests byte for byte, and responds with given bytes, valid or not."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain, repeat
from typing import Any, NamedTuple, Self

EVENTS = (
    {"type": "message_start", "message": {"id": "m1", "role": "assistant", "content": [], "model": "MiniMax-M2.7"}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}},
    {"type": "message_stop"},
)


def http(body: bytes | str, *headers: str, status: str = "200 OK", content_type: str = "application/json") -> bytes:
    data = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", f"content-type: {content_type}", f"content-length: {len(data)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def sse(*events: Any) -> bytes:
    """Return a response that streams these events, by default a complete message."""
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events or EVENTS)
    return http(body, content_type="text/event-stream")


class Request(NamedTuple):
    """One request as received. Header names are in lower case, with one entry per line."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, *names: str) -> list[str]:
        return [value for name, value in self.headers if name in names]


class Recorder:
    """Responds to the n-th request with the n-th reply, and to all further ones with the last; over TLS with `tls`."""

    def __init__(self, *replies: bytes, tls: ssl.SSLContext | None = None) -> None:
        self.replies = replies or (sse(),)
        self._tls = tls
        self.requests: list[Request] = []
        self.connections = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.getsockname()[1]}"

    @property
    def base_url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.host}/anthropic"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._server.close()
        for connection in self._open:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            with connection.makefile("rb") as file:
                while (request := _read(file)) is not None:
                    self.requests.append(request)
                    connection.sendall(self.replies[min(len(self.requests), len(self.replies)) - 1])
        except (OSError, ValueError):
            return


@contextmanager
def server(*sent: bytes, every: float = 0.0, for_ever: bool = False) -> Iterator[str]:
    """Run a server that sends these pieces to every client, then keeps the connection open. Yields its base URL.

    Args:
        sent: The pieces, sent one after the other.
        every: Seconds before each piece.
        for_ever: Whether to repeat the last piece forever.
    """
    leaving = threading.Event()

    def serve(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.recv(65_536)
            for data in chain(sent, repeat(sent[-1]) if for_ever else ()):
                if leaving.wait(every):
                    return
                connection.sendall(data)
            leaving.wait()

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/anthropic"
        leaving.set()
        listening.shutdown(socket.SHUT_RDWR)


@contextmanager
def unanswered() -> Iterator[str]:
    """Run a host that neither accepts nor refuses connections. Yields its base URL."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/anthropic"
        for each in waiting:
            each.close()


def _read(file: Any) -> Request | None:
    line = file.readline()
    if not line.strip():
        return None
    headers = [(name.strip().lower(), value.strip()) for name, value in _pairs(iter(file.readline, b"\r\n"))]
    length = next((int(value) for name, value in headers if name == "content-length"), 0)
    return Request(line.decode().strip(), headers, file.read(length))


def _pairs(lines: Iterable[bytes]) -> Iterable[tuple[str, str]]:
    for line in lines:
        name, _, value = line.decode("latin-1").partition(":")
        yield name, value
