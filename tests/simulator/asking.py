"""Sends the requests of these tests over real HTTP, without the package's own client."""

from __future__ import annotations

import json
from typing import Any

import httpx2

from mm_magics.simulator import Simulator

MODEL = "MiniMax-M2.7"


def request(prompt: str | list[Any] = "Hello", **fields: Any) -> dict[str, Any]:
    """Return a request body; `prompt` is the user's text, or a whole `messages` array."""
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    return {"model": MODEL, "max_tokens": 4096, "messages": messages, **fields}


class Asker:
    """An HTTP client for a simulator."""

    def __init__(self, endpoint: Simulator, timeout: float = 5.0) -> None:
        self.endpoint = endpoint
        self.http = httpx2.Client(timeout=timeout, trust_env=False, verify=False)
        self.url = f"{endpoint.base_url}/v1/messages"
        self.headers = {"x-api-key": endpoint.key}

    def post(self, prompt: str | list[Any] = "Hello", **fields: Any) -> httpx2.Response:
        return self.http.post(self.url, json=request(prompt, **fields), headers=self.headers)

    def message(self, prompt: str | list[Any] = "Hello", **fields: Any) -> dict[str, Any]:
        response = self.post(prompt, **fields)
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    def events(self, prompt: str | list[Any] = "Hello", **fields: Any) -> list[dict[str, Any]]:
        response = self.post(prompt, stream=True, **fields)
        assert response.status_code == 200, response.text
        return parsed(response.text)

    def chunks(self, prompt: str, **fields: Any) -> tuple[list[bytes], Exception | None]:
        """Return the body's chunks until it ends or fails."""
        got: list[bytes] = []
        body = request(prompt, stream=True, **fields)
        try:
            with self.http.stream("POST", self.url, json=body, headers=self.headers) as response:
                got.extend(response.iter_raw())
        except httpx2.HTTPError as error:
            return got, error
        return got, None


def parsed(body: str) -> list[dict[str, Any]]:
    """Parse server-sent events in their simplest form: an event line, a data line, a blank line."""
    found = []
    for frame in body.removesuffix("\n\n").split("\n\n"):
        event, data = frame.split("\n")
        value = json.loads(data.removeprefix("data: "))
        assert event == f"event: {value['type']}"
        found.append(value)
    return found


def assembled(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the content blocks that a stream's events form."""
    blocks: list[dict[str, Any]] = []
    written: dict[int, str] = {}
    for event in events:
        if event["type"] == "content_block_start":
            assert event["index"] == len(blocks)
            blocks.append(dict(event["content_block"]))
        elif event["type"] == "content_block_delta":
            block, delta = blocks[event["index"]], event["delta"]
            if delta["type"] == "input_json_delta":
                written[event["index"]] = written.get(event["index"], "") + delta["partial_json"]
            else:
                for key in delta.keys() - {"type"}:
                    block[key] = block.get(key, "") + delta[key]
        elif event["type"] == "content_block_stop" and event["index"] in written:
            blocks[event["index"]]["input"] = json.loads(written[event["index"]])
    return blocks


def text(message: dict[str, Any]) -> str:
    return "".join(block["text"] for block in message["content"] if block["type"] == "text")
