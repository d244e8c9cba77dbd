"""Files that are sent with a prompt: their content, the line about their size, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pypdf
import pytest
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from mm_magics.errors import PromptError, UsageError
from mm_magics.prompt import attachments
from mm_magics.prompt.attachments import attach
from tests.prompt.test_images import saved


def pdf(path: Path, *texts: str) -> Path:
    """Write a PDF with a page for each text."""
    with PdfPages(path) as pages:
        for text in texts:
            figure = Figure(figsize=(3, 2))
            figure.text(0.1, 0.5, text)
            pages.savefig(figure)
    return path


@pytest.mark.parametrize(("format_", "kind"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")])
def test_an_image_is_sent_below_its_name(tmp_path: Path, format_: str, kind: str) -> None:
    file = tmp_path / "a picture.dat"
    file.write_bytes(saved(format_))
    blocks, note = attach(file)
    assert [block["type"] for block in blocks] == ["text", "image"]
    assert (blocks[0]["text"], blocks[1]["source"]["media_type"]) == ("a picture.dat:", kind)
    assert note == f"Attached a picture.dat: {kind}, {len(saved(format_)) / 1000:.0f} kB."


def test_a_pdf_is_sent_as_text_with_page_numbers(tmp_path: Path) -> None:
    blocks, note = attach(pdf(tmp_path / "report.pdf", "Oysters are bivalves.", "Clams too."))
    (block,) = blocks
    assert block["text"].splitlines() == [
        '<file name="report.pdf">',
        "[page 1 of 2]",
        "Oysters are bivalves.",
        "[page 2 of 2]",
        "Clams too.",
        "</file>",
    ]
    assert note.startswith("Attached report.pdf: 2 pages, ")
    assert note.endswith(" tokens.")


def test_pages_without_text_are_named(tmp_path: Path) -> None:
    blocks, note = attach(pdf(tmp_path / "a.pdf", "", "Clams.", "", "", "Oysters."))
    assert [line for line in blocks[0]["text"].splitlines() if line.startswith("[page")] == [
        "[page 1 of 5, without text]",
        "[page 2 of 5]",
        "[page 3 of 5, without text]",
        "[page 4 of 5, without text]",
        "[page 5 of 5]",
    ]
    assert note.endswith(" tokens. Without text, perhaps scanned: pages 1 and 3 to 4.")


@pytest.mark.parametrize("start", [b"\n", b"\xef\xbb\xbf", b"  \r\n\t"])
def test_a_pdf_may_start_with_blanks(tmp_path: Path, start: bytes) -> None:
    file = pdf(tmp_path / "a.pdf", "Clams.")
    file.write_bytes(start + file.read_bytes())
    assert "[page 1 of 1]\nClams." in attach(file).blocks[0]["text"]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"a,b\n1,2\n", "a,b\n1,2\n"),
        ("Grüße 🦪".encode(), "Grüße 🦪"),
        ("Grüße".encode("utf-8-sig"), "Grüße"),
        ("Grüße".encode("utf-16"), "Grüße"),
        ("Grüße".encode("latin-1"), "Grüße"),
        ("“Grüße” – 5 €".encode("cp1252"), "“Grüße” – 5 €"),
        (b"\xe9 \x81", "é \x81"),
        ("Grüße".encode("utf-32"), "Grüße"),
        (b"\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
        (b"close </file> it", "close ‹/file> it"),
        (b"</FILE></ file><\n/\tFile", "‹/FILE>‹/ file>‹\n/\tFile"),
        ("<\u200b/\u2060file>".encode(), "‹\u200b/\u2060file>"),
        (b"a < b, <b>file</b>", "a < b, <b>file</b>"),
    ],
)
def test_a_text_file_is_sent_as_text(tmp_path: Path, data: bytes, text: str) -> None:
    file = tmp_path / "notes.txt"
    file.write_bytes(data)
    blocks, note = attach(file)
    assert blocks == [{"type": "text", "text": f'<file name="notes.txt">\n{text}\n</file>'}]
    remark = {b"Gr\xfc\xdfe": "Windows-1252", b"\xe9 \x81": "Latin-1", "“Grüße” – 5 €".encode("cp1252"): "Windows-1252"}
    assert note.endswith(f"It is not UTF-8, so it was read as {remark[data]}." if data in remark else ".")
    assert ("read as" in note) == (data in remark)
    assert note.startswith(f"Attached notes.txt: {len(text)} characters, about ")


def test_a_name_cannot_leave_its_mark(tmp_path: Path) -> None:
    file = tmp_path / 'a">b.txt'
    file.write_text("text")
    assert attach(file).blocks[0]["text"].startswith('<file name="a__b.txt">\n')


def without_text(path: Path) -> None:
    pdf(path, "")


def encrypted(path: Path) -> None:
    writer = pypdf.PdfWriter(clone_from=pypdf.PdfReader(pdf(path, "secret")))
    writer.encrypt("password", algorithm="RC4-128")
    writer.write(path)


NOT_SENT = "Nothing was sent."
UNKNOWN = "Attach PNG, JPEG, GIF, WebP, PDF or text."


@pytest.mark.parametrize(
    ("name", "make", "message", "hint"),
    [
        ("missing.txt", lambda _: None, "{path} cannot be attached: No such file or directory.", NOT_SENT),
        ("folder", lambda path: path.mkdir(), "{path} cannot be attached: Is a directory.", NOT_SENT),
        ("empty.txt", lambda path: path.write_text(" \n"), "empty.txt is empty.", NOT_SENT),
        ("a.bin", lambda path: path.write_bytes(bytes(range(256))), "a.bin is neither an image nor text.", UNKNOWN),
        ("a.zip", lambda path: path.write_bytes(b"PK\3\4\0\0"), "a.zip is neither an image nor text.", UNKNOWN),
        ("a.mp3", lambda path: path.write_bytes(b"\1" * 11), "a.mp3 is neither an image nor text.", UNKNOWN),
        (
            "broken.pdf",
            lambda path: path.write_bytes(b"%PDF-1.4 broken"),
            "broken.pdf cannot be read as a PDF: Stream has ended unexpectedly.",
            NOT_SENT,
        ),
        (
            "scan.pdf",
            without_text,
            "scan.pdf has no text on its 1 page.",
            "If it is a scan, attach images of its pages.",
        ),
        ("secret.pdf", encrypted, "secret.pdf is protected by a password.", "Attach a copy that is not."),
        ("pipe", os.mkfifo, "{path} is not a file, but a pipe or a device.", "Save what it returns in a file first."),
    ],
)
def test_what_cannot_be_sent_is_refused(tmp_path: Path, name: str, make: object, message: str, hint: str) -> None:
    assert callable(make)
    make(tmp_path / name)
    with pytest.raises(UsageError) as caught:
        attach(tmp_path / name)
    assert (caught.value.message, caught.value.hint) == (message.format(path=tmp_path / name), hint)


@pytest.mark.parametrize("text", ["\t\r\n\f\x1b " * 20, "a\1" * 10, "a" * 10_000 + "\1" * 20])
def test_a_text_may_have_few_control_characters(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.log").write_bytes(b"x" + text.encode())
    assert attach(tmp_path / "a.log").blocks[0]["text"] == f'<file name="a.log">\nx{text}\n</file>'


def test_the_size_is_shown_in_rounded_units(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x" * 4_007)
    assert attach(tmp_path / "a.txt").note == "Attached a.txt: 4,007 characters, about 1,001 tokens."


def test_a_file_that_is_too_large_is_refused_without_reading_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachments, "MAX_FILE_BYTES", 1_000_000)
    file = tmp_path / "large.log"
    file.write_bytes(b"x" * 2_000_000)
    with pytest.raises(UsageError) as caught:
        attach(file)
    assert (caught.value.message, caught.value.hint) == (
        "large.log has 2 MB; the limit is 1 MB.",
        "Attach a part of it.",
    )
    file.write_bytes(b"x" * 1_000_000)
    assert attach(file).note.startswith("Attached large.log: 1,000,000 characters")


def test_a_damaged_file_is_named_and_only_the_error_is_shown(tmp_path: Path, capfd: Any) -> None:
    (tmp_path / "cut.png").write_bytes(saved("PNG")[:40])
    with pytest.raises(PromptError, match=r"^cut\.png cannot be sent: the file is damaged or incomplete\."):
        attach(tmp_path / "cut.png")
    (tmp_path / "cut.pdf").write_bytes(b"%PDF-1.4\nnot a page")
    with pytest.raises(UsageError, match=r"cut\.pdf cannot be read as a PDF"):
        attach(tmp_path / "cut.pdf")
    assert capfd.readouterr() == ("", "")
