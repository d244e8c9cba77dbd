"""Look up variables of the notebook that flags name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mm_magics.errors import UsageError


def lookup(namespace: Mapping[str, Any], name: str, hint: str) -> Any:
    """Return the variable of this name. Raises `UsageError` with this hint if it is not defined."""
    if name not in namespace:
        raise UsageError(f"`{name}` is not defined in this notebook.", hint)
    return namespace[name]
