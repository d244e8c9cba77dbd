"""A key is recognized however a text spells it."""

from __future__ import annotations

import base64
import html
import json
import quopri
import re
import textwrap
import time
import urllib.parse
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_magics.endpoint.keys import Key
from tests.pace import PATIENCE

SECRET = "sk-api-aB3xYz09/+=&<'\"%~qR7"
PLAIN = "sk-api-aB3xYz09_QWErtyuiop-12345.x"
VISIBLE = "".join(map(chr, range(33, 127)))


def _each(form: str) -> Callable[[str], str]:
    return lambda key: "".join(form.format(ord(each), each) for each in key)


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": lambda key: json.dumps(key)[1:-1],
    "JSON in JSON": lambda key: json.dumps(json.dumps(key))[1:-1].strip('\\"'),
    "JSON, every character escaped": _each(r"\u{:04x}"),
    "JSON, in capitals": _each(r"\u{:04X}"),
    "JSON in JSON, every character escaped": _each(r"\\u{:04x}"),
    "Python": _each(r"\x{:02x}"),
    "Python, long": _each(r"\U{:08x}"),
    "JavaScript": _each(r"\u{{{:x}}}"),
    "octal": _each(r"\{:03o}"),
    "HTML": html.escape,
    "decimal entities": _each("&#{};"),
    "decimal entities with zeros": _each("&#{:05d};"),
    "hexadecimal entities": _each("&#x{:x};"),
    "hexadecimal entities in capitals": _each("&#X{:X};"),
    "entities without an end": _each("&#{}"),
    "entities in HTML": _each("&amp;#{};"),
    "a URL": lambda key: urllib.parse.quote(key, safe=""),
    "a URL, every character escaped": _each("%{:02X}"),
    "a URL in a URL": _each("%25{:02x}"),
    "every second character escaped": lambda key: "".join(
        each if number % 2 else f"%{ord(each):02x}" for number, each in enumerate(key)
    ),
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 for URLs": lambda key: base64.urlsafe_b64encode(f"Bearer {key}".encode()).decode(),
    "base64 in a URL": lambda key: urllib.parse.quote(base64.b64encode(key.encode()).decode(), safe=""),
    "hexadecimal": lambda key: key.encode().hex(),
    "hexadecimal in capitals": lambda key: key.encode().hex().upper(),
    "hexadecimal with colons": lambda key: key.encode().hex(":"),
    "hexadecimal with spaces": lambda key: key.encode().hex(" "),
    "a list of bytes": lambda key: ", ".join(f"0x{each:02x}" for each in key.encode()),
    "escapes of URLs in JavaScript": _each("%u{:04x}"),
    "CSS": _each(r"\{:x} "),
    "UTF-16": lambda key: key.encode("utf-16-le").decode("latin-1").rstrip("\0"),
    "UTF-16 in hexadecimal": lambda key: key.encode("utf-16-be").hex()[2:],
    "UTF-16 in base64": lambda key: base64.b64encode(key.encode("utf-16-le")).decode(),
    "quoted printable": lambda key: quopri.encodestring(key.encode()).decode(),
}
WRAPS: dict[str, Callable[[str], str]] = {
    "on one line": str,
    "wrapped": lambda text: "\n".join(textwrap.wrap(text, 7, break_on_hyphens=False, drop_whitespace=False)),
    "wrapped and indented": lambda text: "\r\n    ".join(textwrap.wrap(text, 5, break_on_hyphens=False)),
    "quoted as a reply": lambda text: "\n> ".join(textwrap.wrap(text, 11, break_on_hyphens=False)),
    "wrapped in JSON": lambda text: "\\n".join(textwrap.wrap(text, 6, break_on_hyphens=False)),
    "with joiners": "\u200d".join,
    "in colors": lambda text: "\x1b[1;31m".join(textwrap.wrap(text, 9, break_on_hyphens=False)),
    "with soft hyphens": lambda text: "\u00ad".join(textwrap.wrap(text, 3, break_on_hyphens=False)),
}
WHOLE = {"as it is", "base64", "hexadecimal"}
"""Forms that can be wrapped anywhere: in the others, a line end may be inside an escape."""


@pytest.mark.parametrize("form", FORMS)
def test_a_key_is_redacted_in_each_form(form: str) -> None:
    text = FORMS[form](SECRET)
    hidden = Key(SECRET, "here", "a.example").redact(f"before {text} after")
    assert re.fullmatch(r"before (Qm\w+|0x)?\[key\][\w=%]{0,6} after", hidden), hidden


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("form", sorted(WHOLE))
def test_a_key_is_redacted_over_several_lines(form: str, wrap: str) -> None:
    text = WRAPS[wrap](FORMS[form](SECRET))
    hidden = Key(SECRET, "here", "a.example").redact(f"before {text} after")
    assert re.fullmatch(r"before \[key\](\\n|[\w=\s>\u00ad]){0,9} after", hidden), hidden


STRINGS: dict[str, str] = {
    "JSON": '", "',
    "JSON in JSON": '\\", \\"',
    "JavaScript": '" + "',
    "Python": "'\n  '",
    "bytes of Python": "'\nb'",
    "HTML": "<wbr>",
    "lines of HTML": "<br />",
    "a comment": "\n# ",
    "a box": "\n  | ",
}
"""What is between the parts of a text that is split over strings or lines."""


@pytest.mark.parametrize("between", STRINGS)
@pytest.mark.parametrize("form", sorted(WHOLE))
def test_a_key_is_redacted_that_is_split_over_strings(form: str, between: str) -> None:
    parts = textwrap.wrap(FORMS[form](PLAIN), 9, break_on_hyphens=False)
    hidden = Key(PLAIN, "here", "a.example").redact(f'"{STRINGS[between].join(parts)}"')
    assert re.fullmatch(r'"\[key\].{0,12}"', hidden, re.DOTALL), hidden


@pytest.mark.fuzz
@given(
    st.text(VISIBLE, min_size=8, max_size=60),
    st.sampled_from(sorted(FORMS)),
    st.text("ab <&%\\\n", max_size=9),
)
def test_any_key_is_redacted_in_any_form(key: str, form: str, around: str) -> None:
    if form == "JSON in JSON" or FORMS[form](key) == "":
        return
    assert "[key]" in Key(key, "here", "a.example").redact(f"{around} {FORMS[form](key)} {around}")


@pytest.mark.parametrize("text", ["s", "\\", "&amp;", "%25", "sk-api-", "73 ", "s\n", "c2st", "\n"])
def test_a_long_text_is_searched_in_linear_time(text: str) -> None:
    key = Key(SECRET, "here", "a.example")

    def seconds(length: int) -> float:
        long = text * (length // len(text))
        began = time.process_time()
        key.redact(long)
        return time.process_time() - began

    assert min(seconds(400_000) for _ in range(3)) < 40 * max(min(seconds(40_000) for _ in range(3)), 0.001)


def test_a_key_of_thousands_of_characters_delays_no_error() -> None:
    key = Key(SECRET * 100, "here", "a.example")
    began = time.process_time()
    assert key.redact("The endpoint answered 500.") == "The endpoint answered 500."
    assert time.process_time() - began < 0.5 * PATIENCE


def test_words_that_are_like_a_part_of_the_key_are_left_alone() -> None:
    text = "sk-api- is how keys begin; 73 6b 2d are three bytes; c2st is base64."
    assert Key(SECRET, "here", "a.example").redact(text) == text
