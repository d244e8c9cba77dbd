"""The connection to one MCP server, while there is one: a process of ours, or a URL.

Always true: all coroutines here run in one event loop, the portal's. A connection is opened and closed by one task of
its own; one that was lost is never used again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import sys
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, Self

import anyio
import httpx2
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import Implementation, Tool, ToolListChangedNotification

from mm_magics import __version__
from mm_magics.tools.mcp import redact, watchdog

logging.getLogger("mcp").addHandler(logging.NullHandler())  # else its tracebacks go to the kernel's stderr

CONNECT = 30.0
"""Seconds for starting a server and shaking hands."""

CLOSE = 8.0
"""Seconds for ending it; the SDK's own steps need at most 6.5."""

TAIL = 10
"""Lines of stderr that are shown."""

LINE = 300
"""Characters of each of them."""

SCHEMA = 50_000
"""Characters of a tool's schema, as JSON, above which the tool is left out."""

PASSED = ("LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")
"""Variables that a server sees beside those that the SDK passes on: HOME, LOGNAME, PATH, SHELL, TERM and USER."""


@dataclass(frozen=True)
class Spec:
    """A server as it was added: a command, or a URL. `env` and `bearer` are names of environment variables."""

    name: str
    command: tuple[str, ...] = ()
    url: str = ""
    env: tuple[str, ...] = ()
    bearer: str = ""

    @property
    def secret(self) -> tuple[str, ...]:
        """The variables whose values are never shown."""
        return (*self.env, *filter(None, [self.bearer]))


class Stderr:
    """The last lines that a process wrote, read from a pipe by a thread, so that no flood fills a disk or blocks it."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=TAIL)
        self.ended = threading.Event()
        read, write = os.pipe()
        self.file = os.fdopen(write, "w")
        threading.Thread(target=self._read, args=(read,), name="mcp-stderr", daemon=True).start()

    def _read(self, descriptor: int) -> None:
        rest = b""
        with os.fdopen(descriptor, "rb", buffering=0) as pipe:
            while chunk := pipe.read(65536):
                *lines, rest = (rest + chunk).split(b"\n")
                self._lines.extend(line.decode("utf-8", "replace") for line in lines[-TAIL:] if line.strip())
                rest = rest[: 4 * LINE]  # from its start, so that no half of a secret is left to be shown
        if rest.strip():
            self._lines.append(rest.decode("utf-8", "replace"))
        self.ended.set()

    @property
    def lines(self) -> list[str]:
        return list(self._lines)


class Watched:
    """A stream of messages, `heard` being called with each, with None when there will be no more.

    The SDK tells only those who call that a connection was lost, and refuses a whole list for one bad tool in it.
    """

    def __init__(self, stream: Any, heard: Callable[[Any], None]) -> None:
        self._stream = stream
        self._heard = heard

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            message = await self._stream.__anext__()
        except (StopAsyncIteration, anyio.ClosedResourceError):
            self._heard(None)
            raise
        self._heard(message)
        return message

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> bool | None:
        closed: bool | None = await self._stream.__aexit__(*error)
        return closed


class Connection:
    """An open line to a server; `lost` once it can carry no call. `fault` is what broke it, if that is known."""

    def __init__(self, spec: Spec, changed: Callable[[], None]) -> None:
        self.spec = spec
        self.lost = False
        self.fault: Exception | None = None
        self.stderr: Stderr | None = None
        self.garbage = ""  # the first line of stdout that was no message
        self.left_out: list[str] = []
        self.status = 0  # the HTTP status of the last answer, if that was an error
        self.client = Client(
            self._transport(),
            client_info=Implementation(name="mm_magics", version=__version__),
            message_handler=self._noted,
        )
        self._changed = changed
        self._scope = anyio.CancelScope()
        self._end = anyio.Event()
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._hold())

    async def opened(self) -> None:
        """Wait for the handshake. Raises what went wrong with it."""
        try:
            await asyncio.shield(self._ready)
        except asyncio.CancelledError:
            self.lost = True
            self._scope.cancel()
            raise

    async def close(self) -> None:
        self.lost = True
        self._end.set()
        with anyio.move_on_after(CLOSE):
            await asyncio.wait([self._task])
        self._scope.cancel()

    async def _hold(self) -> None:
        """A client's scopes must be left by the task that entered them: this one, which waits in between."""
        try:
            with self._scope:
                self._scope.deadline = anyio.current_time() + CONNECT
                async with self.client:
                    self._scope.deadline = inf
                    self._ready.set_result(None)
                    await self._end.wait()
            if not self._ready.done():
                raise TimeoutError
        except Exception as error:
            self.fault = first(error)
        finally:
            self.lost = True
            if not self._ready.done():
                self._ready.set_exception(self.fault or TimeoutError())
                self._ready.exception()  # read here, in case that nobody waits any more

    @asynccontextmanager
    async def _transport(self) -> AsyncIterator[tuple[Any, Any]]:
        opened = self._process() if self.spec.command else self._http()
        async with opened as (read, write):
            yield Watched(read, self._hear), write

    @asynccontextmanager
    async def _process(self) -> AsyncIterator[tuple[Any, Any]]:
        command, *arguments = guarded(self.spec.command)
        seen = {name: os.environ[name] for name in (*PASSED, *self.spec.env) if name in os.environ}
        self.stderr = Stderr()
        with self.stderr.file as file:
            parameters = StdioServerParameters(
                command=command, args=arguments, env=seen, encoding_error_handler="replace"
            )
            async with stdio_client(parameters, errlog=file) as streams:
                file.close()  # the server's copy is the last, so that the pipe ends with it
                yield streams

    @asynccontextmanager
    async def _http(self) -> AsyncIterator[tuple[Any, Any]]:
        headers = {"Authorization": f"Bearer {os.environ[self.spec.bearer].strip()}"} if self.spec.bearer else {}
        async with (
            httpx2.AsyncClient(
                headers=headers, timeout=httpx2.Timeout(CONNECT, read=300), event_hooks={"response": [self._answered]}
            ) as http,
            streamable_http_client(self.spec.url, http_client=http) as streams,
        ):
            yield streams

    async def _answered(self, response: httpx2.Response) -> None:
        if response.request.method == "POST":  # that there is nothing to GET is no error
            self.status = response.status_code if response.is_error else 0

    async def _noted(self, message: Any) -> None:
        if isinstance(message, ToolListChangedNotification):
            self._changed()

    def _hear(self, message: Any) -> None:
        if message is None:
            self.lost = True
        elif isinstance(message, Exception):
            self.garbage = self.garbage or _garbage(message)
        elif isinstance(result := getattr(message.message, "result", None), dict) and "tools" in result:
            result["tools"], left_out = fit(result["tools"])
            self.left_out += left_out


def program(name: str) -> str | None:
    """The path of a command: on the PATH, else where pip puts those of this kernel's own environment; else None."""
    return shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))


def guarded(command: tuple[str, ...]) -> list[str]:
    """The command, run so that it ends with this process. On Windows the SDK's job object does that."""
    found = [program(command[0]) or command[0], *command[1:]]
    guard = [sys.executable, "-I", "-S", str(Path(watchdog.__file__)), str(os.getpid())]
    return found if os.name == "nt" else guard + found


def fit(tools: Any) -> tuple[list[Any], list[str]]:
    """Those of the listed tools that can be sent to a model, and a line for each other one."""
    good: list[Any] = []
    left_out: list[str] = []
    for tool in tools if isinstance(tools, list) else []:
        if fault := _unfit(tool):
            name = tool.get("name") if isinstance(tool, dict) else None
            left_out.append(f"{redact.line(str(name or 'A tool'), 64)} is left out: {fault}.")
        else:
            tool.pop("outputSchema", None)  # else the SDK checks by it what is read as text, and imports for seconds
            good.append(tool)
    return good, left_out


def _unfit(tool: Any) -> str:
    """Why a tool cannot be sent; "" if it can."""
    schema = tool.get("inputSchema") if isinstance(tool, dict) else None
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return "its schema is not that of an object"
    try:
        Tool.model_validate(tool)
    except ValueError:
        return "it is not described as a tool is"
    if not isinstance(schema.get("properties", {}), dict) or not isinstance(schema.get("required", []), list):
        return "its schema is broken"
    size = len(json.dumps(schema, ensure_ascii=False))
    return f"its schema is {size:,} characters long" if size > SCHEMA else ""


def _garbage(error: Exception) -> str:
    """The line of stdout that was no message."""
    with suppress(Exception):
        return redact.line(repr(error.errors()[0]["input"]), 100)  # type: ignore[attr-defined]
    return redact.line(str(error), 100)


def first(error: Exception) -> Exception:
    """The error itself, of one that a group of tasks wrapped."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
