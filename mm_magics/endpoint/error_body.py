"""Turn an error body of the Messages API into a `StatusError`."""

from __future__ import annotations

from typing import Any

from mm_magics.errors import StatusError


def error_from_body(body: dict[str, Any], status: int = 200) -> StatusError:
    """Return the error that an error body, or an `error` event in a stream, describes."""
    error = body.get("error")
    error = error if isinstance(error, dict) else {"message": error if isinstance(error, str) else None}
    request_id = body.get("request_id")
    return StatusError(
        str(error.get("message") or "The endpoint reported an error without saying which."),
        status=status,
        type=str(error["type"]) if error.get("type") else None,
        request_id=request_id if isinstance(request_id, str) else None,
    )
