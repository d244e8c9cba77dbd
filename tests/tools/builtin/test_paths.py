"""Which paths the file tools accept: no link, no spelling and no name leads out of the folder or to a key."""

from __future__ import annotations

import os
import string
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mm_magics.errors import ToolError, UsageError
from mm_magics.tools.builtin.paths import confined, folder_of
from tests.tools.builtin.conftest import SECRET, call

# The folder -------------------------------------------------------------------------------------------------------


def test_the_folder_is_the_notebooks_else_the_current_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "data").mkdir()
    outside = folder.parent / "outside"
    assert folder_of("", None) == folder.resolve()
    assert folder_of("", outside / "talk.ipynb") == outside.resolve()
    assert folder_of("data", None) == (folder / "data").resolve()
    assert folder_of("../inside/data", outside / "talk.ipynb") == (folder / "data").resolve()
    monkeypatch.setenv("HOME", str(outside))
    assert folder_of("~", None) == outside.resolve()


@pytest.mark.parametrize("chosen", ["nowhere", "a.txt", "~nobody-of-this-name", "a\0b", "loop"])
def test_an_invalid_tools_folder_is_refused_with_a_hint(folder: Path, chosen: str) -> None:
    (folder / "a.txt").write_text("x")
    (folder / "loop").symlink_to("loop")
    with pytest.raises(UsageError, match="is not a folder") as caught:
        folder_of(chosen, folder / "talk.ipynb")
    assert caught.value.hint == "%minimax set tools_folder FOLDER"


# No way out -------------------------------------------------------------------------------------------------------


parts = st.lists(
    st.sampled_from(["..", ".", "", "a", "b", "up", "out", "in", "loop", "slash", "root", "etc", "~", "\\", "x"])
    | st.text(string.printable, max_size=4),
    max_size=8,
)


@pytest.mark.fuzz
@given(parts, st.booleans())
@example(["in", "..", "..", "..", "out"], False)
@example(["a", "out", "new"], False)
@example(["..", "root-next-door"], False)
@example([], True)
def test_no_path_leads_out_of_the_folder(maze: Path, names: list[str], absolute: bool) -> None:
    path = ("/" if absolute else "") + "/".join(names)
    try:
        place = confined(maze, path)
    except ToolError:
        return
    real = os.path.realpath(os.path.join(maze, path))
    assert str(place) == real
    assert real == str(maze) or real.startswith(f"{maze}/")


@pytest.mark.fuzz
@given(st.text())
@example("\ud800")
@example("a\0b")
@example("x" * 5000)
def test_any_text_as_a_path_gives_an_error_that_can_be_encoded(maze: Path, path: str) -> None:
    with pytest.raises(ToolError) as caught:
        call(maze, "read_file", path=path + "/nothing")
    assert str(caught.value).encode()


@pytest.mark.parametrize("path", ["../outside/secret.txt", "link", "folder/secret.txt", "up/outside/secret.txt"])
@pytest.mark.parametrize("name", ["read_file", "write_file", "list_files"])
def test_links_and_dots_do_not_lead_outside(folder: Path, path: str, name: str) -> None:
    (folder / "link").symlink_to("../outside/secret.txt")
    (folder / "folder").symlink_to("../outside")
    (folder / "up").symlink_to("..")
    given = {"path": path} | ({"text": "new"} if name == "write_file" else {})
    for each in (path, str((folder.parent / "outside" / "secret.txt").resolve())):
        with pytest.raises(ToolError, match="leads out of the folder"):
            call(folder, name, **(given | {"path": each}))
    assert (folder.parent / "outside" / "secret.txt").read_text() == SECRET


@pytest.mark.parametrize("path", ["report/../a.txt", "./a.txt", "report//b.txt", "report/./b.txt", "report/", "", "/"])
def test_a_path_has_one_form_so_that_rules_cannot_be_bypassed(folder: Path, path: str) -> None:
    (folder / "report").mkdir()
    given = str(folder / "a.txt") if path == "/" else path
    for name, more in (("read_file", {}), ("write_file", {"text": "new"})):
        with pytest.raises(ToolError, match="is not in normal form"):
            call(folder, name, path=given, **more)
    assert list(folder.rglob("*")) == [folder / "report"]


def test_a_link_inside_is_followed(folder: Path) -> None:
    (folder / "a.txt").write_text("hello")
    (folder / "link").symlink_to("a.txt")
    assert call(folder, "read_file", path="link") == "hello"
    call(folder, "write_file", path="link", text="new")
    assert (folder / "link").is_symlink()
    assert (folder / "a.txt").read_text() == "new"


@pytest.mark.parametrize("path", [".env", ".git/config", "a/.hidden/x.txt", "a/.netrc"])
@pytest.mark.parametrize("name", ["read_file", "write_file"])
def test_hidden_files_are_refused_under_any_name(folder: Path, path: str, name: str) -> None:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(SECRET)
    (folder / "notes.txt").symlink_to(path)
    given = {"text": "new"} if name == "write_file" else {}
    for each in (path, "notes.txt"):
        with pytest.raises(ToolError, match="is hidden"):
            call(folder, name, path=each, **given)
    assert file.read_text() == SECRET


@pytest.mark.parametrize(
    "path", ["server.pem", "SERVER.KEY", "id_rsa", "id_ed25519.old", "prod.env", "credentials.json", "secrets/a.txt"]
)
def test_files_that_look_like_keys_are_refused(folder: Path, path: str) -> None:
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).write_text(SECRET)
    (folder / "notes.txt").symlink_to(path)
    for each in (path, "notes.txt"):
        with pytest.raises(ToolError, match="looks like a file with keys"):
            call(folder, "read_file", path=each)


def test_a_folder_inside_a_hidden_one_can_be_used(tmp_path: Path) -> None:
    folder = tmp_path / ".work"
    folder.mkdir()
    call(folder, "write_file", path="a.txt", text="hi")
    assert call(folder, "read_file", path="a.txt") == "hi"
