"""An error body becomes a `StatusError`, whatever it contains."""

from __future__ import annotations

from typing import Any

import pytest

from mm_magics.endpoint.error_body import error_from_body
from mm_magics.errors import StatusError


@pytest.mark.parametrize(
    ("body", "message", "type_"),
    [
        ({"error": {"type": "api_error", "message": "no"}}, "no", "api_error"),
        ({"error": {"message": "no"}}, "no", None),
        ({"error": {"type": 5, "message": 7}}, "7", "5"),
        ({"error": "no"}, "no", None),
        ({"error": ["no"]}, "The endpoint reported an error without a message.", None),
        ({"error": {}}, "The endpoint reported an error without a message.", None),
        ({}, "The endpoint reported an error without a message.", None),
    ],
)
def test_any_error_body_becomes_a_status_error_with_a_message(body: Any, message: str, type_: str | None) -> None:
    error = error_from_body({**body, "request_id": "r1"}, 400)
    assert isinstance(error, StatusError)
    assert (error.message, error.type, error.status, error.request_id) == (message, type_, 400, "r1")
    assert error_from_body({**body, "request_id": 5}).request_id is None
