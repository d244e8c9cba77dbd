"""The settings of a prompt become the fields of its request."""

from __future__ import annotations

import pytest

from mm_magics.errors import UsageError
from mm_magics.session import Session


@pytest.mark.parametrize(
    ("field", "hint"), [("model", "Use the setting model instead."), ("stream", "mm_magics sets stream itself.")]
)
def test_params_cannot_replace_a_field_of_the_request(field: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        Session(api_key="none").prepare("Hello", params={field: "x"})
    assert str(caught.value) == f"params cannot contain {field}.\n{hint}"
