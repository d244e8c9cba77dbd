"""The SDK's HTTP clients, with a bound on what is read of an error body.

At most MAX_ERROR_BODY_BYTES (decompressed) of it are read, for at most MAX_ERROR_BODY_S. It is decoded as UTF-8
whatever encoding the headers name, because some of Python's codecs decompress.
"""

from __future__ import annotations

import time
from typing import Any

import anthropic
import httpx2

MAX_ERROR_BODY_BYTES = 1_000_000
MAX_ERROR_BODY_S = 3.0
_OF_THE_BODY = ("content-encoding", "content-length", "transfer-encoding")
"""Headers that say how the body came over the line; what was read of it is not like that any more."""


class RefusalReader(anthropic.DefaultHttpxClient):
    def send(self, request: httpx2.Request, **how: Any) -> httpx2.Response:
        """The response: a success as a stream, anything else with its body."""
        response = super().send(request, **{**how, "stream": True})
        if response.is_success:
            return response
        body = _Beginning()
        try:
            for data in response.iter_bytes():
                if body.is_enough(data):
                    break
        except httpx2.HTTPError:  # it was cut: the status alone says enough
            pass
        finally:
            response.close()
        return body.read(response, request)


class AsyncRefusalReader(anthropic.DefaultAsyncHttpxClient):
    async def send(self, request: httpx2.Request, **how: Any) -> httpx2.Response:
        """The response: a success as a stream, anything else with its body."""
        response = await super().send(request, **{**how, "stream": True})
        if response.is_success:
            return response
        body = _Beginning()
        try:
            async for data in response.aiter_bytes():
                if body.is_enough(data):
                    break
        except httpx2.HTTPError:
            pass
        finally:
            await response.aclose()
        return body.read(response, request)


class _Beginning:
    """As much of a body as is read."""

    def __init__(self) -> None:
        self._until, self._data = time.monotonic() + MAX_ERROR_BODY_S, bytearray()

    def is_enough(self, more: bytes) -> bool:
        self._data += more
        return len(self._data) > MAX_ERROR_BODY_BYTES or time.monotonic() > self._until

    def read(self, response: httpx2.Response, request: httpx2.Request) -> httpx2.Response:
        """The response with this for its whole body."""
        headers = [(name, value) for name, value in response.headers.raw if name.decode().lower() not in _OF_THE_BODY]
        content = bytes(self._data[:MAX_ERROR_BODY_BYTES])
        made = httpx2.Response(response.status_code, headers=headers, content=content, request=request)
        made.encoding = "utf-8"
        return made
