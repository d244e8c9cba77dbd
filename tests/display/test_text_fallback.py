"""When a page that answers no message gets the text of a turn, and how often, on a clock of the test's own."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from mm_magics.display.text_fallback import CHARACTERS_PER_S, TextFallback, TurnText
from mm_magics.display.turn_channel import page_answered
from mm_magics.events import BlockStart, Delta, Idle
from mm_magics.history.turn import Turn
from tests.turns import turn

TURN = turn("q", "a")


class Page:
    """A view and an output in one, which record what they are asked to show."""

    due: float | None = None

    def __init__(self) -> None:
        self.now = 0.0
        self.shown: list[tuple[float, str]] = []

    def show(self, _event: object) -> None:
        """Send nothing."""

    def show_text(self, _turn: Turn, text: str) -> None:
        self.shown.append((round(self.now, 3), text))

    def display_again(self, _turn: Turn) -> None:
        self.shown.append((round(self.now, 3), "widget"))

    def finish(self, bundle: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        """Do nothing."""


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    page = Page()
    monkeypatch.setattr(time, "monotonic", lambda: page.now)
    page_answered.clear()
    yield page
    page_answered.clear()


def stream(page: Page, *, seconds: float, answered_at: float = 1e9, size: int = 1) -> TextFallback:
    """Show a delta every 10 ms."""
    view = TextFallback(page, page, lambda: TURN, TurnText())  # type: ignore[arg-type]
    view.show(BlockStart(0, {"type": "text"}))
    for step in range(round(seconds * 100)):
        page.now = step / 100
        if page.now >= answered_at:
            page_answered.set()
        view.show(Delta(0, "text", "x" * size))
    return view


def test_nothing_is_shown_in_the_first_second(page: Page) -> None:
    stream(page, seconds=1.0)
    assert page.shown == []


def test_the_text_is_shown_from_then_on_at_most_ten_times_a_second(page: Page) -> None:
    stream(page, seconds=3.0)
    times = [seconds for seconds, _ in page.shown]
    assert times[0] == 1.0
    assert len(times) >= 18
    assert all(later - before >= 0.1 - 1e-9 for before, later in itertools.pairwise(times))
    assert all(len(text) == round(seconds * 100) + 1 for seconds, text in page.shown)


def test_a_long_text_is_shown_less_often(page: Page) -> None:
    stream(page, seconds=6.0, size=1_000)
    assert sum(len(text) for _, text in page.shown) <= 1.2 * CHARACTERS_PER_S * 6


def test_the_last_words_are_shown_during_a_pause(page: Page) -> None:
    view = stream(page, seconds=1.05)
    assert page.shown[-1][0] == 1.0
    assert view.due == pytest.approx(1.1)
    page.now = 1.1
    view.show(Idle())
    assert page.shown[-1] == (1.1, "x" * 105)
    assert view.due is None


def test_the_widget_replaces_the_text_once_a_page_answers(page: Page) -> None:
    stream(page, seconds=2.0, answered_at=1.5)
    assert page.shown[-1] == (1.5, "widget")
    assert [text for _, text in page.shown].count("widget") == 1


def test_a_page_that_answers_in_time_gets_no_text(page: Page) -> None:
    stream(page, seconds=3.0, answered_at=0.5)
    assert page.shown == []
