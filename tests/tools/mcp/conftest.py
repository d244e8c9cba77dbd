"""MCP servers to talk to: those of others, from PyPI and npm, and two of our own whose manners are bad."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mm_magics.tools.mcp.servers import MCPServers
from mm_magics.tools.tool import ToolOutput

collect_ignore = ["servers"]

HERE = Path(__file__).parent
NPM = HERE.parents[2] / "labextension" / "node_modules" / "@modelcontextprotocol"
EVERYTHING = ["node", str(NPM / "server-everything" / "dist" / "index.js")]
FILES = ["node", str(NPM / "server-filesystem" / "dist" / "index.js")]
TIME = [str(Path(sys.executable).with_name("mcp-server-time"))]
MANNERS = [sys.executable, str(HERE / "servers" / "manners.py")]
RUDE = [sys.executable, "-S", str(HERE / "servers" / "rude.py")]


def call(servers: MCPServers, tool: str, *, within: float = 30, **arguments: Any) -> ToolOutput:
    """Call a tool as the tool loop does: on an event loop of the caller's own. Raises `TimeoutError` after `within`."""
    found = {each.name: each for each in servers.tools(tool.partition("__")[0])}
    given = found[tool].check(arguments)
    return asyncio.run(asyncio.wait_for(found[tool].function(**given), within))


def alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be reaped does not."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def until(true: Callable[[], Any], seconds: float = 15) -> Any:
    """What it gives once that is true; fails after so many seconds."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.05)
    return found


@pytest.fixture
def servers() -> Iterator[MCPServers]:
    held = MCPServers()
    yield held
    held.close()


@pytest.fixture(scope="module")
def manners() -> Iterator[MCPServers]:
    """The server with bad manners, shared by a module: it is started again whenever it died."""
    held = MCPServers()
    held.add("bad", MANNERS)
    yield held
    held.close()


class HttpServer:
    """npm's server-everything over streamable HTTP."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        self.start()

    def start(self) -> None:
        assert shutil.which("node")
        environment = {**os.environ, "PORT": str(self.port)}
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen([*EVERYTHING, "streamableHttp"], env=environment, stdout=quiet, stderr=quiet)
        until(self._listens, 30)

    def _listens(self) -> bool:
        with socket.socket() as knock:
            return knock.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def everything() -> Iterator[HttpServer]:
    server = HttpServer()
    yield server
    server.stop()
