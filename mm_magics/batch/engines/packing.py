"""The packing engine: sends several rows in one call through another engine.

A pack whose answers do not fit is divided in halves, down to single rows, which are sent as without packs. So every row
gets its own answer or its own failure, and a row that spoils its packs ends up alone.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

from mm_magics.batch.engines.base import Answered, Engine, Failed, OtherCall, Request, SenderEvent
from mm_magics.batch.pack import Packer
from mm_magics.batch.store import Reply


class PackingEngine:
    """Sends up to `size` rows per call through `engine`. Each row is reported exactly once."""

    def __init__(self, engine: Engine, packer: Packer, size: int) -> None:
        self.note = engine.note
        self._engine, self._packer, self._size = engine, packer, size
        self._waiting: list[Request] = []
        self._packs: dict[bytes, Sequence[Request]] = {}
        self._events: deque[SenderEvent] = deque()
        self._is_closed = False

    @property
    def room(self) -> int:
        return self._engine.room * self._size

    def put(self, request: Request) -> None:
        self._waiting.append(request)
        if len(self._waiting) >= self._size:
            self._send_waiting()

    def next(self, timeout: float) -> SenderEvent | None:
        deadline = time.monotonic() + timeout
        if timeout > 0 and len(self._packs) < max(1, self._engine.room // 2):
            self._send_waiting()  # nothing more is put in now, and calls are free
        while not self._events:
            event = self._engine.next(max(0.0, deadline - time.monotonic()))
            if event is None:
                return None
            self._take(event)
        return self._events.popleft()

    def stop(self) -> bool:
        self._send_waiting()  # the engine reports them as not sent
        return self._engine.stop()

    def close(self) -> None:
        self._is_closed = True
        self._engine.close()

    def _send_waiting(self) -> None:
        if self._waiting:
            rows, self._waiting = self._waiting, []
            self._send(rows)

    def _send(self, rows: Sequence[Request]) -> None:
        if self._is_closed:
            return
        pack = rows[0] if len(rows) == 1 else self._packer.pack(rows)
        self._packs[pack.digest] = rows
        self._engine.put(pack)

    def _take(self, event: SenderEvent) -> None:
        rows = self._packs.pop(event.digest, ()) if isinstance(event, Answered | Failed) else ()
        if len(rows) < 2 or not isinstance(event, Answered | Failed):
            self._events.append(event)
        elif isinstance(event, Answered):
            self._take_answers(rows, event.reply)
        elif event.sent and not event.refused_model:
            self._events.append(OtherCall([]))
            self._divide(rows)
        else:
            self._events.extend(event._replace(digest=row.digest) for row in rows)

    def _take_answers(self, rows: Sequence[Request], reply: Reply) -> None:
        found = self._packer.read(rows, reply)
        if not found:
            self._events.append(OtherCall(reply.responses))
        self._events.extend(Answered(digest, each) for digest, each in found.items())
        self._divide([row for row in rows if row.digest not in found])

    def _divide(self, rows: Sequence[Request]) -> None:
        """Send these rows of a pack again, in halves."""
        middle = (len(rows) + 1) // 2
        for half in (rows[:middle], rows[middle:]):
            if half:
                self._send(half)
