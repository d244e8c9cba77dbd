"""What a page can request while a cell runs, with ipykernel 6: no subshells, and handlers that are not coroutines.

6.17 is the version of Google Colab.
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


@pytest.fixture(scope="module", params=["6.17.1", "6.29.5"])
def shared_kernel(request, simulator) -> Iterator[Kernel]:
    folder = environment(f"ipykernel-{request.param}", f"ipykernel=={request.param}")
    variables = {"ANTHROPIC_BASE_URL": simulator.base_url, "ANTHROPIC_API_KEY": simulator.key}
    kernel = OlderKernel(str(folder / "bin" / "python"), variables)
    run = kernel.run("import ipykernel\nimport os\nget_ipython().first_folder = os.getcwd()\n%load_ext mm_magics")
    assert run.error is None, run.error
    assert kernel.run("print(ipykernel.__version__)").text.strip() == request.param
    yield kernel
    kernel.close()
