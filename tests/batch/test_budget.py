"""A map run never spends more than 1.05 times its budget and eight calls, and little less than the budget."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_magics import Session, map_prompts
from mm_magics.api.models import Price
from mm_magics.batch.budget import FEW, Budget
from mm_magics.simulator import Simulator
from tests.batch.simulated import sent_rows

pytestmark = [pytest.mark.slow, pytest.mark.traced]

LENGTHS = {
    "equal": lambda n: 100,
    "growing": lambda n: 20 + 4 * n,
    "shrinking": lambda n: 1_000 - 3 * n,
    "some are long": lambda n: 2_000 if n % 10 == 9 else 20,
    "random": lambda n: random.Random(n).randint(1, 1_500),
}


@pytest.mark.parametrize("concurrency", [1, 16, 256])
@pytest.mark.parametrize("lengths", LENGTHS)
def test_a_run_ends_close_to_its_budget(session: Session, endpoint: Simulator, lengths: str, concurrency: int) -> None:
    def prompt_for(number: int) -> str:
        return f'row {number} [[simulator: thinking="" tokens={LENGTHS[lengths](number)} wait=0.02]]'

    session.config.concurrency = concurrency
    for budget in (0.000_01, 0.02):
        result: Any = map_prompts(prompt_for, range(300), session=session, budget=budget, store=f"{budget}.sqlite")
        costs = [usage["output_tokens"] * 1.2e-6 for each in sent_rows(endpoint) if (usage := each.usage)]
        assert result.cost <= 1.05 * budget + 8 * max(costs) * 1.1
        everything_sent = result.asked == 300
        assert everything_sent or result.cost >= 0.9 * budget - max(costs)
        assert not everything_sent or not result.errors
        if result.errors:
            assert {why for _, why in result.errors} == {f"Not sent: the budget of ${budget:g} is spent."}
            note = f"The run ended early. {len(result.errors)} rows not sent: the budget of ${budget:g} is spent."
            assert note in result.notes


PRICE = Price(0.3, 1.2, 0.06, 0.375)
COSTS = st.lists(st.floats(0.001, 0.01), min_size=1, max_size=300)


@given(COSTS, st.floats(0.001, 1.0), st.integers(1, 64), st.randoms(use_true_random=False))
def test_whatever_the_order_of_the_answers_the_limit_holds(
    costs: list[float], limit: float, in_flight: int, order: random.Random
) -> None:
    budget, open_, spent = Budget(limit, PRICE), list[int](), 0.0
    waiting = list(range(len(costs)))
    while waiting or open_:
        if waiting and len(open_) < in_flight and budget.fits(b""):
            number = waiting.pop(0)
            budget.reserve(bytes([number % 256, number // 256]), b"")
            open_.append(number)
        elif open_:
            number = open_.pop(order.randrange(len(open_)))
            spent += costs[number]
            budget.settle(bytes([number % 256, number // 256]), costs[number], answered=True)
        else:
            break
    assert spent <= 1.05 * limit + FEW * max(costs)
    assert not waiting or spent > limit - max(costs)


def test_a_budget_without_a_limit_fits_everything() -> None:
    budget = Budget(None, PRICE)
    for number in range(100):
        assert budget.fits(b"x")
        budget.reserve(bytes([number]), b"x")
    assert not budget.is_spent
