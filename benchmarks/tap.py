"""A tap on the connection: a loopback proxy that records when each chunk of bytes passed.

The time of a chunk is taken before it is passed on, so a measurement includes the way through the client's socket. Each
direction of each connection has its own thread; read the recorded chunks only when no request is in progress.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import urlsplit

_DELTA = b'data: {"type":"content_block_delta"'


class Chunk(NamedTuple):
    """Bytes from the endpoint, and when they arrived (`time.monotonic`)."""

    at: float
    data: bytes


class Tap:
    """Listens on a loopback port and passes everything on to the endpoint. A client connects to `base_url`."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._target = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}{parts.path}"
        self.requested: float = 0.0
        self._chunks: list[Chunk] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def reset(self) -> None:
        """Forget everything, before a request. `requested` is then set to the time of its first bytes."""
        self.requested, self._chunks = 0.0, []

    @property
    def last(self) -> float:
        """When the last byte arrived."""
        return self._chunks[-1].at

    def arrivals(self) -> list[tuple[float, int]]:
        """Return for each delta when it arrived, and how many characters of the answer's text had arrived by then."""
        found: list[tuple[float, int]] = []
        total, waiting = 0, b""
        for at, data in self._chunks:
            *lines, waiting = (waiting + data).split(b"\n")
            for line in lines:
                if line.startswith(_DELTA):
                    total += len(json.loads(line[6:])["delta"].get("text", ""))
                    if total:
                        found.append((at, total))
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._up, args=(client, server), daemon=True).start()
            threading.Thread(target=self._down, args=(server, client), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        while data := _receive(client):
            self.requested = self.requested or time.monotonic()
            server.sendall(data)
        _shut_down(server)

    def _down(self, server: socket.socket, client: socket.socket) -> None:
        while data := _receive(server):
            self._chunks.append(Chunk(time.monotonic(), data))
            client.sendall(data)
        _shut_down(client)


def _receive(end: socket.socket) -> bytes:
    try:
        return end.recv(65_536)
    except OSError:
        return b""


def _shut_down(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_WR)
    except OSError:  # closed already
        return
