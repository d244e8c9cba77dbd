"""The built-in tool `shell`: one command, in its own process group.

Always true: when a call ends, however it ends, its process group is dead; the command gets no variable of the
environment that is not named here, and no input; what it prints is held only up to a limit.
"""

from __future__ import annotations

import codecs
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from mm_magics.errors import ToolError
from mm_magics.tools.builtin.bounded_text import BoundedText
from mm_magics.tools.builtin.checked import checker, schema
from mm_magics.tools.tool import Tool, ToolOutput

SECONDS = 60
MOST_SECONDS = 3600
PIPE = 65_536
"""Bytes that a pipe holds."""
ENVIRONMENT = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TZ", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE"),
    *("VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "PYTHONPATH", "LD_LIBRARY_PATH", "JAVA_HOME", "R_HOME"),
)
"""The variables that a command gets: no key is in any of them."""

RISK = (
    "Runs any command as you. The folder is only where it starts: it can read, change and delete whatever you can, "
    "reach the network, and find keys in files and in the kernel's memory. What it prints goes to the endpoint."
)

_SCHEMA = schema(
    ("command",),
    command={"type": "string", "description": "For /bin/sh."},
    timeout={
        "type": "number",
        "minimum": 0.1,
        "maximum": MOST_SECONDS,
        "description": f"Seconds after which it is killed, {SECONDS} by default.",
    },
)


def shell(folder: Path) -> Tool:
    """The tool `shell`, whose commands start in this folder."""
    return Tool(
        "shell",
        "Run a command with /bin/sh in the user's folder. You get what it prints (stdout and stderr as they come, long "
        "output cut in the middle) and its exit code. It has no input, and ends with all that it started in the "
        "background.",
        _SCHEMA,
        lambda command, timeout=SECONDS: _run(command, timeout, folder),
        checker(_SCHEMA),
        asks=True,
        risk=RISK,
    )


def environment(own: Mapping[str, str]) -> dict[str, str]:
    """What of this process's own environment a command gets."""
    return {name: own[name] for name in ENVIRONMENT if name in own} | {"TERM": "dumb"}


def _run(command: str, seconds: float, folder: Path) -> ToolOutput:
    try:
        process = subprocess.Popen(  # noqa: S603  what the tool is for
            ["/bin/sh", "-c", command],
            cwd=folder,
            env=environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:  # ValueError: a null byte, a lone surrogate
        raise ToolError(f"The command cannot be started: {getattr(error, 'strerror', None) or error}.") from None
    kept = BoundedText()
    try:
        ended = _follow(process, kept, time.monotonic() + seconds)
    finally:
        _kill(process)
        code = process.wait()
        assert process.stdout is not None
        process.stdout.close()
    how = f"exit code {code}" if code >= 0 else f"ended by signal {-code}"
    if not ended:
        how = f"killed: it took longer than {seconds:g} seconds"
    return ToolOutput(f"{kept.text.rstrip()}\n[{how}]".lstrip("\n"), is_error=not ended or code != 0)


def _follow(process: subprocess.Popen[bytes], kept: BoundedText, deadline: float) -> bool:
    """Take what the command prints until it has ended; False if the time was over before."""
    assert process.stdout is not None
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            ended = process.poll() is not None
            if selector.select(0 if ended else min(left, 0.05)):
                piece = os.read(process.stdout.fileno(), PIPE)
                kept.write(decoder.decode(piece, final=not piece))
                if not piece:
                    return _ends(process, deadline)
            if ended:  # all that it wrote was in the pipe; what it left in the background may write for ever
                return True
    return False


def _ends(process: subprocess.Popen[bytes], deadline: float) -> bool:
    """Wait for a command that prints no more."""
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
        os.killpg(process.pid, signal.SIGKILL)
