"""`Simulator`: an endpoint on a free loopback port that runs in a background thread.

It runs exactly as long as its `with` block: exiting the block closes every connection and ends the thread. `log` and
`answers` may be used from any thread; everything else happens in the simulator's own.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from time import monotonic, perf_counter
from typing import Self

from mm_magics.simulator.answer import Fault, ScriptedAnswer
from mm_magics.simulator.endpoint import PREFIX, Endpoint
from mm_magics.simulator.faults.catalogue import check_fault
from mm_magics.simulator.record import RequestRecord
from mm_magics.simulator.server import Server

HOST = "127.0.0.1"


class Simulator:
    """A local endpoint that follows MiniMax's contract.

    Args:
        answers: Scripted answers. They are sent in order; after the last one, answers are generated. Append more to
            `Simulator.answers` at any time.
        rate: Deltas per second. None: as fast as possible.
        key: The API key it accepts. None: a random one.
        port: The port to listen on. 0: any free port.
        clock: Returns seconds; the prompt cache measures its five minutes with it.
        models: The names of the models that it offers. None: those of the catalogue, and one that is newer.
        not_offered: The name of the fault with which it refuses any other model: `unknown-model`, `retired-model` or
            `model-not-found`.
        strict: Whether to add the rules of other endpoints of this format: a history with tool calls needs `tools`, no
            lone surrogates, thinking only with this endpoint's signature, and no unknown fields in known blocks.

    Attributes:
        log: One `RequestRecord` per request, in the order of arrival.
        answers: The scripted answers that are still to be sent, a `deque`.

    Raises:
        ConfigError: On entering the `with` block, if the port is not available.
        UsageError: If an answer names an unknown fault.

    Example:
        >>> import httpx2
        >>> with Simulator(answers=["Hello"]) as endpoint:
        ...     reply = httpx2.post(
        ...         f"{endpoint.base_url}/v1/messages",
        ...         headers={"x-api-key": endpoint.key},
        ...         json={"model": "MiniMax-M2.7", "messages": [{"role": "user", "content": "Hi"}]},
        ...     )
        >>> reply.json()["content"][1]
        {'type': 'text', 'text': 'Hello'}
        >>> endpoint.log[0].status, endpoint.log[0].auth
        (200, 'x-api-key')
    """

    def __init__(
        self,
        *,
        answers: Iterable[ScriptedAnswer | str] = (),
        rate: float | None = None,
        key: str | None = None,
        port: int = 0,
        clock: Callable[[], float] = monotonic,
        models: Iterable[str] | None = None,
        not_offered: str = "unknown-model",
        strict: bool = False,
    ) -> None:
        self._endpoint = Endpoint(
            key=key,
            answers=answers,
            rate=rate,
            clock=clock,
            models=models,
            not_offered=not_offered,
            strict=strict,
        )
        self._requested_port = port
        self.log: list[RequestRecord] = []
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
        """The API key that the simulator accepts."""
        return self._endpoint.key

    @property
    def rate(self) -> float | None:
        """Deltas per second, None for as fast as possible. A new value applies to later answers."""
        return self._endpoint.rate

    @rate.setter
    def rate(self, rate: float | None) -> None:
        self._endpoint.rate = rate

    @property
    def fault(self) -> Fault | None:
        """The fault of every answer that has none of its own. A new value, also a name, applies to later answers."""
        return self._endpoint.fault

    @fault.setter
    def fault(self, fault: Fault | str | None) -> None:
        fault = Fault(fault) if isinstance(fault, str) else fault
        if fault is not None:
            check_fault(fault)
        self._endpoint.fault = fault

    @property
    def max_in_flight(self) -> int | None:
        """How many requests are answered at the same time; any more are refused with `rate-limit`. None: no limit."""
        return self._endpoint.max_in_flight

    @max_in_flight.setter
    def max_in_flight(self, limit: int | None) -> None:
        self._endpoint.max_in_flight = limit

    def hurry(self) -> None:
        """Send the rest of each answer to a request in the log as fast as possible."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._hurry)

    def _hurry(self) -> None:
        self._endpoint.hurried_at = perf_counter()

    @property
    def port(self) -> int:
        if self._port is None:
            raise RuntimeError("the simulator runs only inside its `with` block")
        return self._port

    @property
    def base_url(self) -> str:
        """The value for `ANTHROPIC_BASE_URL`."""
        return f"http://{HOST}:{self.port}{PREFIX}"

    @property
    def in_progress(self) -> int:
        """The number of answers that are being sent right now."""
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
        server = Server(self._endpoint, self._log_record)
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._port = await server.start(HOST, self._requested_port)
        ready.set()
        await self._stopping.wait()
        await server.stop()

    def _log_record(self, record: RequestRecord, old: RequestRecord | None) -> None:
        if old is None:
            self.log.append(record)
            return
        place = next(n for n in range(len(self.log) - 1, -1, -1) if self.log[n] is old)
        self.log[place] = record
