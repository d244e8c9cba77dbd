"""Sockets and HTTP: carry out the endpoint's response plans, byte by byte.

There is one task per connection. When a client disconnects, its task ends without an error message within
`POLL_SECONDS`, even during a pause. Events are written in batches of up to `BATCH_BYTES`, as far as the rate allows.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter
from typing import Any, NoReturn

import h11

from mm_magics.errors import ConfigError
from mm_magics.simulator.endpoint import Endpoint, Received
from mm_magics.simulator.record import End, RequestRecord
from mm_magics.simulator.steps import Break, Event, Head, Pause, ResponsePlan, Unframed

POLL_SECONDS = 0.05
BATCH_BYTES = 65_536
READ_BYTES = 65_536
BACKLOG = 1_024

Log = Callable[[RequestRecord, RequestRecord | None], None]
"""Called with each new record and None, and with each changed record and the one that it replaces."""


class _ClientDisconnectedError(Exception):
    """The client closed the connection."""


class _ConnectionBrokenError(Exception):
    """A fault ended the connection."""


class Server:
    """Listens on one port for an endpoint. Everything happens in the event loop that calls `start`."""

    def __init__(self, endpoint: Endpoint, log: Log) -> None:
        self._endpoint = endpoint
        self._log = log
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Start to listen.

        Returns:
            The port.

        Raises:
            ConfigError: If the port is not available.
        """
        try:
            self._server = await asyncio.start_server(self._connected, host, port, backlog=BACKLOG)
        except (OSError, OverflowError, UnicodeError) as error:
            hint = "Choose another port, or 0 for any free port."
            raise ConfigError(f"The simulator cannot listen on {host}:{port}: {error}", hint) from None
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Close the listening socket and every connection."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # let the aborted transports close

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(_Connection(reader, writer, self._endpoint, self._log).run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Connection:
    """The connection of one client, which serves one request after the other."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, endpoint: Endpoint, log: Log
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._endpoint = endpoint
        self._log = log
        self._http = h11.Connection(h11.SERVER)
        self._batch: list[bytes] = []
        self._framed: list[bytes] = []
        self._batched_bytes = 0
        self._deltas = 0
        self._record: RequestRecord | None = None

    async def run(self) -> None:
        try:
            await self._serve()
            self._writer.close()
            await self._writer.wait_closed()
        except (_ClientDisconnectedError, OSError):
            pass
        finally:
            self._writer.transport.abort()

    async def _serve(self) -> None:
        try:
            while (received := await self._receive()) is not None and await self._answer(received):
                self._http.start_next_cycle()
        except h11.RemoteProtocolError:
            self._refuse_http()

    # Reading ----------------------------------------------------------------------------------------------------

    async def _receive(self) -> Received | None:
        """Read the next request. None: the client sends no more."""
        request: h11.Request | None = None
        body: list[bytes] = []
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    interim = self._http.send(h11.InformationalResponse(status_code=100, headers=[]))
                    self._writer.write(interim or b"")
                self._http.receive_data(await self._reader.read(READ_BYTES))
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage) and request is not None:
                headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
                target = request.target.decode("latin-1")
                return Received(request.method.decode("latin-1"), target, headers, b"".join(body))
            else:
                return None

    def _refuse_http(self) -> None:
        """Answer bytes that are not an HTTP/1.1 request."""
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE) and not self._writer.is_closing():
            answer = h11.Response(status_code=400, headers=[("content-length", "0"), ("connection", "close")])
            self._writer.write((self._http.send(answer) or b"") + (self._http.send(h11.EndOfMessage()) or b""))

    # Writing ----------------------------------------------------------------------------------------------------

    async def _answer(self, received: Received) -> bool:
        """Answer a request, and return whether the connection can serve another one."""
        self._endpoint.in_flight += 1
        try:
            return await self._answer_counted(received)
        finally:
            self._endpoint.in_flight -= 1

    async def _answer_counted(self, received: Received) -> bool:
        plan, self._record = self._endpoint.respond(received)
        self._log(self._record, None)
        self._batch, self._framed, self._batched_bytes, self._deltas = [], [], 0, 0
        try:
            await self._execute(plan)
        except _ConnectionBrokenError:
            self._set_end("broken")
            return False
        except (_ClientDisconnectedError, OSError):
            self._set_end("left")
            return False
        except asyncio.CancelledError:
            self._set_end("broken")
            raise
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    def _update_record(self, **changes: Any) -> None:
        """Change the record of this answer in the log."""
        if (old := self._record) is not None:
            self._record = replace(old, **changes)
            self._log(self._record, old)

    def _set_end(self, end: End) -> None:
        """Record how the answer ended. Only the first call counts."""
        if self._record is not None and self._record.ended is None:
            self._update_record(ended=end, deltas=self._deltas)

    async def _execute(self, plan: ResponsePlan) -> None:
        began = started = perf_counter()
        paced = 0
        for step in plan.steps:
            match step:
                case Event():
                    if plan.rate and step.delta and began > self._endpoint.hurried_at:
                        await self._sleep_until(started + paced / plan.rate)
                        paced += 1
                    await self._add(plan.encode(step))
                    self._deltas += step.delta
                case bytes():
                    self._frame_batch()
                    await self._add(step)
                    self._frame_batch()
                case Head():
                    self._update_record(status=step.status)
                    self._frame(h11.Response(status_code=step.status, headers=list(step.headers)))
                    started = perf_counter()
                case Pause():
                    await self._flush()
                    await self._pause(step.seconds)
                    started += step.seconds or 0
                case Unframed():
                    await self._flush()
                    self._framed.append(step.data)
                case Break():
                    await self._flush()
                    self._break(step)
        self._frame_batch()
        try:
            self._frame(h11.EndOfMessage())
        except h11.LocalProtocolError:
            self._set_end("broken")
            await self._flush()
            raise _ConnectionBrokenError from None
        self._set_end("complete")
        await self._flush()

    async def _sleep_until(self, due: float) -> None:
        if due > perf_counter():
            await self._flush()
            await self._pause(due - perf_counter())

    async def _pause(self, seconds: float | None) -> None:
        """Send nothing for this many seconds (None: forever), and notice when the client disconnects."""
        until = None if seconds is None else perf_counter() + seconds
        while True:
            self._check_client()
            left = POLL_SECONDS if until is None else until - perf_counter()
            if left <= 0:
                return
            await asyncio.sleep(min(left, POLL_SECONDS))

    def _check_client(self) -> None:
        if self._reader.at_eof() or self._reader.exception() is not None or self._writer.is_closing():
            raise _ClientDisconnectedError

    async def _add(self, data: bytes) -> None:
        if self._batched_bytes >= BATCH_BYTES:
            await self._flush()
        self._batch.append(data)
        self._batched_bytes += len(data)

    async def _flush(self) -> None:
        self._frame_batch()
        data = b"".join(self._framed)
        if data:
            self._framed, self._batched_bytes = [], 0
            self._check_client()
            self._writer.write(data)
            await self._writer.drain()
            await asyncio.sleep(0)  # let other connections run

    def _frame_batch(self) -> None:
        data = b"".join(self._batch)
        self._batch = []
        if data:
            self._frame(h11.Data(data=data))

    def _frame(self, event: h11.Event) -> None:
        self._framed.append(self._http.send(event) or b"")

    def _break(self, step: Break) -> NoReturn:
        if step.kind == "reset":
            connection = self._writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._writer.transport.abort()
        raise _ConnectionBrokenError
