"""One kernel whose key is a canary, driven through everything that may go wrong; then all that it left is searched."""

from __future__ import annotations

import json
import re
import shlex
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mm_magics.simulator import Simulator
from tests.canary import CANARY, STEM, echoes, in_files, places
from tests.kernel.conftest import Kernel
from tests.recorder import Recorder, http, sse

MANNERS = Path(__file__).parents[1] / "tools" / "mcp" / "servers" / "manners.py"
SILENCE = b""
RECEIVED = re.compile(
    r"receive_response_headers\.complete|HTTP Response: |HTTP Request: .* \"HTTP/1\.1 307|_base_client:request_id: "
)
"""Lines in which the HTTP library and the SDK log received headers, at DEBUG: their text comes from the endpoint."""

START = """
import logging, pickle, os, sys, copy, traceback
logging.basicConfig(level=logging.DEBUG, filename="debug.log", force=True)
%load_ext mm_magics
%config MiniMax.max_retries = 0
%config MiniMax.timeout = 5
%xmode Verbose
session = get_ipython().magics_manager.registry["MiniMaxMagics"].session
for name in ("", "anthropic", "httpx2", "httpcore2", "mcp", "asyncio", "traitlets"):
    logging.getLogger(name).setLevel(logging.DEBUG)
"""

LOOK = """
things = [session, session.keys, session.client(), session.history, session.config, session.rules, session.servers]
try:
    things.append(session.keys.find(session.config.base_url))
except Exception as error:
    things.append(error)
for number, thing in enumerate(things):
    print(repr(thing), str(thing), f"{thing}", vars(thing) if hasattr(thing, "__dict__") else "")
    for way in (pickle.dumps, copy.copy, copy.deepcopy):
        try:
            made = way(thing)
        except Exception as error:
            print(repr(error))
        else:
            open(f"thing{number}.pickle", "ab").write(made if isinstance(made, bytes) else repr(made).encode())
pool = session.client()._pools[0]
print(vars(pool) if pool else "", vars(pool._sdk) if pool and pool._sdk else "")
"""

FAIL = """
def broken():
    mine = session
    try:
        session.ask("Hello.")
    except Exception as error:
        caught = error
        print(traceback.format_exc(), repr(error), vars(error))
        print("".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()))
        1 / 0
broken()
"""

INTERRUPTED = """
try:
    session.client().models()
except KeyboardInterrupt as error:
    print("it was interrupted")
    print("".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()))
    1 / 0
"""

TOOLS = """
def wipe() -> str:
    mine = session.client()
    raise RuntimeError("no")
print(session.builtin()["shell"].function(command="echo it ran; env; export; cat /proc/self/environ"))
"""

CRASH = "import faulthandler, os\nfaulthandler.enable(all_threads=True)\nos.abort()"


class Driven:
    """A kernel that records every message it sends on any channel."""

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        self.messages: list[Any] = []
        self._streams = [(home / name).open("w") for name in ("kernel.stdout", "kernel.stderr")]
        out, err = self._streams
        self.kernel = Kernel(environment, cwd=str(home), stdout=out, stderr=err)
        read = self.kernel.client.session.deserialize

        def record(*arguments: Any, **options: Any) -> Any:
            message = read(*arguments, **options)
            self.messages.append({name: message[name] for name in ("header", "parent_header", "metadata", "content")})
            return message

        self.kernel.client.session.deserialize = record

    def run(self, code: str, cell_id: str | None = None, **options: Any) -> str:
        """Run a cell that does not contain the key, and return what a user sees."""
        assert not places(code)
        run = self.kernel.run(code, cell_id, **options)
        return json.dumps([content for _, content in run.messages])

    def login(self) -> str:
        def type_it() -> None:
            self.kernel.client.get_stdin_msg(timeout=20)
            self.kernel.client.input(CANARY)

        return self.run("%minimax login", stdin=True, when=lambda kind, _: kind == "execute_input", then=type_it)

    def interrupted(self, code: str, seconds: float = 1.5) -> str:
        threading.Timer(seconds, self.kernel.interrupt).start()
        return self.run(code)

    def crash(self) -> None:
        self.kernel.client.execute(CRASH)
        deadline = time.monotonic() + 20
        while self.kernel.manager.is_alive() and time.monotonic() < deadline:
            time.sleep(0.1)
        self.kernel.close()
        for stream in self._streams:
            stream.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in ("home", "ipython", "runtime"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def environment(home: Path) -> dict[str, str]:
    return {
        "HOME": str(home / "home"),
        "IPYTHONDIR": str(home / "ipython"),
        "XDG_CACHE_HOME": str(home / "home" / "cache"),
        "ANTHROPIC_LOG": "debug",
        "ANTHROPIC_API_KEY": CANARY,
        "SERVICE_KEY": CANARY,
    }


@pytest.fixture
def rude() -> Iterator[Recorder]:
    """An endpoint that returns the key in every encoding and place, and finally does not answer."""
    text = " ".join(echoes())
    error = {"type": "error", "error": {"type": CANARY, "message": text}, "request_id": CANARY}
    replies = [
        http(json.dumps(error), status="401 Unauthorized"),
        http(f"<html><p>{text}</p></html>", status="500 X", content_type="text/html"),
        http(text, content_type="text/plain"),
        sse(error),
        http("", f"location: http://127.0.0.1:9/?key={CANARY}", status="307 X"),
        http("{}", f"request-id: {CANARY}", f"minimax-request-id: {CANARY}", status="418 X"),
        http("{}", content_type=f"text/{CANARY}"),
        http(" " * 1_990 + CANARY, status="500 X", content_type="text/plain"),
    ]
    with Recorder(*(reply for reply in replies for _ in range(2)), SILENCE) as recorder:
        yield recorder


@pytest.mark.slow
def test_a_kernel_leaves_the_key_nowhere(home: Path, environment: dict[str, str], rude: Recorder) -> None:
    with Simulator(key=CANARY) as simulator:
        driven = Driven(home, {**environment, "ANTHROPIC_BASE_URL": simulator.base_url})
        driven.run(START)
        assert "complete" in driven.run("%%minimax\nShow me python code.", "a")
        for command in ("", "set", "doctor", "models", "usage", "history", "tools", "mcp", "help", "picker"):
            driven.run(f"%minimax {command}")
        for name in ("c.md", "c.html", "c.json", "c.py"):
            driven.run(f"%minimax export {name}")
        driven.run("%minimax save saved.json\n%minimax load saved.json")
        driven.run("%config\n%config MiniMax\n%history -g\n%who_ls\n%whos")
        driven.run("%%minimax --dry-run\nHello.", "b")
        for fault in ("overloaded", "invalid-key", "html", "reset", "silence", "redirect", "rate-limited", "close"):
            driven.run(f"%%minimax --timeout 0.3\nHello. [[simulator: fault={fault}]]", f"f-{fault}")
            driven.run("%tb")
            driven.run("%minimax explain --dry-run")
        driven.run(LOOK)

        assert "it ran" in driven.run(TOOLS)
        assert "RuntimeError" in driven.run("%%minimax --tools wipe\nUse wipe, please.", "w")
        driven.run("%minimax tools allow python\n%minimax tools allow shell")
        driven.run("%%minimax --tools python shell variables\nUse shell, please.", "t")
        server = shlex.join([sys.executable, str(MANNERS)])
        driven.run(f"%minimax mcp add manners --env SERVICE_KEY -- {server}\n%minimax mcp")
        driven.run("%minimax tools allow manners__*")
        for tool in ("whisper", "die", "env"):
            driven.run(f"%%minimax --tools manners__{tool}\nUse manners__{tool}, please.", tool)
        driven.run("%minimax mcp log manners\n%minimax mcp")

        driven.run("os.environ['ANTHROPIC_BASE_URL'] = 'http://127.0.0.1:9'")
        assert "ANTHROPIC_API_KEY is set, but for another host" in driven.run("%%minimax\nHello.", "g")
        assert "ZeroDivisionError" in driven.run(FAIL)
        driven.run("%config MiniMax.base_url = 'http://127.0.0.1:9/anthropic'")
        assert "Cannot connect to" in driven.run(FAIL)
        driven.run("os.environ['ANTHROPIC_API_KEY'] += ' x'")
        assert "contains invalid characters" in driven.run(FAIL)
        driven.run(f"del os.environ['ANTHROPIC_API_KEY']\n%config MiniMax.base_url = '{rude.base_url}'")
        assert "No API key found" in driven.run(FAIL)

        assert "is used until this kernel ends" in driven.login()
        while len(rude.requests) < len(rude.replies) - 1:
            driven.run("%%minimax\nHello.", "r")
            driven.run("%tb")
            assert "ZeroDivisionError" in driven.run(FAIL)
        driven.run(LOOK)
        assert "it was interrupted" in driven.interrupted(INTERRUPTED)
        driven.interrupted("%minimax models")
        driven.run("%history -g")
        driven.crash()
    assert len(simulator.log) > 10
    assert rude.requests[0].all("authorization") == [f"Bearer {CANARY}"]
    assert [place for message in driven.messages for place in places(json.dumps(message, default=str))] == []
    files = [file for file in home.rglob("*") if file.is_file()]
    assert {"kernel.stderr", "debug.log", "history.sqlite", "c.md", "saved.json"} <= {file.name for file in files}
    assert "Fatal Python error: Aborted" in (home / "kernel.stderr").read_text()
    assert in_files(file for file in files if file.name != "debug.log") == []
    log = (home / "debug.log").read_text().splitlines()
    assert [line for line in log if places(line) and not RECEIVED.search(line)] == []


def test_the_search_finds_a_key_in_every_encoding(tmp_path: Path) -> None:
    for number, form in enumerate(echoes()):
        assert places(f"x{form}y"), form
        (tmp_path / f"{number}.txt").write_text(form)
    assert len(in_files(tmp_path.iterdir())) >= len(echoes())
    assert not places("a text without one")
    assert STEM in CANARY
