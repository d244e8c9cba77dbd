"""What the setting `thinking` means for each kind of model: which request fields, and where it has no effect."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from mm_magics.api.models import model
from mm_magics.errors import RequestError

Effort = Literal["low", "medium", "high", "xhigh", "max"]
EFFORTS: tuple[Effort, ...] = ("low", "medium", "high", "xhigh", "max")
NAMES = ("on", "off", "adaptive", *EFFORTS)
"""The values of the setting that are not numbers of tokens."""

DEFAULT_EFFORT: Effort = "medium"
"""The effort if nobody chose one: the default of the endpoint, `max`, takes about ten times the tokens of `low`."""

BUDGETS: dict[Effort, int] = {"low": 0, "medium": 1_200, "high": 2_400, "xhigh": 4_000, "max": 6_400}
"""The smallest number of tokens that stands for each effort."""


MIN_BUDGET = 1_024
"""The smallest number of tokens that the Messages API takes. The largest is below `max_tokens`."""


class ThinkingFields(NamedTuple):
    """The request fields `thinking` and `output_config`, if there are any, and notes for the user."""

    fields: dict[str, Any]
    notes: list[str]


def thinking_fields(name: str, value: str | int | None, max_tokens: int) -> ThinkingFields:
    """Return what the setting `thinking` becomes in a request.

    Args:
        name: The model.
        value: `on`, `off`, `adaptive`, an effort, or a number of tokens; None for the default.
        max_tokens: The maximum output tokens: `on` lets an unknown model think for half of them.

    Raises:
        RequestError: The value is none of these.

    >>> thinking_fields("MiniMax-M3", "on", 8192).fields
    {'thinking': {'type': 'adaptive'}}
    >>> thinking_fields("MiniMax-M3.1-Flash", None, 8192).fields
    {'output_config': {'effort': 'medium'}}
    """
    value = _valid(value)
    kind = model(name).thinking
    if kind == "effort":
        return _effort_fields(name, value)
    if value is None:
        return ThinkingFields({}, [])
    if kind == "adaptive":
        if value == "off":
            return ThinkingFields({"thinking": {"type": "disabled"}}, [])
        unknown = value not in ("on", "adaptive")
        note = f"{name} decides itself how much it thinks: thinking {value} only turns it on."
        return ThinkingFields({"thinking": {"type": "adaptive"}}, [note] if unknown else [])
    if kind == "always":
        if value in ("on", "off"):  # the note about `off` is that of every request with this field
            return ThinkingFields(earlier_fields(value, max_tokens), [])
        fields = earlier_fields(value, max_tokens) if isinstance(value, int) else {}
        return ThinkingFields(fields, [f"{name} always thinks: thinking {value} has no effect."])
    if value in EFFORTS:
        return ThinkingFields({"thinking": {"type": "adaptive"}, "output_config": {"effort": value}}, [])
    fields = earlier_fields(value, max_tokens)
    if (asked := fields["thinking"].get("budget_tokens")) is None:
        return ThinkingFields(fields, [])
    if max_tokens <= MIN_BUDGET:
        return ThinkingFields(
            {}, [f"{name} needs max_tokens above {MIN_BUDGET:,} to think, so thinking {value} is not sent."]
        )
    budget = min(max(asked, MIN_BUDGET), max_tokens - 1)
    note = (
        f"{name} thinks for at least {MIN_BUDGET:,} tokens, and for fewer than max_tokens: thinking {value} is sent as "
        f"{budget}."
    )
    is_changed = isinstance(value, int) and budget != value
    return ThinkingFields({"thinking": {**fields["thinking"], "budget_tokens": budget}}, [note] if is_changed else [])


def earlier_fields(value: str | int | None, max_tokens: int) -> dict[str, Any]:
    """Return the fields for an unknown model. Those of mm_magics 0.1 were the same for all models."""
    value = _valid(value)
    if value is None:
        return {}
    if value == "off":
        return {"thinking": {"type": "disabled"}}
    if isinstance(value, int):
        return {"thinking": {"type": "enabled", "budget_tokens": value}}
    if value == "on":
        return {"thinking": {"type": "enabled", "budget_tokens": max(1, max_tokens // 2)}}
    return {"thinking": {"type": "adaptive"}}


def choices(name: str) -> tuple[str, ...]:
    """Return the names of `NAMES` that make a difference for a model."""
    by_kind = {"always": (), "adaptive": ("on", "off"), "effort": EFFORTS, "unknown": NAMES}
    return by_kind[model(name).thinking]


def _effort_fields(name: str, value: str | int | None) -> ThinkingFields:
    note = ""
    effort: Any = DEFAULT_EFFORT
    if value in EFFORTS:
        effort = value
    elif value == "off":
        effort, note = "low", f"{name} always thinks: thinking off is sent as the lowest effort, low."
    elif isinstance(value, int):
        effort = next(each for each in reversed(EFFORTS) if value >= BUDGETS[each])
        note = f"{name} takes an effort instead of a number of tokens: thinking {value} is sent as effort {effort}."
    return ThinkingFields({"output_config": {"effort": effort}}, [note] if note else [])


def _valid(value: str | int | None) -> str | int | None:
    if value is None or value == "":
        return None
    if value in NAMES and isinstance(value, str):
        return value
    try:
        budget = int(value)
    except (TypeError, ValueError):
        budget = 0
    if budget < 1 or isinstance(value, bool):
        raise RequestError(f"thinking must be {', '.join(NAMES)} or a number of tokens, not {value!r}.")
    return budget
