"""A map run on a Dask cluster whose endpoint does not offer the default model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mm_magics import Session, map_prompts
from mm_magics.simulator import Simulator
from tests.canary import CANARY
from tests.test_model_choice import NOTE, TODAY, sent

pytestmark = [pytest.mark.slow, pytest.mark.traced, pytest.mark.xdist_group("dask")]

TEMPLATE = '{{ row }} [[simulator: thinking="" say="ok"]]'


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[Simulator, Any]]:
    """An endpoint as it is today, and a cluster whose workers have its key."""
    from distributed import Client, LocalCluster

    patch = pytest.MonkeyPatch()
    with Simulator(key=CANARY, models=TODAY) as endpoint:
        patch.setenv("ANTHROPIC_BASE_URL", endpoint.base_url)
        patch.setenv("ANTHROPIC_API_KEY", CANARY)
        with (
            LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as workers,
            Client(workers) as client,
        ):
            client.wait_for_workers(2, timeout=60)
            patch.undo()
            yield endpoint, client


@pytest.mark.parametrize("key", [CANARY, None], ids=["with a key", "only the workers have the key"])
@pytest.mark.parametrize("count", [3, 200])
def test_all_rows_go_to_the_model_that_answers_for_the_default(
    cluster: tuple[Simulator, Any], key: str | None, count: int
) -> None:
    endpoint, client = cluster
    before = len(endpoint.log)
    rows = [f"row {number} {key}" for number in range(count)]
    with Session(base_url=endpoint.base_url, api_key=key, max_retries=0, concurrency=4) as session:
        result: Any = map_prompts(TEMPLATE, rows, session=session, engine=client, progress=False)
        assert (result.values, result.errors) == (["ok"] * count, [])
        assert result.notes == [NOTE]
        assert result.asked == count
        assert session.effective_model() == "MiniMax-M3.1-Flash"
        again: Any = map_prompts(TEMPLATE, [*rows, "one more"], session=session, engine=client, progress=False)
        assert (again.asked, again.stored, again.errors) == (1, count, [])
    models = sent(endpoint)[before:]
    assert models.count("MiniMax-M3.1-Flash") == count + 1
    assert 1 <= models.count("MiniMax-M2.7") <= 2 * 4
    assert models.count("list") == 1


@pytest.mark.parametrize("key", [CANARY, None], ids=["with a key", "only the workers have the key"])
def test_a_chosen_model_is_not_replaced_and_its_error_names_what_is_offered(
    cluster: tuple[Simulator, Any], key: str | None
) -> None:
    endpoint, client = cluster
    before = len(endpoint.log)
    with Session(base_url=endpoint.base_url, api_key=key, model="MiniMax-M2.7", max_retries=0) as session:
        rows = [f"chosen {number}" for number in range(100)]
        result: Any = map_prompts(TEMPLATE, rows, session=session, engine=client, progress=False)
    assert len(result.errors) == 100
    assert "Did you mean MiniMax-M2.1?" in result.errors[-1].why
    assert sent(endpoint)[before:].count("MiniMax-M3.1-Flash") == 0


def test_a_dry_run_sends_nothing_and_names_the_model(cluster: tuple[Simulator, Any]) -> None:
    endpoint, client = cluster
    before = len(endpoint.log)
    with Session(base_url=endpoint.base_url, max_retries=0) as session:
        dry_run = map_prompts(TEMPLATE, ["dry"], session=session, engine=client, dry_run=True)
    assert "1 call" in str(dry_run)
    assert len(endpoint.log) == before
