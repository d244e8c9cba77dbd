"""The rules of `strict` mode: what other endpoints of this format refuse, and MiniMax's may accept.

The rules are those of `minimax-api.md`, section "Rules of other endpoints", and the fields that each type of block may
have. Blocks of unknown types are not checked.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mm_magics.api.messages import TOOL_ID, TOOL_NAME, Block, blocks
from mm_magics.api.sendable import KNOWN_FIELDS
from mm_magics.api.thinking import MIN_BUDGET
from mm_magics.text import has_surrogates

PATTERNS = {
    "tool_use": {"id": TOOL_ID, "name": TOOL_NAME},
    "tool_result": {"tool_use_id": TOOL_ID},
}
"""What the text in a field of a block must match."""


class Signer:
    """Signs thinking with a secret of its own, so that no other endpoint's signature is valid here."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._issued: set[tuple[str, str]] = set()

    def sign(self, thinking: str) -> str:
        """Return 64 hex characters."""
        return hmac.new(self._secret, thinking.encode("utf-8", "surrogatepass"), "sha256").hexdigest()

    def add(self, content: Sequence[Block]) -> None:
        """Remember the thinking of a message that is sent, whose signatures may be from a script."""
        self._issued.update(filter(None, map(_signed_part, content)))

    def has_signed(self, block: Block) -> bool:
        """Return whether the block of thinking is from this endpoint, with its signature."""
        part = _signed_part(block)
        return part is not None and (part in self._issued or hmac.compare_digest(self.sign(part[0]), part[1]))


def _signed_part(block: Block) -> tuple[str, str] | None:
    """Return a block's thinking and its signature; None if it is not thinking, or not signed."""
    if block.get("type") == "redacted_thinking" and isinstance(block.get("data"), str):
        return "", block["data"]
    thinking, signature = block.get("thinking"), block.get("signature")
    is_signed = block.get("type") == "thinking" and isinstance(thinking, str) and isinstance(signature, str)
    return (thinking, signature) if is_signed and signature.isascii() else None  # type: ignore[return-value, union-attr]


def problem_of(body: Mapping[str, Any], signer: Signer) -> str:
    """Return the first rule that a valid body breaks; "" if it breaks none."""
    if has_surrogates(body):
        return "the body is not valid JSON: it contains a lone surrogate"
    if any(not text.strip() for text in _system_texts(body.get("system"))):
        return "system: text content blocks must contain non-whitespace text"
    budget = (body.get("thinking") or {}).get("budget_tokens")
    if isinstance(budget, int) and not MIN_BUDGET <= budget < body["max_tokens"]:
        return f"thinking.budget_tokens: must be at least {MIN_BUDGET} and less than max_tokens"
    content = list(_content(body["messages"]))
    if not body.get("tools") and any(block.get("type") in ("tool_use", "tool_result") for _, block in content):
        return "tools are required if messages contain tool_use or tool_result blocks"
    for number, tool in enumerate(body.get("tools") or ()):
        if not TOOL_NAME.fullmatch(str(tool.get("name"))):
            return f"tools.{number}.name: String should match pattern '^{TOOL_NAME.pattern}$'"
    for where, block in content:
        kind = str(block.get("type"))
        if kind in KNOWN_FIELDS and (extra := sorted(block.keys() - KNOWN_FIELDS[kind])):
            return f"{where}.{kind}.{extra[0]}: Extra inputs are not permitted"
        for name, pattern in PATTERNS.get(kind, {}).items():
            if not pattern.fullmatch(str(block.get(name))):
                return f"{where}.{kind}.{name}: String should match pattern '^{pattern.pattern}$'"
        if kind == "thinking" and not block.get("signature"):
            return f"{where}.thinking.signature: Field required"
        if kind in ("thinking", "redacted_thinking") and not signer.has_signed(block):
            return f"{where}: Invalid `signature` in `{kind}` block"
    return ""


def _system_texts(system: Any) -> Iterator[str]:
    return (str(each.get("text")) for each in blocks({"content": system}) if system)


def _content(messages: Sequence[Block]) -> Iterator[tuple[str, Block]]:
    """Yield each block with its path, those inside of tool results too."""
    for number, message in enumerate(messages):
        for at, block in enumerate(blocks(message)):
            yield f"messages.{number}.content.{at}", block
            if block.get("type") == "tool_result":
                for inner_at, inner in enumerate(blocks(block)):
                    yield f"messages.{number}.content.{at}.content.{inner_at}", inner
