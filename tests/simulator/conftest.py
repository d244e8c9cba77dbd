from __future__ import annotations

from collections.abc import Iterator

import anthropic
import httpx2
import pytest

from mm_magics.simulator import Simulator
from tests.simulator.asking import Asker


@pytest.fixture
def endpoint() -> Iterator[Simulator]:
    with Simulator() as endpoint:
        yield endpoint


@pytest.fixture
def ask(endpoint: Simulator) -> Iterator[Asker]:
    asker = Asker(endpoint)
    with asker.http:
        yield asker


@pytest.fixture
def sdk(endpoint: Simulator) -> Iterator[anthropic.Anthropic]:
    http = httpx2.Client(trust_env=False, verify=False)
    with anthropic.Anthropic(
        base_url=endpoint.base_url, api_key=endpoint.key, max_retries=0, http_client=http
    ) as client:
        yield client
