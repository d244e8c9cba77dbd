"""Hostile error bodies, error events and bodies that are not JSON: each gives at most two plain lines."""

from __future__ import annotations

import json

import pytest

from mm_magics.errors import EndpointError
from mm_magics.session import Session
from tests.hostile.corpus import CASES
from tests.recorder import EVENTS, Recorder, http, sse


@pytest.mark.parametrize("evil", list(CASES.values())[::6], ids=list(CASES)[::6])
def test_hostile_error_messages_are_shown_as_plain_text(evil: str) -> None:
    error = {"type": "error", "error": {"type": evil, "message": evil}, "request_id": evil}
    replies = [
        http(json.dumps(error), status="400 Bad Request"),
        http(evil.encode("utf-8", "replace"), status="404 Not Found", content_type="text/html"),
        sse(*EVENTS[:3], error),
    ]
    for reply in replies:
        with (
            Recorder(reply) as server,
            Session(base_url=server.base_url, api_key="k" * 20, max_retries=0) as session,
            pytest.raises(EndpointError) as caught,
        ):
            session.ask("hi")
        lines = caught.value._render_traceback_()
        assert 1 <= len(lines) <= 2
        assert all(line.isprintable() for line in lines)
