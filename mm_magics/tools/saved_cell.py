"""Cells in the notebook format, from a page or from the record of a turn."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from mm_magics.text import has_surrogates

FIELDS = ("cell_type", "source", "metadata", "attachments", "outputs", "execution_count")


def checked_cell(value: object) -> Mapping[str, Any] | None:
    """Return a cell if it is well-formed, or None."""
    if not isinstance(value, Mapping):
        return None
    is_valid = (
        value.get("cell_type") in ("code", "markdown", "raw")
        and isinstance(value.get("source"), str)
        and isinstance(value.get("metadata", {}), Mapping)
        and _are_mappings(value.get("outputs", []))
        and _are_named_mappings(value.get("attachments", {}))
        and (value.get("execution_count") is None or type(value["execution_count"]) is int)
    )
    return value if is_valid else None


def cell_from_text(text: object) -> Mapping[str, Any] | None:
    """Return the cell in a JSON text if it is well-formed, or None.

    The text may be somebody else's, so the cell is not trusted: the page does not run what its outputs contain.
    """
    value: Any = None
    with suppress(ValueError, RecursionError):
        value = json.loads(text, parse_constant=_refuse) if isinstance(text, str) else None
    cell = checked_cell(value)
    if cell is None or has_surrogates(cell):
        return None
    metadata = {name: each for name, each in cell.get("metadata", {}).items() if name != "trusted"}
    return {name: cell[name] for name in FIELDS if name in cell} | {"metadata": metadata}


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _are_mappings(value: object) -> bool:
    return (
        isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(each, Mapping) for each in value)
    )


def _are_named_mappings(value: object) -> bool:
    return isinstance(value, Mapping) and _are_mappings([*value.values()])
