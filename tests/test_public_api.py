"""The names that `mm_magics` itself exports."""

from __future__ import annotations

import importlib

import pytest

import mm_magics
from mm_magics import errors, events


@pytest.mark.parametrize("name", mm_magics.__all__)
def test_every_exported_name_can_be_imported(name: str) -> None:
    assert getattr(importlib.import_module("mm_magics"), name) is not None


def test_every_error_and_every_event_is_exported() -> None:
    raised = {name for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, Exception)}
    assert raised | set(events.__all__) <= set(mm_magics.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'mm_magics' has no attribute 'Sesion'"):
        _ = mm_magics.Sesion  # type: ignore[attr-defined]
