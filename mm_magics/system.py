"""What Windows does differently from Linux and macOS. No other module asks which system it runs on.

The part for Windows is tested with replaced system calls only: see the list in `docs/reference/front-ends.md`.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import posixpath
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

WINDOWS = os.name == "nt"
IGNORES_CASE = WINDOWS or sys.platform == "darwin"
"""Whether file names that differ only in case usually name the same file."""

ADMINISTRATOR_FOLDERS = (
    (os.path.join(os.environ.get("PROGRAMDATA", "C:\\ProgramData"), "ipython"),)
    if WINDOWS
    else ("/etc/ipython", "/usr/local/etc/ipython")
)
"""The folders in which IPython looks for the configuration of all users. What the last one says precedes the others."""

POLL_S = 0.01
"""Seconds between two looks at a pipe on Windows, which cannot wait for one."""

REPLACE_S = 1.0
"""Seconds for which Windows may refuse to replace a file that another program has open."""

_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{name}{n}" for name in ("com", "lpt") for n in "0123456789¹²³"}
)
_KILL_ON_CLOSE = 0x2000
_EXTENDED_LIMITS = 9
_ODD_CHARACTERS = re.compile(r'[\\:*?"<>|\x00-\x1f]')


# Paths ------------------------------------------------------------------------------------------------------------


def is_normal_path(path: str) -> bool:
    r"""Return whether a relative path is written in the one form that rules know: with `/`, without `.`, `..` and `//`.

    On Windows, names with a backslash, colon or wildcard, of a device, or with a dot or space at the end are refused:
    they have other spellings, or cannot exist.
    """
    if posixpath.normpath(path) != path or path.startswith(("/", "../")) or path == "..":
        return False
    return not WINDOWS or not (_ODD_CHARACTERS.search(path) or any(map(_is_odd_name, path.split("/"))))


def _is_odd_name(name: str) -> bool:
    stem = name.partition(".")[0].rstrip(" ").lower()
    return name != "." and (name.endswith((".", " ")) or stem in _DEVICES)


def is_as_stored(root: Path, path: str) -> bool:
    """Return whether each part of a relative path that exists is spelled as its folder lists it.

    Where case is ignored, a rule for `data/*` must hold for `DATA/a.csv` too, so that only one spelling is allowed.
    """
    if not IGNORES_CASE or path == ".":
        return True
    folder = root
    for name in path.split("/"):
        if not os.path.lexists(folder / name):
            return True
        if name not in os.listdir(folder):
            return False
        folder /= name
    return True


def replace_file(new: str | Path, old: str | Path, folder: int | None = None) -> None:
    """Replace a file in one step, in an open folder if one is given. Windows requires that no program has it open."""
    due = time.monotonic() + REPLACE_S
    while True:
        try:
            os.replace(new, old, src_dir_fd=folder, dst_dir_fd=folder)
        except PermissionError:
            if not WINDOWS or time.monotonic() >= due:
                raise
            time.sleep(POLL_S)
        else:
            return


def other_owner(path: Path) -> str:
    """Return the name of the file's owner if that is not the user of this process; else "", as on Windows."""
    try:
        owner = path.stat().st_uid
    except OSError:
        return ""
    if WINDOWS or owner == os.getuid():
        return ""
    import pwd

    try:
        return pwd.getpwuid(owner).pw_name
    except KeyError:
        return f"user {owner}"


def open_files() -> tuple[int, int] | None:
    """Return how many files this process has open and how many it may; None if there is no limit, as on Windows."""
    if WINDOWS:
        return None
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return None
    try:
        return len(os.listdir("/dev/fd")), limit
    except OSError:
        return 64, limit


# Processes --------------------------------------------------------------------------------------------------------


def interrupt_main_thread(thread: int) -> None:
    """Interrupt the main thread, which has this identifier, as Ctrl-C does; a sleep or a read ends too."""
    if WINDOWS:
        signal.raise_signal(signal.SIGINT)
    else:
        signal.pthread_kill(thread, signal.SIGINT)


def shell_name() -> str:
    """Return how people call the shell that runs commands."""
    return "cmd.exe" if WINDOWS else "/bin/sh"


def shell_arguments(command: str) -> str | list[str]:
    """Return what starts the system's shell with this command, for `subprocess.Popen`.

    On Windows, the shell gets the rest of its command line as it is. It prints in UTF-8, in a console of its own.

    Raises:
        ValueError: If the shell would run something else than the whole command.
    """
    if not WINDOWS:
        return ["/bin/sh", "-c", command]
    if any(each in command for each in "\0\r\n"):
        raise ValueError("cmd.exe runs one line, and this command has several")
    return f'"{os.environ.get("COMSPEC", "cmd.exe")}" /d /s /c "chcp 65001>nul&{command}"'


class ShellProcess:
    """A command that the system's shell runs, with everything that it starts.

    Raises:
        OSError, ValueError: The command cannot be started.
    """

    def __init__(self, command: str, folder: Path, environment: Mapping[str, str]) -> None:
        own = {"NoDefaultCurrentDirectoryInExePath": "1"} if WINDOWS else {}  # no program of the folder by its name
        self.process = subprocess.Popen(  # noqa: S603  the purpose of the tool `shell`
            shell_arguments(command),
            cwd=folder,
            env={**environment, **own},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=not WINDOWS,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        assert self.process.stdout is not None
        self.output = self.process.stdout
        try:
            self._job = _job_with(self.process) if WINDOWS else 0
        except BaseException:
            self.process.kill()
            self.process.wait()
            self.output.close()
            raise

    def wait_for_output(self, seconds: float) -> bool:
        """Return whether there is output to read, or its end, within this time."""
        if not WINDOWS:
            with selectors.DefaultSelector() as selector:
                selector.register(self.output, selectors.EVENT_READ)
                return bool(selector.select(seconds))
        due = time.monotonic() + seconds
        while not (found := _has_data(self.output.fileno())) and time.monotonic() < due:
            time.sleep(POLL_S)
        return found

    def kill(self) -> int:
        """Kill everything that still runs, and return the exit code of the shell: -n if signal n ended it."""
        if WINDOWS:
            _kernel32().CloseHandle(self._job)
        else:
            with suppress(ProcessLookupError, PermissionError):  # macOS raises the latter for a group of zombies
                os.killpg(self.process.pid, signal.SIGKILL)
        code = self.process.wait()
        self.output.close()
        return code


# Windows ----------------------------------------------------------------------------------------------------------


class _BasicLimits(ctypes.Structure):
    _fields_ = (
        ("process_time", ctypes.c_int64),
        ("job_time", ctypes.c_int64),
        ("flags", ctypes.c_uint32),
        ("smallest_working_set", ctypes.c_size_t),
        ("largest_working_set", ctypes.c_size_t),
        ("processes", ctypes.c_uint32),
        ("affinity", ctypes.c_size_t),
        ("priority", ctypes.c_uint32),
        ("scheduling", ctypes.c_uint32),
    )


class _ExtendedLimits(ctypes.Structure):
    _fields_ = (("basic", _BasicLimits), ("io", ctypes.c_uint64 * 6), ("memory", ctypes.c_size_t * 4))


def _kernel32() -> Any:
    library = getattr(ctypes, "WinDLL")("kernel32", use_last_error=True)  # noqa: B009  mypy knows it on Windows only
    library.CreateJobObjectW.restype = ctypes.c_void_p
    for name in ("SetInformationJobObject", "AssignProcessToJobObject", "CloseHandle"):
        getattr(library, name).argtypes = _ARGUMENTS[name]
    return library


_ARGUMENTS = {
    "SetInformationJobObject": (ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32),
    "AssignProcessToJobObject": (ctypes.c_void_p, ctypes.c_void_p),
    "CloseHandle": (ctypes.c_void_p,),
}


def _job_with(process: Any) -> int:
    """Put a process that just started into a job, whose processes all end when its only handle is closed."""
    library = _kernel32()
    job: int | None = library.CreateJobObjectW(None, None)
    limits = _ExtendedLimits()
    limits.basic.flags = _KILL_ON_CLOSE
    done = (
        job is not None
        and library.SetInformationJobObject(job, _EXTENDED_LIMITS, ctypes.byref(limits), ctypes.sizeof(limits))
        and library.AssignProcessToJobObject(job, int(process._handle))
    )
    if job is None or not done:
        if job is not None:
            library.CloseHandle(job)
        raise OSError("it cannot be put into a job, which ends everything that it starts")
    return job


def _has_data(descriptor: int) -> bool:
    """Return whether a pipe has data, or was closed by all who write to it."""
    handle = importlib.import_module("msvcrt").get_osfhandle(descriptor)
    try:
        waiting, _ = importlib.import_module("_winapi").PeekNamedPipe(handle, 0)
    except OSError:
        return True
    return bool(waiting)
