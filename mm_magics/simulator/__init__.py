"""The bundled endpoint simulator: MiniMax's Messages API on a loopback port, for tests, docs and offline use.

    with Simulator() as endpoint:
        client = anthropic.Anthropic(base_url=endpoint.base_url, api_key=endpoint.key)

`Simulator(answers=[…])` scripts what it says, `endpoint.log` tells what it was asked (`Record`), `faults.NAMES` what
can go wrong on request, `directives.KEYS` what a prompt can ask for. Always true: it keeps MiniMax's contract, and
leaves it only where it was asked to.
"""

from __future__ import annotations

from mm_magics.simulator.answer import Answer, Fault, Spot, text, thinking, tool_use
from mm_magics.simulator.background import Simulator
from mm_magics.simulator.record import Record, Replayed

__all__ = ["Answer", "Fault", "Record", "Replayed", "Simulator", "Spot", "text", "thinking", "tool_use"]
