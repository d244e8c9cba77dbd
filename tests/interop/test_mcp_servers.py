"""MCP servers that this project did not write: what their tools return reaches the model, through approved calls."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mm_magics import Session
from mm_magics.api.messages import blocks
from mm_magics.api.outside import content_of
from mm_magics.simulator import ScriptedAnswer, Simulator, tool_use
from tests.environments import pinned_environment
from tests.prompt.test_image_file import saved

OFFERED = {
    "everything": "get-resource-reference",
    "filesystem": "read_text_file",
    "memory": "create_entities",
    "time": "get_current_time",
    "git": "git_log",
    "fetch": "fetch",
}
"""A tool of each server."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text, an image and a commit."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "note.txt").write_text("Grüße aus 海 🪸", "utf-8")
    (folder / "plot.png").write_bytes(saved("PNG", size=(64, 48)))
    git = ["git", "-C", str(folder), "-c", "user.name=A", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "note.txt"], ["commit", "-q", "-m", "Add a note"]):
        subprocess.run([*git, *command], check=True)
    return folder


@pytest.fixture(scope="module")
def commands(folder: Path) -> dict[str, list[str]]:
    npm = pinned_environment("mcp-npm") / "node_modules" / "@modelcontextprotocol"
    pypi = pinned_environment("mcp-pypi") / "bin"
    return {
        **{
            name: ["node", str(npm / f"server-{name}" / "dist" / "index.js"), *arguments]
            for name, arguments in (("everything", ["stdio"]), ("filesystem", [str(folder)]), ("memory", []))
        },
        "time": [str(pypi / "mcp-server-time")],
        "git": [str(pypi / "mcp-server-git")],
        "fetch": [str(pypi / "mcp-server-fetch"), "--ignore-robots-txt", "--allow-private-ips"],
    }


@pytest.fixture(scope="module")
def asked(commands: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A session with all servers, whose model calls what the test wants."""
    with pytest.MonkeyPatch.context() as patch, Simulator(strict=True) as endpoint:
        patch.setenv("MEMORY_FILE_PATH", str(tmp_path_factory.mktemp("memory") / "memory.json"))
        with Session(base_url=endpoint.base_url, api_key=endpoint.key, max_retries=0) as session:
            session.endpoint = endpoint
            for name, command in commands.items():
                session.servers.add(name, command, env=["MEMORY_FILE_PATH"] if name == "memory" else [])
            yield session


def call(session: Session, server: str, tool: str, model: str = "MiniMax-M2.7", **arguments: Any) -> list[Any]:
    """Let the model call a tool, and return the blocks of the result that it received."""
    session.endpoint.answers.extend([ScriptedAnswer([tool_use(f"{server}__{tool}", arguments)]), "Done."])
    turn = session.ask("Call it.", tools=[server], approve=lambda _: True, context="none", model=model)
    assert (turn.status, turn.text) == ("complete", "Done.")
    (result, *rest) = blocks(session.endpoint.log[-1].body["messages"][-1])
    assert result["type"] == "tool_result"
    assert not result.get("is_error"), result
    return [*blocks(result), *rest]


def text(found: list[Any]) -> str:
    """Return the texts of a result without the marks between which they were sent."""
    return "\n".join(content_of(block["text"]) for block in found if block["type"] == "text")


@pytest.mark.parametrize("server", OFFERED)
def test_the_tools_of_a_server_are_listed(asked: Session, server: str) -> None:
    tools = {tool.name: tool for tool in asked.servers.tools(server)}
    assert f"{server}__{OFFERED[server]}" in tools
    assert all(tool.asks for tool in tools.values())
    assert asked.servers.status(server).notes == ()


def test_everything_returns_an_embedded_text_and_one_in_base64(asked: Session) -> None:
    for kind in ("Text", "Blob"):
        found = text(call(asked, "everything", "get-resource-reference", resourceType=kind, resourceId=1))
        assert "Resource 1: This is a" in found


def test_everything_returns_links_and_structure(asked: Session) -> None:
    assert "[link to demo://resource/" in text(call(asked, "everything", "get-resource-links", count=2))
    assert "temperature" in text(call(asked, "everything", "get-structured-content", location="Chicago"))


def test_the_damaged_image_of_everything_is_named_and_not_sent(asked: Session) -> None:
    found = call(asked, "everything", "get-tiny-image", model="MiniMax-M3")
    assert {block["type"] for block in found} == {"text"}
    assert "the file is damaged or incomplete" in text(found)


def test_filesystem_returns_a_text(asked: Session, folder: Path) -> None:
    assert "Grüße aus 海 🪸" in text(call(asked, "filesystem", "read_text_file", path=str(folder / "note.txt")))


@pytest.mark.parametrize("model", ["MiniMax-M3", "MiniMax-M2.7"])
def test_filesystem_returns_an_image_to_a_model_that_takes_images(asked: Session, folder: Path, model: str) -> None:
    found = call(asked, "filesystem", "read_media_file", model=model, path=str(folder / "plot.png"))
    assert "64×48" in text(found)
    assert ("image" in [block["type"] for block in found]) == (model == "MiniMax-M3")


def test_memory_remembers_what_the_model_wrote(asked: Session) -> None:
    entity = {"name": "Reef", "entityType": "place", "observations": ["It is warm."]}
    call(asked, "memory", "create_entities", entities=[entity])
    assert "It is warm." in text(call(asked, "memory", "read_graph"))


def test_time_returns_a_time(asked: Session) -> None:
    found = json.loads(text(call(asked, "time", "get_current_time", timezone="Asia/Tokyo")))
    assert found["datetime"].endswith("+09:00")


def test_git_returns_a_log(asked: Session, folder: Path) -> None:
    assert "Add a note" in text(call(asked, "git", "git_log", repo_path=str(folder), max_count=1))


def test_fetch_returns_a_page_of_this_machine(asked: Session, folder: Path) -> None:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found = text(call(asked, "fetch", "fetch", url=f"http://127.0.0.1:{server.server_port}/note.txt", raw=True))
        server.shutdown()
    assert "Grüße aus 海 🪸" in found
