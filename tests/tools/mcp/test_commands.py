"""`%minimax mcp`: what it says and does, and what is typed wrong."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from mm_magics.errors import MCPServerError, UsageError
from mm_magics.ipython import arguments, commands
from mm_magics.session import Session
from tests.tools.mcp.conftest import MANNERS, RUDE, TIME

pytestmark = [pytest.mark.slow, pytest.mark.traced]

SHELL: Any = SimpleNamespace(user_ns={})
SECRET = "tok-very-secret-4711"


@pytest.fixture
def session():
    with Session(base_url="http://127.0.0.1:9", api_key="x") as held:
        yield held


def said(session, line):
    report = commands.run(session, SHELL, f"mcp {line}")
    assert report._repr_markdown_()
    return repr(report)


def test_a_server_is_added_listed_asked_restarted_and_removed(session):
    assert "There are no MCP servers." in said(session, "")
    assert said(session, f"add time -- {TIME[0]}") == (
        "The MCP server time is running and offers 2 tools.\n%minimax mcp tools time lists them."
    )
    header, row = said(session, "list").splitlines()[1:]
    assert header.split() == ["name", "command", "or", "URL", "state", "tools"]
    assert row.split() == ["time", TIME[0], "running", "2"]
    assert said(session, "") == said(session, "list")
    tools = said(session, "tools time")
    assert tools == said(session, "tools")
    assert "time__get_current_time  Get current time in a specific timezone" in tools
    assert "is running and offers 2 tools" in said(session, "restart time")
    assert "has ended and is forgotten" in said(session, "remove time")
    assert session.servers.names == []


def test_running_the_cell_again_is_no_error(session):
    line = f"add rude -- {' '.join(RUDE)}"
    assert said(session, line) == said(session, line)


def test_a_server_over_http_is_added_by_its_url(session, everything):
    assert "is running and offers" in said(session, f"add web {everything.url}")
    assert everything.url in said(session, "list")
    assert "web__echo" in said(session, "tools web")


def test_one_that_does_not_start_is_an_error_and_stays_to_be_tried_again(session):
    with pytest.raises(MCPServerError) as caught:
        said(session, f"add rude -- {' '.join(RUDE)} crash")
    assert caught.value._render_traceback_() == [
        "The MCP server rude ended.",
        "Its stderr ends with:",
        "no licence�",
        "[ended with status 3]",
    ]
    listed = said(session, "list")
    assert "failed" in listed
    assert "The MCP server rude ended." in listed
    with pytest.raises(MCPServerError):
        said(session, "restart rude")


def test_tools_that_are_left_out_are_told(session):
    assert "huge is left out: its schema is" in said(session, f"add bad -- {' '.join(MANNERS)}")
    assert "huge is left out" in said(session, "list")
    assert "huge is left out" in said(session, "tools bad")


def test_no_secret_is_shown(session, monkeypatch):
    monkeypatch.setenv("SERVICE_TOKEN", SECRET)
    typed = [f"--token={SECRET}", "--api-key hunter2", "--password=hunter3", "PASSWORD=hunter4"]
    told = said(session, f"add rude --env SERVICE_TOKEN -- {' '.join([*RUDE, *typed])}") + said(session, "list")
    for secret in (SECRET, "hunter2", "hunter3", "hunter4"):
        assert secret not in told
    assert "--api-key […]" in told
    with pytest.raises(MCPServerError):
        said(session, f"add web http://127.0.0.1:9/mcp?key={SECRET}")
    assert "?" not in said(session, "list").splitlines()[-2]
    assert SECRET not in said(session, "list")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ad", "There is no command 'mcp ad'."),
        ("add", "An MCP server needs a name."),
        ("add -- cat", "An MCP server needs a name."),
        ("add x", "A server needs a command or a URL."),
        ("add x --", "A server needs a command or a URL."),
        ("add x cat -n", "There is no flag -n."),
        ("add x npx server", "A command stands after --."),
        ("add x cat", "The server's URL is not an http or https URL."),
        ("add x https://a.example -- cat", "A server has a command or a URL, not both."),
        ("add x --env KEY=value -- cat", "--env takes the name of an environment variable, not its value."),
        ("add x --env -- cat", "--env needs the name of an environment variable."),
        ("add x --env 5 -- cat", "--env needs the name of an environment variable."),
        ("add x --bearer=abc https://a.example", "There is no flag --bearer."),
        ("add x --bearer HOME --bearer PATH https://a.example", "One token is sent, not several."),
        ("add x 'https://a.example", "A quote is not closed."),
        ("add x -- no-such-command-4711", "There is no command 'no-such-command-4711'."),
        ("add x__y -- cat", "'x__y' cannot be an MCP server's name."),
        ("list x", "%minimax mcp list takes nothing else."),
        ("tools x", "There is no MCP server 'x'."),
        ("tools x y", "The name of one MCP server is needed."),
        ("restart", "The name of one MCP server is needed."),
        ("restart x", "There is no MCP server 'x'."),
        ("remove x y", "The name of one MCP server is needed."),
        ("remove x", "There is no MCP server 'x'."),
    ],
)
def test_what_is_typed_wrong_is_refused_and_adds_nothing(session, line, message):
    with pytest.raises(UsageError) as caught:
        said(session, line)
    assert caught.value.message == message
    assert caught.value.hint
    assert session.servers.names == []


def test_the_value_of_a_secret_typed_by_mistake_is_not_repeated(session):
    with pytest.raises(UsageError) as caught:
        said(session, f"add x --env KEY={SECRET} -- cat")
    assert SECRET not in str(caught.value)


def test_without_the_sdk_it_says_what_to_install(session, monkeypatch):
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(UsageError, match=r'pip install "mm-magics\[mcp\]"'):
        said(session, "add x -- cat")


def test_closing_the_session_ends_its_servers(session):
    said(session, f"add rude -- {' '.join(RUDE)}")
    session.close()
    assert session.servers.names == []


def test_its_words_are_completed():
    assert arguments.completions("%minimax mcp re", [], []) == ["restart", "remove"]
    assert arguments.completions("%minimax mcp remove ", [], []) == []
