"""The forms in which a text may contain a key: escaped, encoded, or wrapped over lines."""

from __future__ import annotations

import base64
import html
import re

MIN_BASE64_CHARACTERS = 6
"""Shorter base64 text is too common to be recognized as a part of a key."""

MIN_HEX_BYTES = 4
"""Shorter hexadecimal text is too common as well."""

_BREAK = r"(?:=?[\r\n]+[ \t>]{0,40}|\\{1,4}[rn]|[\u00ad\u200b\u2028\u2060\ufeff])*+"
"""What a program may put into a long word to wrap it: line ends, also escaped, and characters without a width."""


def forms_of(key: str) -> str:
    """Return a regular expression for the key as it is, in URLs, JSON, HTML, Python, base64 and hexadecimal."""
    forms = [_BREAK.join(map(_character, key))]
    for before in range(3):  # its offset in the groups of three bytes that base64 encodes
        inside = slice((0, 2, 3)[before], 8 * (before + len(key)) // 6)
        coded = base64.b64encode(b"\0" * before + key.encode())[inside].decode()
        if len(coded) >= MIN_BASE64_CHARACTERS:
            forms.append(_BREAK.join(map(_base64_character, coded)))
    if len(key) >= MIN_HEX_BYTES:
        between = rf"(?:{_BREAK[:-2]}|[:,\s-]|0x)*+"
        digits = between.join(_BREAK.join(f"{ord(each):02x}") for each in key)
        forms.append(f"(?i:{digits})")
    return "|".join(forms)


def _character(each: str) -> str:
    code, name = ord(each), html.escape(each)[1:-1]
    entity = "|".join(filter(None, (f"#0*{code}", f"#x0*{code:x}", re.escape(name))))
    escaped = rf"\\{{1,4}}(?:u\{{0*{code:x}\}}|u00{code:02x}|U000000{code:02x}|x{code:02x}|0?{code:03o})"
    plain = each if each.isalnum() else rf"\\{{0,8}}{re.escape(each)}"
    return rf"(?:{plain}|(?i:{escaped}|%(?:25){{0,3}}{code:02x}|={code:02x}|&(?:amp;){{0,3}}(?:{entity});?))"


def _base64_character(each: str) -> str:
    return {"+": "(?:[+-]|%2[bB])", "/": "(?:[/_]|%2[fF])"}.get(each, each)
