"""The reference: cells with the raw SDK's `messages.stream` loop, without output, for a kernel.

The kernel's environment must contain ANTHROPIC_BASE_URL and ANTHROPIC_API_KEY.
"""

from __future__ import annotations

TIMED_IMPORT = """
import time

took = time.monotonic()
import anthropic
took = time.monotonic() - took
"""

_CLIENT = """
client = anthropic.Anthropic()


def stream():
    return client.messages.stream(
        model="MiniMax-M2.7", max_tokens=65536, messages=[{"role": "user", "content": "Write."}]
    )
"""

SETUP = TIMED_IMPORT + _CLIENT

ASK = """
with stream() as answer:
    for text in answer.text_stream:
        pass
"""

TIMED_ASK = """
with stream() as answer:
    found = None
    for text in answer.text_stream:
        if found is None:
            found = time.monotonic()
"""

FIRST_ASK = _CLIENT + TIMED_ASK
