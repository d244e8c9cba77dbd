"""Tests against independent parts: servers, clients and models that this project did not write."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.environments import CREATE_S

collect_ignore = ["clients", "llama_server.py"]  # scripts for other environments

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, and keep those that share a server or the run of a client on one worker."""
    for item in items:
        if HERE in item.path.parents:
            client = item.callspec.params.get("outcome") if hasattr(item, "callspec") else None
            for mark in (pytest.mark.slow, pytest.mark.interop, pytest.mark.timeout(CREATE_S)):
                item.add_marker(mark)
            item.add_marker(pytest.mark.xdist_group(f"{item.path.stem} {client}"))
