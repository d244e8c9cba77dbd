"""Several answers at once: their turns, their versions, stops, failures, replay and checks."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest

from mm_magics.errors import EndpointError, NotRecordedError, UsageError
from mm_magics.history.thread import History
from mm_magics.history.turn import Turn
from mm_magics.history.versions import all_versions, compared, use_version, version_number
from mm_magics.session import Session
from mm_magics.simulator import Simulator
from mm_magics.turn.checks import AnswerChecked, Check, CheckedAnswer
from mm_magics.turn.comparison import AnswerEvent, AnswerFailed, Comparison
from mm_magics.turn.driver import drive

MODELS = "MiniMax-M2.7", "MiniMax-M2.5", "MiniMax-M2.1"
IN_TURN_S = 5 * len(MODELS)
"""How long answers take that wait for 5 s each, one after the other."""


def begin(
    session: Session,
    text: str,
    models: Sequence[str] = MODELS,
    *,
    stop: threading.Event | None = None,
    cell_id: str | None = "a",
    **flags: Any,
) -> Comparison:
    prompt = session.prepare(text, cell_id=cell_id, model=models[0], **flags)
    prompts = [prompt, *(prompt.for_model(model) for model in models[1:])]
    if models[0] == models[-1]:
        prompts = [prompt] * len(models)
    stopped = stop or threading.Event()
    return Comparison(prompts, lambda each, history, used: session.begin(each, stopped, history, used), session.history)


def ask(session: Session, text: str, models: Sequence[str] = MODELS, **flags: Any) -> Turn:
    with begin(session, text, models, **flags) as answers:
        return drive(answers)


def texts(turn: Turn) -> list[str]:
    return [each.text for each in all_versions(turn)]


def test_all_models_are_asked_at_once_and_the_first_answer_is_active(session: Session, endpoint: Simulator) -> None:
    began = time.monotonic()
    turn = ask(session, "Which? [[simulator: wait=5]]")
    assert time.monotonic() - began < IN_TURN_S
    assert [each.model for each in all_versions(turn)] == list(MODELS)
    assert (turn.model, version_number(turn), turn.undecided) == (MODELS[0], 1, True)
    assert compared(turn) == all_versions(turn)
    assert sorted(each.body["model"] for each in endpoint.log) == sorted(MODELS)
    assert session.history.turns("main") == [turn]
    assert session.ledger.total().calls == 3


def test_the_events_of_the_answers_alternate(session: Session) -> None:
    with begin(session, "[[simulator: deltas=40 rate=200]]") as answers:
        numbers = [event.number for event in answers.events(lambda: None) if isinstance(event, AnswerEvent)]
    changes = sum(a != b for a, b in pairwise(numbers))
    assert changes > 20


def test_the_active_answer_is_the_context_of_the_next_prompt(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend(["The same"] * 3)
    turn = ask(session, "Which?")
    session.history.use_version(turn, 3)
    session.ask("And then?", cell_id="b")
    assert endpoint.log[-1].body["messages"][0]["content"][0]["text"] == "Which?"
    assert len(endpoint.log[-1].body["messages"]) == 3
    (chosen,) = session.history.context_turns("main", "b")
    assert (chosen.model, chosen.undecided, len(chosen.versions)) == (MODELS[2], False, 2)


def test_a_model_that_fails_fails_alone(session: Session, endpoint: Simulator) -> None:
    turn = ask(session, "Which?", ["no-such-model", *MODELS[:2]])
    first, *others = all_versions(turn)
    assert (first.status, turn.model) == ("failed", MODELS[0])
    assert "no-such-model" in str(first.error)
    assert [each.status for each in others] == ["complete", "complete"]
    again = session.ask("Which?", cell_id="a")
    assert [each.model for each in all_versions(again)] == [*MODELS[:2], again.model]


def test_if_all_fail_the_first_error_is_raised_and_the_earlier_answer_stays(session: Session) -> None:
    earlier = session.ask("Which?", cell_id="a")
    session.history.run = "another run"
    with pytest.raises(EndpointError, match="no-such-model") as caught:
        ask(session, "Which?", ["no-such-model", "nor-this"])
    assert [each.status for each in all_versions(caught.value.turn)] == ["failed", "failed"]
    assert session.history.turns("main") == [earlier]


def test_a_stop_ends_all_and_what_is_complete_stays(session: Session, endpoint: Simulator) -> None:
    stop = threading.Event()
    with begin(session, "[[simulator: deltas=400 rate=100]]", stop=stop) as answers:
        for count, _ in enumerate(answers.events(lambda: None)):
            if count > 60:
                stop.set()
    turn = answers.close()
    assert [each.status for each in all_versions(turn)] == ["stopped"] * 3
    assert all(each.text for each in all_versions(turn))
    assert session.history.turns("main") == [turn]


def test_a_stop_is_not_an_error_if_one_of_them_failed(session: Session) -> None:
    stop = threading.Event()
    models = [*MODELS[:2], "no-such-model"]
    with begin(session, "[[simulator: deltas=400 rate=100]]", models, stop=stop) as answers:
        for event in answers.events(lambda: None):
            if isinstance(event, AnswerFailed):
                stop.set()
    assert [each.status for each in all_versions(answers.close())] == ["stopped", "stopped", "failed"]


@pytest.mark.parametrize("after", [0, 1, 3, 10, 40])
def test_an_interrupt_anywhere_leaves_one_valid_turn(session: Session, after: int) -> None:
    with suppress(KeyboardInterrupt), begin(session, "[[simulator: deltas=60 rate=400]]") as answers:
        for count, _ in enumerate(answers.events(lambda: None)):
            if count >= after:
                raise KeyboardInterrupt
    turn = answers.close()
    assert len(all_versions(turn)) == 3
    assert session.history.turns("main") == [turn]
    assert Turn.from_record(turn.record()) == turn
    assert session.ask("Next", cell_id="b").status == "complete"


def test_each_answer_is_replayed_by_its_own_recording(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend(["One", "Two", "Three"])
    same = [MODELS[0]] * 3
    turn = ask(session, "Which?", same)
    calls = len(endpoint.log)
    for run in ("second", "third"):
        session.history.run = run
        again = ask(session, "Which?", same, replay="auto")
        assert again.record() == turn.record()
    assert len(endpoint.log) == calls
    session.history.run = "fourth"
    with pytest.raises(NotRecordedError):
        ask(session, "Which?", [MODELS[0]] * 4, replay="only")
    more = ask(session, "Which?", [MODELS[0]] * 4, replay="auto")
    assert len(endpoint.log) == calls + 1
    assert texts(more)[:3] == texts(turn)


def test_replay_keeps_the_choice(session: Session) -> None:
    turn = session.history.use_version(ask(session, "Which?"), 2)
    session.history.run = "second"
    again = ask(session, "Which?", replay="auto")
    assert again.record() == turn.record()


def test_a_page_without_the_choice_replays_all(session: Session, endpoint: Simulator) -> None:
    turn = ask(session, "Which?")
    other = Session(base_url=endpoint.base_url, api_key=endpoint.key)
    other.history = History()
    other.history.put(Turn.from_record(turn.record()))
    other.history.run = "later"
    assert ask(other, "Which?", replay="only").record() == turn.record()
    other.close()


# Checks ------------------------------------------------------------------------------------------------------------


class Score:
    def __str__(self) -> str:
        return "0.5"


def broken(answer: str) -> bool:
    raise ValueError("no such word:\n" + answer)


@pytest.mark.parametrize(
    ("function", "verdict", "text"),
    [
        (lambda answer: "kelp" in answer, "pass", ""),
        (lambda answer: "cod" in answer, "fail", ""),
        (lambda answer: f"{len(answer)} characters", "text", "8 characters"),
        (len, "text", "8"),
        (lambda answer: "a\nb" * 300, "text", None),
        (broken, "error", "ValueError: no such word: The kelp"),
        (lambda answer: None, "error", "It returned nothing instead of True, False, a text or a number."),
        (
            lambda answer: Score(),
            "error",
            "It returned a value of type Score instead of True, False, a text or a number.",
        ),
        (lambda: True, "error", None),
    ],
)
def test_the_verdict_of_a_check(function: Any, verdict: str, text: str | None) -> None:
    message = {"role": "assistant", "content": [{"type": "text", "text": "The kelp"}]}
    turn = Turn("main", "complete", "M", [message])
    found = Check("check", function, lambda each: each.text).run(turn)
    assert found is not None
    assert (found["name"], found["verdict"]) == ("check", verdict)
    assert text is None or found["text"] == text
    assert "\n" not in found["text"]
    assert len(found["text"]) <= 200


async def coroutine(answer: str) -> bool:
    return True


@pytest.mark.parametrize("function", [5, "text", None, coroutine])
def test_what_is_not_a_function_is_refused(function: Any) -> None:
    with pytest.raises(UsageError, match="`name` is"):
        Check("name", function, lambda turn: turn.text)


@pytest.mark.parametrize("models", [MODELS[:1], MODELS[:2]])
def test_each_answer_is_checked_and_the_verdict_is_recorded(session: Session, models: Sequence[str]) -> None:
    check = Check("has_text", bool, lambda turn: turn.text)
    answers: Any = (
        begin(session, "Which?", models) if len(models) > 1 else session.stream("Which?", cell_id="a", model=models[0])
    )
    checked = CheckedAnswer(answers, Check("named", lambda text: bool(text), check.value), session.history)
    with checked:
        events = [event for event in checked.events(lambda: None) if isinstance(event, AnswerChecked)]
    turn = checked.close()
    assert [event.number for event in events] == [*range(1, len(models) + 1)]
    assert [each.check for each in all_versions(turn)] == [{"name": "named", "verdict": "pass", "text": ""}] * len(
        models
    )
    assert session.history.turns("main") == [turn]
    assert use_version(turn, len(models)).check == turn.check


def test_a_failed_answer_is_not_checked(session: Session) -> None:
    answers = begin(session, "Which?", ["no-such-model", MODELS[0]])
    checked = CheckedAnswer(answers, Check("any", lambda _text: True, lambda turn: turn.text), session.history)
    with checked:
        list(checked.events(lambda: None))
    assert [each.check and each.check["verdict"] for each in all_versions(checked.close())] == [None, "pass"]
