"""The requests of a map run: one per row. Everything but the row's text is encoded only once.

The hash of a request equals its `request_sha256`, and its bytes equal those of `request.encode`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from json.encoder import encode_basestring, encode_basestring_ascii
from secrets import token_hex

from mm_magics.api import request
from mm_magics.api.legacy_hash import legacy_hash_input, legacy_message_sha256
from mm_magics.api.size import sent_size
from mm_magics.batch.engines.base import Request
from mm_magics.batch.row_template import RowText, row_message
from mm_magics.batch.store import Reply
from mm_magics.errors import PromptError, RequestError
from mm_magics.text import is_utf8, replace_surrogates, without_surrogates
from mm_magics.turn.answer import SURROGATES_NOTE
from mm_magics.turn.prepared import PreparedPrompt
from mm_magics.turn.window import fitting_max_tokens, lowered_note, surely_fits


class RequestBuilder:
    """Builds requests from a prepared prompt: the text of each row takes the place of its last message.

    With `packed`, rows are sent together. Their hashes are others, because the answers may be others.

    `lowered` is the lowest `max_tokens` that a row had to be sent with to fit the window, None if all of them fit.
    `replaced` says whether lone surrogates were replaced in a row.
    """

    def __init__(self, prompt: PreparedPrompt, *, packed: bool = False) -> None:
        prepared = prompt.request
        self._packed = packed
        self.model, self.max_tokens = prepared.model, prompt.max_tokens
        self.lowered: int | None = None
        self.replaced = False
        body = {**prepared.body, "stream": False, "messages": prepared.body["messages"][:-1]}
        earlier = prepared.prepared[:-1]
        context = [each.sha256 for each in earlier]
        placeholder = token_hex(32)
        hashed = request.hash_input(prepared.model, prepared.system, prepared.params, [*context, placeholder])
        before, _, self._after_hash = hashed.partition(placeholder.encode())
        self._before_hash = hashlib.sha256(before)
        context = [legacy_message_sha256(each.message) for each in earlier]
        hashed = legacy_hash_input(prepared.model, prepared.system, prepared.params, [*context, placeholder])
        before, _, self._after_legacy_hash = hashed.partition(placeholder.encode())
        self._before_legacy_hash = hashlib.sha256(before)
        self._body, self._earlier = {**body, "max_tokens": self.max_tokens}, [each.sent for each in earlier]
        encoded = request.encode(self._body)
        self._head, self._tail = encoded[:-2] + (b"," if context else b""), encoded[-2:]

    def digest(self, text: str) -> bytes:
        """Return the hash of the request for this text.

        Raises:
            PromptError: The text is empty.
            RequestError: It contains images, and the model does not take them.
        """
        if not text.strip():
            raise PromptError("The prompt is empty.", "Nothing was sent.")
        if isinstance(text, RowText):
            digest, message_ = self._before_hash.copy(), without_surrogates(row_message(text))
            request.check_media({"model": self.model, "messages": [message_]})
            digest.update(request.message_sha256(message_).encode() + self._after_hash)
            return self._own(digest.digest())
        text = replace_surrogates(text)
        message = f'{{"content":[{{"text":{encode_basestring(text)},"type":"text"}}],"role":"user"}}'
        digest = self._before_hash.copy()
        digest.update(hashlib.sha256(message.encode()).hexdigest().encode() + self._after_hash)
        return self._own(digest.digest())

    def legacy_digest(self, text: str) -> bytes:
        """Return the hash that the request has in stores of mm_magics 0.1, which contain no images."""
        message = f'{{"content":[{{"text":{encode_basestring_ascii(text)},"type":"text"}}],"role":"user"}}'
        digest = self._before_legacy_hash.copy()
        digest.update(hashlib.sha256(message.encode()).hexdigest().encode() + self._after_legacy_hash)
        return self._own(digest.digest())

    def _own(self, digest: bytes) -> bytes:
        return hashlib.sha256(b"pack" + digest).digest() if self._packed else digest

    def build(self, text: str, digest: bytes) -> Request:
        """Return the request for this text, whose hash is `digest`."""
        given = row_message(text)
        is_clean = not isinstance(text, RowText) and (text.isascii() or is_utf8(text))
        message = given if is_clean else without_surrogates(given)
        self.replaced |= message is not given
        body = self._head + request.json_of(message).encode() + self._tail
        if not surely_fits(self.model, self.max_tokens, body):
            sent = fitting_max_tokens(self.model, self.max_tokens, sent_size(body).tokens())
            if sent < self.max_tokens:
                self.lowered = min(sent, self.lowered or sent)
                body = request.encode({**self._body, "max_tokens": sent, "messages": [*self._earlier, message]})
        return Request(digest, body)

    def notes(self) -> list[str]:
        """Return what the user must know about the requests that were built."""
        lowered = [lowered_note(self.model, self.max_tokens, self.lowered)] if self.lowered is not None else []
        return [*lowered, *([SURROGATES_NOTE] if self.replaced else ())]


def recorded_prompt(
    prompt: PreparedPrompt,
    texts: Sequence[str],
    models: Iterable[str],
    stored: Callable[[set[bytes]], Mapping[bytes, Reply]],
    *,
    packed: bool = False,
) -> PreparedPrompt | None:
    """Return the prompt for the model that answered some of these rows, if nobody chose a model.

    Args:
        prompt: The prompt for the default model.
        texts: The texts of some rows.
        models: The models that gave the stored answers.
        stored: Looks hashes of requests up in the store.
        packed: Whether rows are sent together.
    """
    default = prompt.default_model
    for model in sorted(set(models) - {prompt.model}) if default else ():
        other = RequestBuilder(prompt.for_model(model), packed=packed)
        with suppress(RequestError):  # the rows contain images, and this model does not take them
            replies = stored({other.digest(text) for text in texts}).values()
            if any(model == default or reply.instead_of == default for reply in replies):
                return prompt.for_model(model)
    return None
