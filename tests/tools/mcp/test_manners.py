"""MCP servers with bad manners: model and user get one clear line, nothing hangs, and nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time

import pytest

from mm_magics.errors import MCPServerError, UsageError
from mm_magics.tools.mcp import connection, server
from mm_magics.tools.mcp.servers import MCPServers
from mm_magics.tools.tool import TOOL_NAME, ToolOutput
from tests.prompt.test_image_file import saved
from tests.tools.mcp.conftest import MANNERS, RUDE, alive, call, until

pytestmark = [pytest.mark.slow, pytest.mark.traced]

SECRET = "tok-very-secret-4711"


def pids(path):
    return [int(each) for each in until(lambda: path.exists() and path.read_text()).split()]


# Listing --------------------------------------------------------------------------------------------------------


def test_every_page_is_read_and_unusable_tools_are_left_out_with_a_line(manners):
    names = [tool.name for tool in manners.tools("bad")]
    assert len(names) == 18
    assert names[:2] == ["bad__pid", "bad__slow"]
    assert "bad__huge" not in names
    (huge,) = manners.status("bad").notes
    assert huge.startswith("huge is left out: its schema is 60,0")


def test_a_tool_with_an_invalid_schema_does_not_affect_the_others(servers):
    servers.add("rude", [*RUDE, "broken"])
    assert [tool.name for tool in servers.tools("rude")] == ["rude__t0"]
    assert servers.status("rude").notes == (
        "b0 is left out: its schema is not an object schema.",
        "b1 is left out: its schema is not an object schema.",
        "b2 is left out: its schema is invalid.",
        "b3 is left out: its schema is invalid.",
    )


def test_names_that_the_api_refuses_are_changed_and_stay_unique(manners):
    names = [tool.name for tool in manners.tools("bad")]
    assert "bad__with_space__mlaut" in names
    long = [name for name in names if name.startswith("bad__xxx")]
    assert [len(name) for name in long] == [64, 64]
    assert len(set(names)) == len(names)
    assert all(TOOL_NAME.fullmatch(name) for name in names)
    assert call(manners, long[0]).text == "x" * 80 + "1"
    assert call(manners, long[1]).text == "x" * 80 + "2"
    assert call(manners, "bad__with_space__mlaut").text == "with space/ümlaut"


def test_a_long_description_is_cut_visibly(manners):
    (tool,) = [tool for tool in manners.tools("bad") if tool.name == "bad__long"]
    assert len(tool.description) < 2_100
    assert tool.description.endswith("… (cut)")


def test_tools_that_a_server_adds_are_listed_the_next_time(servers):
    servers.add("rude", [*RUDE, "grow"])
    assert len(servers.tools("rude")) == 1
    call(servers, "rude__t0")
    until(lambda: len(servers.tools("rude")) == 2)


# Results --------------------------------------------------------------------------------------------------------


def test_content_that_is_not_text_is_named_with_kind_and_size(manners):
    assert call(manners, "bad__image").text.splitlines() == [
        "two things",
        "[image, image/png, 3,000 bytes: not sent to the model, because it is not PNG, JPEG, GIF or WebP]",
        "[audio, audio/wav, 2 bytes: not sent to the model]",
        "[resource file:///a.bin, x/y, 4 bytes: not sent to the model]",
    ]
    assert call(manners, "bad__structure") == ToolOutput('{"ü": [1, 2]}')
    assert call(manners, "bad__nothing") == ToolOutput("(nothing)")


@pytest.mark.parametrize("fail", [False, True])
def test_images_are_what_their_bytes_are_and_other_data_is_named(manners, tmp_path, fail):
    png = saved("PNG", size=(640, 480))
    part = (len(png) + 2) // 3 * 4 // 8 * 4 // 4 * 3
    (tmp_path / "plot.png").write_bytes(png)
    output = call(manners, "bad__images", file=str(tmp_path / "plot.png"), fail=fail)
    assert output.images == (png,)
    assert output.is_error == fail
    assert output.text.splitlines() == [
        "Look:",
        "[image 1, 640×480]",
        "[image 1, 640×480]",
        "[resource file:///plot.png] [image 1, 640×480]",
        "[image, image/svg+xml, 19 bytes: not sent to the model, because it is not PNG, JPEG, GIF or WebP]",
        "[image, image/png, 19 bytes: not sent to the model, because it is not PNG, JPEG, GIF or WebP]",
        f"[image, image/png, {part:,} bytes: not sent to the model, because the file is damaged or incomplete]",
        "[image, image/png: not sent to the model, because it is not base64]",
        "[image, image/png, 0 bytes: not sent to the model, because it is not PNG, JPEG, GIF or WebP]",
    ]


def test_the_text_of_an_embedded_resource_reaches_the_model(manners):
    assert call(manners, "bad__texts").text.splitlines() == [
        "[resource file:///a.md, text/markdown, 25 characters]",
        "# Title",
        "",
        "The key is 4711.",
        "[resource file:///empty, unknown type, 0 characters]",
        "[resource file:///b, unknown type, 1 characters]",
        "-",
    ]


def test_structured_content_that_violates_its_schema_is_still_an_answer(manners):
    assert call(manners, "bad__misfit") == ToolOutput('{"n": "one"}')


def test_an_error_of_the_tool_and_one_of_the_protocol_are_both_errors(manners):
    assert call(manners, "bad__wrong") == ToolOutput("it went wrong", is_error=True)
    refused = call(manners, "bad__refuse")
    assert refused == ToolOutput("The MCP server bad answered refuse with an error: I refuse utterly.", is_error=True)


# Death ----------------------------------------------------------------------------------------------------------


def test_a_server_that_dies_in_a_call_is_an_error_with_its_stderr_and_the_next_call_starts_it(servers, monkeypatch):
    monkeypatch.setenv("SERVICE_KEY", SECRET)
    servers.add("bad", MANNERS, env=["SERVICE_KEY"])
    before = call(servers, "bad__pid").text
    died = call(servers, "bad__die")
    assert died.is_error
    assert died.text.splitlines() == [
        "The MCP server bad ended.",
        "Its stderr ends with:",
        "last words�, the key is [SERVICE_KEY]",
        "[ended with status -9]",
    ]
    assert servers.status("bad").state == "failed"
    after = call(servers, "bad__pid").text
    assert int(after) != int(before)
    assert servers.status("bad").state == "running"


def test_a_server_that_died_between_calls_is_started_again_silently(manners):
    pid = int(call(manners, "bad__pid").text)
    os.kill(pid, signal.SIGKILL)
    until(lambda: manners.status("bad").state == "ended")
    assert int(call(manners, "bad__pid").text) != pid


def test_a_server_that_always_crashes_is_started_once_a_call(servers, tmp_path):
    log = tmp_path / "log"
    servers.add("crash", ["sh", "-c", f"echo started >> {log}; exec {' '.join(RUDE)} crash"])
    for number in (1, 2):
        with pytest.raises(MCPServerError) as caught:
            servers.tools("crash")
        assert str(caught.value).splitlines() == [
            "The MCP server crash ended.",
            "Its stderr ends with:",
            "no licence�",
            "[ended with status 3]",
        ]
        assert log.read_text().count("started") == number


def test_a_call_after_the_server_was_removed_is_an_error(servers):
    servers.add("bad", MANNERS)
    tool = servers.tools("bad")[0]
    servers.remove("bad")
    assert asyncio.run(tool.function()) == ToolOutput("The MCP server bad was removed.", is_error=True)


def test_a_command_that_was_deleted_after_it_was_added_is_an_error(servers, tmp_path):
    command = tmp_path / "command"
    command.write_text("#!/bin/sh")
    command.chmod(0o755)
    servers.add("gone", [str(command)])
    command.unlink()
    with pytest.raises(MCPServerError) as caught:
        servers.tools("gone")
    assert caught.value.tail == (f"[{command} cannot be run: No such file or directory]",)


# Slowness -------------------------------------------------------------------------------------------------------


def test_cancelling_a_call_cancels_it_on_the_server(manners, tmp_path):
    note = tmp_path / "note"
    manners.tools("bad")
    call(manners, "bad__pid")
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        call(manners, "bad__slow", within=1, note=str(note))
    assert time.monotonic() - start < 30
    until(note.exists)
    assert not call(manners, "bad__pid").is_error


def test_calls_run_side_by_side(manners):
    tools = {tool.name: tool for tool in manners.tools("bad")}

    async def seven():
        return await asyncio.gather(*(tools["bad__slow"].function(seconds=5) for _ in range(7)))

    call(manners, "bad__pid")
    start = time.monotonic()
    assert asyncio.run(seven()) == [ToolOutput("at last")] * 7
    assert time.monotonic() - start < 30


@pytest.mark.parametrize(
    ("how", "seconds", "line"),
    [
        ("silent", 1, "The MCP server rude did not answer within 1 s."),
        ("mute", 60, "The MCP server rude did not list its tools within 1 s."),
        (
            "only-garbage",
            5,
            "The MCP server rude did not answer within 5 s; it wrote a line to stdout that is not an MCP message: "
            "'Starting server…\\x1b[31m'.",
        ),
    ],
)
def test_a_server_that_does_not_answer_times_out(servers, monkeypatch, how, seconds, line):
    """A server that writes something has the time to start."""
    monkeypatch.setattr(connection, "CONNECT_S", seconds)
    monkeypatch.setattr(server, "CONNECT_S", seconds)
    monkeypatch.setattr(server, "LIST_S", 1)
    servers.add("rude", [*RUDE, how])
    start = time.monotonic()
    with pytest.raises(MCPServerError) as caught:
        servers.tools("rude")
    assert str(caught.value) == line
    assert time.monotonic() - start < 30


def test_a_url_that_accepts_the_connection_and_never_responds_times_out(servers, monkeypatch):
    monkeypatch.setattr(connection, "CONNECT_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        servers.add("mute", f"http://127.0.0.1:{silent.getsockname()[1]}/mcp")
        start = time.monotonic()
        with pytest.raises(MCPServerError, match=r"^The MCP server mute "):
            servers.tools("mute")
    assert time.monotonic() - start < 30


# Noise ----------------------------------------------------------------------------------------------------------


def test_a_flood_on_stderr_blocks_nothing_and_ten_short_lines_of_it_are_kept(servers):
    servers.add("bad", MANNERS)
    assert call(servers, "bad__flood", lines=20_000) == ToolOutput("dry again")
    died = call(servers, "bad__die").text.splitlines()
    assert len(died) == 12
    assert max(map(len, died)) <= 301


def test_garbage_on_stdout_does_not_disturb_a_server_that_continues(servers, capfd):
    servers.add("rude", [*RUDE, "garbage"])
    assert call(servers, "rude__t0") == ToolOutput("called")
    assert capfd.readouterr().err == ""


def test_a_secret_that_a_server_repeats_is_redacted_for_the_model(servers, monkeypatch):
    monkeypatch.setenv("SERVICE_KEY", SECRET)
    servers.add("bad", MANNERS, env=["SERVICE_KEY"])
    assert call(servers, "bad__whisper") == ToolOutput("[SERVICE_KEY]")


def test_a_path_from_the_environment_can_be_read(servers, monkeypatch, tmp_path):
    monkeypatch.setenv("SERVICE_KEY", str(tmp_path))
    servers.add("bad", MANNERS, env=["SERVICE_KEY"])
    assert call(servers, "bad__whisper") == ToolOutput(str(tmp_path))


# The end --------------------------------------------------------------------------------------------------------


def test_closing_ends_a_server_that_will_not_end_and_its_children(tmp_path):
    note = tmp_path / "pids"
    servers = MCPServers()
    servers.add("rude", [*RUDE, "stay", f"pid={note}"])
    servers.tools("rude")
    running = pids(note)
    assert len(running) == 2
    assert all(map(alive, running))
    start = time.monotonic()
    servers.close()
    assert time.monotonic() - start < 30
    assert not any(map(alive, running))
    assert servers.names == []


def test_servers_can_be_added_after_closing(servers):
    servers.add("rude", RUDE)
    servers.tools("rude")
    servers.close()
    servers.add("rude", RUDE)
    assert len(servers.tools("rude")) == 1


def test_closing_twice_or_before_a_start_is_not_an_error():
    servers = MCPServers()
    servers.close()
    servers.add("rude", RUDE)
    servers.close()
    servers.close()
    assert threading.active_count() < 50


def test_restart_and_remove_end_the_process(servers, tmp_path):
    note = tmp_path / "pids"
    servers.add("rude", [*RUDE, f"pid={note}"])
    servers.tools("rude")
    first = pids(note)
    servers.restart("rude")
    assert servers.status("rude").state == "not started"
    assert not alive(first[0])
    servers.tools("rude")
    second = pids(note)
    assert second[0] != first[0]
    servers.remove("rude")
    assert not alive(second[0])
    with pytest.raises(UsageError, match="There is no MCP server named 'rude'"):
        servers.tools("rude")


# Adding ---------------------------------------------------------------------------------------------------------


def test_adding_the_same_server_changes_nothing_and_a_different_one_replaces_it(servers):
    servers.add("bad", MANNERS)
    pid = call(servers, "bad__pid").text
    servers.add("bad", MANNERS)
    assert call(servers, "bad__pid").text == pid
    servers.add("bad", RUDE)
    assert not alive(int(pid))
    assert [tool.name for tool in servers.tools("bad")] == ["bad__t0"]


@pytest.mark.parametrize(
    ("name", "command", "options", "message"),
    [
        ("a b", ["cat"], {}, "'a b' is not a valid name for an MCP server."),
        ("", ["cat"], {}, "'' is not a valid name for an MCP server."),
        ("a__b", ["cat"], {}, "'a__b' is not a valid name for an MCP server."),
        ("a_", ["cat"], {}, "'a_' is not a valid name for an MCP server."),
        ("ä", ["cat"], {}, "'ä' is not a valid name for an MCP server."),
        ("x" * 33, ["cat"], {}, f"'{'x' * 33}' is not a valid name for an MCP server."),
        ("x\n", ["cat"], {}, r"'x\n' is not a valid name for an MCP server."),
        ("a", [], {}, "A server needs a command or a URL."),
        ("a", [""], {}, "A server needs a command or a URL."),
        ("a", ["no-such-command-4711"], {}, "The command 'no-such-command-4711' was not found."),
        ("a", ["cat", "\x1b[31m"], {}, "The command contains control characters."),
        ("a", ["cat"], {"env": ["NO_SUCH_4711"]}, "The environment variable NO_SUCH_4711 is not set."),
        ("a", ["cat"], {"bearer": "HOME"}, "A token cannot be passed to a command."),
        ("a", "ftp://example.org", {}, "The server's URL is not an http or https URL."),
        ("a", "https://", {}, "The server's URL is not an http or https URL."),
        ("a", "https://x:y@example.org", {}, "The server's URL contains a user name or password."),
        ("a", "https://example.org\\@evil.org", {}, "The server's URL is not a valid URL."),
        ("a", "https://[", {}, "The server's URL is not a valid URL."),
        ("a", "https://example.org:port/", {}, "The server's URL is not a valid URL."),
        (
            "a",
            "http://example.org/mcp",
            {"bearer": "HOME"},
            "example.org is not this machine, and a token must not be sent",
        ),
        ("a", "https://example.org/mcp", {"bearer": "BROKEN"}, "BROKEN has characters that a token cannot contain."),
        ("a", "https://example.org/mcp", {"env": ["HOME"]}, "Environment variables cannot be passed to a URL."),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(servers, monkeypatch, name, command, options, message):
    monkeypatch.setenv("BROKEN", "two words")
    with pytest.raises(UsageError) as caught:
        servers.add(name, command, **options)
    assert caught.value.message.startswith(message)
    assert caught.value.hint
    assert str(caught.value).isprintable() or len(str(caught.value).splitlines()) == 2
    assert servers.names == []
