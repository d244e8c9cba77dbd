"""The SDK's HTTP client, with a limit on how much of an error body they read.

A server may close a connection that is kept open while the next request is on its way, or announce that it keeps it and
not do so, as llama.cpp's does after a stream. Such a request is sent again at once, on another connection: it was never
read, which is not known of a request on a new connection.
"""

from __future__ import annotations

import time
from typing import Any

import anthropic
import httpx2

from mm_magics.endpoint.error_mapping import MAX_ERROR_BODY_BYTES, MAX_ERROR_BODY_S

_BODY_HEADERS = ("content-encoding", "content-length", "transfer-encoding")
"""Headers that describe the body as it was transferred, which no longer holds for what was read of it."""


class BoundedErrorClient(anthropic.DefaultHttpxClient):
    """Returns a success with its body unread, and any other response with the first part of its body."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.event_hooks["request"].append(self._note_connecting)

    def _note_connecting(self, request: httpx2.Request) -> None:
        trace = request.extensions.get("trace")

        def note(event: str, info: Any) -> None:
            _note(request, event)
            if trace is not None:
                trace(event, info)

        request.extensions["trace"] = note

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        options["stream"] = True
        try:
            response = super().send(request, **options)
        except httpx2.HTTPError as error:
            if not _was_kept_open(request, error):
                raise
            response = super().send(request, **options)
        if response.is_success:
            return response
        body = _PartialBody()
        try:
            for data in response.iter_bytes():
                if body.is_full(data):
                    break
        except httpx2.HTTPError:  # the connection broke: the status and the first part say enough
            pass
        finally:
            response.close()
        return body.response(response, request)


def _note(request: httpx2.Request, event: str) -> None:
    if event == "connection.connect_tcp.started":
        request.extensions["connecting"] = True


def _was_kept_open(request: httpx2.Request, error: httpx2.HTTPError) -> bool:
    """Return whether the request failed because an open connection was closed before a byte of the response."""
    closed = isinstance(error, httpx2.ReadError | httpx2.WriteError) or "without sending a response" in str(error)
    return closed and "connecting" not in request.extensions


class _PartialBody:
    """The first part of a body, limited in size and in the time it takes to arrive."""

    def __init__(self) -> None:
        self._until, self._data = time.monotonic() + MAX_ERROR_BODY_S, bytearray()

    def is_full(self, data: bytes) -> bool:
        """Add the data, and return whether reading must end."""
        self._data += data
        return len(self._data) > MAX_ERROR_BODY_BYTES or time.monotonic() > self._until

    def response(self, original: httpx2.Response, request: httpx2.Request) -> httpx2.Response:
        """Return the response with this part as its whole body."""
        headers = [(name, value) for name, value in original.headers.raw if name.decode().lower() not in _BODY_HEADERS]
        content = bytes(self._data[:MAX_ERROR_BODY_BYTES])
        made = httpx2.Response(original.status_code, headers=headers, content=content, request=request)
        made.encoding = "utf-8"  # whatever the headers name: some of Python's codecs decompress
        return made
