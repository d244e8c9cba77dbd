"""The HTTP client of MCP servers, with a limit on each message that a server sends as JSON.

The SDK limits the messages of an event stream itself, and reads a body of JSON to its end, whatever its size.
"""

from __future__ import annotations

import json
from typing import Any

import httpx2

from mm_magics.json_size import MAX_BYTES, JSONSizeError, check_size

_BODY_HEADERS = ("content-encoding", "content-length", "transfer-encoding")
"""Headers that describe the body as it was transferred, which no longer holds once it was read."""


class BoundedClient(httpx2.AsyncClient):
    """Reads a body that is not an event stream, and replaces one that is too large by an error that says so."""

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        is_stream = options.pop("stream", False)
        response = await super().send(request, stream=True, **options)
        if is_stream and response.headers.get("content-type", "").lower().startswith("text/event-stream"):
            return response
        body = bytearray()
        try:
            async for part in response.aiter_bytes():
                body += part
                if len(body) > MAX_BYTES:
                    break
            check_size(body)
        except JSONSizeError as error:
            body = bytearray(_refusal(request, f"its answer has {error}"))
        finally:
            await response.aclose()
        headers = [(name, value) for name, value in response.headers.raw if name.decode().lower() not in _BODY_HEADERS]
        return httpx2.Response(response.status_code, headers=headers, content=bytes(body), request=request)


def _refusal(request: httpx2.Request, reason: str) -> bytes:
    """Return the JSON-RPC error that stands for the answer to a request."""
    sent = json.loads(request.content or b"{}")
    return json.dumps({"jsonrpc": "2.0", "id": sent.get("id"), "error": {"code": -32603, "message": reason}}).encode()
