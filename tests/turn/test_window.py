"""The size of a conversation: counted by the endpoint, and estimated where it was not sent yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from mm_magics import Session
from mm_magics.api.usage import input_tokens
from mm_magics.doctor import examine
from mm_magics.history.compacted_context import context_of
from mm_magics.history.turn import Turn
from mm_magics.ipython.commands import Context, run
from mm_magics.simulator import Simulator
from mm_magics.turn.window import Size, bytes_per_token, conversation_size, percent
from tests.turns import RESPONSE, turn

WINDOW = 204_800


def counted(text: str, before: int, tokens: int) -> Turn:
    """A turn of this text that the endpoint counted, with `before` tokens above it and `tokens` of its own."""
    usage = {"input_tokens": before + tokens - 100, "output_tokens": 100}
    return turn(text, responses=[{**RESPONSE, "usage": usage}])


LANGUAGES = {
    "English": "The reef is a ridge near the surface. ",
    "Chinese": "珊瑚礁是靠近海面的山脊。",
    "code": "x = {k: v for k, v in f(y)}\n",
}


@pytest.mark.parametrize("text", LANGUAGES.values(), ids=LANGUAGES.keys())
def test_the_next_request_is_estimated_as_the_endpoint_counted_those_before(
    session: Session, endpoint: Simulator, text: str
) -> None:
    endpoint.answers.extend([text * 300, text * 100, text * 10])
    session.ask(text * 500, model="MiniMax-M2.7")
    session.ask(text * 1_000, model="MiniMax-M2.7")
    estimated = session.prepare(text * 2_000, model="MiniMax-M2.7").size.tokens
    session.ask(text * 2_000, model="MiniMax-M2.7")
    assert estimated == pytest.approx(input_tokens(endpoint.log[-1].usage or {}), rel=0.1)


@pytest.mark.parametrize("true_ratio", [1.5, 2.0, 3.0, 4.5])
def test_the_bytes_per_token_correct_themselves(true_ratio: float) -> None:
    turns: list[Turn] = []
    tokens = 0
    for _ in range(4):
        made = turn("word " * 2_000)
        own = round(made.size.text / true_ratio)
        turns.append(counted("word " * 2_000, tokens, own))
        tokens += own
    assert bytes_per_token(turns) == pytest.approx(true_ratio, rel=0.02)


def test_what_was_not_counted_says_nothing_about_the_bytes_per_token() -> None:
    assert bytes_per_token([]) == 3
    assert bytes_per_token([turn("word " * 2_000, responses=[])] * 3) == 3
    assert bytes_per_token([replace(counted("word " * 2_000, 0, 100), context="none")] * 3) == 3
    assert 1 <= bytes_per_token([counted("word " * 2_000, 0, 10**9)]) <= 16


def test_only_what_follows_the_last_counted_turn_is_estimated() -> None:
    turns = [counted("word " * 2_000, 0, 5_000), turn("word " * 2_000, responses=[])]
    size = conversation_size(context_of(turns), "MiniMax-M2.7")
    assert size.tokens == 5_000 + round(turns[1].size.text / bytes_per_token(turns) - 0.5)
    assert conversation_size(context_of([]), "MiniMax-M2.7").tokens == 0
    assert conversation_size(context_of(turns), "mine") == Size(size.tokens, None, 2, None)


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0 %"), (0.0001, "< 1 %"), (0.384, "38 %"), (0.999, "100 %"), (1.2, "120 %")]
)
def test_a_part_of_the_window_as_text(share: float, text: str) -> None:
    assert percent(share) == text


Full = Callable[[int], None]


@pytest.fixture
def fill(session: Session) -> Full:
    """Make the conversation this large."""

    def put(tokens: int) -> None:
        session.history.put(counted("word " * (tokens * 3 // 5), 0, tokens))

    return put


def test_a_prompt_that_passes_70_percent_says_so_once(session: Session, fill: Full) -> None:
    fill(50_000)
    assert not [note for note in session.prepare("Short.").notes if "window" in note]
    fill(150_000)
    assert not [note for note in session.prepare("Short.").notes if "uses" in note]  # the turn above has shown it
    session.history.clear("main")
    fill(100_000)
    (note,) = [note for note in session.prepare("word " * 40_000).notes if "uses" in note]
    assert note.startswith("The conversation uses ")
    assert " % of the window of 204,800 tokens." in note
    session.settings.assign("hint_at", 0.4)
    assert not [note for note in session.prepare("word " * 40_000).notes if "uses" in note]


def test_the_status_and_the_doctor_show_how_much_of_the_window_is_used(session: Session, fill: Full) -> None:
    session.settings.assign("model", "MiniMax-M2.7")
    fill(189_082)
    status = str(run(Context(session), ""))
    assert "≈ 189,082 tokens, 92 % of the 204,800 of MiniMax-M2.7" in status
    (finding,) = [each for each in examine(session, "a test") if each.subject == "thread main"]
    assert not finding.ok
    assert "92 % of the window of MiniMax-M2.7" in finding.detail
    assert finding.hint


def test_a_window_that_is_unknown_is_not_guessed(session: Session, fill: Full) -> None:
    session.settings.assign("model", "mine")
    fill(189_082)
    assert "the window of mine is unknown" in str(run(Context(session), ""))
    (finding,) = [each for each in examine(session, "a test") if each.subject == "thread main"]
    assert finding.ok
