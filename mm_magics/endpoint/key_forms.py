"""The forms in which a text may contain a key: escaped, encoded, or wrapped over lines."""

from __future__ import annotations

import base64
import html
import re

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


def forms_of(key: str) -> str:
    """Return a regular expression for the key as it is, in URLs, JSON, HTML, Python, base64 and hexadecimal."""
    is_plain = re.fullmatch(r"[\w.-]+", key)
    ends = _LINE_END.replace(">", ">|#") + _STRING_END if is_plain else _LINE_END
    wrap = f"(?:{ends})*+"
    forms = [wrap.join(map(_character, key))]
    for data in (key.encode(), key.encode("utf-16-le"), key.encode("utf-16-be")):
        for before in range(3):  # its offset in the groups of three bytes that base64 encodes
            inside = slice((0, 2, 3)[before], 8 * (before + len(data)) // 6)
            coded = base64.b64encode(b"\0" * before + data)[inside].decode()
            if len(coded) >= MIN_BASE64_CHARACTERS:
                forms.append(wrap.join(map(_base64_character, coded)))
    if len(key) >= MIN_HEX_BYTES:
        between = rf"(?:{ends}|[:,\s-]|0x|00)*+"
        digits = between.join(wrap.join(f"{ord(each):02x}") for each in key)
        forms.append(f"(?i:{digits})")
    return "|".join(forms)


def _character(each: str) -> str:
    code, name = ord(each), html.escape(each)[1:-1]
    entity = "|".join(filter(None, (f"#0*{code}", f"#x0*{code:x}", re.escape(name))))
    escaped = rf"\\{{1,4}}(?:u\{{0*{code:x}\}}|u00{code:02x}|U000000{code:02x}|x{code:02x}|0?{code:03o}"
    escaped = rf"{escaped}|0{{0,4}}{code:x} ?)|%u00{code:02x}"
    plain = each if each.isalnum() else rf"\\{{0,8}}{re.escape(each)}"
    return rf"(?:{plain}|(?i:{escaped}|%(?:25){{0,3}}{code:02x}|={code:02x}|&(?:amp;){{0,3}}(?:{entity});?))"


def _base64_character(each: str) -> str:
    return {"+": "(?:[+-]|%2[bB])", "/": "(?:[/_]|%2[fF])"}.get(each, each)
