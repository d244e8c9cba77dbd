"""Fixtures for the endpoint's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.recorder import Recorder


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """A server that records what it receives, and answers with a short message."""
    with Recorder() as recorder:
        yield recorder
