"""`%minimax mcp`: what it says and does, and what is typed wrong."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mm_magics.errors import MCPServerError, UsageError
from mm_magics.ipython import commands
from mm_magics.ipython.completion import completions
from mm_magics.session import Session
from tests.tools.mcp.conftest import MANNERS, RUDE, TIME

pytestmark = [pytest.mark.slow, pytest.mark.traced]

SHELL: Any = SimpleNamespace(user_ns={})
SECRET = "tok-very-secret-4711"


@pytest.fixture
def session():
    with Session(base_url="http://127.0.0.1:9", api_key="x") as held:
        yield held


def output(session, line):
    report = commands.run(commands.Context(session, SHELL), f"mcp {line}")
    assert report._repr_markdown_()
    return repr(report)


def test_a_server_is_added_listed_asked_restarted_and_removed(session):
    assert "There are no MCP servers." in output(session, "")
    assert output(session, f"add time -- {TIME[0]}") == (
        "The MCP server time is running and offers 2 tools.\n%minimax mcp tools time lists them."
    )
    header, row = output(session, "list").splitlines()[1:]
    assert header.split() == ["name", "command", "or", "URL", "state", "tools"]
    assert row.split() == ["time", TIME[0], "running", "2"]
    assert output(session, "") == output(session, "list")
    tools = output(session, "tools time")
    assert tools == output(session, "tools")
    assert "time__get_current_time  Get current time in a specific timezone" in tools
    assert "is running and offers 2 tools" in output(session, "restart time")
    assert "Stopped and removed the MCP server time." in output(session, "remove time")
    assert session.servers.names == []


def test_adding_a_server_twice_is_not_an_error(session):
    line = f"add rude -- {' '.join(RUDE)}"
    assert output(session, line) == output(session, line)


def test_a_server_over_http_is_added_by_its_url(session, everything):
    assert "is running and offers" in output(session, f"add web {everything.url}")
    assert everything.url in output(session, "list")
    assert "web__echo" in output(session, "tools web")


def test_a_server_that_does_not_start_is_an_error_and_can_be_tried_again(session):
    with pytest.raises(MCPServerError) as caught:
        output(session, f"add rude -- {' '.join(RUDE)} crash")
    assert caught.value._render_traceback_() == [
        "The MCP server rude ended.",
        "Its stderr ends with:",
        "no licence�",
        "[ended with status 3]",
    ]
    listed = output(session, "list")
    assert "failed" in listed
    assert "The MCP server rude ended." in listed
    with pytest.raises(MCPServerError):
        output(session, "restart rude")


def test_tools_that_are_left_out_are_reported(session):
    assert "huge is left out: its schema is" in output(session, f"add bad -- {' '.join(MANNERS)}")
    assert "huge is left out" in output(session, "list")
    assert "huge is left out" in output(session, "tools bad")


def test_no_secret_is_shown(session, monkeypatch):
    monkeypatch.setenv("SERVICE_TOKEN", SECRET)
    typed = [f"--token={SECRET}", "--api-key hunter2", "--password=hunter3", "PASSWORD=hunter4"]
    shown = output(session, f"add rude --env SERVICE_TOKEN -- {' '.join([*RUDE, *typed])}") + output(session, "list")
    for secret in (SECRET, "hunter2", "hunter3", "hunter4"):
        assert secret not in shown
    assert "--api-key […]" in shown
    with pytest.raises(MCPServerError):
        output(session, f"add web http://127.0.0.1:9/mcp?key={SECRET}")
    assert "?" not in output(session, "list").splitlines()[-2]
    assert SECRET not in output(session, "list")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ad", "Unknown command 'mcp ad'."),
        ("add", "An MCP server needs a name."),
        ("add -- cat", "An MCP server needs a name."),
        ("add x", "A server needs a command or a URL."),
        ("add x --", "A server needs a command or a URL."),
        ("add x cat -n", "Unknown flag -n."),
        ("add x npx server", "A command must follow --."),
        ("add x cat", "The server's URL is not an http or https URL."),
        ("add x https://a.example -- cat", "A server has either a command or a URL."),
        ("add x --env KEY=value -- cat", "--env takes the name of an environment variable, not its value."),
        ("add x --env -- cat", "--env needs the name of an environment variable."),
        ("add x --env 5 -- cat", "--env needs the name of an environment variable."),
        ("add x --bearer=abc https://a.example", "Unknown flag --bearer."),
        ("add x --bearer HOME --bearer PATH https://a.example", "--bearer is given more than once."),
        ("add x 'https://a.example", "A quote is not closed."),
        ("add x -- no-such-command-4711", "The command 'no-such-command-4711' was not found."),
        ("add x__y -- cat", "'x__y' is not a valid name for an MCP server."),
        ("list x", "%minimax mcp list takes no arguments."),
        ("tools x", "There is no MCP server named 'x'."),
        ("tools x y", "The name of one MCP server is required."),
        ("restart", "The name of one MCP server is required."),
        ("restart x", "There is no MCP server named 'x'."),
        ("remove x y", "The name of one MCP server is required."),
        ("remove x", "There is no MCP server named 'x'."),
    ],
)
def test_invalid_commands_are_refused_and_add_nothing(session, line, message):
    with pytest.raises(UsageError) as caught:
        output(session, line)
    assert caught.value.message == message
    assert caught.value.hint
    assert session.servers.names == []


def test_the_value_of_a_secret_typed_by_mistake_is_not_repeated(session):
    with pytest.raises(UsageError) as caught:
        output(session, f"add x --env KEY={SECRET} -- cat")
    assert SECRET not in str(caught.value)


def test_closing_the_session_ends_its_servers(session):
    output(session, f"add rude -- {' '.join(RUDE)}")
    session.close()
    assert session.servers.names == []


def test_subcommands_are_completed():
    assert completions("%minimax mcp re") == ["restart", "remove"]
    assert completions("%minimax mcp remove ") == []
