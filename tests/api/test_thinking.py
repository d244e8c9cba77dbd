"""The setting `thinking`: what it becomes for each kind of model, and which note the user sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest

from mm_magics import Session, map_prompts
from mm_magics.api.models import CATALOGUE
from mm_magics.api.thinking import EFFORTS, MIN_BUDGET, NAMES, choices, thinking_fields
from mm_magics.display.mime_bundle import make_bundle
from mm_magics.display.page_view import final_state
from mm_magics.display.usage_line import summary_line
from mm_magics.errors import RequestError
from mm_magics.simulator import Simulator

ON: dict[str, Any] = {"thinking": {"type": "adaptive"}}
OFF: dict[str, Any] = {"thinking": {"type": "disabled"}}
NO_EFFECT = "always thinks: thinking {} has no effect."


def effort(name: str) -> dict[str, Any]:
    return {"output_config": {"effort": name}}


BUDGET = "thinks for at least 1,024 tokens, and for fewer than max_tokens: thinking {} is sent as {}."


def budget(tokens: int) -> dict[str, Any]:
    return {"thinking": {"type": "enabled", "budget_tokens": tokens}}


TABLE: list[tuple[str, str | int | None, dict[str, Any], str]] = [
    ("MiniMax-M2.7", None, {}, ""),
    ("MiniMax-M2.7", "", {}, ""),
    ("MiniMax-M2.7", "on", budget(4_096), ""),
    ("MiniMax-M2.7", "off", OFF, "always thinks: the endpoint accepts thinking off, but ignores it."),
    ("MiniMax-M2.7", "adaptive", {}, NO_EFFECT.format("adaptive")),
    *(("MiniMax-M2.7", each, {}, NO_EFFECT.format(each)) for each in EFFORTS),
    ("MiniMax-M2.7", 2_000, budget(2_000), NO_EFFECT.format(2_000)),
    ("MiniMax-M2", "300", budget(300), NO_EFFECT.format(300)),
    ("MiniMax-M3", None, {}, ""),
    ("MiniMax-M3", "on", ON, ""),
    ("MiniMax-M3", "off", OFF, ""),
    ("MiniMax-M3", "adaptive", ON, ""),
    *(
        ("MiniMax-M3", each, ON, f"decides itself how much it thinks: thinking {each} only turns it on.")
        for each in EFFORTS
    ),
    ("MiniMax-M3", 2_000, ON, "decides itself how much it thinks: thinking 2000 only turns it on."),
    ("MiniMax-M3.1-Flash", None, effort("medium"), ""),
    ("MiniMax-M3.1-Flash", "on", effort("medium"), ""),
    ("MiniMax-M3.1-Flash", "adaptive", effort("medium"), ""),
    ("MiniMax-M3.1-Flash", "off", effort("low"), "always thinks: thinking off is sent as the lowest effort, low."),
    *(("MiniMax-M3.1-Flash", each, effort(each), "") for each in EFFORTS),
    *(
        (
            "MiniMax-M3.1-Flash",
            tokens,
            effort(name),
            f"takes an effort instead of a number of tokens: thinking {tokens} is sent as effort {name}.",
        )
        for tokens, name in [
            (1, "low"),
            (1_199, "low"),
            (1_200, "medium"),
            (2_400, "high"),
            (3_999, "high"),
            (4_000, "xhigh"),
            (6_400, "max"),
            (100_000, "max"),
        ]
    ),
    ("MiniMax-M3.1-Flash-Preview", None, effort("medium"), ""),
    ("mine", None, {}, ""),
    ("mine", "on", budget(4_096), ""),
    ("mine", "off", OFF, ""),
    ("mine", "adaptive", ON, ""),
    *(("mine", each, {**ON, **effort(each)}, "") for each in EFFORTS),
    ("mine", 2_000, budget(2_000), ""),
    ("mine", 5, budget(1_024), BUDGET.format(5, 1_024)),
    ("mine", "1023", budget(1_024), BUDGET.format(1_023, 1_024)),
    ("mine", 8_192, budget(8_191), BUDGET.format(8_192, 8_191)),
]


@pytest.mark.parametrize(("model", "value", "fields", "note"), TABLE)
def test_the_setting_becomes_what_the_model_understands_and_a_note_says_where_it_has_no_effect(
    model: str, value: Any, fields: dict[str, Any], note: str
) -> None:
    body = Session(api_key="x").prepare("Hi.", model=model, thinking=value, max_tokens=8_192)
    sent = {name: body.body[name] for name in ("thinking", "output_config") if name in body.body}
    assert sent == fields == {**thinking_fields(model, value, 8_192).fields}
    assert body.notes == ([f"{model} {note}"] if note else [])


def test_the_table_has_every_value_for_every_kind_of_model() -> None:
    for model in ("MiniMax-M2.7", "MiniMax-M3", "MiniMax-M3.1-Flash", "mine"):
        assert {None, *NAMES} <= {value for name, value, *_ in TABLE if name == model}


@pytest.mark.parametrize("value", [None, *NAMES, 2_000])
@pytest.mark.parametrize("model", [*CATALOGUE, "MiniMax-M4"])
def test_every_model_accepts_every_value(session: Session, model: str, value: Any) -> None:
    turn = session.ask('Hi. [[simulator: say="Hello."]]', model=model, thinking=value)
    assert turn.status == "complete"


@pytest.mark.parametrize("model", CATALOGUE)
def test_only_what_makes_a_difference_is_offered(model: str) -> None:
    default = thinking_fields(model, None, 8_192).fields
    for name in choices(model):
        fields, notes = thinking_fields(model, name, 8_192)
        assert notes == []
        assert fields != default or name == "medium"


@pytest.mark.parametrize("value", [0, -1, "yes", "ON", [], True, "medium "])
@pytest.mark.parametrize("model", ["MiniMax-M2.7", "MiniMax-M3", "MiniMax-M3.1-Flash", "mine"])
def test_any_other_value_is_an_error(model: str, value: Any) -> None:
    with pytest.raises(RequestError) as caught:
        thinking_fields(model, value, 8)
    assert str(caught.value) == (
        f"thinking must be on, off, adaptive, low, medium, high, xhigh, max or a number of tokens, not {value!r}."
    )


@pytest.mark.parametrize(
    ("params", "sent"),
    [
        ({"output_config": {"effort": "low"}}, effort("low")),
        ({"output_config": {"format": "x"}}, {"output_config": {"effort": "medium", "format": "x"}}),
        ({"thinking": {"type": "adaptive"}}, ON),
        ({"output_config": None}, {"output_config": None}),
    ],
)
def test_fields_of_params_win(params: dict[str, Any], sent: dict[str, Any]) -> None:
    body = Session(api_key="x").prepare("Hi.", model="MiniMax-M3.1-Flash", params=params).body
    assert {name: body[name] for name in ("thinking", "output_config") if name in body} == sent


def test_flash_answers_with_medium_effort_and_every_view_shows_it(session: Session, endpoint: Simulator) -> None:
    turn = session.ask("Hello.", model="MiniMax-M3.1-Flash")
    assert endpoint.log[0].body["output_config"] == {"effort": "medium"}
    assert turn.responses[0]["usage"]["output_tokens"] < 1_500
    assert summary_line(turn).startswith("MiniMax-M3.1-Flash · effort medium · ")
    assert final_state(turn)["effort"] == "medium"
    assert "effort medium" in make_bundle(turn)["text/html"]
    assert "effort" not in summary_line(session.ask("Hello.", model="MiniMax-M3", thinking="on"))


def test_a_map_run_with_flash_has_medium_effort_too(session: Session, endpoint: Simulator, tmp_path: Path) -> None:
    options: dict[str, Any] = {"session": session, "store": tmp_path / "a", "progress": False}
    map_prompts("{{ row }}", ["a"], model="MiniMax-M3.1-Flash", **options)
    map_prompts("{{ row }}", ["a"], model="MiniMax-M3.1-Flash", thinking="high", **options)
    assert [each.body["output_config"]["effort"] for each in endpoint.log] == ["medium", "high"]


@pytest.mark.parametrize(
    ("model", "thinking", "params"),
    [
        ("MiniMax-M3", "on", budget(32_768)),
        ("MiniMax-M3", 2_000, budget(2_000)),
        ("MiniMax-M3.1-Flash", None, {}),
        ("MiniMax-M3.1-Flash", "on", budget(32_768)),
        ("MiniMax-M2.7", "on", budget(32_768)),
        ("MiniMax-M2.7", 2_000, budget(2_000)),
        ("mine", "on", budget(32_768)),
    ],
)
def test_what_was_recorded_with_the_fields_of_before_is_still_replayed(
    model: str, thinking: Any, params: dict[str, Any], tmp_path: Path
) -> None:
    with (
        Simulator(models=["MiniMax-M2.7", "MiniMax-M3", "MiniMax-M3.1-Flash", "mine"]) as endpoint,
        Session(base_url=endpoint.base_url, api_key=endpoint.key) as session,
    ):
        prompt = session.prepare("Hi.", model=model, thinking=thinking, cell_id="a")
        old = session.ask(prompt.for_model(model, as_before=True))
        assert {name: old.params[name] for name in ("thinking", "output_config") if name in old.params} == params
        cell = nbformat.v4.new_code_cell("%%minimax\nHi.", id="a")
        cell.outputs = [nbformat.v4.new_output("display_data", data=make_bundle(old))]
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "old.ipynb")
    with Session(api_key="x") as session:
        session.attach(tmp_path / "old.ipynb")
        again = session.ask("Hi.", model=model, thinking=thinking, cell_id="a", replay="only")
    assert again.messages == old.messages


@pytest.mark.parametrize("value", ["on", 500, 5_000])
@pytest.mark.parametrize("max_tokens", [1, 1_024, 1_025, 1_500, 8_192])
def test_every_number_of_tokens_is_one_that_the_strictest_endpoint_takes(value: Any, max_tokens: int) -> None:
    fields, notes = thinking_fields("mine", value, max_tokens)
    if max_tokens <= MIN_BUDGET:
        assert (fields, len(notes)) == ({}, 1)
    else:
        assert MIN_BUDGET <= fields["thinking"]["budget_tokens"] < max_tokens
