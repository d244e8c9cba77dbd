"""The loop that drives a turn: it reads the events of a stream and shows each one in a view."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, Self, TypeVar

from mm_magics.endpoint.call import Wake
from mm_magics.history.turn import Turn
from mm_magics.tools.approval import Approve, deny_all
from mm_magics.turn.prepared import PreparedPrompt

E = TypeVar("E")
E_co = TypeVar("E_co", covariant=True)
E_contra = TypeVar("E_contra", contravariant=True)


class View(Protocol[E_contra]):
    """Shows a turn while it streams.

    `due` is when the view needs an event at the latest, by `time.monotonic`; None if it can wait.
    """

    @property
    def due(self) -> float | None: ...

    def show(self, event: E_contra, /) -> None: ...


class TurnStream(Protocol[E_co]):
    """The events of one turn: of an answer, of a replayed one, or of a map run.

    Entering it sends the request; exiting it ends the turn. `notes` are what the user must know about this run; those
    about how the turn ended are part of the turn.
    """

    @property
    def prompt(self) -> PreparedPrompt: ...

    @property
    def notes(self) -> list[str]: ...

    @property
    def has_content(self) -> bool:
        """Whether anything was received that is worth keeping."""
        ...

    def events(self, wake: Wake, approve: Approve = ..., /) -> Iterator[E_co]: ...

    def so_far(self) -> Turn:
        """Return the turn as if it were stopped now, without the message that is being received."""
        ...

    def close(self) -> Turn:
        """End the turn, if it is still running, and return it."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


def drive(stream: TurnStream[E], view: View[E] | None = None, approve: Approve = deny_all) -> Turn:
    """Show every event of an entered stream in the view, until the turn ends, and return the turn.

    Args:
        stream: The turn, already entered: its caller decides what happens between sending and showing.
        view: Where the events are shown; None shows nothing.
        approve: Decides about each tool call that requires approval.

    Raises:
        EndpointError: The endpoint failed; `error.turn` is the partial turn.
    """
    for event in stream.events(lambda: view.due if view else None, approve):
        if view:
            view.show(event)
    return stream.close()
