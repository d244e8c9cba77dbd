"""Older environments: ipykernel 6 has no subshells, IPython 7 no matchers, and ipywidgets 7 other messages.

The versions of Google Colab are those of August 2026.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

from tests.environments import environment
from tests.kernel.conftest import Kernel
from tests.kernel.test_running_turn import (
    test_a_decision_holds_only_for_the_call_that_was_displayed as test_a_decision,
)
from tests.kernel.test_running_turn import (
    test_other_requests_for_comms_are_answered_as_before as test_other_requests,
)
from tests.kernel.test_running_turn import (
    test_stop_on_the_control_channel_ends_a_turn_at_once as test_stop,
)
from tests.kernel.test_running_turn import (
    test_the_complete_state_is_sent_only_to_the_page_that_asks as test_the_complete_state,
)

__all__ = ["test_a_decision", "test_other_requests", "test_stop", "test_the_complete_state"]

pytestmark = [pytest.mark.slow, pytest.mark.interop]


class OlderKernel(Kernel):
    """A kernel that runs in another environment."""

    def __init__(self, python: str, variables: dict[str, str]) -> None:
        self.manager = KernelManager()
        argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        self.manager._kernel_spec = KernelSpec(argv=argv, language="python", display_name="older")
        self.manager.start_kernel(env={**os.environ, **variables})
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)


COLAB = ("ipython==7.34.0", "ipykernel==6.17.1", "ipywidgets==7.7.1", "traitlets==5.7.1", "pydantic==2.13.4")
ENVIRONMENTS = {
    "ipykernel-6.17.1": ("ipykernel==6.17.1",),
    "ipykernel-6.29.5": ("ipykernel==6.29.5",),
    "colab": COLAB,
}


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def shared_kernel(request, simulator) -> Iterator[Kernel]:
    packages = ENVIRONMENTS[request.param]
    folder = environment(request.param, *packages, constrained=packages is not COLAB)
    variables = {"ANTHROPIC_BASE_URL": simulator.base_url, "ANTHROPIC_API_KEY": simulator.key}
    kernel = OlderKernel(str(folder / "bin" / "python"), variables)
    run = kernel.run("import os\nget_ipython().first_folder = os.getcwd()\n%load_ext mm_magics")
    assert run.error is None, run.error
    for package in packages:
        name, _, version = package.partition("==")
        assert (
            kernel.run(f"import {name.replace('ipython', 'IPython')} as m; print(m.__version__)").text.strip()
            == version
        )
    yield kernel
    kernel.close()


def test_a_prompt_streams_thinks_and_remembers(kernel, simulator):
    run = kernel.run('%%minimax\nHello [[simulator: thinking="A greeting." say="Good day."]]', "a")
    assert run.error is None
    text = "".join(op[2] for op in run.ops if op[0] == "add")
    assert text.replace("A greeting.", "").strip() == "Good day."
    assert [block["type"] for block in run.turn["messages"][1]["content"]] == ["thinking", "text"]
    assert len(run.outputs) == 1
    kernel.run("%%minimax\nAnd now?", "b")
    sent = simulator.log[-1].body["messages"]
    assert [block["type"] for block in sent[1]["content"]] == ["thinking", "text"]
    assert "complete" in kernel.run("%minimax history").text


@pytest.mark.parametrize(
    ("code", "match"),
    [("%%minimax --max-t", "--max-tokens"), ("%minimax mod", "model"), ("%%minimax --thinking=of", "off")],
)
def test_tab_completes_the_line_of_a_magic(kernel, code, match):
    content = {"code": code, "cursor_pos": len(code)}
    request = kernel.client.session.msg("complete_request", content)
    kernel.client.shell_channel.send(request)
    reply = {"parent_header": {}}
    while reply["parent_header"].get("msg_id") != request["header"]["msg_id"]:
        reply = kernel.client.get_shell_msg(timeout=20)
    reply = reply["content"]
    completed = {code[: reply["cursor_start"]] + each + code[reply["cursor_end"] :] for each in reply["matches"]}
    assert any(each.endswith(match) for each in completed), reply
