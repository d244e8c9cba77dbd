"""The requests of a map run: one per row. Everything but the row's text is encoded only once.

The hash of a request equals its `request_sha256`, and its bytes equal those of `request.encode`.
"""

from __future__ import annotations

import hashlib
from json.encoder import encode_basestring, encode_basestring_ascii
from secrets import token_hex

from mm_magics.api import request
from mm_magics.api.legacy_hash import legacy_hash_input, legacy_message_sha256
from mm_magics.batch.engines.base import Request
from mm_magics.errors import PromptError
from mm_magics.turn.prepared import PreparedPrompt


class RequestBuilder:
    """Builds requests from a prepared prompt: the text of each row takes the place of its last message."""

    def __init__(self, prompt: PreparedPrompt) -> None:
        prepared = prompt.request
        self.model = prepared.model
        body = {**prepared.body, "stream": False, "messages": prepared.body["messages"][:-1]}
        context = [request.message_sha256(message) for message in body["messages"]]
        placeholder = token_hex(32)
        hashed = request.hash_input(prepared.model, prepared.system, prepared.params, [*context, placeholder])
        before, _, self._after_hash = hashed.partition(placeholder.encode())
        self._before_hash = hashlib.sha256(before)
        context = [legacy_message_sha256(message) for message in body["messages"]]
        hashed = legacy_hash_input(prepared.model, prepared.system, prepared.params, [*context, placeholder])
        before, _, self._after_legacy_hash = hashed.partition(placeholder.encode())
        self._before_legacy_hash = hashlib.sha256(before)
        encoded = request.encode(body)
        self._head, self._tail = encoded[:-2] + (b"," if context else b""), encoded[-2:]

    def digest(self, text: str) -> bytes:
        """Return the hash of the request for this text.

        Raises:
            PromptError: The text is empty.
        """
        if not text.strip():
            raise PromptError("The prompt is empty.", "Nothing was sent.")
        message = f'{{"content":[{{"text":{encode_basestring(text)},"type":"text"}}],"role":"user"}}'
        digest = self._before_hash.copy()
        digest.update(hashlib.sha256(message.encode("utf-8", "surrogatepass")).hexdigest().encode() + self._after_hash)
        return digest.digest()

    def legacy_digest(self, text: str) -> bytes:
        """Return the hash that the request has in stores of mm_magics 0.1."""
        message = f'{{"content":[{{"text":{encode_basestring_ascii(text)},"type":"text"}}],"role":"user"}}'
        digest = self._before_legacy_hash.copy()
        digest.update(hashlib.sha256(message.encode()).hexdigest().encode() + self._after_legacy_hash)
        return digest.digest()

    def build(self, text: str, digest: bytes) -> Request:
        """Return the request for this text, whose hash is `digest`."""
        message = {"role": "user", "content": [{"type": "text", "text": text}]}
        return Request(digest, self._head + request.json_of(message).encode() + self._tail)
