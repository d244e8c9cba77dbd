"""The HTTP client for many concurrent requests: asynchronous, one complete answer per request, no streaming.

The key is only sent to its own host, as in `mm_magics.endpoint.client`: no redirect is followed.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from mm_magics.batch.engines.base import SendOptions
from mm_magics.endpoint.assembler import Assembler
from mm_magics.endpoint.call import message_in
from mm_magics.endpoint.error_mapping import ErrorMapper
from mm_magics.endpoint.keys import Key
from mm_magics.endpoint.sdk import http_options, import_sdk, raw_response, sdk_options, strip_sdk_headers
from mm_magics.errors import MiniMaxError, ProtocolError
from mm_magics.json_size import MAX_BYTES

POOL_SIZE = 16
"""Connections per pool. The HTTP library looks at every connection of a pool for each request, so pools stay small."""


class AsyncClient:
    """Sends up to `options.limits.concurrency` calls at once, over connections that are kept open between calls."""

    def __init__(self, options: SendOptions, key: Key) -> None:
        import_sdk()
        import anthropic
        import httpx2

        from mm_magics.endpoint.http_clients import AsyncBoundedErrorClient

        base_url, timeout = options.base_url, options.timeout
        self._errors, self._key = ErrorMapper(base_url, key, timeout), key
        limits = httpx2.Limits(max_connections=POOL_SIZE, max_keepalive_connections=POOL_SIZE)

        def pool() -> anthropic.AsyncAnthropic:
            http = http_options(base_url, timeout, httpx2.AsyncHTTPTransport, limits=limits)
            http["event_hooks"] = {"request": [self._authorize]}
            return anthropic.AsyncAnthropic(
                **sdk_options(base_url, timeout), http_client=AsyncBoundedErrorClient(**http)
            )

        self._pools = [pool() for _ in range(-(-options.limits.concurrency // POOL_SIZE))]

    async def send(self, body: bytes, worker: int) -> dict[str, Any]:
        """Make one attempt and return the message that answers it, verbatim.

        Args:
            body: The encoded request.
            worker: Which of the concurrent workers sends it, from 0: each worker always uses the same pool.

        Raises:
            Exception: Whatever the SDK or the HTTP library raises; `translate` makes it one of our errors.
        """
        import anthropic

        response: Any = await self._pools[worker // POOL_SIZE].post(
            "/v1/messages",
            content=body,
            options={"headers": {"Content-Type": "application/json", "Accept": "application/json"}},
            **raw_response(anthropic.AsyncStream[object]),
        )
        try:
            data = bytearray()
            async for part in response.aiter_bytes():
                data += part
                if len(data) > MAX_BYTES:
                    raise ProtocolError(f"The answer is larger than {MAX_BYTES // 1_000_000} MB.")
        finally:
            await response.aclose()
        content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        assembler = Assembler()
        for _ in assembler.whole(message_in(data, content_type)):
            pass
        return assembler.message

    def translate(self, error: BaseException) -> MiniMaxError:
        """Return our error for one of the SDK's or the HTTP library's."""
        return self._errors.translate(error)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        for pool in self._pools:
            await pool.close()

    async def _authorize(self, request: Any) -> None:
        strip_sdk_headers(request.headers)
        request.headers["Authorization"] = f"Bearer {self._key.reveal()}"
