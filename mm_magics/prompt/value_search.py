"""Find known values in a text, however they are written in it.

Letters are compared without case, accents, spaces, quotation marks, backslashes and characters that nobody sees, after
escapes of JSON, Python, HTML and URLs are resolved. Numbers are compared by their digits.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from html import unescape
from urllib.parse import unquote

from mm_magics.text import replace_surrogates

LEAST = 8
"""Characters of a value that is searched for. Shorter ones occur by chance."""
_GRAM = 6
"""Characters by which places are found where a value may begin."""
_LEAST_CUT = 16
"""Characters that a value must have before an ellipsis to be found."""
_MOST_CUT = 200
_LEAST_SPLIT = 10
"""Digits of a number that is found among other groups of digits, such as a phone number."""
_MOST_GROUPS = 8
_PASSES = 3
"""How many times a text can be escaped."""

_IGNORED = re.compile(r"[\s\\\"'`‘’“”]+")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|U([0-9a-fA-F]{8})|([nrtbf])|(.))", re.DOTALL)
_NUMBER = re.compile(r"\d++(?:\.\d++)?")
_GROUPS = re.compile(r"(?<!\d)\d++(?:[\s.,'’_\-/()]{1,2}+\d++)++")
_ELLIPSIS = re.compile(r"\.{3,}")
_DIGITS = re.compile(r"\d+")
_NUMERIC = re.compile(r"[+\-\s().,'/_]*\d[\d+\-\s().,'/_]*")


class ValueSearch:
    """Finds values in texts.

    >>> search = ValueSearch({"df.email": ["Ana.Souza@example.org"], "df.phone": [4915112345678]})
    >>> search.found('mail ana.souza@\\nexample.org, phone "+49 151 1234-5678"')
    {'df.email': {0}, 'df.phone': {0}}

    Args:
        values: The values by the name under which they are found. Those with fewer than `LEAST` characters are left
            out.
    """

    def __init__(self, values: Mapping[str, Iterable[object]]) -> None:
        self._texts: dict[str, list[tuple[str, int]]] = {}
        self._lengths: dict[str, set[int]] = {}
        self._digits: dict[str, list[tuple[str, int]]] = {}
        self._has_long = False
        for name, each in values.items():
            for number, value in enumerate(each):
                self._add(name, number, value)
        self._sorted = sorted(self._texts)

    def _add(self, name: str, number: int, value: object) -> None:
        text = replace_surrogates(str(value))
        if len(text.strip()) < LEAST:
            return
        is_number = not isinstance(value, str) or text.strip().isdecimal()
        if _NUMERIC.fullmatch(text) and (digits := _canonical(_plain_digits(text))) and len(digits) >= _GRAM:
            self._has_long |= len(digits) >= _LEAST_SPLIT
            self._digits.setdefault(digits, []).append((name, number))
            if is_number:
                return
        folded = _folded(text)
        if len(folded) >= _GRAM:
            self._texts.setdefault(folded, []).append((name, number))
            self._lengths.setdefault(folded[:_GRAM], set()).add(len(folded))

    def found(self, text: str) -> dict[str, set[int]]:
        """Return which values are in the text: their positions by the name of their values."""
        found: dict[str, set[int]] = {}
        owners = [self._texts[each] for form in _forms(text) for each in self._found_texts(_folded(form))]
        if self._digits:
            owners += [self._digits.get(digits, []) for digits in _numbers(text, split=self._has_long)]
        for name, number in (each for several in owners for each in several):
            found.setdefault(name, set()).add(number)
        return found

    def _found_texts(self, folded: str) -> Iterator[str]:
        """Yield the texts in a folded text, and those whose beginning is in it before an ellipsis."""
        if not self._lengths:
            return
        for start in range(len(folded) - _GRAM + 1):
            for length in self._lengths.get(folded[start : start + _GRAM], ()):
                if (value := folded[start : start + length]) in self._texts:
                    yield value
        for ellipsis in _ELLIPSIS.finditer(folded):
            end = ellipsis.start()
            for start in range(max(0, end - _MOST_CUT), end - _LEAST_CUT + 1):
                beginning = folded[start:end]
                number = bisect_left(self._sorted, beginning)
                if number < len(self._sorted) and self._sorted[number].startswith(beginning):
                    yield self._sorted[number]


def _forms(text: str) -> Iterator[str]:
    """Yield the text, and what it is with its escapes resolved."""
    yield text
    unescaped = text
    for _ in range(_PASSES):
        if "\\" not in unescaped or (changed := _ESCAPE.sub(_character, unescaped)) == unescaped:
            break
        unescaped = changed.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        yield unescaped
    for mark, resolve in (("&", unescape), ("%", unquote)):
        if mark in unescaped and (changed := resolve(unescaped)) != unescaped:
            yield changed


def _character(escape: re.Match[str]) -> str:
    code = escape[1] or escape[2] or escape[3]
    if code:
        return chr(int(code, 16)) if int(code, 16) < 0x110000 else ""
    return " " if escape[4] else escape[5]


def _folded(text: str) -> str:
    """Return the text in small letters without accents, spaces and quotation marks."""
    if not text.isascii():
        text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).upper().casefold())
        unseen: dict[int, str | None] = {
            ord(each): None for each in set(text) if unicodedata.category(each) in ("Cf", "Mn", "Me", "Cc")
        }
        text = text.translate({**unseen, ord("‹"): "<"})
    return _IGNORED.sub("", text.lower())


def _plain_digits(text: str) -> str:
    """Return the text with every digit as one of ASCII."""
    return text if text.isascii() else re.sub(r"\d", lambda each: str(unicodedata.digit(each[0])), text)


def _canonical(number: str) -> str:
    """Return the digits of a number, without zeros at its beginning and at the end of its fraction.

    >>> _canonical("52,431.750"), _canonical("12345678.0"), _canonical("+49 (151) 1234")
    ('5243175', '12345678', '491511234')
    """
    whole, point, fraction = number.rpartition(".")
    if point and number.count(".") == 1 and fraction.isdecimal():
        number = whole + fraction.rstrip("0")
    return "".join(_DIGITS.findall(number)).lstrip("0")


def _numbers(text: str, *, split: bool) -> Iterator[str]:
    """Yield the digits of each number in a text; with `split`, also those of neighboring groups of digits."""
    text = _plain_digits(text)
    for found in _NUMBER.finditer(text):
        yield _canonical(found[0])
        if "." in found[0]:
            yield from (each.lstrip("0") for each in found[0].split("."))
    for found in _GROUPS.finditer(text):
        yield _canonical(found[0])
        groups = _DIGITS.findall(found[0])
        for first in range(len(groups)) if split else ():
            joined = groups[first]
            for group in groups[first + 1 : first + _MOST_GROUPS]:
                joined += group
                if len(joined) >= _LEAST_SPLIT:
                    yield joined.lstrip("0")
