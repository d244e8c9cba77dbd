"""Build the request body, check it against the endpoint's contract, and compute its hash.

The hash covers everything that can change the answer (model, system prompt, parameters, messages) and nothing else:
not the key, host, timeout or user.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mm_magics.api import messages, models
from mm_magics.api.canonical import canonical_json
from mm_magics.api.messages import System
from mm_magics.api.sendable import cache_marks
from mm_magics.errors import RequestError
from mm_magics.text import is_utf8

NOT_IN_HASH = frozenset({"metadata", "stream"})
MAX_CACHE_MARKS = 4
"""How many parts of a request may be marked with `cache_control`."""


def build_body(
    model: str, messages_: Sequence[messages.Message], system: System, params: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the request body, including `stream`."""
    fields: dict[str, Any] = {"model": model, **params, "messages": list(messages_), "stream": True}
    if system:
        fields["system"] = system
    return fields


def check(request: Mapping[str, Any], *, resumes: bool = False) -> None:
    """Raise `RequestError` for the first part of the body that the endpoint is known to refuse.

    Args:
        request: The body.
        resumes: Whether the last message is the assistant's, to be continued after `pause_turn`.
    """
    name = request.get("model")
    if not isinstance(name, str) or not name.strip():
        raise RequestError("The request has no model.", "Choose one with %minimax model NAME.")
    _check_number(request, "temperature", *models.TEMPERATURE_RANGE, "1.0 is recommended")
    _check_number(request, "top_p", 0.0, 1.0, "0.95 is recommended")
    tokens = request.get("max_tokens")
    if isinstance(tokens, bool) or not isinstance(tokens, int) or tokens < 1:
        raise RequestError(f"max_tokens must be a whole number of at least 1, not {tokens!r}.")
    check_media(request)
    if (marks := cache_marks(request)) > MAX_CACHE_MARKS:
        raise RequestError(
            f"{marks} tools and blocks have cache_control, but at most {MAX_CACHE_MARKS} may.", "Mark fewer."
        )
    broken = messages.problems(request.get("messages"), resumes=resumes)
    if broken:
        raise RequestError(f"The messages are not valid: {broken[0]}.", "Run %minimax doctor for details.")


def _check_number(request: Mapping[str, Any], name: str, low: float, high: float, advice: str) -> None:
    value = request.get(name)
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not low < value <= high:
        raise RequestError(f"{name} must be above {low:g} and at most {high:g}, not {value!r}.", f"{advice}.")


def check_media(request: Mapping[str, Any]) -> None:
    """Raise `RequestError` if the messages contain something that the model is known not to take."""
    model = models.model(str(request["model"]))
    if model.name not in models.CATALOGUE:
        return
    refused = models.MEDIA_BLOCKS - model.media
    for message in request.get("messages") or ():
        for block in messages.blocks(message):
            kind = str(block.get("type"))
            kinds = {str(each.get("type")) for each in messages.blocks(block)} if kind == "tool_result" else {kind}
            for found in sorted(kinds & refused):
                takers = ", ".join(models.models_that_take(found))
                raise RequestError(
                    f"{model.name} does not take {found}s. Nothing was sent.",
                    f"{f'Choose a model that does ({takers}) with -m NAME' if takers else 'Send text instead'}, "
                    "or leave out the turn that contains it with --context N.",
                )


def describe_ignored_fields(request: Mapping[str, Any]) -> list[str]:
    """Return one line for each field of the body that the endpoint accepts but ignores."""
    lines = [f"{name} is ignored by the endpoint." for name in sorted(models.IGNORED_PARAMETERS & request.keys())]
    field = request.get("thinking")
    thinks = models.model(str(request["model"])).thinking == "always"
    if thinks and isinstance(field, dict) and field.get("type") == "disabled":
        lines.append(f"{request['model']} always thinks: the endpoint accepts thinking off, but ignores it.")
    return lines


@dataclass(frozen=True, slots=True)
class PreparedMessage:
    """A message with its hash and its JSON, so that a long context is hashed and encoded only once.

    `message` is the message as recorded, which the hash covers; `sent` is its form in a request, which `json` encodes.
    """

    message: messages.Message
    sent: messages.Message
    sha256: str
    json: str

    @classmethod
    def of(cls, message: messages.Message, sent: messages.Message | None = None) -> PreparedMessage:
        """Hash and encode the message. Raises `RequestError` if JSON cannot represent it."""
        sent = message if sent is None else sent
        return cls(message, sent, message_sha256(message), json_of(sent))


def encode(request: Mapping[str, Any], prepared: Iterable[PreparedMessage] | None = None) -> bytes:
    """Return the body as UTF-8 JSON. Raises `RequestError` if JSON cannot represent it.

    Args:
        request: The request body.
        prepared: The body's messages, if they are prepared: their JSON is used as it is.
    """
    if prepared is None:
        array = ",".join(map(json_of, request.get("messages", ())))
    else:
        array = ",".join(each.json for each in prepared)
    rest = json_of({key: value for key, value in request.items() if key != "messages"})
    return f'{rest[:-1]},"messages":[{array}]}}'.encode()


def json_of(value: Any) -> str:
    """Return the value as JSON, with lone surrogates as escapes. Raises `RequestError` for NaN, and other non-JSON."""
    text = _json(value, ensure_ascii=False, allow_nan=False)
    return text if text.isascii() or is_utf8(text) else _json(value)


def _json(value: Any, **options: bool) -> str:
    try:
        return json.dumps(value, separators=(",", ":"), **options)  # type: ignore[arg-type]
    except (TypeError, ValueError, RecursionError) as error:
        raise RequestError(f"The request cannot be written as JSON: {error}.") from None


def message_sha256(message: Mapping[str, Any]) -> str:
    """Return the hash of a message. A string as content has the same hash as one text block."""
    plain = {"role": message["role"], "content": messages.blocks(message)}
    return hashlib.sha256(canonical_json(plain)).hexdigest()


def request_sha256(model: str, system: System, params: Mapping[str, Any], message_hashes: Iterable[str]) -> str:
    """Return the hash of a request, from the hashes of its messages, so that a long context is hashed only once.

    >>> one = request_sha256("MiniMax-M2", None, {"temperature": 1.0, "metadata": {"user_id": "a"}}, [])
    >>> one == request_sha256("MiniMax-M2", "", {"temperature": 1}, [])
    True
    """
    return hashlib.sha256(hash_input(model, system, params, message_hashes)).hexdigest()


def hash_input(model: str, system: System, params: Mapping[str, Any], message_hashes: Iterable[str]) -> bytes:
    """Return the bytes that the hash of a request is computed from: canonical JSON."""
    hashes = ",".join(f'"{each}"' for each in message_hashes)
    return b'{"messages":[' + hashes.encode() + b"]," + hash_suffix(model, system, params)


def hash_suffix(model: str, system: System, params: Mapping[str, Any]) -> bytes:
    """Return the end of what `hash_input` returns, which follows the messages."""
    known = {key: value for key, value in params.items() if key not in NOT_IN_HASH}
    return canonical_json({"model": model, "system": system or None, "params": known})[1:]
