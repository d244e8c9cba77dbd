"""Tests against independent parts: servers, clients and models that this project did not write."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.environments import CREATE_S

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, and keep those of a file on one worker, because they share servers."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.interop)
            item.add_marker(pytest.mark.timeout(CREATE_S))
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
