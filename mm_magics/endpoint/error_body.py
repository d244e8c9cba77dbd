"""Turn an error that the endpoint reports in a body into a `StatusError`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mm_magics.errors import StatusError


def error_from_body(body: Mapping[str, Any], status: int = 200) -> StatusError:
    """Return the error that an error body, or an `error` event in a stream, describes."""
    error = body.get("error")
    error = error if isinstance(error, dict) else {"message": error if isinstance(error, str) else None}
    request_id = body.get("request_id")
    return StatusError(
        str(error.get("message") or "The endpoint reported an error without a message."),
        status=status,
        type=str(error["type"]) if error.get("type") else None,
        request_id=request_id if isinstance(request_id, str) else None,
    )


def error_from_base_resp(body: Mapping[str, Any]) -> StatusError | None:
    """Return the error that MiniMax reports, with status 200, in a `base_resp` field; None without one."""
    base = body.get("base_resp")
    if not isinstance(base, dict) or not base.get("status_code"):
        return None
    return StatusError(f"{base.get('status_msg')} ({base['status_code']})", status=200)
