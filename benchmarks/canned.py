"""A server with one canned answer, in its own process: `python -m benchmarks.canned LATENCY_S LIMIT SLOW`.

It does nothing but read requests and write the answer after LATENCY_S seconds, so that a measurement is of the client.
One answer in SLOW (0 for none) takes ten times as long.
Above LIMIT requests at the same time (0 for no limit) it answers 429. Its first line of output is its port, and each
line of input makes it write how many requests it received, and how many of them it refused.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from types import TracebackType
from typing import Self

from benchmarks.endpoint import ROOT

ANSWER = {
    "id": "0123456789abcdef0123456789abcdef",
    "type": "message",
    "role": "assistant",
    "model": "MiniMax-M2.7",
    "content": [
        {"type": "thinking", "thinking": "I look at the words.", "signature": "0" * 64},
        {"type": "text", "text": "The review is good: it praises the material and the seams, and names no fault."},
    ],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 60, "output_tokens": 40},
    "base_resp": {"status_code": 0, "status_msg": ""},
}
REFUSAL = {"type": "error", "error": {"type": "rate_limit_error", "message": "rate limit exceeded(RPM) (1002)"}}


def _response(status: str, value: object) -> bytes:
    body = json.dumps(value).encode()
    return f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


OK, REFUSED = _response("200 OK", ANSWER), _response("429 Too Many Requests", REFUSAL)


class _State:
    def __init__(self, latency: float, limit: int, slow: int) -> None:
        self.latency, self.limit, self.slow = latency, limit, slow
        self.in_flight = self.received = self.refused = 0


class _Connection(asyncio.Protocol):
    def __init__(self, state: _State) -> None:
        self._state, self._received = state, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0):
            return
        self._received = b""
        state = self._state
        state.received += 1
        if state.limit and state.in_flight >= state.limit:
            state.refused += 1
            self._transport.write(REFUSED)
        elif state.latency:
            state.in_flight += 1
            is_slow = state.slow and not state.received % state.slow
            asyncio.get_running_loop().call_later((10 if is_slow else 1) * state.latency, self._answer)
        else:
            self._transport.write(OK)

    def _answer(self) -> None:
        self._state.in_flight -= 1
        self._transport.write(OK)


async def _serve(latency: float, limit: int, slow: int) -> None:
    state, loop = _State(latency, limit, slow), asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(state), "127.0.0.1", 0, backlog=4_096)
    print(server.sockets[0].getsockname()[1], flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(state.received, state.refused, flush=True)


class CannedServer:
    """Starts the server's process; `base_url` is its address."""

    def __init__(self, latency: float = 0.0, limit: int = 0, slow: int = 0) -> None:
        command = [sys.executable, "-m", "benchmarks.canned", str(latency), str(limit), str(slow)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        self.base_url = f"http://127.0.0.1:{int(self._line())}/anthropic"

    def requests(self) -> int:
        """Return how many requests were received so far."""
        return self._counts()[0]

    def refused(self) -> int:
        """Return how many requests were refused so far."""
        return self._counts()[1]

    def _counts(self) -> list[int]:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return [int(each) for each in self._line().split()]

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._process.communicate("")


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
