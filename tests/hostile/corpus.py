"""The hostile corpus for the Python tests. `corpus.json` also lists the sources of its cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mm_magics.history.turn import Turn
from tests.turns import RESPONSE, turn

_FILE = json.loads(Path(__file__).with_name("corpus.json").read_text("utf-8"))

CASES: dict[str, str] = {
    f"{kind}: {name}": text for kind, texts in _FILE["cases"].items() for name, text in texts.items()
}
BOMBS: dict[str, str] = {
    name: "".join(piece * times for piece, times in pieces) for name, pieces in _FILE["bombs"].items()
}


def everywhere(text: str) -> Turn:
    """Return a turn with the text in every field that a model, a tool, an endpoint or a foreign file can set."""
    content: list[dict[str, Any]] = [
        {"type": "thinking", "thinking": text, "signature": text},
        {"type": "text", "text": text},
        {"type": "tool_use", "id": text, "name": text, "input": {text: text}},
        {"type": text or "x", text: text},
        {"type": "redacted_thinking", "data": text},
    ]
    made = turn(text, content, model=text, error=text, status="failed", system=text, thread=text, cell_id=text)
    results = [
        {"type": "tool_result", "tool_use_id": text, "content": [{"type": "text", "text": text}], "is_error": True},
        {"type": "tool_result", "tool_use_id": "of no call", "content": text},
    ]
    made.messages.append({"role": "user", "content": results})
    made.messages.append({"role": "assistant", "content": text})
    made.responses.append({**RESPONSE, "stop_reason": text, "id": text, "model": text})
    return made
