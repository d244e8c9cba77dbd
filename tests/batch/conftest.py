"""A session on a simulator of the test's own, whose runs store their answers in the test's own folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mm_magics import Session
from mm_magics.simulator import Simulator


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def session(endpoint: Simulator) -> Iterator[Any]:
    with Session(base_url=endpoint.base_url, api_key=endpoint.key, max_retries=0, concurrency=8) as session:
        yield session
