"""The requests of a run: one for each text, all but the text made once.

Always true: a request's hash is the one that `request_sha256` gives, and its bytes are what `request.encode` gives.
"""

from __future__ import annotations

import hashlib
from json.encoder import encode_basestring_ascii
from secrets import token_hex

from mm_magics.api import request
from mm_magics.batch.engines.sender import Request
from mm_magics.errors import PromptError
from mm_magics.turn.prepared import PreparedPrompt


class RequestBuilder:
    """Made from a prompt that is ready to go: its last message gives way to each text's."""

    def __init__(self, prompt: PreparedPrompt) -> None:
        self.model = prompt.model
        self._body = {**prompt.body, "stream": False, "messages": prompt.body["messages"][:-1]}
        past = [request.message_sha256(each) for each in self._body["messages"]]
        hole = token_hex(32)
        form = request.hashed(prompt.model, prompt.request.system, prompt.request.params, [*past, hole])
        before, _, self._after_hash = form.partition(hole.encode())
        self._before_hash = hashlib.sha256(before)
        written = request.encode(self._body)
        self._head, self._tail = written[:-2] + (b"," if past else b""), written[-2:]

    def digest(self, text: str) -> bytes:
        """The hash of the request for this text. Raises `PromptError` if there is none."""
        if not text.strip():
            raise PromptError("The prompt is empty.", "Nothing was sent.")
        written = f'{{"content":[{{"text":{encode_basestring_ascii(text)},"type":"text"}}],"role":"user"}}'
        digest = self._before_hash.copy()
        digest.update(hashlib.sha256(written.encode()).hexdigest().encode() + self._after_hash)
        return digest.digest()

    def of(self, text: str, digest: bytes) -> Request:
        """The request for this text, whose hash this is."""
        message = {"role": "user", "content": [{"type": "text", "text": text}]}
        return Request(digest, self._head + request.json_of(message).encode() + self._tail)
