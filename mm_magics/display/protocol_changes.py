"""The messages about changes of the notebook that a model requests, and about the text of its cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict

ChangeState = Literal["proposed", "accepted", "rejected", "refused", "running", "ended", "failed"]


class ChangeMessage(TypedDict):
    type: Literal["change"]
    change: str
    state: ChangeState
    reason: str
    source: NotRequired[str]
    content: NotRequired[Mapping[str, Any]]
    place: NotRequired[str | None]
    outputs: NotRequired[Sequence[Mapping[str, Any]]]
    execution_count: NotRequired[int | None]


ChangeKind = Literal["insert", "edit", "move", "delete", "run"]


class NotebookChange(TypedDict):
    id: str
    turn: str
    kind: ChangeKind
    cell: str
    ask: bool
    cell_type: NotRequired[Literal["code", "markdown"]]
    before: NotRequired[str]
    after: NotRequired[str]
    place: NotRequired[str | None]
    content: NotRequired[Mapping[str, Any]]


class CellText(TypedDict):
    cell_type: str
    source: str


class CellsMessage(TypedDict):
    type: Literal["cells"]
    request: str
    order: Sequence[str]
    pending: Sequence[str]
    cells: Mapping[str, CellText]
