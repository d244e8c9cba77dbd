"""Kernels that start in half the time: forks of one process that has imported the libraries, but not this package.

A kernel needs a second or two to import the Anthropic SDK, and the tests start hundreds of kernels. `preload` starts
the process (`serve`) and makes the kernel specification `python3` a launcher (`launch`), which passes its arguments,
environment and output files to a new fork, waits for it, and forwards signals. If the launcher is killed, so is its
kernel. A test that sets variables for Python gets a process of its own.
"""

from __future__ import annotations

import array
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LIBRARIES = ("anthropic", "ipykernel.kernelapp", "ipykernel.ipkernel", "ipywidgets", "nbformat")
FORWARDED = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def preload(folder: Path) -> Iterator[None]:
    """Until the end, kernels named `python3` of this process and its children are forks."""
    address = str(folder / "kernels.socket")
    spec = folder / "kernels" / "python3"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-S", __file__, "launch", address, _for_python(), "-f", "{connection_file}"]
    kernel = {"argv": argv, "display_name": "Python 3", "language": "python", "metadata": {"debugger": True}}
    (spec / "kernel.json").write_text(json.dumps(kernel))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        command = [sys.executable, __file__, "serve", str(listener.fileno())]
        server = subprocess.Popen(command, pass_fds=[listener.fileno()], start_new_session=True)
    before = os.environ.get("JUPYTER_PATH")
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [str(folder), before]))
    try:
        yield
    finally:
        os.environ.pop("JUPYTER_PATH")
        if before:
            os.environ["JUPYTER_PATH"] = before
        server.kill()
        server.wait()


def _for_python() -> str:
    """The variables that Python itself reads when it starts, as JSON."""
    return json.dumps({name: value for name, value in sorted(os.environ.items()) if name.startswith("PYTHON")})


def launch(address: str, arguments: list[str]) -> int:
    """Start a kernel and end as it ends. The exit code is the kernel's, or minus the signal that ended it."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        request = {"argv": arguments, "env": dict(os.environ), "cwd": os.getcwd()}
        body = json.dumps(request).encode() + b"\n"
        files = array.array("i", [0, 1, 2])
        connection.sendmsg([len(body).to_bytes(4, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
        connection.sendall(body)
        for each in FORWARDED:
            signal.signal(each, lambda number, _: connection.sendall(bytes([number])))
        answer = connection.makefile().readline()
    return int(answer or -signal.SIGKILL)


def serve(number: int) -> None:
    """Fork a kernel for each launcher that connects."""
    import importlib

    for each in LIBRARIES:
        importlib.import_module(each)
    listener = socket.socket(fileno=number)
    kernels: dict[int, socket.socket] = {}
    woken, waker = socket.socketpair()
    for each in (woken, waker, listener):
        each.setblocking(False)
    signal.set_wakeup_fd(waker.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    waiting = selectors.DefaultSelector()
    for each in (listener, woken):
        waiting.register(each, selectors.EVENT_READ)
    while True:
        for key, _ in waiting.select():
            if key.fileobj is listener:
                connection, _ = listener.accept()
                connection.setblocking(True)
                length, files, _, _ = socket.recv_fds(connection, 4, 3)
                with connection.makefile("rb") as file:
                    request = json.loads(file.read(int.from_bytes(length, "big")))
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    for each in (listener, woken, waker, connection, *kernels.values()):
                        each.close()
                    waiting.close()
                    _become_kernel(files, **request)
                for each in files:
                    os.close(each)
                kernels[pid] = connection
                waiting.register(connection, selectors.EVENT_READ, pid)
            elif key.fileobj is woken:
                woken.recv(4096)
                _report_ended(kernels, waiting)
            elif key.data in kernels:
                number = kernels[key.data].recv(1)
                if not number:
                    waiting.unregister(kernels[key.data])
                with suppress(ProcessLookupError):
                    os.killpg(key.data, number[0] if number else signal.SIGKILL)


def _report_ended(kernels: dict[int, socket.socket], waiting: selectors.BaseSelector) -> None:
    while kernels:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        connection = kernels.pop(pid)
        with suppress(KeyError):
            waiting.unregister(connection)
        with suppress(OSError):
            connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
        connection.close()


def _become_kernel(files: list[int], argv: list[str], env: dict[str, str], cwd: str) -> None:
    os.setsid()
    for number, each in enumerate(files):
        os.dup2(each, number)
        os.close(each)
    for each in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(each, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.argv = ["ipykernel_launcher", f"--IPKernelApp.parent_handle={os.getppid()}", *argv]
    sys.path[0] = ""
    from ipykernel.kernelapp import launch_new_instance

    try:
        launch_new_instance()
    except SystemExit as end:
        _flush_and_exit(end.code if isinstance(end.code, int) else 0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        _flush_and_exit(1)
    _flush_and_exit(0)


def _flush_and_exit(code: int) -> None:
    import atexit

    atexit._run_exitfuncs()
    for each in (sys.stdout, sys.stderr):
        with suppress(Exception):
            each.flush()
    os._exit(code)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    address, variables, *arguments = sys.argv[2:]
    if variables != _for_python():
        os.execv(sys.executable, [sys.executable, "-m", "ipykernel_launcher", *arguments])
    code = launch(address, arguments)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)
