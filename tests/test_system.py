"""What differs on Windows, with its values and calls in place of this system's: no Windows runs these tests."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path, PureWindowsPath
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mm_magics import system
from mm_magics.errors import ToolError
from mm_magics.tools.builtin.paths import confined
from mm_magics.tools.builtin.shell import shell_tool
from mm_magics.tools.command_words import plain_words


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "WINDOWS", True)


def test_no_other_module_asks_which_system_it_runs_on_or_calls_what_only_one_has() -> None:
    """The watchdog of MCP servers is a script of its own, which does not run on Windows.

    The package itself says why it cannot be imported in a browser, before it imports anything.
    """
    names = r"os\.name|sys\.platform|killpg|os\.setsid|os\.fork|getuid|pthread_kill|import (fcntl|pwd|resource|termios)"
    package = Path(system.__file__).parent
    sources = {path.relative_to(package).as_posix(): path.read_text("utf-8") for path in package.rglob("*.py")}
    found = {name for name, source in sources.items() if re.search(rf"\b({names})\b", source)}
    assert found == {"__init__.py", "system.py", "tools/mcp/watchdog.py"}


# Paths ------------------------------------------------------------------------------------------------------------

NORMAL = [".", "a.txt", "data/a.csv", "data/2026/a b.csv", "über/ö.txt", "console.txt", "a/com10.txt", "nuls"]
NEVER_NORMAL = ["", "./a", "a/../b", "a//b", "a/", "/a", "..", "//server/share"]
NOT_ON_WINDOWS = [
    *("data\\a.csv", "..\\a", "C:a", "C:/a", "c:\\a", "\\\\server\\share\\a", "a.txt:stream", "a.txt::$DATA"),
    *("nul", "NUL.txt", "data/con", "aux .txt", "com1", "COM¹.log", "conin$", "lpt9.txt"),
    *('a"b', "a*", "a?.txt", "a<b", "a|b", "a\x01"),
    *("a.txt.", "a.txt ", "data./a.txt", "data /a.txt", "..."),
]


@pytest.mark.parametrize("path", NORMAL)
def test_a_path_in_normal_form_is_one_on_every_system(windows: None, path: str, monkeypatch: Any) -> None:
    assert system.is_normal_path(path)
    monkeypatch.setattr(system, "WINDOWS", False)
    assert system.is_normal_path(path)


@pytest.mark.parametrize("path", NEVER_NORMAL)
def test_other_spellings_are_refused_on_every_system(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for each in (False, True):
        monkeypatch.setattr(system, "WINDOWS", each)
        assert not system.is_normal_path(path)


@pytest.mark.parametrize("path", ["//server/share/a", r"\\server\share\a", r"\\.\pipe\a", "C:/a"])
def test_what_windows_takes_for_a_server_or_drive_is_not_looked_up(
    windows: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(Path, "resolve", None)
    with pytest.raises(ToolError):
        confined(tmp_path, path)


@pytest.mark.parametrize("path", NOT_ON_WINDOWS)
def test_what_only_windows_reads_otherwise_is_refused_there(windows: None, path: str, monkeypatch: Any) -> None:
    assert not system.is_normal_path(path)
    monkeypatch.setattr(system, "WINDOWS", False)
    assert system.is_normal_path(path)


@given(st.lists(st.sampled_from([*r"aA./\: ~", "..", "nul", "C:"]) | st.text(max_size=3), max_size=8))
@example(["C", ":", "a"])
def test_a_normal_path_stays_in_the_folder_and_has_no_other_spelling_on_windows(pieces: list[str]) -> None:
    path = "".join(pieces)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(system, "WINDOWS", True)
        if not system.is_normal_path(path):
            return
    joined = PureWindowsPath(r"C:\work") / path
    assert joined.drive == "C:"
    assert joined.relative_to(r"C:\work").as_posix() == path
    assert ".." not in joined.parts
    with warnings.catch_warnings(action="ignore"):  # deprecated since Python 3.13
        assert not PureWindowsPath(path).is_reserved()


def ignore_case(monkeypatch: pytest.MonkeyPatch) -> None:
    exists = os.path.lexists

    def found(path: Any) -> bool:
        return exists(path) or str(path).lower() in {str(each).lower() for each in Path(path).parent.glob("*")}

    monkeypatch.setattr(system, "IGNORES_CASE", True)
    monkeypatch.setattr(os.path, "lexists", found)


def test_one_spelling_of_a_file_is_accepted_where_case_is_ignored(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "Data").mkdir()
    (tmp_path / "Data" / "a.csv").write_text("x")
    ignore_case(monkeypatch)
    for path in (".", "Data", "Data/a.csv", "Data/new.csv", "new/a.csv"):
        assert confined(tmp_path, path) == (tmp_path / path).resolve()
    for path in ("data", "DATA/a.csv", "Data/A.csv"):
        with pytest.raises(ToolError, match="is not spelled as"):
            confined(tmp_path, path)


def test_a_file_in_a_folder_can_be_read_on_windows(windows: None, tmp_path: Path) -> None:
    assert confined(tmp_path, "data/a.csv") == tmp_path.resolve() / "data" / "a.csv"
    with pytest.raises(ToolError, match="is not in normal form"):
        confined(tmp_path, "data\\a.csv")


# Files ------------------------------------------------------------------------------------------------------------


def open_elsewhere(times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    replace, refused = os.replace, iter(range(times))

    def refuse(*arguments: Any, **more: Any) -> None:
        if next(refused, None) is not None:
            raise PermissionError(errno.EACCES, "Access is denied")
        replace(*arguments, **more)

    monkeypatch.setattr(os, "replace", refuse)


def test_a_file_that_another_program_has_open_is_replaced_when_it_is_closed(
    windows: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "new").write_text("new")
    open_elsewhere(3, monkeypatch)
    system.replace_file(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old").read_text() == "new"


@pytest.mark.parametrize("on_windows", [False, True])
def test_a_file_that_stays_open_is_an_error(on_windows: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "WINDOWS", on_windows)
    monkeypatch.setattr(system, "REPLACE_S", 0.05)
    (tmp_path / "new").write_text("new")
    open_elsewhere(1000, monkeypatch)
    with pytest.raises(PermissionError):
        system.replace_file(tmp_path / "new", tmp_path / "old")


def test_windows_has_no_owners_by_number_and_no_limit_on_open_files(windows: None, tmp_path: Path) -> None:
    assert system.other_owner(tmp_path) == ""
    assert system.open_files() is None


# Shell ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["dir", 'type "a b.txt"', "echo %PATH% & echo ^&", '"C:\\x y\\run.exe" "a"'])
def test_cmd_gets_the_whole_command_as_it_is(windows: None, monkeypatch: Any, command: str) -> None:
    monkeypatch.setenv("COMSPEC", r"C:\Windows\system32\cmd.exe")
    line = system.shell_arguments(command)
    assert line == rf'"C:\Windows\system32\cmd.exe" /d /s /c "chcp 65001>nul&{command}"'


@pytest.mark.parametrize("command", ["echo a\necho b", "echo a\r", "echo \0"])
def test_cmd_gets_no_command_of_which_it_would_run_a_part(windows: None, tmp_path: Path, command: str) -> None:
    tool = shell_tool(tmp_path)
    with pytest.raises(ToolError, match=r"cannot be started: cmd\.exe runs one line"):
        tool.function(**tool.check({"command": command}))


def test_the_description_for_the_model_names_the_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = shell_tool(tmp_path)
    assert "/bin/sh" in here.description
    monkeypatch.setattr(system, "WINDOWS", True)
    there = shell_tool(tmp_path)
    assert "/bin/sh" not in f"{there.description}{dict(there.schema)}"
    assert "cmd.exe" in there.description


@pytest.mark.parametrize(
    "command", ["echo %PATH%", "git log '--format=%h %s'", 'git log "100%"', "call git log", "start git", "rem git"]
)
def test_what_cmd_reads_otherwise_is_not_a_plain_command(windows: None, command: str) -> None:
    assert plain_words(command) is None


@pytest.mark.parametrize("command", ["git log -n 3", 'git commit -m "a b"'])
def test_a_plain_command_is_one_in_cmd_too(windows: None, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = plain_words(command)
    assert words is not None
    monkeypatch.setattr(system, "WINDOWS", False)
    assert plain_words(command) == words


class Kernel32:
    """Windows' functions for jobs, as far as they are used; `fails` is the one that does not succeed."""

    def __init__(self, fails: str = "") -> None:
        self.calls: list[str] = []
        for name in ("CreateJobObjectW", "SetInformationJobObject", "AssignProcessToJobObject", "CloseHandle"):
            setattr(self, name, self._function(name, 0 if name == fails else 7))

    def _function(self, name: str, result: int) -> Callable[..., int | None]:
        def call(*arguments: Any) -> int | None:
            self.calls.append(name)
            if name == "SetInformationJobObject":
                limits = ctypes.cast(arguments[2], ctypes.POINTER(system._ExtendedLimits)).contents
                assert (arguments[1], limits.basic.flags, arguments[3]) == (9, 0x2000, 144)
            return result or None

        return call


@pytest.fixture
def popen(windows: None, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Start `/bin/sh` where Windows would start cmd.exe, and return what it was started with."""
    started: list[dict[str, Any]] = []
    real = subprocess.Popen

    def start(arguments: Any, **options: Any) -> Any:
        started.append({"arguments": arguments, **options})
        command = arguments.partition("nul&")[2].removesuffix('"')
        process = real(["/bin/sh", "-c", command], **{**options, "creationflags": 0})
        process._handle = 99  # type: ignore[attr-defined]
        return process

    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr(subprocess, "CREATE_NO_WINDOW", 0x08000000, raising=False)
    return started


def peek(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look into a pipe with the calls of this system. A pipe that all writers closed is an error, as on Windows."""
    import fcntl
    import termios

    def peek_named_pipe(handle: int, _: int) -> tuple[int, int]:
        import select

        waiting = ctypes.c_int()
        fcntl.ioctl(handle, termios.FIONREAD, waiting)  # type: ignore[call-overload]
        if not waiting.value and select.select([handle], [], [], 0)[0]:
            raise BrokenPipeError
        return waiting.value, 0

    monkeypatch.setitem(sys.modules, "_winapi", SimpleNamespace(PeekNamedPipe=peek_named_pipe))
    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(get_osfhandle=lambda descriptor: descriptor))


def test_a_command_runs_in_a_job_that_ends_with_the_call(
    popen: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    peek(monkeypatch)
    library = Kernel32()
    monkeypatch.setattr(ctypes, "WinDLL", lambda *_, **__: library, raising=False)
    tool = shell_tool(tmp_path)
    output = tool.function(**tool.check({"command": "echo out; sleep 0.05; echo err >&2; exit 3"}))
    assert (output.text, output.is_error) == ("out\nerr\n[exit code 3]", True)
    assert library.calls[-1] == "CloseHandle"
    assert library.calls[:-1] == ["CreateJobObjectW", "SetInformationJobObject", "AssignProcessToJobObject"]
    assert popen[0]["creationflags"] == 0x08000000
    assert not popen[0]["start_new_session"]
    assert popen[0]["env"]["NoDefaultCurrentDirectoryInExePath"] == "1"


@pytest.mark.parametrize("fails", ["CreateJobObjectW", "SetInformationJobObject", "AssignProcessToJobObject"])
def test_a_command_that_no_job_could_end_does_not_run(
    popen: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    library = Kernel32(fails)
    monkeypatch.setattr(ctypes, "WinDLL", lambda *_, **__: library, raising=False)
    tool = shell_tool(tmp_path)
    with pytest.raises(ToolError, match="cannot be put into a job"):
        tool.function(**tool.check({"command": "sleep 300"}))
    assert (library.calls[-1] == "CloseHandle") == (fails != "CreateJobObjectW")
