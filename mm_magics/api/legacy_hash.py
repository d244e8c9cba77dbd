"""The hash that records of schema 1 and older answer stores contain. It is only compared, never stored again.

It was computed from JSON with sorted keys as Python writes it, so JavaScript changed it: `1.0` became `1`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mm_magics.api import messages
from mm_magics.api.messages import System
from mm_magics.api.request import NOT_IN_HASH

_FLOATS = ("temperature", "top_p")
_INTEGERS = frozenset({*_FLOATS, "max_tokens", "budget_tokens"})
"""Fields whose type is known, at any depth."""


def legacy_message_sha256(message: Mapping[str, Any]) -> str:
    """Return the hash of a message in schema 1."""
    return hashlib.sha256(_json({"role": message["role"], "content": messages.blocks(message)})).hexdigest()


def legacy_request_sha256s(
    model: str, system: System, params: Mapping[str, Any], message_hashes: Iterable[str]
) -> Iterator[str]:
    """Yield the hashes that a record of schema 1 can have for this request."""
    messages_ = b'{"messages":' + _json(list(message_hashes)) + b","
    for suffix in legacy_hash_suffixes(model, system, params):
        yield hashlib.sha256(messages_ + suffix).hexdigest()


def legacy_hash_suffixes(model: str, system: System, params: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield what the input of the hash can have after the messages: JavaScript may have changed its floats."""
    floats = {key: float(params[key]) for key in _FLOATS if type(params.get(key)) is int}
    for changed in ({}, floats) if floats else ({},):
        known = {key: value for key, value in {**params, **changed}.items() if key not in NOT_IN_HASH}
        yield _json({"model": model, "system": system or None, "params": known})[1:]


def legacy_hash_input(model: str, system: System, params: Mapping[str, Any], message_hashes: Iterable[str]) -> bytes:
    """Return the bytes that the hash of a request was computed from."""
    suffix = next(legacy_hash_suffixes(model, system, params))
    return b'{"messages":' + _json(list(message_hashes)) + b"," + suffix


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def may_be_changed(value: Any) -> bool:
    """Return whether a save may have changed a number in the value, so that its legacy hash proves nothing."""
    if isinstance(value, dict):
        return any(may_be_changed(each) for name, each in value.items() if name not in _INTEGERS)
    if isinstance(value, list):
        return any(map(may_be_changed, value))
    return isinstance(value, int) and not isinstance(value, bool)
