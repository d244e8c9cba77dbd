"""Check the setup: packages, front end, endpoint, key, model, notebook and history. Each problem comes with a fix.

The source of a key is shown, never its value. The only request to the endpoint is for its list of models.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from platform import python_version
from typing import Literal

from mm_magics import packages
from mm_magics.api.messages import blocks, problems
from mm_magics.api.models import CATALOGUE, nearest, substitute
from mm_magics.config import checked_base_url
from mm_magics.errors import MiniMaxError
from mm_magics.front_end_files import typesetting_source, widget_source
from mm_magics.history import jupytext
from mm_magics.history.compacted_context import SentContext
from mm_magics.history.context_messages import context_messages
from mm_magics.history.notebook import current_path
from mm_magics.history.turn import Turn
from mm_magics.session import Session
from mm_magics.settings import Settings
from mm_magics.text import visible
from mm_magics.turn.window import FULL, conversation_size
from mm_magics.wording import counted

MAX_THREADS = 50
"""Threads that are checked; forks share turns, which are checked for each of them."""

FULL_HINT = "Summarize earlier turns with --compact now, send less with --context N, or start a new --thread."
FULL_NOTE = "; the next prompt summarizes earlier turns first"

SHOWN = ("anthropic", "anywidget", "ipython")
"""Packages that are listed even without a problem, besides those of the extras."""


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Args:
        subject: What was checked.
        ok: False if prompts cannot work, None for information.
        detail: What was found.
        hint: How to fix the problem.
    """

    subject: str
    ok: bool | None
    detail: str
    hint: str = ""

    @property
    def mark(self) -> Literal["ok", "error", "info"]:
        return "info" if self.ok is None else "ok" if self.ok else "error"


def examine(session: Session, front_end: str, missing: str = "", hint: str = "") -> Iterator[Finding]:
    """Run all checks.

    Args:
        session: Its settings, keys, notebook and history are checked.
        front_end: The name of the front end, which is shown.
        missing: What does not work in this front end, if anything, and `hint`, how to fix it.
    """
    yield Finding("Python", True, f"{python_version()} at {sys.prefix}")
    yield from _packages()
    yield Finding(
        "front end", not missing, f"{front_end}. {missing}" if missing else front_end, hint if missing else ""
    )
    yield _widget()
    yield from _endpoint(session)
    yield from _notebook(session)
    yield from _notebook_settings(session.settings)
    yield from _limits(session)
    threads = session.history.names()
    for thread in threads[:MAX_THREADS]:
        yield _thread(thread, session.budget.context(thread, None), session)
    if more := threads[MAX_THREADS:]:
        yield Finding(f"{counted(len(more), 'more thread')}", None, "not checked")


def _packages() -> Iterator[Finding]:
    """Check the version of every package that mm-magics declares for its users."""
    needed = packages.declared()
    if not needed:
        yield Finding("mm-magics", False, "not installed", "Run: pip install mm-magics")
        return
    yield Finding("mm-magics", True, packages.installed_version("mm-magics"))
    for name, _, extra in needed:
        version, wrong = packages.installed_version(name), packages.wrong_version(name)
        if wrong or not (version or extra):
            yield Finding(name, False, wrong or "not installed", packages.fix(name))
        elif extra or name in SHOWN:
            yield Finding(name, True if version else None, version or f"not installed (extra {extra})")


def _widget() -> Finding:
    hint = "Install the wheel, or build the front end with `make`."
    if not widget_source("runtime.js"):
        return Finding("widget", False, "its JavaScript is missing", hint)
    if not typesetting_source():
        detail = "pages without our JupyterLab extension show formulas as LaTeX and code without colors"
        return Finding("widget", None, f"{detail}: typesetting.js is missing", hint)
    return Finding("widget", True, "its JavaScript is installed")


def _endpoint(session: Session) -> Iterator[Finding]:
    try:
        base_url = checked_base_url(session.settings.value("base_url"))
        yield Finding("base URL", True, f"{base_url} ({session.settings.source('base_url')})")
        key = session.keys.find(base_url)
        yield Finding("key", True, f"from {key.source}, for {key.host}")
        offered = session.models.learn(session.client())
        yield Finding("endpoint", True, f"reachable, offers {counted(len(offered), 'model')}")
    except MiniMaxError as error:
        yield Finding("endpoint", False, error.message, error.hint)
        return
    yield _model(session, offered)


def _model(session: Session, offered: Mapping[str, str]) -> Finding:
    name, source = session.settings.value("model"), session.settings.source("model")
    if name in offered or (not offered and name in CATALOGUE):
        return Finding("model", True, session.settings.describe("model"))
    if source == "default" and (instead := substitute(offered)):
        detail = f"{name}, the default, is not offered by the endpoint: {instead} answers"
        return Finding("model", None, detail, "Choose one with %minimax model NAME.")
    similar = nearest(name, offered)
    hint = f"Did you mean {similar}?" if similar else "%minimax models lists the models."
    return Finding("model", False, f"{visible(name)} is not offered by the endpoint ({source}).", hint)


def _notebook(session: Session) -> Iterator[Finding]:
    if session.notebook is None:
        return
    if session.notebook.error is not None:
        yield Finding("notebook", None, session.notebook.error.message, session.notebook.error.hint)
    elif session.notebook.document is not None:
        yield Finding("notebook", True, session.notebook.name)
        for fault in session.notebook.document.faults:
            yield Finding("notebook", None, f"skipped: {fault}")
        for warning in session.notebook.document.warnings:
            yield Finding("notebook", None, warning)
    path = current_path(session.notebook, Path.cwd() / session.notebook.name)
    if path is not None and jupytext.splits_prompts(path.with_suffix(".py")):
        problem = f"jupytext saves the prompts as code in {path.with_suffix('.py').name}; a line # %% splits a prompt."
        yield Finding("jupytext", None, problem, 'Set custom_cell_magics = "minimax" in jupytext.toml.')


def _notebook_settings(settings: Settings) -> Iterator[Finding]:
    """Show what the notebook's metadata sets, and what has no effect in it."""
    for name in settings.from_notebook:
        yield Finding("setting", None, f"{name}: {settings.describe(name)}")
    for name, reason in settings.ignored.items():
        yield Finding("setting", None, f"{name} in the notebook's metadata is ignored: {reason}")


def _limits(session: Session) -> Iterator[Finding]:
    """Show what an administrator locked, what that overrides, and what of the spending cap is left."""
    for file, names in session.settings.locks().items():
        yield Finding("administrator", None, f"{file} locks {', '.join(names)}")
    for what, reason in session.settings.overridden.items():
        yield Finding("setting", None, f"{what} has no effect: {reason}")
    if cap := session.spending.describe():
        yield Finding("spending", session.spending.left != 0, cap)


def _thread(name: str, context: SentContext, session: Session) -> Finding:
    turns, model = list(context.all), session.effective_model()
    invalid = problems(context_messages(context.turns, {"role": "user", "content": "?"}))
    if invalid:
        return Finding(f"thread {name}", False, str(invalid[0]))
    size = conversation_size(context, model)
    full = size.share is not None and size.share >= FULL
    used = [f"{size.percent} of the window of {model}"] if size.percent else []
    used += [str(context.compaction)] if context.compaction and context.compaction.turns else []
    detail = "; ".join([f"{counted(len(turns), 'turn')}, valid", *used, *_repairs(turns)])
    if not full or session.settings.value("compact") == "auto":
        return Finding(f"thread {name}", None if full else True, f"{detail}{FULL_NOTE if full else ''}")
    return Finding(f"thread {name}", False, detail, FULL_HINT)


def _repairs(turns: list[Turn]) -> Iterator[str]:
    """Describe the turns that are not sent as they were recorded."""
    for number, turn in enumerate(turns, 1):
        if not turn.closed:
            yield f"turn {number} is not sent: it has no answer ({turn.status})"
        elif turn.closed != [{**message, "content": blocks(message)} for message in turn.messages]:
            yield f"turn {number} is sent without blank or incomplete blocks, and with all tool results ({turn.status})"
