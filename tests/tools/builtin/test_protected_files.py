"""Races against the file tools, and files whose contents are secret."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mm_magics.errors import ToolError
from mm_magics.tools.builtin import open_files
from tests.tools.builtin.conftest import call

ASK = "Ask the user for what you need from it."


def error(folder: Path, name: str, **given: Any) -> str:
    with pytest.raises(ToolError) as caught:
        call(folder, name, **given)
    return str(caught.value)


def swapping(folder: Path, monkeypatch: pytest.MonkeyPatch, function: str, when: str) -> None:
    """Replace `sub` by a link to a folder outside when `os.FUNCTION` is called for a path that ends with `when`."""
    usual = getattr(os, function)

    def swap(path: Any, *given: Any, **more: Any) -> Any:
        if isinstance(path, str | Path) and Path(path).name == when and not (folder / "sub").is_symlink():
            (folder / "sub").rename(folder / "before")
            (folder / "sub").symlink_to("../elsewhere")
        return usual(path, *given, **more)

    monkeypatch.setattr(os, function, swap)


@pytest.mark.skipif(not open_files.IS_RELATIVE, reason="this system cannot open files relative to a folder")
@pytest.mark.parametrize(
    ("function", "when"), [("open", "inside"), ("open", "sub"), ("open", "a.txt"), ("stat", "a.txt")]
)
@pytest.mark.parametrize("tool", ["read_file", "write_file"])
def test_a_folder_that_becomes_a_link_while_a_file_is_opened_leads_nowhere(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tool: str, function: str, when: str
) -> None:
    outside = folder.parent / "elsewhere"
    outside.mkdir()
    (outside / "a.txt").write_text("a secret")
    (folder / "sub").mkdir()
    (folder / "sub" / "a.txt").write_text("harmless")
    swapping(folder, monkeypatch, function, when)
    given = {"text": "new"} if tool == "write_file" else {}
    try:
        result = call(folder, tool, path="sub/a.txt", **given)
    except ToolError as error:
        result = str(error)
    monkeypatch.undo()
    assert "a secret" not in result
    assert (outside / "a.txt").read_text() == "a secret"
    assert sorted(os.listdir(outside)) == ["a.txt"]
    if when == "sub":
        assert result == "'sub' was replaced by a link while it was opened.\nLook at the folder again."


@pytest.mark.parametrize("is_relative", [False, open_files.IS_RELATIVE])
def test_files_are_opened_by_name_where_the_system_has_no_descriptors(
    folder: Path, monkeypatch: pytest.MonkeyPatch, is_relative: bool
) -> None:
    monkeypatch.setattr(open_files, "IS_RELATIVE", is_relative)
    (folder / "a.txt").write_text("a")
    assert call(folder, "read_file", path="a.txt") == "a"
    call(folder, "write_file", path="new/deep/b.txt", text="b")
    assert (folder / "new" / "deep" / "b.txt").read_text() == "b"
    assert call(folder, "read_file", path="new/deep/b.txt") == "b"
    assert "a.txt" in call(folder, "list_files")
    (folder / "link").symlink_to("../outside")
    assert "leads out of" in error(folder, "read_file", path="link/secret.txt")


@pytest.mark.parametrize("relative", [False, True])
def test_a_path_that_became_a_link_is_noticed(folder: Path, relative: bool) -> None:
    (folder / "a").symlink_to("b")
    opened = os.open(folder, os.O_RDONLY) if relative and open_files.IS_RELATIVE else None
    try:
        with pytest.raises(ToolError, match="'a' was replaced by a link"):
            open_files.check_link(folder / "a", opened)
        open_files.check_link(folder, None)
        open_files.check_link(folder / "missing", opened)
    finally:
        if opened is not None:
            os.close(opened)


@pytest.mark.parametrize("tool", ["read_file", "write_file"])
def test_another_program_that_swaps_folders_and_links_gains_nothing(folder: Path, tool: str) -> None:
    outside = folder.parent / "elsewhere"
    outside.mkdir()
    (outside / "a.txt").write_text("a secret")
    (folder / "sub").mkdir()
    (folder / "sub" / "a.txt").write_text("harmless")
    program = (
        "import os, sys\n"
        "print(flush=True)\n"
        "while True:\n"
        "    os.rename('sub', 'before'); os.symlink('../elsewhere', 'sub')\n"
        "    os.unlink('sub'); os.rename('before', 'sub')\n"
    )
    command = [sys.executable, "-S", "-c", program]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout is not None
            other.stdout.readline()
            given = {"text": "new"} if tool == "write_file" else {}
            seen = set()
            for _ in range(1500):
                try:
                    seen.add(call(folder, tool, path="sub/a.txt", **given))
                except ToolError as error:
                    seen.add(error.message)
        finally:
            other.kill()
    assert len(seen) > 1
    assert not [each for each in seen if "a secret" in each]
    assert (outside / "a.txt").read_text() == "a secret"
    assert os.listdir(outside) == ["a.txt"]


SECRETS = [
    ("a private key", "-----BEGIN PRIVATE KEY-----\nMIIE"),
    ("a private key", "text\n-----BEGIN RSA PRIVATE KEY-----"),
    ("a private key", "-----BEGIN OPENSSH PRIVATE KEY-----"),
    ("a private key", "-----BEGIN PGP PRIVATE KEY BLOCK-----"),
    ("a private key", "PuTTY-User-Key-File-3: ssh-ed25519"),
    ("a private key", '{"type": "service_account", "private_key" : "x"}'),
    ("a private key", '{"text": "{\\"private_key\\": 1}"}'),
    ("an access token", "key = sk-ant-api03-" + "aB3-" * 20),
    ("an access token", "OPENAI=sk-proj-" + "aB3_" * 10),
    ("an access token", "sk-" + "aB3d" * 8),
    ("an access token", "sk-api-" + "aB3d" * 8),
    ("an access token", "url = https://x:ghp_" + "aB3d" * 9 + "@github.com"),
    ("an access token", "github_pat_" + "aB3_" * 15),
    ("an access token", "glpat-" + "aB3-" * 5),
    ("an access token", "hf_" + "aB3d" * 9),
    ("an access token", "xoxb-" + "123-" * 5),
    ("an access token", "AKIA" + "ABCD" * 4),
    ("an access token", "aws_secret_access_key = " + "aB3/" * 10),
    ("an access token", "export AWS_SECRET_ACCESS_KEY='" + "aB3+" * 10 + "'"),
    ("an access token", '"SecretAccessKey": 1, "MINIMAX_API_KEY": "' + "aB3d" * 6 + '"'),
    ("a private key", "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----"),
    ("a private key", "client-key-data: LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQpN"),
    ("a private key", '{"kty": "EC", "d": "' + "aB3_" * 8 + '"}'),
    ("an access token", "gsk_" + "aB3d" * 8),
    ("an access token", "https://hooks.slack.com/services/T01/B02/" + "aB3d" * 6),
    ("an access token", "postgres://me:" + "aB3d" * 5 + "@db.example/x"),
    ("an access token", "api_key = '" + "aB3d" * 8 + "'"),
    ("an access token", '{"apiKey":"' + "aB3d" * 8 + '"}'),
    ("an access token", '{"text": "{\\"token\\": \\"' + "aB3d" * 8 + '\\"}"}'),
    ("an access token", "Authorization: Bearer " + "aB3d" * 8),
    ("an access token", "//registry.example/:_authToken=" + "aB3d" * 8),
    ("an access token", "machine a login b password " + "aB3d" * 8),
    ("an access token", '{"auths": {"x": {"auth": "' + "aB3d" * 8 + '=="}}}'),
    ("an access token", "AIza" + "aB3-_" * 7),
    ("an access token", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0." + "aB3d" * 8),
]


@pytest.mark.parametrize(("kind", "text"), SECRETS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_a_file_with_a_key_is_refused_whatever_its_name(folder: Path, kind: str, text: str, encoding: str) -> None:
    (folder / "notes.txt").write_text("line\n" * 50 + text, encoding)
    refused = f"'notes.txt' contains {kind}, so it cannot be read.\n{ASK}"
    assert error(folder, "read_file", path="notes.txt") == refused
    assert error(folder, "read_file", path="notes.txt", start_line=2, lines=1) == refused


@pytest.mark.parametrize("name", ["server.key.bak", "a.pem.old", "A.PEM~", "site.key~", "prod.env.txt", "x.p12.1"])
def test_a_copy_of_a_key_file_is_refused_too(folder: Path, name: str) -> None:
    (folder / name).write_text("x")
    assert "looks like a file with keys" in error(folder, "read_file", path=name)


@pytest.mark.parametrize("before", [0, 999_990, 1_000_000, 3_999_999, 15_000_000])
def test_a_key_is_found_anywhere_in_a_long_file(folder: Path, before: int) -> None:
    (folder / "long.txt").write_text("x\n" * (before // 2) + "-----BEGIN EC PRIVATE KEY-----\n")
    assert "contains a private key" in error(folder, "read_file", path="long.txt")


@pytest.mark.parametrize(
    "text",
    [
        "sk-learn and task-oriented-dialogue-with-long-names-1234567890",
        "Set MINIMAX_API_KEY=sk-... first",
        "-----BEGIN CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----",
        "the private_key argument",
        "hf_hub_download(repo_id)",
        'API_KEY = os.environ["MINIMAX_API_KEY"]',
        "aws_secret_access_key=None",
        "key = sorted_by_name_and_then_by_date(rows)",
        "token = LongNameOfAClass2WithManyWords.from_text(text)",
        "secret: 0123456789abcdef0123456789abcdef01234567",
        "https://example.org:8080/a@b",
        "postgres://user:password@localhost",
        "https://example.org/eyJ",
        "disk-0123456789012345678901234567890",
    ],
)
def test_a_text_about_keys_is_not_refused(folder: Path, text: str) -> None:
    (folder / "notes.txt").write_text(text)
    assert call(folder, "read_file", path="notes.txt") == text
