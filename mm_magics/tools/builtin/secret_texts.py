"""Recognize texts that contain a key or a token, whatever the name of their file."""

from __future__ import annotations

import re
from typing import TextIO

MAX_SEARCHED = 16_000_000
"""Characters of a file that are searched."""

_PART = 1_000_000
_LONGEST = 5_000
"""Characters of the longest match; the parts of a file overlap by so many."""

_LONG = "[0-9A-Za-z_-]{20,}"
_NAMED = (
    r"(?i:key|secret|token|bearer|password|passwd|auth)\\?[\"']?(?:\s{0,9}[=:]\s{0,9}|\s)(?i:bearer\s)?\\?[\"']?"
    r"(?=[0-9A-Za-z+/_-]{24})(?=[^\s\"']{0,199}[0-9])(?=[^\s\"']{0,199}[a-z])(?=[^\s\"']{0,199}[A-Z])[0-9A-Za-z+/_-]{24,}+={0,2}+(?![\w.(\[/])"
)
"""A long value with digits, small and capital letters, of something that is named like a secret."""
SECRETS = (
    ("a private key", "PRIVATE KEY", r"----[- ]?BEGIN {1,3}(?:[A-Z0-9]+ {1,3}){0,4}PRIVATE KEY"),
    ("a private key", "LS0tLS1CRUdJTiB", r"LS0tLS1CRUdJTiB(?:QUklWQVRF|SU0EgUFJJVkFU|FQyBQUklWQVRF|PUEVOU1NIIFBSSVZB)"),
    ("a private key", '"kty"', r"\"d\"\s{0,9}:\s{0,9}\"[0-9A-Za-z_-]{20,}\""),
    ("a private key", "PuTTY-User-Key", r"PuTTY-User-Key-File-\d"),
    ("a private key", "private_key", r"[\"']private_key(?:_id)?\\?[\"']\s{0,9}:"),
    ("a private key", "AGE-SECRET-KEY", r"AGE-SECRET-KEY-1[0-9A-Z]{40}"),
    ("an access token", "sk-", rf"\bsk-(?:ant|proj|svcacct|or|cp|api)-{_LONG}|\bsk-[0-9A-Za-z]{{20,}}"),
    ("an access token", "k_live_", r"\b[spr]k_live_[0-9A-Za-z]{16,}"),
    ("an access token", "gh", r"\bgh[opusr]_[0-9A-Za-z]{30,}"),
    ("an access token", "github_pat_", rf"\bgithub_pat_{_LONG}"),
    ("an access token", "glpat-", rf"\bglpat-{_LONG}"),
    ("an access token", "hf_", r"\bhf_[0-9A-Za-z]{30,}"),
    ("an access token", "xox", r"\bxox[abeprs]-[0-9A-Za-z-]{10,}"),
    ("an access token", "xapp-", r"\bxapp-\d-[0-9A-Za-z-]{10,}"),
    ("an access token", "npm_", r"\bnpm_[0-9A-Za-z]{36}"),
    ("an access token", "pypi-AgEI", rf"\bpypi-AgEI{_LONG}"),
    ("an access token", "AKIA", r"\bAKIA[0-9A-Z]{16}\b"),
    ("an access token", "ASIA", r"\bASIA[0-9A-Z]{16}\b"),
    ("an access token", "secret_access_key", r"secret_access_key[\"']?\s{0,9}[=:]\s{0,9}[\"']?[0-9A-Za-z+/]{40}"),
    ("an access token", "SECRET_ACCESS_KEY", r"SECRET_ACCESS_KEY[\"']?\s{0,9}[=:]\s{0,9}[\"']?[0-9A-Za-z+/]{40}"),
    ("an access token", "API_KEY", rf"API_KEY[\"']?\s{{0,9}}[=:]\s{{0,9}}[\"']?{_LONG}"),
    ("an access token", "_", rf"\b(?:gsk|r8|lin_api|ntn|sntrys|dop_v1|shpat|whsec)_{_LONG}"),
    ("an access token", "-", rf"\b(?:xai|pplx|gldt|tskey-[a-z]{{1,9}}|sq0[a-z]{{3}})-{_LONG}"),
    ("an access token", "hvs.", rf"\bhvs\.{_LONG}"),
    (
        "an access token",
        "hooks.slack.com/services/",
        r"hooks\.slack\.com/services/[0-9A-Z]+/[0-9A-Z]+/[0-9A-Za-z]{16,}",
    ),
    (
        "an access token",
        "://",
        r"://[^\s/:@\"']{0,99}:(?=[^\s/:@\"'{}<>$*]{12})(?=[^\s@]{0,99}\d)[^\s/:@\"'{}<>$*]{12,200}@",
    ),
    ("an access token", "", _NAMED),
    ("an access token", "AIza", r"\bAIza[0-9A-Za-z_-]{35}"),
    ("an access token", "ya29.", rf"\bya29\.{_LONG}"),
    ("an access token", "dapi", r"\bdapi[0-9a-f]{32}"),
    ("an access token", "SG.", rf"\bSG\.{_LONG}\.{_LONG}"),
    ("an access token", "AccountKey=", r"\bAccountKey=[0-9A-Za-z+/]{40,}"),
    ("an access token", "eyJ", r"\beyJ[0-9A-Za-z_-]{10,1000}\.eyJ[0-9A-Za-z_-]{10,3000}\.[0-9A-Za-z_-]{10,}"),
)
"""What is found, a text that it contains, and the regular expression that finds it."""

_SECRETS = [(name, part, re.compile(pattern)) for name, part, pattern in SECRETS]


def find_secret(file: TextIO) -> str:
    """Return what kind of secret the text contains; "" if none was found in its first `MAX_SEARCHED` characters."""
    before = ""
    for _ in range(MAX_SEARCHED // _PART):
        new = file.read(_PART)
        text = before + new
        for name, part, pattern in _SECRETS:
            if part in text and pattern.search(text):  # the first test is a hundred times as fast
                return name
        if len(new) < _PART:
            break
        before = text[-_LONGEST:]
    return ""
