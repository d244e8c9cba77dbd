"""Keep the parts of a turn record exact that saving the notebook changes.

JupyterLab's page writes `1.0` as `1` and rounds large integers, nbformat sorts keys, and UTF-8 has no lone surrogates.
The exact JSON text of such a part is stored as a string beside it, and used again as long as both are the same value.
If somebody edits the visible part in the file, the edit wins.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from mm_magics.api.canonical import MAX_EXACT_INT, canonical_json
from mm_magics.api.messages import is_writable
from mm_magics.api.request import json_of
from mm_magics.errors import RequestError
from mm_magics.text import is_utf8, replace_surrogates

_BLOCK_FIELDS = (
    "type",
    "text",
    "thinking",
    "signature",
    "id",
    "name",
    "input",
    "tool_use_id",
    "content",
    "is_error",
)
"""The fields of a block in the order in which they are sent. Other fields follow, sorted by name."""


def exact_texts(params: Mapping[str, Any], messages: list[Any], first: int = 0) -> dict[str, str]:
    """Return the JSON text of each parameter and each block that a save changes, by its path in the record.

    Args:
        params: Parameters of the record.
        messages: Consecutive messages of the record.
        first: The place of the first of them in the record.
    """
    return {path: json_of(part) for path, part in _parts(params, messages, first) if not _is_kept(part)}


def restore(params: dict[str, Any], messages: list[Any], texts: object) -> tuple[dict[str, Any], list[Any]]:
    """Return the parameters and messages of a record as they were before the save. The arguments are not changed.

    Args:
        params: The parameters in the record.
        messages: The messages in the record.
        texts: What `exact_texts` returned. Texts that are damaged, or differ from the visible part, are ignored.
    """
    exact = texts if isinstance(texts, dict) else {}
    restored = [
        {
            "role": message["role"],
            "content": [
                _restored(_arranged(block), exact.get(f"messages.{number}.content.{at}"))
                for at, block in enumerate(message["content"])
            ]
            if isinstance(message["content"], list)
            else message["content"],
        }
        for number, message in enumerate(messages)
    ]
    return {name: _restored(value, exact.get(f"params.{name}")) for name, value in params.items()}, restored


def _parts(params: Mapping[str, Any], messages: list[Any], first: int) -> Iterator[tuple[str, Any]]:
    for name, value in params.items():
        yield f"params.{name}", value
    for number, message in enumerate(messages, first):
        if isinstance(message["content"], list):
            for at, block in enumerate(message["content"]):
                yield f"messages.{number}.content.{at}", block


def _is_kept(part: Any) -> bool:
    """Return whether the part is the same after it was saved and restored."""
    if not isinstance(part, dict):
        return _is_stable(part)
    content = part.get("content")
    inner = content if isinstance(content, list) else []
    return (
        list(part) == list(_arranged(part))
        and all(map(_is_kept, inner))
        and all(_is_stable(value) for name, value in part.items() if value is not inner)
        and all(map(_is_stable, part))
    )


def _is_stable(value: Any) -> bool:
    """Return whether JavaScript, sorted keys and UTF-8 leave the value as it is."""
    if isinstance(value, str):
        return is_utf8(value) and value != "__proto__"
    if isinstance(value, dict):
        names = list(value)
        numbers = any(name.isdigit() for name in names)  # JavaScript puts them first
        return (
            names == sorted(names)
            and not (numbers and len(names) > 1)
            and all(_is_stable(name) and _is_stable(each) for name, each in value.items())
        )
    if isinstance(value, list | tuple):
        return all(map(_is_stable, value))
    if isinstance(value, float):
        return not value.is_integer() or abs(value) >= 1e21
    return not isinstance(value, int) or abs(value) <= MAX_EXACT_INT


def _arranged(block: Any) -> Any:
    """Return the block with its fields in the usual order."""
    if not isinstance(block, dict):
        return block
    names = [name for name in _BLOCK_FIELDS if name in block]
    names += sorted(block.keys() - names)
    content = block.get("content")
    inner = {"content": [_arranged(each) for each in content]} if isinstance(content, list) else {}
    return {name: inner.get(name, block[name]) for name in names}


def _restored(visible: Any, text: object) -> Any:
    if not isinstance(text, str):
        return visible
    try:
        exact = json.loads(text)
        same = is_writable(exact) and canonical_json(_as_saved(exact)) == canonical_json(_as_saved(visible))
    except (ValueError, RecursionError, RequestError):
        return visible
    return exact if same else visible


def _as_saved(value: Any) -> Any:
    """Return the value without what a saved file cannot contain. Canonical JSON covers the numbers and the order."""
    if isinstance(value, str):
        return replace_surrogates(value)
    if isinstance(value, list):
        return [_as_saved(each) for each in value]
    if isinstance(value, dict):
        return {replace_surrogates(name): _as_saved(each) for name, each in value.items() if name != "__proto__"}
    return value
