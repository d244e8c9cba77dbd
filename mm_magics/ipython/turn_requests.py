"""What a page can do with a turn that has ended: show its request, pin it, and change the summary after it."""

from __future__ import annotations

from contextlib import suppress

from mm_magics.display.protocol import ShownRequest, ShownSummary
from mm_magics.display.request_text import folded_request
from mm_magics.errors import MiniMaxError, UsageError
from mm_magics.session import Session
from mm_magics.text import visible
from mm_magics.turn.request_again import request_again

WHOLE_LIMIT = 1_000_000
"""Characters of a request that is sent to the page as it is. In a longer one long texts are folded."""


def show_request(session: Session, id_: str) -> ShownRequest | None:
    """Return the request of a turn, without keys; None if the turn is unknown."""
    found = session.history.with_context(id_)
    if found is None:
        return None
    try:
        again = request_again(*found)
    except MiniMaxError as error:
        return {"text": "", "note": f"The request cannot be built again: {visible(str(error))}"}
    text, note = again.text, again.note
    if len(text) > WHOLE_LIMIT:
        text, note = folded_request(again.body), f"{note} Long texts are folded."
    return {"text": _without_key(session, text), "note": note}


def pin(session: Session, id_: str, on: bool) -> bool:
    """Pin a turn, or unpin it. Return whether the turn is known."""
    found = session.history.with_context(id_)
    if found is not None:
        turn, _ = found
        session.budget.pin(turn.thread, turn, on=on)
    return found is not None


def show_summary(session: Session, id_: str, text: str | None) -> ShownSummary | None:
    """Return the summary that the next prompt of a turn's thread has; None if the turn is unknown.

    Args:
        session: The session of the turn.
        id_: The id of the turn.
        text: The text that replaces the summary. A blank one removes it: all turns are sent again.
    """
    found = session.history.with_context(id_)
    if found is None:
        return None
    thread = found[0].thread
    try:
        if text is not None:
            session.budget.change_summary(thread, text)
        compaction = session.budget.summary(thread)
    except UsageError:  # another page has removed it
        return {"text": "", "note": ""}
    return {"text": compaction.summary, "note": str(compaction)}


def _without_key(session: Session, text: str) -> str:
    with suppress(MiniMaxError):  # there is no key
        return session.keys.find(session.settings.value("base_url")).redact(text)
    return text
