"""MCP servers that this project did not write: from PyPI and npm, over stdio and streamable HTTP."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mm_magics.errors import MCPServerError
from mm_magics.tools.tool import TOOL_NAME, ToolOutput
from tests.endpoint.test_network_errors import TLSServer
from tests.recorder import Recorder
from tests.tools.mcp.conftest import EVERYTHING, FILES, TIME, call

pytestmark = [pytest.mark.slow, pytest.mark.traced]

SECRET = "tok-very-secret-4711"


def test_a_server_from_pypi_offers_its_tools_and_answers(servers):
    servers.add("time", TIME)
    tools = {tool.name: tool for tool in servers.tools("time")}
    assert list(tools) == ["time__get_current_time", "time__convert_time"]
    tool = tools["time__get_current_time"]
    assert tool.asks
    assert tool.is_async
    assert "time" in tool.risk
    assert tool.definition["input_schema"]["required"] == ["timezone"]
    assert tool.description.startswith("From the MCP server time: ")
    answer = call(servers, "time__get_current_time", timezone="Asia/Tokyo")
    assert json.loads(answer.text)["datetime"].endswith("+09:00")
    wrong = call(servers, "time__get_current_time", timezone="Mars")
    assert wrong.is_error
    assert "Mars" in wrong.text


def test_a_lone_surrogate_in_an_argument_does_not_break_the_connection(servers):
    servers.add("all", [*EVERYTHING, "stdio"])
    assert call(servers, "all__echo", message="half \ud83d") == ToolOutput("Echo: half �")


def test_a_command_that_pip_installed_beside_this_python_needs_no_path(servers, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    servers.add("git", ["mcp-server-git"])
    assert "git__git_status" in [tool.name for tool in servers.tools("git")]


def test_a_server_from_npm_reads_the_folder_it_was_given_and_no_other(servers, tmp_path):
    (tmp_path / "note.txt").write_text("Grüße")
    servers.add("files", [*FILES, str(tmp_path)])
    assert call(servers, "files__read_text_file", path=str(tmp_path / "note.txt")) == ToolOutput("Grüße")
    outside = call(servers, "files__read_text_file", path="/etc/hostname")
    assert outside.is_error
    assert "Access denied" in outside.text


def test_images_links_and_structure_of_the_reference_server(servers):
    servers.add("all", [*EVERYTHING, "stdio"])
    assert "[image, image/png, " in call(servers, "all__get-tiny-image").text
    assert "[link to demo://resource/" in call(servers, "all__get-resource-links", count=2).text
    assert "[resource demo://resource/" in call(servers, "all__get-resource-reference").text
    assert '"temperature":' in call(servers, "all__get-structured-content", location="Chicago").text
    assert call(servers, "all__echo").is_error


def test_a_server_sees_the_named_variables_and_no_key(servers, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
    monkeypatch.setenv("SERVICE_KEY", "open sesame 1")
    monkeypatch.setenv("OTHER", "not for you")
    servers.add("all", [*EVERYTHING, "stdio"], env=["SERVICE_KEY"])
    text = call(servers, "all__get-env").text
    seen = json.loads(text)
    assert seen["SERVICE_KEY"] == "[SERVICE_KEY]"
    assert "ANTHROPIC_API_KEY" not in seen
    assert "OTHER" not in seen
    assert "sesame" not in repr(servers.status("all")) + repr(servers.tools("all"))


def test_a_slow_call_can_be_cancelled_and_others_continue(servers):
    servers.add("all", [*EVERYTHING, "stdio"])
    servers.tools("all")
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        call(servers, "all__trigger-long-running-operation", within=0.5, duration=30, steps=3)
    assert time.monotonic() - start < 30
    assert call(servers, "all__echo", message="still here").text == "Echo: still here"


def test_over_http_tools_are_listed_and_called_from_any_loop_and_thread(servers, everything):
    servers.add("web", everything.url)
    tools = {tool.name: tool for tool in servers.tools("web")}
    answers = []

    def one(number):
        answers.append(asyncio.run(tools["web__get-sum"].function(a=number, b=1)).text)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(answers) == [f"The sum of {n} and 1 is {n + 1}." for n in range(5)]


def test_a_call_is_repeated_after_a_server_restarted_and_lost_its_sessions(servers, everything):
    servers.add("web", everything.url)
    assert call(servers, "web__echo", message="one").text == "Echo: one"
    everything.stop()
    everything.start()
    answers = [call(servers, "web__echo", message="two") for _ in range(2)]
    assert answers[-1] == ToolOutput("Echo: two")


def test_a_server_that_is_gone_is_an_error_until_it_is_back(servers, everything):
    servers.add("web", everything.url)
    servers.tools("web")
    everything.stop()
    for _ in range(2):
        gone = call(servers, "web__echo", message="?")
        assert gone.is_error
        assert gone.text.startswith("The MCP server web ")
        assert len(gone.text.splitlines()) == 1
    everything.start()
    assert call(servers, "web__echo", message="back") == ToolOutput("Echo: back")


def test_a_url_without_a_server_is_a_one_line_error(servers):
    servers.add("none", "http://127.0.0.1:9/mcp")
    with pytest.raises(MCPServerError, match=r"^The MCP server none cannot be reached: no connection\.$"):
        servers.tools("none")
    assert servers.status("none").state == "failed"


class Refusing(BaseHTTPRequestHandler):
    """Answers with a fixed status and headers, and records the tokens it receives."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append(self.headers.get("Authorization"))
        self.send_response(self.server.answer[0])
        for name, value in self.server.answer[1].items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_DELETE = do_POST

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def refusing():
    held = []

    def make(status, **headers):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
        server.answer, server.seen = (status, headers), []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        held.append(server)
        return server, f"http://127.0.0.1:{server.server_port}/mcp"

    yield make
    for server in held:
        server.shutdown()
        server.server_close()


def test_a_token_is_sent_to_its_host_and_appears_in_no_message(servers, refusing, monkeypatch):
    monkeypatch.setenv("SERVICE_TOKEN", SECRET)
    server, url = refusing(401)
    servers.add("web", url, bearer="SERVICE_TOKEN")
    with pytest.raises(MCPServerError, match="answered with HTTP 401") as caught:
        servers.tools("web")
    assert set(server.seen) == {f"Bearer {SECRET}"}
    assert SECRET not in f"{caught.value}{caught.value!r}{servers.status('web')}{vars(servers)}"


def test_a_token_does_not_follow_a_redirect(servers, refusing, monkeypatch):
    monkeypatch.setenv("SERVICE_TOKEN", SECRET)
    other, elsewhere = refusing(200)
    _, url = refusing(307, Location=elsewhere)
    servers.add("web", url, bearer="SERVICE_TOKEN")
    with pytest.raises(MCPServerError):
        servers.tools("web")
    assert other.seen == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST"])
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_a_token_for_this_machine_does_not_go_to_a_proxy(servers, refusing, monkeypatch, host, variable):
    monkeypatch.setenv("SERVICE_TOKEN", SECRET)
    server, url = refusing(401)
    with Recorder() as proxy:
        monkeypatch.setenv(variable, f"http://{proxy.host}")
        servers.add("web", url.replace("127.0.0.1", host).replace("http", "HTTP"), bearer="SERVICE_TOKEN")
        with pytest.raises(MCPServerError, match="answered with HTTP 401"):
            servers.tools("web")
        assert proxy.connections == 0
    assert set(server.seen) == {f"Bearer {SECRET}"}


@pytest.mark.parametrize("spelling", ["https://127.0.0.1", "HTTPS://127.0.0.1", "Https://LOCALHOST"])
def test_a_token_is_sent_only_after_the_certificate_was_verified(servers, tmp_path, monkeypatch, spelling):
    monkeypatch.setenv("SERVICE_TOKEN", SECRET)
    with TLSServer(tmp_path, "IP:127.0.0.1") as server:
        servers.add("web", server.base_url.replace("https://127.0.0.1", spelling), bearer="SERVICE_TOKEN")
        with pytest.raises(MCPServerError, match="has a certificate that cannot be verified"):
            servers.tools("web")
    assert (server.connections > 0, server.requests) == (True, [])


def test_no_token_is_sent_unless_one_is_named(servers, refusing, monkeypatch):
    monkeypatch.setenv("SERVICE_TOKEN", SECRET)
    server, url = refusing(500)
    servers.add("web", url)
    with pytest.raises(MCPServerError, match="HTTP 500"):
        servers.tools("web")
    assert set(server.seen) == {None}


@pytest.mark.parametrize("kind", ["time", "all"])
def test_every_name_is_accepted_by_the_api(servers, kind):
    servers.add(kind, TIME if kind == "time" else [*EVERYTHING, "stdio"])
    names = [tool.name for tool in servers.tools(kind)]
    assert len(set(names)) == len(names) > 1
    assert all(TOOL_NAME.fullmatch(name) and name.startswith(f"{kind}__") for name in names)


@pytest.mark.parametrize("way", ["stdio", "http"])
def test_a_script_that_does_not_close_its_servers_exits(everything, way):
    where = [*EVERYTHING, "stdio"] if way == "stdio" else everything.url
    script = (
        "from mm_magics import Session\nsession = Session()\n"
        f"session.servers.add('all', {where!r})\nprint(len(session.servers.tools('all')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert int(done.stdout) > 5
    assert done.stderr == ""


def test_nothing_is_started_before_its_tools_are_needed(servers, tmp_path):
    marker = tmp_path / "started"
    servers.add("late", ["sh", "-c", f"touch {marker}"])
    assert servers.status("late").state == "not started"
    assert not marker.exists()
    with pytest.raises(MCPServerError):
        servers.tools("late")
    assert marker.exists()
