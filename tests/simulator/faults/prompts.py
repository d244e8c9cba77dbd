"""Prompts that ask the simulator for a fault, and what its tests need to look at the answers."""

from __future__ import annotations

import time
from typing import Any

SAY = 'say="Grüße, oysters" thinking="Let me see."'
"""An answer of 3 thinking deltas and 4 text deltas."""


def asking(name: str, *more: str) -> str:
    return f"[[simulator: {SAY} fault={name} {' '.join(more)}]]"


def deltas(events: list[dict[str, Any]]) -> str:
    """Join the text of a stream's deltas."""
    parts = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    return "".join(part.get("thinking", "") + part.get("text", "") for part in parts)


def until(true: Any, seconds: float = 2.0) -> None:
    deadline = time.perf_counter() + seconds
    while not true():
        assert time.perf_counter() < deadline
        time.sleep(0.005)
