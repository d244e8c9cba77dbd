"""The built-in tool `shell`: runs one command in its own process group.

When a call ends, for whatever reason, its process group, on Windows its job, is killed. The command gets no input and
only the environment variables that are named here. Its output is held in memory up to a limit.
"""

from __future__ import annotations

import codecs
import json
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from mm_magics.errors import ToolError
from mm_magics.prompt.terminal_text import terminal_text
from mm_magics.system import ShellProcess, shell_name
from mm_magics.tools.builtin.bounded_text import BoundedText
from mm_magics.tools.builtin.typed_function import builtin_tool
from mm_magics.tools.tool import Tool, ToolOutput

DEFAULT_SECONDS = 60
MAX_SECONDS = 3600
PIPE = 65_536
"""Bytes that a pipe buffers."""
ENVIRONMENT = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TZ", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE"),
    *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "TEMP", "TMP", "USERNAME", "USERPROFILE"),
    *("HOMEDRIVE", "HOMEPATH", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "PROGRAMFILES", "PROCESSOR_ARCHITECTURE"),
    *("VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "PYTHONPATH", "LD_LIBRARY_PATH", "JAVA_HOME", "R_HOME"),
)
"""The variables that a command gets. None of them contains a key."""

RISK = (
    "Runs any command as you. The folder is only where it starts: it can read, change and delete whatever you can, "
    "reach the network, and find keys in files and in the kernel's memory. What it prints is sent to the endpoint."
)


def shell_tool(folder: Path) -> Tool:
    """Make the tool `shell`, whose commands start in this folder."""
    tool = builtin_tool(shell, folder, risk=RISK, asks=True)
    definition = json.dumps([tool.description, dict(tool.schema)]).replace("/bin/sh", shell_name())
    description, schema = json.loads(definition)
    return replace(tool, description=description, schema=schema)


def environment(own: Mapping[str, str]) -> dict[str, str]:
    """The part of this process's environment that a command gets."""
    return {name: own[name] for name in ENVIRONMENT if name in own} | {"TERM": "dumb"}


def shell(
    folder: Path,
    command: Annotated[str, Field(strict=True, description="Command for /bin/sh.")],
    timeout: Annotated[
        float,
        Field(
            strict=True,
            ge=0.1,
            le=MAX_SECONDS,
            allow_inf_nan=False,
            description="Seconds before it is killed.",
        ),
    ] = DEFAULT_SECONDS,
) -> ToolOutput:
    """Run a command with /bin/sh in the user's folder.

    Returns its output (stdout and stderr as they are printed, long output cut in the middle) and its exit code. The
    command has no input. Everything it started in the background ends with it.
    """
    try:
        running = ShellProcess(command, folder, environment(os.environ))
    except (OSError, ValueError) as error:  # ValueError: a null byte
        raise ToolError(f"The command cannot be started: {getattr(error, 'strerror', None) or error}.") from None
    output = BoundedText()
    try:
        ended = _read(running, output, time.monotonic() + timeout)
    finally:
        code = running.kill()
    status = f"exit code {code}" if code >= 0 else f"ended by signal {-code}"
    if not ended:
        status = f"killed: it took longer than {timeout:g} s"
    return ToolOutput(
        f"{terminal_text(output.text).rstrip()}\n[{status}]".lstrip("\n"), is_error=not ended or code != 0
    )


def _read(running: ShellProcess, output: BoundedText, deadline: float) -> bool:
    """Read the output until the command has ended; return False if it has not by the deadline."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while (left := deadline - time.monotonic()) > 0:
        ended = running.process.poll() is not None
        if running.wait_for_output(0 if ended else min(left, 0.05)):
            piece = os.read(running.output.fileno(), PIPE)
            output.write(decoder.decode(piece, final=not piece))
            if not piece:
                return _has_ended(running.process, deadline)
        if ended:  # the pipe is drained; a background process may write to it forever
            return True
    return False


def _has_ended(process: subprocess.Popen[bytes], deadline: float) -> bool:
    """Wait for a command that has closed its output."""
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True
