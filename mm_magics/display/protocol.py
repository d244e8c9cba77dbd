"""Every message between the page and the kernel, typed once.

`labextension/src/protocol.ts`, with `protocol-changes.ts` and `protocol-picker.ts`, is the TypeScript twin of this
module and documents the fields. `tests/display/test_protocol.py` reads both and fails when they differ. These types
describe what a correct sender sends. The receiver of a message still checks it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, NotRequired, TypedDict, cast

from mm_magics.display.protocol_changes import CellsMessage as CellsMessage
from mm_magics.display.protocol_changes import CellText as CellText
from mm_magics.display.protocol_changes import ChangeKind as ChangeKind
from mm_magics.display.protocol_changes import ChangeMessage as ChangeMessage
from mm_magics.display.protocol_changes import ChangeState as ChangeState
from mm_magics.display.protocol_changes import NotebookChange as NotebookChange
from mm_magics.history.turn import MIME_TYPE as MIME_TYPE

SETTINGS_KEY = "minimax"

ContentBlock = Mapping[str, Any]
Status = Literal["waiting", "thinking", "answering", "complete", "stopped", "truncated", "failed"]
CallStatus = Literal["asking", "decided", "running", "done", "failed", "denied", "interrupted"]
Mark = Literal["removed", "stale", "edited", "replayed", "pinned"]


class NotebookSettings(TypedDict, total=False):
    model: str
    thinking: Literal["on", "off", "adaptive", "low", "medium", "high", "xhigh", "max"] | int
    temperature: float
    top_p: float
    max_tokens: int
    system: str
    thread: str


class TurnMetadata(TypedDict):
    notes: Sequence[str]
    partial: NotRequired[Literal["running", "gone"]]


# --- A running turn: kernel to page ---


class OpenOp(NamedTuple):
    kind: Literal["open"]
    key: int
    block: ContentBlock


class AddOp(NamedTuple):
    kind: Literal["add"]
    key: int
    text: str


class ThinkOp(NamedTuple):
    kind: Literal["think"]
    key: int
    text: str


class BlockEnd(TypedDict, total=False):
    seconds: float
    block: ContentBlock
    exact: str


class CloseOp(NamedTuple):
    kind: Literal["close"]
    key: int
    end: BlockEnd


class RetryWait(TypedDict):
    seconds: float
    attempt: int
    of: int


class RowCount(TypedDict):
    rows: int
    done: int
    failed: int


class StateChange(TypedDict, total=False):
    status: Status
    model: str
    thread: str
    notes: Sequence[str]
    usage: Mapping[str, int]
    seconds: float
    tokens_per_s: float | None
    cost: str
    window: str
    saved: str
    effort: str
    stop_reason: str | None
    error: str | None
    timeout: float | None
    retry: RetryWait
    rows: RowCount


class StateOp(NamedTuple):
    kind: Literal["state"]
    change: StateChange


class ShownPart(TypedDict):
    label: str
    language: str
    text: str
    size: str


class CallQuestion(TypedDict):
    id: str
    sha256: str
    name: str
    parts: Sequence[ShownPart]
    risk: str
    always: str


class CallChange(TypedDict):
    state: CallStatus
    seconds: NotRequired[float]
    question: NotRequired[CallQuestion]


class ToolOp(NamedTuple):
    kind: Literal["tool"]
    key: int
    change: CallChange


class RecordOp(NamedTuple):
    kind: Literal["record"]
    change: Mapping[str, Any]


AnswerOp = OpenOp | AddOp | ThinkOp | CloseOp | StateOp | ToolOp | RecordOp


class PartOp(NamedTuple):
    kind: Literal["part"]
    number: int
    op: AnswerOp


TurnOp = OpenOp | AddOp | ThinkOp | CloseOp | StateOp | ToolOp | RecordOp | PartOp


class TurnMessage(TypedDict):
    turn: str
    cell: str | None
    displayed: bool
    seconds: float
    start: int
    end: int
    ops: Sequence[TurnOp]


# --- A running turn: page to kernel ---


class HereMessage(TypedDict):
    type: Literal["here"]


class StopMessage(TypedDict):
    type: Literal["stop"]


class DecideMessage(TypedDict):
    type: Literal["decide"]
    question: str
    sha256: str
    allowed: bool
    always: bool
    reason: str


WidgetMessage = HereMessage | StopMessage | DecideMessage


def is_stop(content: object) -> bool:
    """Return whether a received message is a `StopMessage`."""
    return isinstance(content, Mapping) and content.get("type") == "stop"


def decision_in(content: object) -> DecideMessage | None:
    """Return a received message if it is a well-formed `DecideMessage`."""
    match content:
        case {
            "type": "decide",
            "question": str(),
            "sha256": str(),
            "allowed": bool(),
            "always": bool(),
            "reason": str(),
        }:
            return cast(DecideMessage, content)
    return None


class StateMessage(TypedDict):
    type: Literal["state"]


class OrderMessage(TypedDict):
    type: Literal["order"]
    page: str
    sent_at: float
    order: Sequence[str]


class RulesMessage(TypedDict):
    type: Literal["rules"]


class ForgetMessage(TypedDict):
    type: Literal["forget"]
    rule: str


class RequestMessage(TypedDict):
    type: Literal["request"]


class PinMessage(TypedDict):
    type: Literal["pin"]
    on: bool


class SummaryMessage(TypedDict):
    type: Literal["summary"]
    text: NotRequired[str]


PageMessage = (
    HereMessage
    | StopMessage
    | DecideMessage
    | StateMessage
    | OrderMessage
    | RulesMessage
    | ForgetMessage
    | RequestMessage
    | PinMessage
    | SummaryMessage
    | ChangeMessage
    | CellsMessage
)


class StandingRule(TypedDict):
    id: str
    text: str


class ShownRequest(TypedDict):
    text: str
    note: str


class ShownSummary(TypedDict):
    text: str
    note: str


class PageRequest(TypedDict):
    turn: NotRequired[str]
    message: PageMessage


class PageReply(TypedDict):
    received: bool
    state: NotRequired[TurnMessage]
    rules: NotRequired[Sequence[StandingRule]]
    request: NotRequired[ShownRequest]
    summary: NotRequired[ShownSummary]


REQUEST_TARGET = "mm_magics"


# --- The comm of a notebook, opened by the page ---

DOCUMENT_COMM = "mm_magics.document"


class CellDescription(TypedDict):
    cell_type: str
    source: str
    outputs: Sequence[Mapping[str, Any]]
    attachments: NotRequired[Mapping[str, Any]]


class DocumentDescription(TypedDict):
    name: str
    path: str
    page: str
    sent_at: float
    order: Sequence[str]
    pending: Sequence[str]
    changed: Mapping[str, CellDescription]
    settings: Mapping[str, Any]
    since: NotRequired[float]
    scheduled: NotRequired[Sequence[str]]
    once: NotRequired[Mapping[str, OneTimeSettings]]
    wants_models: NotRequired[bool]


class CellOutput(TypedDict):
    data: Mapping[str, Any]
    metadata: Mapping[str, Any]
    more: NotRequired[Sequence[Mapping[str, Any]]]


class OneTimeSettings(TypedDict, total=False):
    model: str
    replay: Literal["off"]


class EffectiveSetting(TypedDict):
    shown: str
    source: str
    refused: NotRequired[str]


class DocumentAnswer(TypedDict, total=False):
    models: Sequence[str]
    prices: Mapping[str, Sequence[float]]
    settings: Mapping[str, EffectiveSetting]
    context: str
    outputs: Mapping[str, CellOutput]
    marks: Mapping[str, Mapping[str, Sequence[Mark]]]
    changes: Sequence[NotebookChange]
    settled: Sequence[str]
    wants_cells: str


# --- The widget of `%minimax picker` ---


class PickerState(TypedDict):
    models: NotRequired[Sequence[str]]
    prices: Mapping[str, Sequence[float]]
    settings: Mapping[str, EffectiveSetting]
    own: Mapping[str, Any]
    threads: Sequence[str]
    tools: Sequence[str]
    approvals: str


class AssignMessage(TypedDict):
    type: Literal["assign"]
    name: str
    value: Any


class ResetMessage(TypedDict):
    type: Literal["reset"]
    name: str


PickerMessage = AssignMessage | ResetMessage
