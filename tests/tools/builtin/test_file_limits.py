"""Where the file tools cut, what they say about it, and the errors that a model reads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from mm_magics.errors import ToolError
from mm_magics.tools.builtin import files
from mm_magics.tools.builtin.bounded_text import LIMIT
from mm_magics.tools.builtin.files import file_tools
from mm_magics.tools.builtin.paths import displayed
from tests.tools.builtin.conftest import call


def error(folder: Path, name: str, **given: Any) -> str:
    with pytest.raises(ToolError) as caught:
        call(folder, name, **given)
    return str(caught.value)


def test_only_writing_requires_approval(folder: Path) -> None:
    tools = {each.name: each for each in file_tools(folder)}
    assert {name: (tool.asks, tool.risk) for name, tool in tools.items()} == {
        "read_file": (False, files.READ_RISK),
        "list_files": (False, files.LIST_RISK),
        "write_file": (True, files.WRITE_RISK),
    }


def test_a_folder_that_is_a_link_can_be_used(folder: Path) -> None:
    link = folder.parent / "link"
    link.symlink_to(folder)
    assert call(link, "write_file", path="a.txt", text="x") == "a.txt was created: 1 byte."
    assert call(link, "write_file", path="a.txt", text="xy") == "a.txt was replaced: 2 bytes."
    assert call(link, "read_file", path="a.txt") == "xy"
    assert call(link, "list_files") == "a.txt  2 bytes"


# Reading ----------------------------------------------------------------------------------------------------------


def test_a_text_up_to_the_limit_is_read_whole_and_one_more_character_is_cut(folder: Path) -> None:
    half = "x" * (LIMIT // 2 - 1) + "\n"
    (folder / "a.txt").write_text(half * 2)
    assert call(folder, "read_file", path="a.txt") == half * 2
    (folder / "a.txt").write_text(half + "x" + half)
    assert call(folder, "read_file", path="a.txt") == f"{half}… [cut here: continue with start_line=2]"
    (folder / "a.txt").write_text(half * 3)
    assert call(folder, "read_file", path="a.txt") == f"{half * 2}… [cut here: continue with start_line=3]"


def test_a_line_up_to_the_limit_is_read_whole_and_one_more_character_is_cut(folder: Path) -> None:
    line = "x" * (LIMIT - 1) + "\n"
    for content in (line, "x" * LIMIT):
        (folder / "a.txt").write_text(content)
        assert call(folder, "read_file", path="a.txt") == content
    for more in ("x\nnext\n", "\nnext\n"):
        (folder / "a.txt").write_text("x" * LIMIT + more)
        assert call(folder, "read_file", path="a.txt") == (
            f"{'x' * LIMIT}\n… [the rest of this line is cut: continue with start_line=2]"
        )
        assert call(folder, "read_file", path="a.txt", start_line=2) == "next\n"


@pytest.mark.parametrize(
    ("start", "lines", "text"),
    [
        (1, 1, "one\n… [cut here: continue with start_line=2]"),
        (1, 2, "one\ntwo\n… [cut here: continue with start_line=3]"),
        (2, 1, "two\n… [cut here: continue with start_line=3]"),
        (2, 2, "two\nthree\n"),
        (3, 1, "three\n"),
        (3, 9, "three\n"),
    ],
)
def test_some_lines_of_a_file_are_read(folder: Path, start: int, lines: int, text: str) -> None:
    (folder / "a.txt").write_text("one\ntwo\nthree\n")
    assert call(folder, "read_file", path="a.txt", start_line=start, lines=lines) == text


def test_a_start_beyond_the_end_says_how_many_lines_there_are(folder: Path) -> None:
    for content, text in ((b"", "0 lines: there is no line 2"), (b"one", "1 line: there is no line 2")):
        (folder / "a.txt").write_bytes(content)
        assert error(folder, "read_file", path="a.txt", start_line=2) == f"The file has {text}."


@pytest.mark.parametrize(
    ("bom", "encoding"),
    [
        (b"\xef\xbb\xbf", "utf-8"),
        (b"\xff\xfe", "utf-16-le"),
        (b"\xfe\xff", "utf-16-be"),
        (b"\xff\xfe\0\0", "utf-32-le"),
        (b"\0\0\xfe\xff", "utf-32-be"),
    ],
)
def test_a_byte_order_mark_chooses_the_encoding(folder: Path, bom: bytes, encoding: str) -> None:
    (folder / "a.txt").write_bytes(bom + "Grüße 🦪\n".encode(encoding))
    assert call(folder, "read_file", path="a.txt") == "Grüße 🦪\n"


def test_a_null_byte_at_the_end_of_the_first_block_makes_a_file_binary(folder: Path) -> None:
    (folder / "a.bin").write_bytes(b"x" * 65_535 + b"\0")
    assert error(folder, "read_file", path="a.bin") == (
        "'a.bin' is not text (65,536 bytes).\nOnly text files can be read."
    )
    (folder / "b.txt").write_bytes(b"line\n" * 20_000 + b"\xff")
    assert call(folder, "read_file", path="b.txt", start_line=20_001) == "\ufffd"


def test_the_error_says_why_a_file_cannot_be_read(folder: Path) -> None:
    (folder / "sub").mkdir()
    os.mkfifo(folder / "pipe")
    assert error(folder, "read_file", path="sub") == "'sub' is a folder."
    assert error(folder, "read_file", path="pipe") == "'pipe' is not a regular file."
    assert error(folder, "read_file", path="no.txt") == "'no.txt' cannot be read: No such file or directory."


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda file: file.symlink_to("../outside/secret.txt"),
            "'a.txt' cannot be read: Too many levels of symbolic links.",
        ),
        (os.mkfifo, "'a.txt' is not a regular file."),
    ],
)
@pytest.mark.timeout(15)
def test_a_file_that_becomes_a_link_or_a_pipe_while_it_is_opened_is_not_followed_or_waited_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch, make: Any, text: str
) -> None:
    (folder / "a.txt").write_text("x")
    usual = os.open

    def swap(path: Path, *given: Any, **more: Any) -> int:
        if Path(path).name == "a.txt":
            (folder / "a.txt").unlink()
            make(folder / "a.txt")
        return usual(path, *given, **more)

    monkeypatch.setattr(os, "open", swap)
    try:
        result = call(folder, "read_file", path="a.txt")
    except ToolError as error:
        result = str(error)
    assert result == text


# Listing ----------------------------------------------------------------------------------------------------------


def test_a_listing_up_to_the_limit_is_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_ENTRIES", 3)
    for name in "cab":
        (folder / name).write_text(name * 1_000)
    whole = "a  1,000 bytes\nb  1,000 bytes\nc  1,000 bytes"
    assert call(folder, "list_files") == call(folder, "list_files", pattern="*") == whole
    (folder / "d").touch()
    cut = f"{whole}\n… [cut here after 3 entries: name a subfolder or a narrower pattern]"
    assert call(folder, "list_files") == call(folder, "list_files", pattern="*") == cut


def test_a_search_counts_the_files_and_folders_that_it_looks_at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in ("a/1.txt", "a/2.txt", "b/3.txt", "4.txt"):
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).touch()
    monkeypatch.setattr(files, "MAX_SCANNED", 6)
    whole = ["4.txt", "a/1.txt", "a/2.txt", "b/3.txt"]
    assert [line.split("  ")[0] for line in call(folder, "list_files", pattern="*").splitlines()] == whole
    for limit, found in ((5, 3), (4, 1), (2, 0)):
        monkeypatch.setattr(files, "MAX_SCANNED", limit)
        lines = call(folder, "list_files", pattern="*.txt").splitlines()
        assert [line.split("  ")[0] for line in lines[:-1]] == whole[:found]
        assert lines[-1] == f"… [stopped after {limit} files: name a subfolder]"


def test_a_search_of_a_subfolder_matches_paths_in_it(folder: Path) -> None:
    for path in ("data/x/a.csv", "data/y/b.csv", "x/c.csv", "data/.x/d.csv", "data/x/.e.csv", "data/x/A.CSV"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    assert call(folder, "list_files", path="data", pattern="x/*.csv") == "data/x/a.csv  0 bytes"
    assert call(folder, "list_files", path="data", pattern="**/*.csv").splitlines() == [
        "data/x/a.csv  0 bytes",
        "data/y/b.csv  0 bytes",
    ]


def test_an_empty_listing_and_one_of_a_file_say_so(folder: Path) -> None:
    (folder / ".hidden").touch()
    for given in ({}, {"pattern": "*.csv"}):
        assert call(folder, "list_files", **given) == "[nothing here, or only hidden files]"
    (folder / "a.txt").touch()
    assert error(folder, "list_files", path="a.txt") == "That is not a folder.\nread_file reads a file."


def test_a_link_to_a_folder_is_listed_and_not_followed(folder: Path) -> None:
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / "sub" / "a.txt").write_text("12345")
    (folder / "link").symlink_to("sub")
    assert call(folder, "list_files") == "link  3 bytes\nsub/"
    assert call(folder, "list_files", pattern="a*") == "sub/a.txt  5 bytes"


def test_a_file_that_is_deleted_during_the_listing_has_no_size(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.txt", "gone.txt"):
        (folder / name).write_text("12345")
    lstat = Path.lstat

    def gone(path: Path) -> os.stat_result:
        if path.name == "gone.txt":
            raise FileNotFoundError(2, "No such file or directory")
        return lstat(path)

    monkeypatch.setattr(Path, "lstat", gone)
    assert call(folder, "list_files") == call(folder, "list_files", pattern="*.txt") == "a.txt  5 bytes\ngone.txt"


def test_a_folder_that_cannot_be_listed_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", fail)
    assert error(folder, "list_files") == "The folder cannot be listed: Permission denied."


# Writing ----------------------------------------------------------------------------------------------------------


def test_the_error_says_why_a_file_is_not_written(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "a.txt").write_text("x")
    for name, mode in (("fixed.txt", 0o444), ("program", 0o555)):
        (folder / name).write_text("x")
        (folder / name).chmod(mode)
    for path, text in (
        ("sub", "'sub' is not a regular file, so it is not replaced."),
        ("fixed.txt", "'fixed.txt' is read-only, so it is not replaced."),
        ("program", "'program' is read-only, so it is not replaced."),
        ("a.txt/b.txt", "'b.txt' cannot be written: Not a directory."),
    ):
        assert error(folder, "write_file", path=path, text="new") == text


def test_the_error_names_the_reason_if_no_new_file_can_be_created(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("builtins.open", fail)
    assert error(folder, "write_file", path="a.txt", text="new") == "'a.txt' cannot be written: Read-only file system."


@pytest.mark.parametrize("mode", [0o200, 0o620, 0o602])
def test_a_file_that_anyone_may_write_is_replaced_with_its_permissions(folder: Path, mode: int) -> None:
    (folder / "a.txt").write_text("x")
    (folder / "a.txt").chmod(mode)
    call(folder, "write_file", path="a.txt", text="new")
    assert (folder / "a.txt").stat().st_mode & 0o7777 == mode


def test_during_a_write_the_new_content_is_in_a_hidden_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "a.txt").write_text("old")
    seen, replace = [], os.replace

    def look(new: str, path: str, **folders: int) -> None:
        seen.extend(sorted(os.listdir(folder)))
        assert (folder / "a.txt").read_text() == "old"
        assert (folder / new).read_text() == "new"
        replace(new, path, **folders)

    monkeypatch.setattr(os, "replace", look)
    call(folder, "write_file", path="a.txt", text="new")
    assert len(seen) == 2
    assert seen[0].startswith(".mm-magics-")
    assert len(seen[0]) == len(".mm-magics-") + 16


# Paths ------------------------------------------------------------------------------------------------------------

ASK = "Ask the user for what you need from it."


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a\0b", "'a\\x00b' is not a path."),
        ("../x", "'../x' leads out of the folder.\nOnly files inside it can be used."),
        (
            "a//b",
            "'a//b' is not in normal form.\nWrite it relative to the folder, without '..', './' and '//'.",
        ),
        (".git/config", f"'.git/config' is hidden, so it cannot be used.\n{ASK}"),
        ("sub/prod.ENV", f"'sub/prod.ENV' looks like a file with keys, so it cannot be used.\n{ASK}"),
    ],
)
def test_the_error_says_why_a_path_is_refused(folder: Path, path: str, text: str) -> None:
    assert error(folder, "read_file", path=path) == text


@pytest.mark.parametrize(
    "name",
    [
        *("a.pem", "a.key", "a.p12", "a.pfx", "a.jks", "a.keystore", "a.kdbx", "a.ppk", "a.gpg", "a.env"),
        *("id_rsa", "id_dsa.pub", "id_ecdsa", "id_ed25519", "aws-credentials.csv", "secrets.toml", "passwords.txt"),
        *(
            "service-account-1.json",
            "SERVICE_ACCOUNT.JSON",
            "client_secret_4711.apps.json",
            "my_secrets.md",
            "top-secret.txt",
        ),
        *(
            "token.json",
            "Tokens.JSON",
            "access_token.txt",
            "gh-token.json",
            "openai_api_key.txt",
            "API-KEYS.csv",
            "apikey",
        ),
        *("my.kubeconfig", "kubeconfig", "htpasswd", "_netrc", "terraform.tfstate", "ssh_private_key", "AuthKey_1.p8"),
    ],
)
def test_names_of_keys_are_refused(folder: Path, name: str) -> None:
    assert "looks like a file with keys" in error(folder, "read_file", path=name)


@pytest.mark.parametrize(
    "name",
    ["monkey", "key.txt", "environment.yml", "tokenizer.json", "tokens.csv", "service.json", "token.py", "api.md"],
)
def test_other_names_are_not_refused(folder: Path, name: str) -> None:
    (folder / name).write_text("x")
    assert call(folder, "read_file", path=name) == "x"


def test_a_name_is_displayed_on_one_line_as_valid_text(tmp_path: Path) -> None:
    for name, text in (
        (b"two\nlines", "two\ufffdlines"),
        (b"bad\xff.txt", "bad\ufffd.txt"),
        ("Grüße 🦪".encode(), "Grüße 🦪"),
    ):
        assert displayed(tmp_path / "sub" / os.fsdecode(name), tmp_path) == f"sub/{text}"
