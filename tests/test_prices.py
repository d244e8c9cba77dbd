"""Limits on the cost, and prices that the user sets for models whose price is unknown."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mm_magics import Session, map_prompts
from mm_magics.api.usage import total_cost
from mm_magics.display.page_view import final_state
from mm_magics.display.usage_line import summary_line, usage_of
from mm_magics.errors import ArgumentError, UsageError
from mm_magics.history.turn import Turn
from mm_magics.ipython import commands
from mm_magics.simulator import ScriptedAnswer, Simulator, text, tool_use
from tests.ipython.tables import as_text
from tests.turns import broken_rules

NEW = "MiniMax-M4"
"""A model that the simulator offers and whose price is unknown."""


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def command(session: Session, line: str) -> str:
    shell: Any = SimpleNamespace(user_ns={})
    return as_text(commands.run(commands.Context(session, shell), line))


def ask(session: Session, **flags: Any) -> Any:
    return session.ask("Go.", **flags)


def ask_with_tools(session: Session, **flags: Any) -> Any:
    return session.ask("Go.", tools=[add], **flags)


def run_map(session: Session, **flags: Any) -> Any:
    return map_prompts("{{ row }}", ["a", "b"], session=session, store=":memory:", progress=False, **flags)


@pytest.mark.parametrize(
    ("run", "limit"),
    [(ask, "max_cost"), (ask_with_tools, "max_cost"), (run_map, "max_cost"), (run_map, "budget")],
)
def test_a_limit_on_the_cost_is_refused_before_sending_if_the_price_is_unknown(
    session: Session, endpoint: Simulator, run: Any, limit: str
) -> None:
    with pytest.raises(UsageError) as caught:
        run(session, model=NEW, **{limit: 1.0})
    assert caught.value.message == f"The price of {NEW} is unknown, so {limit} cannot be enforced. Nothing was sent."
    assert caught.value.hint == f"Set it with %minimax price {NEW} IN OUT, or leave {limit} out."
    assert endpoint.log == []
    run(session, model=NEW)
    run(session, model="MiniMax-M3", **{limit: 1.0})
    command(session, f"price {NEW} 0.1 0.4")
    run(session, model=NEW, **{limit: 1.0})


def test_a_limit_in_the_settings_is_refused_too(session: Session, endpoint: Simulator) -> None:
    session.settings.assign("max_cost", 1.0)
    with pytest.raises(UsageError, match="so max_cost cannot be enforced"):
        session.ask("Go.", model=NEW)
    assert endpoint.log == []


def test_a_replayed_answer_needs_no_price(session: Session) -> None:
    first = session.ask("Go.", model=NEW, cell_id="a")
    again = session.ask("Go.", model=NEW, cell_id="a", replay="auto", max_cost=1.0)
    assert again.messages == first.messages


def test_a_substitute_without_a_price_is_refused_too() -> None:
    with (
        Simulator(models=["house"]) as endpoint,
        Session(base_url=endpoint.base_url, api_key=endpoint.key) as session,
    ):
        with pytest.raises(UsageError, match="The price of house is unknown, so max_cost cannot be enforced"):
            session.ask("Go.", max_cost=1.0)
        with pytest.raises(UsageError, match="The price of house is unknown, so budget cannot be enforced"):
            map_prompts("{{ row }}", ["a"], session=session, store=":memory:", progress=False, budget=1.0)
        assert "house" not in [record.body["model"] for record in endpoint.log if record.body]


def test_a_limit_holds_with_a_price_that_was_set(session: Session, endpoint: Simulator) -> None:
    call = [tool_use("add", {"a": 1, "b": 2})]
    endpoint.answers.extend([ScriptedAnswer(call), ScriptedAnswer([text("Done.")])])
    session.settings.assign("prices", {NEW: (1_000.0, 1_000.0)})
    turn = session.ask("Go.", tools=[add], model=NEW, max_cost=0.01)
    assert len(endpoint.log) == 2
    assert turn.notes[0].startswith("No more tools were called: the turn has cost ")


def test_a_budget_holds_with_a_price_that_was_set(session: Session) -> None:
    session.settings.assign("prices", {NEW: (1_000.0, 1_000.0)})
    session.settings.assign("concurrency", 1)
    rows = [f"row {number}" for number in range(20)]
    options: dict[str, Any] = {"session": session, "store": ":memory:", "progress": False, "figures": True}
    result: Any = map_prompts("{{ row }}", rows, model=NEW, budget=0.05, **options)
    assert 1 <= result.asked < 20
    assert result.cost == pytest.approx(sum(row["answer_cost"] or 0.0 for row in result.frame))
    assert session.ledger.total().cost == pytest.approx(result.cost)


def test_the_cost_at_a_price_that_was_set_is_shown_recorded_and_kept(session: Session) -> None:
    command(session, f"price {NEW} $2 8")
    turn = session.ask("Go.", model=NEW)
    usage = turn.responses[0]["usage"]
    cost = (usage["input_tokens"] * 2 + usage["output_tokens"] * 8) / 1e6
    assert turn.responses[0]["cost"] == pytest.approx(cost)
    assert broken_rules(turn.record()) == []
    command(session, f"price {NEW} 900 900")
    for each in (turn, Turn.from_record(turn.record())):
        assert usage_of([each]).cost == pytest.approx(cost)
        assert f"≈ ${cost:.4f}" in summary_line(each)
        assert final_state(each)["cost"] == f"≈ ${cost:.4f}"
    assert session.ledger.total().cost == pytest.approx(cost)
    assert session.ledger.total().unknown == 0


def test_a_price_that_was_set_precedes_the_known_one(session: Session) -> None:
    known = session.ask("Go.", model="MiniMax-M2")
    assert "cost" not in known.responses[0]
    command(session, "price MiniMax-M2 3 12")
    own = session.ask("Go.", model="MiniMax-M2", context="none")
    assert total_cost("MiniMax-M2", own.responses) == pytest.approx(10 * total_cost("MiniMax-M2", known.responses))
    assert "3.00 / 12.00" in next(line for line in command(session, "models").splitlines() if "MiniMax-M2 " in line)


def test_the_sum_of_many_calls_is_not_priced_as_long_input(session: Session) -> None:
    long, rows = "word " * 250_000, ["a", "b"]
    options: dict[str, Any] = {"session": session, "store": ":memory:", "progress": False, "max_tokens": 1_000}
    result: Any = map_prompts(f"{{{{ row }}}} {long}", rows, model="MiniMax-M3", **options)
    assert result.usage["input_tokens"] > 512_000
    (turn,) = session.history.turns("main")
    assert usage_of([turn]).cost == pytest.approx(result.cost)
    assert result.cost < 0.31 * result.usage["input_tokens"] / 1e6 + 0.01


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("price", "No price was set."),
        ("price MiniMax-M2", "MiniMax-M2: $0.3 in, $1.2 out per million tokens (known)."),
        (f"price {NEW}", f"The price of {NEW} is unknown. %minimax price NAME IN OUT sets it"),
        (f"price {NEW} 0.1 $0.4", f"{NEW}: $0.1 in, $0.4 out per million tokens (set in this kernel)."),
        (f"price {NEW} 0 0", f"{NEW}: $0 in, $0 out"),
    ],
)
def test_the_command_shows_and_sets_prices(session: Session, line: str, shown: str) -> None:
    assert command(session, line).startswith(shown)


@pytest.mark.parametrize("amounts", ["1", "1 2 3", "a b", "-1 2", "1 inf", "nan 1"])
def test_an_invalid_price_changes_nothing(session: Session, amounts: str) -> None:
    with pytest.raises(ArgumentError):
        command(session, f"price {NEW} {amounts}")
    assert session.settings.value("prices") == {}


def test_prices_can_be_configured_for_all_kernels() -> None:
    price = Session(api_key="x", prices={NEW: [0.1, 0.4]}).prepare("Go.", model=NEW).price
    assert price is not None
    assert price.output == 0.4
