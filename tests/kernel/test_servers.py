"""MCP servers of a real kernel: starting them can be interrupted, and they end with the kernel."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.tools.mcp.conftest import EVERYTHING, RUDE, TIME, alive, until

SESSION = 'get_ipython().magics_manager.registry["MiniMaxMagics"].session'


def started(kernel, note, *how):
    """Add a server, and return its process and its child process."""
    run = kernel.run(f"%minimax mcp add rude -- {' '.join([*RUDE, f'pid={note}', *how])}")
    assert "is running and offers 1 tool." in run.text
    running = [int(each) for each in note.read_text().split()]
    assert all(map(alive, running))
    return running


def test_a_cell_adds_a_server_and_lists_its_tools(fresh_kernel):
    run = fresh_kernel.run(f"%minimax mcp add time -- {TIME[0]}")
    assert "The MCP server time is running and offers 2 tools." in run.text
    assert "time__convert_time" in fresh_kernel.run("%minimax mcp tools").text
    call = f"""
import asyncio
tool = {SESSION}.servers.tools("time")[0]
print((await tool.function(timezone="Asia/Tokyo")).text)
"""
    assert "+09:00" in fresh_kernel.run(call).text  # in the event loop of the kernel, which the server does not block
    assert fresh_kernel.run("%minimax mcp remove time").error is None


def test_errors_are_shown_without_a_traceback(fresh_kernel):
    error = fresh_kernel.run(f"%minimax mcp add rude -- {' '.join(RUDE)} crash").error
    assert error["traceback"] == [
        "The MCP server rude ended.",
        "Its stderr ends with:",
        "no licence�",
        "[ended with status 3]",
    ]


def test_an_interrupt_stops_waiting_for_a_silent_server(fresh_kernel):
    fresh_kernel.run("%minimax mcp list")
    line = f"{{session}}.servers.add('rude', {[*RUDE, 'silent']!r}); print('waiting', flush=True)"
    fresh_kernel.run(line.format(session=SESSION))
    start = time.monotonic()
    run = fresh_kernel.run(
        "print('waiting', flush=True)\n%minimax mcp tools rude",
        when=lambda kind, content: kind == "stream",
        then=lambda: (time.sleep(1), fresh_kernel.interrupt()),
    )
    assert run.error["ename"] == "KeyboardInterrupt"
    assert time.monotonic() - start < 30
    assert fresh_kernel.run(f"%minimax mcp add all -- {' '.join(EVERYTHING)} stdio").error is None


@pytest.mark.slow
@pytest.mark.parametrize("how", [(), ("stay",)], ids=["polite", "will not end"])
def test_shutting_down_a_kernel_ends_its_servers_and_their_child_processes(fresh_kernel, tmp_path, how):
    running = started(fresh_kernel, tmp_path / "pids", *how)
    fresh_kernel.client.stop_channels()
    fresh_kernel.manager.shutdown_kernel(now=False)
    until(lambda: not any(map(alive, running)))


@pytest.mark.slow
@pytest.mark.parametrize("how", [(), ("stay",)], ids=["polite", "will not end"])
def test_a_killed_kernel_leaves_no_server_processes(fresh_kernel, tmp_path, how):
    running = started(fresh_kernel, tmp_path / "pids", *how)
    os.kill(fresh_kernel.manager.provisioner.process.pid, signal.SIGKILL)
    until(lambda: not any(map(alive, running)))
