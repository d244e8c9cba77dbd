"""A real ipykernel, asked as JupyterLab (a cell id), jupyter console (stdin) or nbclient (neither) asks it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel

from mm_magics.history.turn import MIME_TYPE
from mm_magics.simulator import Simulator
from tests import forked_kernels


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that use a kernel as slow, and keep a file's tests of the shared kernel on one worker."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "fresh_kernel" in fixtures:
            item.add_marker(pytest.mark.slow)
        if "shared_kernel" in fixtures:
            item.add_marker(pytest.mark.xdist_group(f"kernel of {item.path.name}"))
            if not item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.slow)
                item.add_marker(pytest.mark.traced)


@dataclass
class Run:
    """What one execution sent: all iopub messages, and the outputs as a front end would then show them."""

    messages: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    @property
    def error(self) -> dict[str, Any] | None:
        return next((content for kind, content in self.messages if kind == "error"), None)

    @property
    def text(self) -> str:
        """Printed text, and the plain text of results."""
        parts = [content["text"] for kind, content in self.messages if kind == "stream"]
        return "".join(parts) + "\n".join(each["data"].get("text/plain", "") for each in self.outputs if "data" in each)

    @property
    def turn(self) -> dict[str, Any]:
        (bundle,) = [each["data"] for each in self.outputs if MIME_TYPE in each.get("data", {})]
        return bundle[MIME_TYPE]

    @property
    def turn_messages(self) -> list[dict[str, Any]]:
        """The messages about the running turn that the page received."""
        data = [content["data"] for kind, content in self.messages if kind == "comm_msg"]
        return [each["content"] for each in data if each.get("method") == "custom"]

    @property
    def ops(self) -> list[list[Any]]:
        """The ops that the page received."""
        return [op for each in self.turn_messages for op in each["ops"]]


def _started(environment: dict[str, str], options: dict[str, Any]) -> Any:
    """Start a kernel, again if another process took one of the ports that were free when they were chosen."""
    for attempt in range(5):
        try:
            return start_new_kernel(kernel_name="python3", env=environment, **options)
        except RuntimeError as error:
            if "died" not in str(error) or attempt == 4:
                raise
    raise AssertionError


class Kernel:
    def __init__(self, environment: dict[str, str], **options: Any) -> None:
        self.manager, self.client = _started({**os.environ, **environment}, options)

    def run(
        self,
        code: str,
        cell_id: str | None = None,
        *,
        stdin: bool = False,
        metadata: dict[str, Any] | None = None,
        header: dict[str, Any] | None = None,
        when: Callable[[str, dict[str, Any]], bool] | None = None,
        then: Callable[[], None] | None = None,
    ) -> Run:
        """Execute. After the first message for which `when` holds, `then` is called, once."""
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": stdin}
        request = self.client.session.msg("execute_request", {**content, "stop_on_error": True})
        request["metadata"] |= metadata or {}
        request["header"] |= header or {}
        if cell_id:
            request["metadata"]["cellId"] = cell_id
        self.client.shell_channel.send(request)
        run, places = Run(), {}
        while True:
            message = self.client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") != request["header"]["msg_id"]:
                continue
            kind, content = message["msg_type"], message["content"]
            run.messages.append((kind, content))
            run.times.append(time.monotonic())
            display_id = (content.get("transient") or {}).get("display_id")
            if kind == "update_display_data":
                places[display_id] |= {"data": content["data"], "metadata": content["metadata"]}
            elif kind in ("display_data", "execute_result", "stream", "error"):
                run.outputs.append(dict(content))
                if display_id:
                    places[display_id] = run.outputs[-1]
            if when and then and when(kind, content):
                then()
                when = None
            if kind == "status" and content["execution_state"] == "idle":
                self.client.get_shell_msg(timeout=10)
                return run

    def send_to(self, base_url: str, key: str = "sk-other-key") -> None:
        """Send what follows to this endpoint, with this key for it."""
        session = "get_ipython().magics_manager.registry['MiniMaxMagics'].session"
        run = self.run(f"%config MiniMax.base_url = {base_url!r}\n{session}.keys.enter({base_url!r}, {key!r})")
        assert run.error is None

    def request(self, message: dict[str, Any], turn: str | None = None) -> dict[str, Any]:
        """Send a page's request on the control channel, as the JupyterLab extension does, and return the reply."""
        content = {"target_name": "mm_magics", "mm_magics": {"message": message} | ({"turn": turn} if turn else {})}
        request = self.client.session.msg("comm_info_request", content)
        self.client.control_channel.send(request)
        reply = self.client.get_control_msg(timeout=10)
        assert reply["parent_header"]["msg_id"] == request["header"]["msg_id"]
        assert reply["content"]["comms"] == {}
        return reply["content"]["mm_magics"]

    def interrupt(self) -> None:
        """Ctrl-C, from any thread."""
        self.manager.provisioner.process.send_signal(signal.SIGINT)

    def close(self) -> None:
        """Let it end by itself, so that what it ran is counted as covered."""
        if self.manager.has_kernel:
            self.manager.shutdown_kernel()
        self.client.stop_channels()


@pytest.fixture(scope="session", autouse=True)
def _quick_start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    if os.environ.get("COVERAGE_RUN"):  # what a fork runs is not measured
        yield
        return
    with forked_kernels.preload(tmp_path_factory.mktemp("kernels")):
        yield


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    with Simulator() as endpoint:
        yield endpoint


@contextmanager
def loaded_kernel(simulator: Simulator) -> Iterator[Kernel]:
    """A kernel that has loaded the extension and sends its prompts to the simulator."""
    kernel = Kernel({"ANTHROPIC_BASE_URL": simulator.base_url, "ANTHROPIC_API_KEY": simulator.key})
    kernel.run("import os\nget_ipython().first_folder = os.getcwd()\n%load_ext mm_magics")
    yield kernel
    kernel.close()


@pytest.fixture(scope="session")
def shared_kernel(simulator: Simulator) -> Iterator[Kernel]:
    with loaded_kernel(simulator) as kernel:
        yield kernel


@pytest.fixture
def fresh_kernel(simulator: Simulator) -> Iterator[Kernel]:
    """A kernel of the test's own."""
    with loaded_kernel(simulator) as kernel:
        yield kernel


RESET = """
import os
os.chdir(get_ipython().first_folder)
session = get_ipython().magics_manager.registry["MiniMaxMagics"].session
session.history.__init__()
session.notebook = None
session.rules.clear()
for name in session.config.class_trait_names(config=True):
    session.settings.reset(name)
%reset_selective -f .
"""
"""`%reset` would collect garbage as well, which takes a quarter of a second in each test."""


@pytest.fixture
def kernel(shared_kernel: Kernel) -> Kernel:
    """The shared kernel with no names, an empty history, no rules, the settings and the folder it started with."""
    assert shared_kernel.run(RESET).error is None
    return shared_kernel


@pytest.fixture
def same_kernel(kernel: Kernel) -> Iterator[None]:
    """Disable retries, and check that the kernel survives the test.

    The first prompt of a kernel imports a lot; on a busy machine that takes longer than the timeouts here.
    """
    kernel.run("%%minimax\nWarm up.", "warm")
    kernel.run("%minimax set max_retries 0")
    pid = kernel.run("import os; print(os.getpid())").text
    yield
    assert kernel.run("import os; print(os.getpid())").text == pid
