"""The bundled endpoint simulator: MiniMax's Messages API on a loopback port, for tests, docs and offline use.

`Simulator` starts an endpoint that answers as MiniMax does, without a model and without a network connection:

    >>> import anthropic
    >>> with Simulator(answers=["Hello"]) as endpoint:
    ...     with anthropic.Anthropic(base_url=endpoint.base_url, api_key=endpoint.key) as client:
    ...         message = client.messages.create(
    ...             model="MiniMax-M2.7", max_tokens=100, messages=[{"role": "user", "content": "Hi"}]
    ...         )
    >>> message.content[-1].text
    'Hello'

The answers come from a script (`Simulator(answers=[...])`, with `ScriptedAnswer` for control over blocks, timing and
faults), from directives in the prompt (`[[simulator: say="Hi"]]`, listed in `directives.KEYS`), or are generated from
the prompt. `Simulator.log` has a `RequestRecord` for each request:

    >>> endpoint.log[0].body["messages"]
    [{'role': 'user', 'content': 'Hi'}]

Everything that can go wrong has a name, listed in `faults.catalogue.NAMES`. Without a fault the simulator never
departs from MiniMax's contract.
"""

from __future__ import annotations

from mm_magics.simulator.answer import Fault, ScriptedAnswer, StreamPosition, text, thinking, tool_use
from mm_magics.simulator.background import Simulator
from mm_magics.simulator.record import RequestRecord, ReturnedMessage

__all__ = [
    "Fault",
    "RequestRecord",
    "ReturnedMessage",
    "ScriptedAnswer",
    "Simulator",
    "StreamPosition",
    "text",
    "thinking",
    "tool_use",
]
