"""Detecting the front end, the cell and the notebook."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mm_magics.ipython import frontend


def shell_of(
    *, kernel: bool = True, metadata: Any = None, content: Any = None, header: Any = None, **names: Any
) -> Any:
    """A fake shell with the attributes that are used."""
    request = {"metadata": metadata, "content": content, "header": header}
    shell = SimpleNamespace(user_ns=names, get_parent=lambda: request)
    if kernel:
        shell.kernel = object()
    else:
        del shell.get_parent
    return shell


NOTEBOOK: Any = {"metadata": {"cellId": "c1"}, "content": {"allow_stdin": True, "code": "%%minimax\nhi"}}


@pytest.mark.parametrize(
    ("shell", "front_end"),
    [
        (shell_of(kernel=False), "terminal"),
        (shell_of(**NOTEBOOK), "notebook"),
        (shell_of(content={"allow_stdin": True}), "console"),
        (shell_of(content={"allow_stdin": True}, header={"version": "5.3"}), "console"),
        (shell_of(content={"allow_stdin": True}, header={"version": "5.2"}), "plain"),
        (shell_of(content={"allow_stdin": False}), "plain"),
        (shell_of(), "plain"),
        (shell_of(metadata={"cellId": ""}), "plain"),
        (shell_of(metadata={"cellId": 5}), "plain"),
    ],
)
def test_the_front_end_is_detected_from_its_request(shell: Any, front_end: str) -> None:
    assert frontend.detect(shell) == front_end


@pytest.mark.parametrize(
    ("metadata", "cell"),
    [
        ({"cellId": "c1"}, "c1"),
        ({}, None),
        (None, None),
        ({"cellId": None}, None),
        ({"cellId": "vscode-notebook-cell:/home/ada/secret.ipynb#W0sZmlsZQ%3D%3D"}, "vscode-W0sZmlsZQ%3D%3D"),
    ],
)
def test_a_cell_id_contains_no_path(metadata: Any, cell: str | None) -> None:
    assert frontend.cell_id(shell_of(metadata=metadata)) == cell
    assert frontend.cell_id(shell_of(kernel=False)) is None


def test_the_notebooks_path_comes_from_the_front_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.delenv("MINIMAX_NOTEBOOK", raising=False)
    assert frontend.notebook_path(shell_of(**NOTEBOOK)) is None
    monkeypatch.setenv("MINIMAX_NOTEBOOK", "/a/m.ipynb")
    assert frontend.notebook_path(shell_of()) == Path("/a/m.ipynb")
    assert frontend.notebook_path(shell_of(__vsc_ipynb_file__="/a/v.ipynb")) == Path("/a/v.ipynb")
    monkeypatch.setenv("JPY_SESSION_NAME", "/a/j.ipynb")
    assert frontend.notebook_path(shell_of(**NOTEBOOK)) == Path("/a/j.ipynb")
    assert frontend.notebook_path(shell_of(kernel=False)) == Path("/a/m.ipynb")
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "script.py"))
    assert frontend.notebook_path(shell_of(**NOTEBOOK)) == Path("/a/m.ipynb")
    (tmp_path / "script.ipynb").touch()
    assert frontend.notebook_path(shell_of(**NOTEBOOK)) == tmp_path / "script.ipynb"
    monkeypatch.setenv("JPY_SESSION_NAME", "/a/python-console-1234")
    assert frontend.notebook_path(shell_of(**NOTEBOOK)) == Path("/a/m.ipynb")


def test_an_old_page_is_not_taken_for_a_server_that_executes_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", "/a/j.ipynb")
    request = {"content": {"allow_stdin": True}}
    server, page = (shell_of(header={"version": version}, **request) for version in ("5.4", "5.2"))
    assert frontend.detect(server) == frontend.detect(page) == "plain"
    assert frontend.missing(server) == (frontend.WITHOUT_EXTENSION, frontend.EXTENSION_HINT)
    assert frontend.missing(page) == ("", "")
