"""The parts of ipykernel that we use: these tests fail when ipykernel changes one of them."""

from __future__ import annotations

from inspect import getsource, signature
from types import SimpleNamespace
from typing import Any

import ipykernel
import ipywidgets
import pytest
from ipykernel.displayhook import ZMQShellDisplayHook
from ipykernel.iostream import OutStream
from ipykernel.kernelbase import Kernel
from ipykernel.zmqshell import ZMQDisplayPublisher, ZMQInteractiveShell

from mm_magics.display.ipykernel_compat import current_request, receive_while_busy


def test_the_shell_of_a_kernel_returns_the_current_request() -> None:
    assert callable(ZMQInteractiveShell.get_parent)
    request = {"content": {"code": "1"}}
    assert current_request(SimpleNamespace(get_parent=lambda: request)) == request
    assert current_request(SimpleNamespace(get_parent=lambda: None)) == current_request(SimpleNamespace()) == {}


@pytest.mark.skipif(ipykernel.version_info < (7, 4), reason="comm messages are not routed to subshells before 7.4")
def test_a_comm_still_routes_messages_by_the_method_that_is_replaced() -> None:
    from ipykernel.comm.comm import BaseComm  # the class does not exist in ipykernel 6.17

    assert callable(BaseComm._reply_subshell_for)
    assert '"_reply_subshell_for"' in getsource(Kernel)
    comm: Any = BaseComm(target_name="test", primary=False)
    receive_while_busy(comm)
    assert comm._reply_subshell_for is None


def test_a_comm_without_routing_is_left_alone() -> None:
    comm = SimpleNamespace()
    receive_while_busy(comm)
    assert vars(comm) == {}


def test_output_of_a_cell_can_be_recorded() -> None:
    assert "echo" in signature(OutStream.__init__).parameters
    assert callable(ZMQDisplayPublisher.register_hook)
    assert ipykernel.version_info < (7,) or callable(ZMQShellDisplayHook.register_hook)


def test_what_captures_the_outputs_of_a_cell_can_be_found() -> None:
    assert {"session", "pub_socket"} <= ZMQDisplayPublisher.class_traits().keys()
    assert callable(ZMQDisplayPublisher.set_parent)
    assert "display_pub_class" in ZMQInteractiveShell.class_traits()
    assert "msg_id" in ipywidgets.Output.class_traits()
    module: Any = ipywidgets.widgets.widget
    assert isinstance(module._instances if hasattr(module, "_instances") else module.Widget.widgets, dict)
