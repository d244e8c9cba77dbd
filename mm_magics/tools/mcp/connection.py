"""The connection to one MCP server: a process that is started, or a URL.

All coroutines here run in the portal's event loop. A connection is opened and closed by its own task. A lost connection
is never used again.
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
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, Self

import anyio
import httpx2
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import Implementation, Tool, ToolListChangedNotification

from mm_magics import __version__, system
from mm_magics.api.urls import HttpURL, httpx_options
from mm_magics.tools.mcp import redact, watchdog
from mm_magics.tools.mcp.bounded_client import BoundedClient
from mm_magics.tools.mcp.sdk_details import invalid_line, tool_list, unwrap

logging.getLogger("mcp").addHandler(logging.NullHandler())  # else its tracebacks are printed to the kernel's stderr

CONNECT_S = 30.0
"""Seconds for starting a server and the handshake."""

CLOSE_S = 8.0
"""Seconds for closing it; the SDK needs at most 6.5."""

STDERR_LINES = 10
"""Lines of stderr that are shown."""

MAX_LINE = 300
"""Characters of each of them."""

MAX_SCHEMA = 50_000
"""Characters of a tool's schema, as JSON, above which the tool is left out."""

PASSED_VARIABLES = ("LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")
"""Variables that a server gets besides those that the SDK passes: HOME, LOGNAME, PATH, SHELL, TERM and USER."""


@dataclass(frozen=True)
class ServerSpec:
    """How a server was added: a command, or a URL. `env` and `bearer` are names of environment variables."""

    name: str
    command: tuple[str, ...] = ()
    url: str = ""
    env: tuple[str, ...] = ()
    bearer: str = ""

    @property
    def secret(self) -> tuple[str, ...]:
        """The variables whose values must never be shown."""
        return (*self.env, *filter(None, [self.bearer]))


class StderrTail:
    """The last lines that a process wrote to stderr. A thread reads the pipe, so that the process never blocks."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=STDERR_LINES)
        self.ended = threading.Event()
        read, write = os.pipe()
        self.file = os.fdopen(write, "w", encoding="utf-8")
        threading.Thread(target=self._read, args=(read,), name="mcp-stderr", daemon=True).start()

    def _read(self, descriptor: int) -> None:
        rest = b""
        with os.fdopen(descriptor, "rb", buffering=0) as pipe:
            while chunk := pipe.read(65536):
                *lines, rest = (rest + chunk).split(b"\n")
                self._lines.extend(line.decode("utf-8", "replace") for line in lines[-STDERR_LINES:] if line.strip())
                rest = rest[
                    : 4 * MAX_LINE
                ]  # the start of the line, so that a secret is not cut in its middle and missed
        if rest.strip():
            self._lines.append(rest.decode("utf-8", "replace"))
        self.ended.set()

    @property
    def lines(self) -> list[str]:
        return list(self._lines)


class ObservedStream:
    """A stream of messages that passes each one to `observe` first, and None at the end.

    The SDK reports a lost connection only to a caller, and refuses a whole list of tools if one of them is invalid.
    """

    def __init__(self, stream: Any, observe: Callable[[Any], None]) -> None:
        self._stream = stream
        self._observe = observe

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            message = await self._stream.__anext__()
        except (StopAsyncIteration, anyio.ClosedResourceError):
            self._observe(None)
            raise
        self._observe(message)
        return message

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> bool | None:
        closed: bool | None = await self._stream.__aexit__(*error)
        return closed


class Connection:
    """A connection to a server.

    Args:
        spec: How the server was added.
        changed: Called when the server reports that its list of tools has changed.

    Attributes:
        lost: Whether it can no longer be used.
        error: What broke it, if that is known.
        invalid_line: The first line of stdout that was not a message.
        left_out: A line for each listed tool that cannot be used.
        status: The HTTP status of the last response if it was an error, else 0.
    """

    def __init__(self, spec: ServerSpec, changed: Callable[[], None]) -> None:
        self.spec = spec
        self.lost = False
        self.error: Exception | None = None
        self.stderr: StderrTail | None = None
        self.invalid_line = ""
        self.left_out: list[str] = []
        self.status = 0
        self.client = Client(
            self._transport(),
            client_info=Implementation(name="mm_magics", version=__version__),
            message_handler=self._on_notification,
        )
        self._changed = changed
        self._scope = anyio.CancelScope()
        self._end = anyio.Event()
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._keep_open())

    async def wait_opened(self) -> None:
        """Wait for the handshake and raise its error, if any."""
        try:
            await asyncio.shield(self._ready)
        except asyncio.CancelledError:
            self.lost = True
            self._scope.cancel()
            raise

    async def close(self) -> None:
        self.lost = True
        self._end.set()
        with anyio.move_on_after(CLOSE_S):
            await asyncio.wait([self._task])
        self._scope.cancel()

    async def _keep_open(self) -> None:
        """Open the client, wait for `close`, and close it: its scopes must be exited by the task that entered them."""
        try:
            with self._scope:
                self._scope.deadline = anyio.current_time() + CONNECT_S
                async with self.client:
                    self._scope.deadline = inf
                    self._ready.set_result(None)
                    await self._end.wait()
            if not self._ready.done():
                raise TimeoutError
        except Exception as error:
            self.error = unwrap(error)
        finally:
            self.lost = True
            if not self._ready.done():
                self._ready.set_exception(self.error or TimeoutError())
                self._ready.exception()  # read here, because nobody may be waiting any more

    @asynccontextmanager
    async def _transport(self) -> AsyncIterator[tuple[Any, Any]]:
        opened = self._process() if self.spec.command else self._http()
        async with opened as (read, write):
            yield ObservedStream(read, self._on_message), write

    @asynccontextmanager
    async def _process(self) -> AsyncIterator[tuple[Any, Any]]:
        command, *arguments = with_watchdog(self.spec.command)
        variables = (*PASSED_VARIABLES, *self.spec.env)
        environment = {name: os.environ[name] for name in variables if name in os.environ}
        self.stderr = StderrTail()
        with self.stderr.file as file:
            parameters = StdioServerParameters(
                command=command, args=arguments, env=environment, encoding_error_handler="replace"
            )
            async with stdio_client(parameters, errlog=file) as streams:
                file.close()  # now only the server has it open, so the pipe ends when the server does
                yield streams

    @asynccontextmanager
    async def _http(self) -> AsyncIterator[tuple[Any, Any]]:
        headers = {"Authorization": f"Bearer {os.environ[self.spec.bearer].strip()}"} if self.spec.bearer else {}
        async with (
            BoundedClient(
                **httpx_options(HttpURL.parse(self.spec.url), httpx2.AsyncHTTPTransport),
                headers=headers,
                timeout=httpx2.Timeout(CONNECT_S, read=300),
                event_hooks={"response": [self._on_response]},
            ) as http,
            streamable_http_client(self.spec.url, http_client=http) as streams,
        ):
            yield streams

    async def _on_response(self, response: httpx2.Response) -> None:
        if response.request.method == "POST":  # a server need not support GET
            self.status = response.status_code if response.is_error else 0

    async def _on_notification(self, message: Any) -> None:
        if isinstance(message, ToolListChangedNotification):
            self._changed()

    def _on_message(self, message: Any) -> None:
        if message is None:
            self.lost = True
        elif isinstance(message, Exception):
            self.invalid_line = self.invalid_line or redact.printable_line(invalid_line(message), 100)
        elif result := tool_list(message):
            result["tools"], left_out = usable_tools(result["tools"])
            self.left_out += left_out


def find_program(name: str) -> str | None:
    """Find a command on the PATH, or among the scripts that pip installed in this kernel's environment."""
    return shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))


def with_watchdog(command: tuple[str, ...]) -> list[str]:
    """The command line that ends when this process does. On Windows the SDK's job object ensures that."""
    found = [find_program(command[0]) or command[0], *command[1:]]
    prefix = [sys.executable, "-I", "-S", str(Path(watchdog.__file__)), str(os.getpid())]
    return found if system.WINDOWS else prefix + found


def usable_tools(tools: Any) -> tuple[list[Any], list[str]]:
    """Split a list of tools into those that can be offered to a model and a line for each other one."""
    usable: list[Any] = []
    left_out: list[str] = []
    for tool in tools if isinstance(tools, list) else []:
        if problem := _problem(tool):
            name = tool.get("name") if isinstance(tool, dict) else None
            left_out.append(f"{redact.printable_line(str(name or 'A tool'), 64)} is left out: {problem}.")
        else:
            tool.pop("outputSchema", None)  # else the SDK checks results with it, which takes seconds to import
            usable.append(tool)
    return usable, left_out


def _problem(tool: Any) -> str:
    """Why a tool cannot be offered; "" if it can."""
    schema = tool.get("inputSchema") if isinstance(tool, dict) else None
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return "its schema is not an object schema"
    try:
        Tool.model_validate(tool)
    except ValueError:
        return "its description does not follow the protocol"
    if not isinstance(schema.get("properties", {}), dict) or not isinstance(schema.get("required", []), list):
        return "its schema is invalid"
    size = len(json.dumps(schema, ensure_ascii=False))
    return f"its schema is {size:,} characters long" if size > MAX_SCHEMA else ""
