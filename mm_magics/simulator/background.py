"""`Simulator`: an endpoint on a free loopback port, in a thread of its own.

Always true: entering and leaving the `with` block are the only things that start and stop it; leaving closes every
connection and ends the thread. Threads: `log` and `answers` may be used from any thread, everything else happens in
the simulator's own.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Self

from mm_magics.simulator.answer import Answer
from mm_magics.simulator.endpoint import PREFIX, Endpoint
from mm_magics.simulator.record import Record
from mm_magics.simulator.server import Server

HOST = "127.0.0.1"


class Simulator:
    """A local endpoint that keeps MiniMax's contract.

    `answers`: scripted answers, given in order before any are generated; more may be appended to `.answers`.
    `rate`: deltas a second (None: as fast as it goes). `key`: the key it accepts (None: a random one). `clock`:
    seconds, for the cache's five minutes. Raises `ConfigError` if the port cannot be had, `UsageError` for an unknown
    fault.

    >>> with Simulator(answers=["Hello"]) as endpoint:
    ...     endpoint.base_url.startswith("http://127.0.0.1:")
    True
    """

    def __init__(
        self,
        *,
        answers: Iterable[Answer | str] = (),
        rate: float | None = None,
        key: str | None = None,
        port: int = 0,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._endpoint = Endpoint(key=key, answers=answers, rate=rate, clock=clock)
        self._wanted_port = port
        self.log: list[Record] = []
        self.answers = self._endpoint.answers
        self._port: int | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._failure: Exception | None = None

    def __repr__(self) -> str:
        return f"<Simulator {self.base_url if self._port else 'stopped'}>"

    @property
    def key(self) -> str:
        """The key it accepts."""
        return self._endpoint.key

    @property
    def rate(self) -> float | None:
        """Deltas a second, None for as fast as it goes; may be set at any time, for the answers that begin then."""
        return self._endpoint.rate

    @rate.setter
    def rate(self, rate: float | None) -> None:
        self._endpoint.rate = rate

    @property
    def port(self) -> int:
        if self._port is None:
            raise RuntimeError("the simulator runs inside its `with` block only")
        return self._port

    @property
    def base_url(self) -> str:
        """What `ANTHROPIC_BASE_URL` must be."""
        return f"http://{HOST}:{self.port}{PREFIX}"

    @property
    def in_progress(self) -> int:
        """How many answers are being sent at this moment."""
        return sum(record.ended is None for record in self.log)

    def __enter__(self) -> Self:
        ready = threading.Event()
        self._failure = None
        self._thread = threading.Thread(target=self._run, args=(ready,), name="minimax-simulator", daemon=True)
        self._thread.start()
        ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def __exit__(self, *_: object) -> None:
        thread, self._thread, self._port = self._thread, None, None
        if thread is not None and self._loop is not None and self._stopping is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
            thread.join()

    def _run(self, ready: threading.Event) -> None:
        try:
            asyncio.run(self._serve(ready))
        except Exception as error:
            self._failure = error
        finally:
            ready.set()

    async def _serve(self, ready: threading.Event) -> None:
        server = Server(self._endpoint, self._note)
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._port = await server.start(HOST, self._wanted_port)
        ready.set()
        await self._stopping.wait()
        await server.stop()

    def _note(self, record: Record, old: Record | None) -> None:
        if old is None:
            self.log.append(record)
            return
        place = next(n for n in range(len(self.log) - 1, -1, -1) if self.log[n] is old)
        self.log[place] = record
