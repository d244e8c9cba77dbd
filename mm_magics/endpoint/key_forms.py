"""The forms in which a text may contain a key: escaped, encoded, or wrapped over lines."""

from __future__ import annotations

import base64
import bisect
import html
import re
from array import array

MIN_BASE64_CHARACTERS = 6
"""Shorter base64 text is too common to be recognized as a part of a key."""

MIN_HEX_BYTES = 4
"""Shorter hexadecimal text is too common as well."""

_LINE_END = (
    r"=?[\r\n]+[ \t>]{0,40}|\\{1,4}[rn]|[\x00\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]|\x1b\[[0-9;]{0,20}m"
)
"""What a program may put into a long word to wrap it: line ends, also escaped, and what has no width."""

_STRING_END = r"|(?i:<w?br ?/?>)|\\{0,4}[\"'][ \t\r\n]{0,40}[,+]?[ \t\r\n]{0,40}b?\\{0,4}[\"']"
"""The end of a string and the beginning of the next, for keys without such characters."""

_WRAP = re.compile(_LINE_END)
_WRAP_OR_STRING_END = re.compile(_LINE_END.replace(">", ">|#") + _STRING_END)
_BETWEEN_BYTES = re.compile(r"0x|00(?!x)|[:,\s-]", re.IGNORECASE)

_SAMPLE = 6
"""So many characters from the middle of a form are looked for first: building the pattern of a whole form is slow."""


class KeyForms:
    """Where a text contains one key: as it is, or in URLs, JSON, HTML, Python, base64 and hexadecimal."""

    __slots__ = ("_characters", "_coded", "_hex", "_wrap")

    def __init__(self, key: str) -> None:
        self._wrap = _WRAP_OR_STRING_END if re.fullmatch(r"[\w.-]+", key) else _WRAP
        self._characters = [_character(each) for each in key]
        self._coded = [[_base64_character(each) for each in coded] for coded in _base64(key)]
        self._hex = key.encode().hex() if len(key) >= MIN_HEX_BYTES else ""

    def replace(self, text: str, replacement: str) -> str:
        """Replace the key in the text. Takes time in proportion to the length of the text."""
        whole, unwrapped = _Shortened(text), _Shortened(text, self._wrap)
        spans = whole.spans(self._characters)
        for form in (self._characters, *self._coded):
            spans += unwrapped.spans(form)
        if self._hex:
            spans += _Shortened(unwrapped, _BETWEEN_BYTES).spans(list(self._hex), re.IGNORECASE)
        return _replaced(text, spans, replacement)


class _Shortened:
    """A text without everything that a pattern matches, and where each of its characters was."""

    def __init__(self, text: str | _Shortened, left_out: re.Pattern[str] | None = None) -> None:
        self._longer = text if isinstance(text, _Shortened) else None
        longer: str = text.text if isinstance(text, _Shortened) else text
        self._begins, self._starts = array("q", [0]), array("q", [0])  # of the parts, in the longer and shorter text
        parts, length = [], 0
        for found in left_out.finditer(longer) if left_out else ():
            parts.append(longer[self._begins[-1] : found.start()])
            length += len(parts[-1])
            self._begins.append(found.end())
            self._starts.append(length)
        self.text: str = "".join([*parts, longer[self._begins[-1] :]])

    def spans(self, form: list[str], flags: re.RegexFlag = re.NOFLAG) -> list[tuple[int, int]]:
        """Return where the first text contains this form: the patterns of its characters, one after another."""
        middle = max(0, (len(form) - _SAMPLE) // 2)
        if not re.search("".join(form[middle : middle + _SAMPLE]), self.text, flags):
            return []
        found = re.finditer("".join(form), self.text, flags)
        return [(self._place(each.start()), self._place(each.end() - 1) + 1) for each in found]

    def _place(self, index: int) -> int:
        part = bisect.bisect_right(self._starts, index) - 1
        place = self._begins[part] + index - self._starts[part]
        return place if self._longer is None else self._longer._place(place)


def _replaced(text: str, spans: list[tuple[int, int]], replacement: str) -> str:
    parts, done = [], 0
    for start, end in sorted(spans):
        if start >= done:
            parts += [text[done:start], replacement]
        done = max(done, end)
    return "".join([*parts, text[done:]])


def _base64(key: str) -> list[str]:
    """Return the base64 of the key in UTF-8 and UTF-16 at each offset, without what depends on the text around it."""
    forms = []
    for data in (key.encode(), key.encode("utf-16-le"), key.encode("utf-16-be")):
        for before in range(3):  # its offset in the groups of three bytes that base64 encodes
            inside = slice((0, 2, 3)[before], 8 * (before + len(data)) // 6)
            forms.append(base64.b64encode(b"\0" * before + data)[inside].decode())
    return [each for each in forms if len(each) >= MIN_BASE64_CHARACTERS]


def _character(each: str) -> str:
    code, name = ord(each), html.escape(each)[1:-1]
    entity = "|".join(filter(None, (f"#0*{code}", f"#x0*{code:x}", re.escape(name))))
    escaped = rf"\\{{1,4}}(?:u\{{0*{code:x}\}}|u00{code:02x}|U000000{code:02x}|x{code:02x}|0?{code:03o}"
    escaped = rf"{escaped}|0{{0,4}}{code:x} ?)|%u00{code:02x}"
    plain = each if each.isalnum() else rf"\\{{0,8}}{re.escape(each)}"
    return rf"(?:{plain}|(?i:{escaped}|%(?:25){{0,3}}{code:02x}|={code:02x}|&(?:amp;){{0,3}}(?:{entity});?))"


def _base64_character(each: str) -> str:
    return {"+": "(?:[+-]|%2[bB])", "/": "(?:[/_]|%2[fF])"}.get(each, each)
