"""Real ipykernels, driven as JupyterLab drives them, with the CPU time and the messages of each cell.

The CPU time of a cell is that of the whole kernel process, all threads, from just before the request is sent until
`SETTLE_S` after the kernel is idle, so that postponed work is counted too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Any, Self

import psutil
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from benchmarks.endpoint import ROOT

SETTLE_S = 0.15
LIMIT_S = 120.0
RUNTIME_BYTES = 100_000
"""A message that opens a comm and is larger than this is the front end's runtime, which is sent once per kernel."""

REMOVED_VARIABLES = ("ANTHROPIC", "JPY", "MINIMAX", "PYTHONDONTWRITEBYTECODE")
"""Variables of this process that a kernel does not inherit. It writes bytecode, which an installed package has too."""

CELL = {"cellId": "prompt", "trusted": True, "deletedCells": [], "recordTiming": False}
"""The metadata that JupyterLab sends with a cell. It is always the same cell, so there is no turn above it."""

_DELIMITER = b"<IDS|MSG>"


@dataclass(frozen=True)
class Message:
    """One iopub message: when it arrived (`time.monotonic`), its bytes on the wire, and its content."""

    at: float
    size: int
    type: str
    content: dict[str, Any]

    @cached_property
    def text(self) -> str:
        """The part of the answer's text in this message: that of all blocks but the first, which is the thinking."""
        data = self.content.get("data") or {}
        if self.type != "comm_msg" or data.get("method") != "custom":
            return ""
        return "".join(op[2] for op in data["content"]["ops"] if op[0] == "add" and op[1] > 0)

    @property
    def is_runtime(self) -> bool:
        return self.type == "comm_open" and self.size > RUNTIME_BYTES

    @property
    def is_final(self) -> bool:
        return self.type == "update_display_data"


@dataclass(frozen=True)
class Run:
    """One execution of a cell: `sent` and `idle` by `time.monotonic`, `cpu` in seconds, its iopub messages in order."""

    sent: float
    idle: float
    cpu: float
    messages: list[Message]

    @property
    def seconds(self) -> float:
        return self.idle - self.sent

    @cached_property
    def until_final(self) -> list[Message]:
        """All messages before the final bundle, without the runtime."""
        place = next(number for number, message in enumerate(self.messages) if message.is_final)
        return [message for message in self.messages[:place] if not message.is_runtime]

    @cached_property
    def final(self) -> dict[str, Any]:
        """The final bundle."""
        (found,) = [message.content["data"] for message in self.messages if message.is_final]
        return found

    @property
    def text(self) -> str:
        return "".join(message.text for message in self.messages)

    @property
    def first_text(self) -> float:
        return next(message.at for message in self.messages if message.text)

    @property
    def output(self) -> str:
        return "".join(message.content["text"] for message in self.messages if message.type == "stream")


class Kernel:
    """A new ipykernel process. A cell that fails raises `RuntimeError`."""

    def __init__(self, base_url: str, key: str, setup: str = "") -> None:
        self._folder = tempfile.TemporaryDirectory()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(REMOVED_VARIABLES)}
        environment = {
            **inherited,
            "PYTHONPATH": ROOT,
            "IPYTHONDIR": self._folder.name,
            "ANTHROPIC_BASE_URL": base_url,
            "ANTHROPIC_API_KEY": key,
        }
        this_python = KernelSpecManager(kernel_dirs=[])  # ignores kernels that are installed elsewhere
        self._manager = KernelManager(kernel_name="python3", kernel_spec_manager=this_python)
        self._manager.start_kernel(env=environment, cwd=self._folder.name, stderr=subprocess.DEVNULL)
        self._client: BlockingKernelClient = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)
        self.pid: int = self._manager.provisioner.process.pid  # type: ignore[union-attr]
        if setup:
            self.run(setup)
        if "%load_ext" in setup:
            self.run("%config MiniMax.max_versions = 0")  # or each run of `CELL` would save the ones before it

    def run(self, code: str, metadata: Mapping[str, Any] | None = None, settle: float = SETTLE_S) -> Run:
        """Run the cell and collect its iopub messages. CPU time is measured until `settle` seconds after its end."""
        cpu, sent = self.cpu(), time.monotonic()
        request_id = self._send(code, metadata)
        received: list[tuple[float, list[bytes]]] = []
        while True:
            at, frames = self._take(sent)
            if json.loads(frames[2]).get("msg_id") != request_id:
                continue
            received.append((at, frames))
            if json.loads(frames[1])["msg_type"] == "status" and json.loads(frames[4])["execution_state"] == "idle":
                break
        time.sleep(settle)
        spent = self.cpu() - cpu
        messages = [_message(at, frames) for at, frames in received]
        for message in messages:
            if message.type == "error":
                raise RuntimeError(f"{message.content['ename']}: {message.content['evalue']}")
        return Run(sent, received[-1][0], spent, messages)

    def all_messages(self, code: str) -> list[Message]:
        """Run the cell and return every iopub message until it ends, also those of other cells."""
        sent, received = time.monotonic(), []
        request_id = self._send(code, None)
        while True:
            at, frames = self._take(sent)
            received.append(_message(at, frames))
            is_idle = received[-1].type == "status" and received[-1].content["execution_state"] == "idle"
            if is_idle and json.loads(frames[2]).get("msg_id") == request_id:
                return received

    def open_page(self, sources: Mapping[str, str]) -> None:
        """Describe a page with these cells, by id, as the JupyterLab extension does."""
        cells = {id_: {"cell_type": "code", "source": source, "outputs": []} for id_, source in sources.items()}
        page = {"name": "page.ipynb", "path": "", "page": "", "sent_at": time.time(), "settings": {}}
        data = {**page, "order": list(cells), "pending": [], "changed": cells}
        content = {"comm_id": "page", "target_name": "mm_magics.document", "data": data}
        self._client.shell_channel.send(self._client.session.msg("comm_open", content))

    def wait_for_threads(self, name: str) -> None:
        """Wait until the kernel has no thread of this name."""
        import_ = "import threading, time"
        self.run(f"{import_}\nwhile any(each.name == {name!r} for each in threading.enumerate()): time.sleep(0.05)")

    def ask(self, prompt: str, flags: str = "") -> Run:
        """Run a prompt cell as JupyterLab does."""
        return self.run(f"%%minimax {flags}\n{prompt}", CELL)

    def stop(self, prompt: str, flags: str, sign: str, press: Callable[[], None]) -> float:
        """Run a prompt cell, press Stop SETTLE_S after a message contains `sign`, and return the seconds until idle."""
        sent, pressed = time.monotonic(), None
        request_id = self._send(f"%%minimax {flags}\n{prompt}", CELL)
        while True:
            at, frames = self._take(sent)
            if json.loads(frames[2]).get("msg_id") != request_id:
                continue
            if pressed is None and json.dumps(sign).encode() in frames[4]:
                time.sleep(SETTLE_S)
                pressed = time.monotonic()
                press()
            if json.loads(frames[1])["msg_type"] == "status" and json.loads(frames[4])["execution_state"] == "idle":
                if pressed is None:
                    raise RuntimeError(f"a cell ended before a message contained {sign}")
                return at - pressed

    def interrupt(self) -> None:
        self._manager.interrupt_kernel()

    def press_stop(self) -> None:
        """Press Stop as the JupyterLab extension does: with a request on the control channel."""
        content = {"target_name": "mm_magics", "mm_magics": {"message": {"type": "stop"}}}
        self._client.control_channel.send(self._client.session.msg("comm_info_request", content))

    def _send(self, code: str, metadata: Mapping[str, Any] | None) -> str:
        """Send the cell and return the id of the request."""
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": True,
            "stop_on_error": True,
        }
        request = self._client.session.msg("execute_request", content, metadata=dict(metadata or {}))
        self._client.shell_channel.send(request)
        return str(request["header"]["msg_id"])

    def value(self, expression: str) -> Any:
        """Return the value of an expression in the kernel, which must be serializable as JSON."""
        return json.loads(self.run(f"import json; print(json.dumps({expression}))").output)

    def cpu(self) -> float:
        """Return the CPU seconds of the process: user and system, of all threads, including ended ones."""
        if sys.platform == "linux":
            return time.clock_gettime((~self.pid << 3) | 2)  # the process's own CPU clock, in nanoseconds
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._folder.cleanup()

    def _take(self, since: float) -> tuple[float, list[bytes]]:
        """Receive the next iopub message: signature, header, parent header, metadata, content, buffers."""
        socket = self._client.iopub_channel.socket
        assert socket is not None
        if not socket.poll(int(1000 * max(0.0, since + LIMIT_S - time.monotonic()))):
            raise RuntimeError(f"a cell took longer than {LIMIT_S:g} s")
        frames: list[bytes] = socket.recv_multipart()
        return time.monotonic(), frames[frames.index(_DELIMITER) + 1 :]


def _message(at: float, frames: list[bytes]) -> Message:
    header, content = json.loads(frames[1]), json.loads(frames[4])
    return Message(at, sum(map(len, frames)), header["msg_type"], content)
