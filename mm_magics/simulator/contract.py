"""What the endpoint accepts and how it refuses: authentication, request validation and the table of errors.

A request is refused only for a reason in `minimax-api.md`, with that table's status, type and message. The message of
every 400 ends in `(2013)`. Keys are compared, never stored.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from mm_magics.api.messages import Block, Problem, blocks, problems
from mm_magics.api.models import CATALOGUE, MEDIA_BLOCKS, TEMPERATURE_RANGE, Model
from mm_magics.json_size import JSONSizeError, read_json
from mm_magics.simulator.cache import MAX_BREAKPOINTS
from mm_magics.simulator.tokens import Segment, segments

NEWER_MODEL = "MiniMax-M4"
"""The name of a model that is missing from the catalogue."""

MODELS: Mapping[str, Model] = {
    NEWER_MODEL: Model(NEWER_MODEL, 1_000_000, media=frozenset({"image"}), thinking="adaptive"),
    **CATALOGUE,
}
"""The models on offer unless a simulator has a list of its own."""

EFFORTS: Mapping[str, int] = {"low": 600, "medium": 1_200, "high": 2_400, "xhigh": 4_000, "max": 6_400}
"""About how many thinking tokens a model with `effort` takes. Only those of `low` and `max` were reported."""
DEFAULT_EFFORT = "max"

RESET_TIME = "2026-11-28 05:00:00 UTC"
"""When a used quota is full again."""
DEFAULT_MAX_TOKENS = 65_536
MAX_OUTPUT = 10_000_000
"""A larger `max_tokens` is cut to this, or to the limit of the model, without a word."""
DEFAULT_SYSTEM = "You are a helpful assistant. Your name is {model} and is built by MiniMax."


@dataclass(frozen=True, slots=True)
class Refusal:
    """One row of the error table."""

    status: int
    type: str
    message: str

    def about(self, subject: str) -> Refusal:
        """Return this row with X, as a word, replaced by the subject."""
        return replace(self, message=re.sub(r"(?<![\w-])X(?![\w-])", lambda _: subject, self.message, count=1))


def _invalid(text: str) -> Refusal:
    return Refusal(400, "invalid_request_error", f"invalid params, {text} (2013)")


REFUSALS: Mapping[str, Refusal] = {
    "no-key": Refusal(
        401,
        "authentication_error",
        "login fail: Please carry the API secret key in the 'X-Api-Key' field of the request header",
    ),
    "login-fail": Refusal(
        401,
        "authorized_error",
        "login fail: Please carry the API secret key in the 'Authorization' field of the request header (1004)",
    ),
    "invalid-key": Refusal(401, "authorized_error", "invalid api key (2049)"),
    "empty-chat": _invalid("chat content is empty"),
    "tool-id-not-found": _invalid("tool result's tool id(X) not found"),
    "invalid-role": _invalid("chat content has invalid message role: system"),
    "context-window": _invalid("context window exceeds limit"),
    "invalid-signature": _invalid("messages.1.content.0: Invalid `signature` in `thinking` block"),
    "unknown-model": _invalid("unknown model 'X'"),
    "retired-model": _invalid("model 'X' is no longer available"),
    "model-not-found": Refusal(404, "not_found_error", "model: X"),
    "invalid-arguments": _invalid("invalid function arguments json string, tool_call_id: X"),
    "insufficient-balance": Refusal(402, "insufficient_balance_error", "insufficient balance (1008)"),
    "input-sensitive": Refusal(422, "unprocessable_entity_error", "input new_sensitive (1026)"),
    "output-sensitive": Refusal(422, "unprocessable_entity_error", "output new_sensitive (1027)"),
    "moderated": Refusal(403, "permission_error", "this content is not allowed"),
    "missing-file": Refusal(404, "not_found_error", "file not found"),
    "too-large": Refusal(413, "request_too_large", "request exceeds the maximum size"),
    "usage-limit": Refusal(429, "rate_limit_error", "usage limit exceeded (2056)"),
    "quota": Refusal(429, "rate_limit_error", f"usage limit exceeded, resets at {RESET_TIME} (2056)"),
    "quota-tokens": Refusal(429, "rate_limit_error", f"token quota used up; reset time: {RESET_TIME} (1028)"),
    "quota-requests": Refusal(429, "rate_limit_error", "request quota used up. It resets in 3 h 20 min. (1030)"),
    "plan": Refusal(500, "api_error", "your current token plan not support model, X (2061)"),
    "rate-limit": Refusal(429, "rate_limit_error", "rate limit exceeded(RPM) (1002)"),
    "unknown-error": Refusal(500, "api_error", "unknown error, 798 (1000)"),
    "overloaded": Refusal(
        529, "overloaded_error", "High traffic detected. The service is busy at the moment, please try again later."
    ),
}
"""Every error of the contract's table, more ways to refuse a model, and used quotas, by the name of the fault."""


@dataclass(frozen=True, slots=True)
class Request:
    """A valid request. Requests with the same `seed` get the same answer."""

    model: str
    messages: list[Block]
    system: list[Block]
    tools: list[Block]
    tool_choice: Mapping[str, Any]
    max_tokens: int
    stream: bool
    thinks: bool
    thinking_tokens: int
    seed: str
    prompt: list[Segment] = field(repr=False)

    @property
    def input_tokens(self) -> int:
        return sum(segment.tokens for segment in self.prompt)


# Authentication -------------------------------------------------------------------------------------------------


def authenticate(headers: Mapping[str, str], key: str) -> tuple[str | None, Refusal | None]:
    """Check the key. `Authorization` takes precedence over `x-api-key`.

    Returns:
        The name of the header that was checked (None if both are missing), and the refusal, if any.
    """
    authorization = headers.get("authorization", "").strip()
    if authorization:
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() != "bearer" or not given.strip():
            return "authorization", REFUSALS["login-fail"]
        return "authorization", None if _equal(given.strip(), key) else REFUSALS["invalid-key"]
    given = headers.get("x-api-key", "").strip()
    if not given:
        return None, REFUSALS["no-key"]
    return "x-api-key", None if _equal(given, key) else REFUSALS["invalid-key"]


def _equal(given: str, key: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), key.encode("utf-8", "replace"))


# The body -------------------------------------------------------------------------------------------------------


def parse(raw: bytes) -> dict[str, Any] | Refusal:
    """Parse the body as a JSON object."""
    try:
        body = read_json(raw, max_values=5_000_000, max_bytes=64_000_000)
    except JSONSizeError as error:
        return _invalid(f"the body has {error}")
    except ValueError:
        return _invalid("the body is not JSON")
    return body if isinstance(body, dict) else _invalid("the body is not a JSON object")


def validate(
    body: Mapping[str, Any],
    models: Mapping[str, Model] = MODELS,
    not_offered: str = "unknown-model",
    *,
    resumes: bool = False,
) -> Request | Refusal:
    """Validate a body. Fields that the endpoint ignores are not validated.

    Args:
        body: The body.
        models: The models on offer.
        not_offered: The name of the refusal of any other model.
        resumes: Whether its last message is the assistant's, with `pause_turn` as its stop reason.
    """
    name = body.get("model")
    if not isinstance(name, str) or name not in models:
        return REFUSALS[not_offered].about(name if isinstance(name, str) else "")
    model = models[name]
    if found := problems(body.get("messages"), resumes=resumes):
        return refusal_of(found[0])
    messages: list[Block] = body["messages"]
    system = _system(body.get("system"), name)
    tools = body.get("tools") or []
    refusal = (
        _check_media(model, messages)
        or _check_numbers(body)
        or _check_tools(tools, body.get("tool_choice"))
        or _check_thinking(model, body)
    )
    if refusal:
        return refusal
    if isinstance(system, Refusal):
        return system
    prompt = list(segments(tools, system, messages))
    if sum(segment.marked for segment in prompt) > MAX_BREAKPOINTS:
        return _invalid(f"at most {MAX_BREAKPOINTS} blocks may have cache_control")
    request = Request(
        model=name,
        messages=messages,
        system=system,
        tools=tools,
        tool_choice=_tool_choice(model, body.get("tool_choice")),
        max_tokens=min(body.get("max_tokens") or DEFAULT_MAX_TOKENS, model.max_output or MAX_OUTPUT),
        stream=body.get("stream") is True,
        thinks=_thinks(model, body.get("thinking")),
        thinking_tokens=EFFORTS[_effort(body) or DEFAULT_EFFORT] if model.thinking == "effort" else 0,
        seed=_seed(body),
        prompt=prompt,
    )
    fits = request.input_tokens + request.max_tokens <= (model.window or 0)
    return request if fits else REFUSALS["context-window"]


def _seed(body: Mapping[str, Any]) -> str:
    """Return what the generated answer depends on: equal requests get equal answers."""
    asked = [body.get(key) for key in ("model", "system", "messages", "tools", "tool_choice")]
    return sha256(json.dumps(asked, separators=(",", ":")).encode()).hexdigest()


def _thinks(model: Model, thinking: object) -> bool:
    """Tell whether the model thinks: M2.x and M3.1-Flash always do, M3 only on request."""
    return model.thinking != "adaptive" or (isinstance(thinking, dict) and thinking.get("type") == "adaptive")


def _effort(body: Mapping[str, Any]) -> str | None:
    config = body.get("output_config")
    effort = config.get("effort") if isinstance(config, dict) else None
    return effort if isinstance(effort, str) else None


def _check_thinking(model: Model, body: Mapping[str, Any]) -> Refusal | None:
    """Refuse what a model cannot do: M2.x takes no `output_config`, and M3.1-Flash does not stop thinking."""
    if body.get("output_config") and model.thinking == "always":
        return _invalid("the parameter output_config is not supported")
    if (effort := _effort(body)) is not None and effort not in EFFORTS:
        return _invalid(f"output_config.effort is one of {', '.join(EFFORTS)}, not '{effort}'")
    thinking = body.get("thinking")
    if model.thinking == "effort" and isinstance(thinking, dict) and thinking.get("type") == "disabled":
        return _invalid("requires adaptive thinking")
    return None


def _tool_choice(model: Model, choice: Any) -> Mapping[str, Any]:
    """Return the choice that applies: M3.1-Flash leaves every choice but `none` to the model."""
    forced = isinstance(choice, dict) and choice.get("type") in ("any", "tool")
    return {"type": "auto"} if not choice or (forced and model.thinking == "effort") else choice


def refusal_of(problem: Problem) -> Refusal:
    """Return the endpoint's error for an invalid `messages` array, or our own text where the table has no error."""
    if problem.rule == "empty":
        return REFUSALS["empty-chat"]
    if problem.rule == "role":
        return _invalid(f"chat content has invalid message role: {problem.subject}")
    if problem.rule == "tool_result" and problem.text.startswith("no tool_use"):
        return REFUSALS["tool-id-not-found"].about(problem.subject)
    if problem.rule == "shape" and "input of tool_use" in problem.text:
        return REFUSALS["invalid-arguments"].about(problem.subject)
    return _invalid(str(problem))


def _system(system: object, model: str) -> list[Block] | Refusal:
    if system is None or system == "":
        return [{"type": "text", "text": DEFAULT_SYSTEM.format(model=model)}]
    found = blocks({"content": system})
    if not found or any(block.get("type") != "text" or not isinstance(block.get("text"), str) for block in found):
        return _invalid("system is a text or a list of text blocks")
    return found


def _check_media(model: Model, messages: list[Block]) -> Refusal | None:
    for message in messages:
        for block in blocks(message):
            for each in (block, *(blocks(block) if block.get("type") == "tool_result" else ())):
                kind = each.get("type")
                if isinstance(kind, str) and kind in MEDIA_BLOCKS and kind not in model.media:
                    return _invalid(f"model '{model.name}' does not support {kind} content")
    return None


def _check_numbers(body: Mapping[str, Any]) -> Refusal | None:
    max_tokens = body.get("max_tokens")
    if max_tokens is not None and (not isinstance(max_tokens, int) or isinstance(max_tokens, bool) or max_tokens < 1):
        return _invalid("max_tokens must be a whole number from 1")
    temperature = body.get("temperature")
    if temperature is None:
        return None
    low, high = TEMPERATURE_RANGE
    is_number = isinstance(temperature, int | float) and not isinstance(temperature, bool)
    if not is_number or not low < temperature <= high:
        return _invalid(f"temperature must be in the range ({low}, {high}]")
    return None


def _check_tools(tools: object, choice: object) -> Refusal | None:
    if not isinstance(tools, list) or not all(
        isinstance(tool, dict) and isinstance(tool.get("name"), str) and tool["name"] for tool in tools
    ):
        return _invalid("tools is a list of objects with a name")
    if choice is None:
        return None
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind not in ("auto", "any", "none", "tool"):
        return _invalid("tool_choice is of type auto, any, none or tool")
    if isinstance(choice, dict) and kind == "tool" and choice.get("name") not in [tool["name"] for tool in tools]:
        return _invalid(f"tool_choice names no tool offered: '{choice.get('name')}'")
    return None
