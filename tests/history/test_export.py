"""A thread as a file: what each format contains, and what cannot be read or written."""

from __future__ import annotations

import json
import locale
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from mm_magics import Session
from mm_magics.display.export_markdown import render_markdown
from mm_magics.errors import RecordError, UsageError
from mm_magics.history import export
from mm_magics.simulator import ScriptedAnswer, Simulator, tool_use
from tests.display.html import elements
from tests.display.jupyterlab_markdown import typeset
from tests.turns import turn

ODD = "Grüße 🦪 {x} {{y}} \"'\\ \u2028"


def test_markdown_quotes_the_prompts_and_keeps_the_answers() -> None:
    turns = [turn("one\n\n  two", "An *answer*.\n\n- a"), turn("again", [], status="stopped")]
    assert render_markdown(turns) == ("> one\n>\n>   two\n\nAn *answer*.\n\n- a\n\n> again\n\n*(stopped)*\n")


HOSTILE = (
    "![a](https://e.org/a.png) ![b][c] <img src=https://e.org/d.png> <svg onload=x> <style>x</style> <!-- x -->\n\n"
    "[![d](https://e.org/d.png)](https://e.org) <a href=javascript:x style='background:url(https://e.org)'>y</a>\n\n"
    "| ![e](https://e.org/e.png) |\n| --- |\n| ![f](data:image/png;base64,AA==) |\n\n> - ![g](https://e.org/g.png)\n\n"
    "$\\href{https://e.org}{x}$ and `![h](i)`\n\n```html\n<img src=j>\n```\n\n[c]: https://e.org/c.png\n"
)


def test_an_exported_file_loads_nothing() -> None:
    text = render_markdown([turn(HOSTILE, HOSTILE, notes=[HOSTILE]), turn("![k](l)", "x")])
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    tags = {tag for tag, _ in elements(html)}
    assert not tags & {"img", "svg", "style", "script"}
    assert all(
        "javascript:" not in value and "url(" not in value for _, each in elements(html) for value in each.values()
    )
    assert "`![h](i)`" in text, "code is unchanged"
    assert "\n```html\n<img src=j>\n```\n" in text
    assert typeset(text) == []


@pytest.mark.parametrize(
    "link",
    [
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](<javascript:alert(1)>)",
        "[x](java&#115;cript&colon;alert(1))",
        "[x](javascript\\:alert(1))",
        "[x](vbscript:x)",
        "[x](data:text/html;base64,AA==)",
        "[x][y]\n\n[y]: javascript:alert(1)",
        "<javascript:alert(1)>",
        "<a href=javascript:alert(1)>x</a>",
        "<a\nhref='java&Tab;script:x'>x</a>",
        "> - **[x](javascript:alert(1))**",
    ],
)
def test_no_link_of_an_exported_file_runs_anything(link: str) -> None:
    parser = MarkdownIt("commonmark", {"html": True})
    parser.validateLink = bool  # type: ignore[method-assign, assignment]
    html = parser.render(render_markdown([turn(link, f"Look: {link}")]))
    assert [each for tag, each in elements(html) if tag == "a"] == []
    assert "javascript: is a scheme" in render_markdown([turn("x", "javascript: is a scheme, [y](https://e.org)")])


def test_the_messages_are_those_of_the_next_request() -> None:
    turns = [turn(ODD, "a"), turn("lost", []), turn("two", "b")]
    text = export.to_messages_json(turns)
    assert [(each["role"], each["content"][0]["text"]) for each in json.loads(text)] == [
        ("user", ODD),
        ("assistant", "a"),
        ("user", "two"),
        ("assistant", "b"),
    ]
    assert "Grüße 🦪" in text
    assert text.startswith('[\n {\n  "role"')
    assert text.endswith("]\n")


FAKE_SDK = """
class Anthropic:
    def __init__(self, **options):
        self.options = options
        self.messages = self
    def stream(self, **options):
        import json
        print(json.dumps([self.options, options]))
        return self
    def __enter__(self):
        self.text_stream = ["o", "k"]
        return self
    def __exit__(self, *_):
        pass
"""


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"system": ODD, "params": {"max_tokens": 77}}, {"system": ODD, "max_tokens": 77}),
        ({"params": {}}, {"max_tokens": 8192}),
    ],
)
def test_the_script_continues_the_conversation(tmp_path: Path, fields: dict[str, Any], expected: Any) -> None:
    early = [turn("early", "a", model="MiniMax-M2", params={"max_tokens": 5}) for _ in range(2)]
    turns = [*early, turn(ODD, ODD, model="M", **fields)]
    (tmp_path / "anthropic.py").write_text(FAKE_SDK)
    (tmp_path / "talk.py").write_text(export.to_script(turns, "https://api.example/anthropic"), "utf-8")
    done = subprocess.run(
        [sys.executable, "talk.py"],
        cwd=tmp_path,
        env={"MINIMAX_API_KEY": "the-key", "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    line, _, answer = done.stdout.partition("\n")
    assert answer == "ok"
    client, request = json.loads(line)
    assert client == {
        "base_url": "https://api.example/anthropic",
        "api_key": "the-key",
        "default_headers": {"anthropic-version": "2023-06-01"},
    }
    messages = request.pop("messages")
    assert request == {"model": "M", **expected}
    assert messages[:-1] == json.loads(export.to_messages_json(turns))
    assert messages[-1] == {"role": "user", "content": "…"}


def test_saved_turns_are_loaded_unchanged(tmp_path: Path) -> None:
    turns = [turn(ODD, ODD, cell_id="a"), turn("two", system=ODD)]
    text = export.to_json(turns)
    export.write_file(tmp_path / "turns.json", text)
    assert export.load_turns(tmp_path / "turns.json") == turns
    assert json.loads(text)["schema"] == 2
    assert "Grüße 🦪" in text
    assert text.startswith('{\n "schema": 2,\n "turns": [')
    assert text.endswith("}\n")


@pytest.fixture
def ascii_locale() -> Iterator[None]:
    before = locale.setlocale(locale.LC_CTYPE)
    locale.setlocale(locale.LC_CTYPE, "C")
    yield
    locale.setlocale(locale.LC_CTYPE, before)


@pytest.mark.usefixtures("ascii_locale")
def test_files_are_utf8_in_any_locale(tmp_path: Path) -> None:
    turns = [turn(ODD, ODD)]
    export.write_file(tmp_path / "turns.json", export.to_json(turns))
    assert "Grüße 🦪".encode() in (tmp_path / "turns.json").read_bytes()
    assert export.load_turns(tmp_path / "turns.json") == turns


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is not JSON."),
        (b"\xff", "is not JSON."),
        (b"[" * 100_000, "cannot be read: it has too many levels of nesting."),
        (b"9" * 5_000, "cannot be read: it has a number with too many digits."),
        (b"[]", "contains no turns."),
        (b'{"turns": {}}', "contains no turns."),
        (b'{"messages": []}', "contains no turns."),
    ],
)
def test_a_file_without_turns_is_an_error_that_names_it(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "turns.json"
    path.write_bytes(content)
    with pytest.raises(RecordError) as caught:
        export.load_turns(path)
    assert str(caught.value) == f"{path} {reason}\nLoad a file that %minimax save wrote."


def test_a_damaged_turn_in_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "turns.json").write_text('{"turns": [5]}')
    with pytest.raises(RecordError, match="is not an object"):
        export.load_turns(tmp_path / "turns.json")


def test_a_file_that_cannot_be_read_or_written_is_an_error_of_the_user(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "turns.json"
    with pytest.raises(UsageError) as caught:
        export.load_turns(path)
    assert str(caught.value) == f"{path} cannot be read: No such file or directory."
    with pytest.raises(UsageError) as caught:
        export.write_file(path, "new")
    assert str(caught.value) == f"{path} cannot be written: No such file or directory."


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_written_file_keeps_its_permissions_and_a_new_one_follows_the_umask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, umask: int
) -> None:
    modes = []
    replace = os.replace
    monkeypatch.setattr(
        os, "replace", lambda new, path, **_: (modes.append(stat.S_IMODE(os.stat(new).st_mode)), replace(new, path))
    )
    before = os.umask(umask)
    old, new = tmp_path / "old.md", tmp_path / "new.md"
    old.write_text("old")
    old.chmod(0o600)
    for path in (old, new):
        export.write_file(path, ODD)
        assert path.read_text("utf-8") == ODD
    os.umask(before)
    assert modes == [0o600, 0o666 & ~umask], "the mode is set before the file gets its name"
    assert stat.S_IMODE(old.stat().st_mode) == 0o600
    assert stat.S_IMODE(new.stat().st_mode) == 0o666 & ~umask
    assert sorted(os.listdir(tmp_path)) == ["new.md", "old.md"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "talk.md"
    path.write_text("old")

    def fail(new: str, _path: Path, **_: None) -> None:
        assert Path(new).parent == tmp_path
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(UsageError, match=r"talk\.md cannot be written: No space left on device\.$"):
        export.write_file(path, "new")
    assert os.listdir(tmp_path) == ["talk.md"]
    assert path.read_text() == "old"


def test_the_script_of_a_conversation_with_calls_is_accepted_by_the_strictest_endpoint(
    session: Session, endpoint: Simulator, tmp_path: Path
) -> None:
    def lookup(query: str) -> str:
        """Look something up."""
        return query

    endpoint.answers.extend([ScriptedAnswer([tool_use("lookup", {"query": "it's"})]), "Done."])
    session.ask("Look it up.", tools=[lookup])
    script = tmp_path / "talk.py"
    script.write_text(export.to_script(session.history.turns("main"), endpoint.base_url), "utf-8")
    environment = {**os.environ, "MINIMAX_API_KEY": endpoint.key}
    subprocess.run([sys.executable, script], env=environment, check=True, capture_output=True, timeout=60)
    body = endpoint.log[-1].body
    assert endpoint.log[-1].status == 200
    assert ([tool["name"] for tool in body["tools"]], body["tool_choice"]) == (["lookup"], {"type": "none"})
