"""The line for many requests at once: whole answers, no stream, over one asynchronous client.

Always true: the key goes to its own host alone (no redirect is followed), as with `mm_magics.endpoint.client`; one
answer is MOST_BYTES at most.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from mm_magics.endpoint.assembler import Assembler
from mm_magics.endpoint.call import message_in
from mm_magics.endpoint.client import http_options, import_sdk, sdk_options
from mm_magics.endpoint.error_mapping import Faults
from mm_magics.endpoint.keys import Key
from mm_magics.errors import MiniMaxError, ProtocolError

MOST_BYTES = 64_000_000
POOL = 16
"""Connections of one client: the HTTP library looks at all of a pool's for each request."""


class AsyncClient:
    """A connection for each of `most` calls at once, kept open between calls. `timeout` in seconds, for one answer."""

    def __init__(self, base_url: str, key: Key, *, timeout: float, most: int) -> None:
        import_sdk()
        import anthropic
        import httpx2

        from mm_magics.endpoint.http_clients import AsyncRefusalReader

        self._faults, self._key = Faults(base_url, key, timeout), key
        http = http_options(base_url, timeout)
        http["limits"] = httpx2.Limits(max_connections=POOL, max_keepalive_connections=POOL)
        http["event_hooks"] = {"request": [self._before_request]}
        options = sdk_options(base_url, timeout)
        self._clients = [
            anthropic.AsyncAnthropic(**options, http_client=AsyncRefusalReader(**http)) for _ in range(-(-most // POOL))
        ]

    async def ask(self, body: bytes, caller: int) -> dict[str, Any]:
        """The message that answers this body, verbatim. One try; raises what the libraries raise, or one of ours.

        `caller` is who asks, from 0 to `most`: each has a place in one pool.
        """
        import anthropic
        import httpx2

        response: Any = await self._clients[caller // POOL].post(
            "/v1/messages",
            cast_to=httpx2.Response,
            content=body,
            options={"headers": {"Content-Type": "application/json", "Accept": "application/json"}},
            stream=True,
            stream_cls=anthropic.AsyncStream[object],  # never made: the response itself is asked for
        )
        try:
            data = bytearray()
            async for part in response.aiter_bytes():
                data += part
                if len(data) > MOST_BYTES:
                    raise ProtocolError(f"The answer went on past {MOST_BYTES // 1_000_000} MB, and was ended.")
        finally:
            await response.aclose()
        content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        assembler = Assembler()
        for _ in assembler.whole(message_in(data, content_type)):
            pass
        return assembler.message

    def fault(self, error: BaseException) -> MiniMaxError:
        """Ours for theirs, with what to do."""
        return self._faults.translate(error)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        for client in self._clients:
            await client.close()

    async def _before_request(self, request: Any) -> None:
        request.headers["Authorization"] = f"Bearer {self._key.reveal()}"
