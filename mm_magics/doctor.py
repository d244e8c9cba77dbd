"""Whether all is well: versions, key, endpoint, front end, history. Each finding says what to do.

Always true: a key's source is named, its value never; nothing is sent to the endpoint but a list of models asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from platform import python_version
from typing import Literal

from mm_magics.api.messages import blocks, problems
from mm_magics.api.models import CATALOGUE, nearest
from mm_magics.config import checked_base_url
from mm_magics.errors import MiniMaxError
from mm_magics.history.context import context_messages
from mm_magics.history.turn import Turn
from mm_magics.session import Session

NEEDED = ("anthropic", "anywidget", "ipython")
USEFUL = ("ipykernel", "jupyterlab", "notebook", "keyring")


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `well` is False for what keeps prompts from working, None for what is just worth knowing."""

    what: str
    well: bool | None
    detail: str
    hint: str = ""

    @property
    def mark(self) -> Literal["ok", "no", "--"]:
        return "--" if self.well is None else "ok" if self.well else "no"


def examine(session: Session, front_end: str) -> Iterator[Finding]:
    """All findings, the endpoint's last but one because it may take a while."""
    yield Finding("Python", True, f"{python_version()} at {sys.prefix}")
    for name in ("mm-magics", *NEEDED, *USEFUL):
        yield _version(name)
    yield Finding("front end", True, front_end)
    yield _bundle()
    yield from _endpoint(session)
    yield from _notebook(session)
    for thread, turns in session.history.threads().items():
        broken = problems(context_messages(turns, {"role": "user", "content": "?"}))
        said = f"{len(turns)} turns, valid{'; '.join(['', *_mended(turns)])}"
        yield Finding(f"thread {thread}", not broken, str(broken[0]) if broken else said)


def _notebook(session: Session) -> Iterator[Finding]:
    if session.notebook is None:
        return
    if session.notebook.error is not None:
        yield Finding("notebook", None, session.notebook.error.message, session.notebook.error.hint)
    elif session.notebook.document is not None:
        yield Finding("notebook", True, session.notebook.name)
        for fault in session.notebook.document.faults:
            yield Finding("notebook", None, f"passed over: {fault}")


def _mended(turns: list[Turn]) -> Iterator[str]:
    """What is not sent as it was recorded, and why."""
    for number, turn in enumerate(turns, 1):
        if not turn.closed:
            yield f"turn {number} is not sent, it holds no answer ({turn.status})"
        elif turn.closed != [{**message, "content": blocks(message)} for message in turn.messages]:
            yield f"turn {number} is sent without what was cut or blank, every tool call answered ({turn.status})"


def _version(name: str) -> Finding:
    try:
        return Finding(name, True, version(name))
    except PackageNotFoundError:
        needed = name not in USEFUL
        return Finding(name, False if needed else None, "not installed", f"pip install {name}" if needed else "")


def _bundle() -> Finding:
    there = (files("mm_magics.display") / "static" / "runtime.js").is_file()
    hint = "" if there else "Install the wheel, or build the front end with make."
    return Finding("widget", there, "its code is there" if there else "its code is missing", hint)


def _endpoint(session: Session) -> Iterator[Finding]:
    try:
        base_url = checked_base_url(session.config.base_url)
        yield Finding("base URL", True, base_url)
        key = session.keys.find(base_url)
        yield Finding("key", True, f"from {key.source}, for {key.host}")
        known = frozenset(entry["id"] for entry in session.client().models())
        yield Finding("endpoint", True, f"answers, and offers {len(known)} models")
    except MiniMaxError as error:
        yield Finding("endpoint", False, error.message, error.hint)
        return
    name = session.settings.value("model")
    if name in known or (not known and name in CATALOGUE):
        yield Finding("model", True, name)
    else:
        like = nearest(name, known)
        yield Finding("model", False, f"{name} is not offered", f"Did you mean {like}?" if like else "%minimax models")
