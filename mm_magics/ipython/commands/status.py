"""`%minimax` without a command: the status of the session."""

from __future__ import annotations

from mm_magics.config import checked_base_url
from mm_magics.display import usage_line
from mm_magics.display.effective_settings import describe_model
from mm_magics.display.table import Table
from mm_magics.errors import MiniMaxError
from mm_magics.history.notebook import LiveNotebook
from mm_magics.ipython.commands.command import Context
from mm_magics.session import Session
from mm_magics.text import visible
from mm_magics.turn.ledger import Account
from mm_magics.turn.window import conversation_size
from mm_magics.wording import counted


def show_status(context: Context) -> Table:
    """Show the model, the endpoint, the key, the thread, the notebook and the usage so far."""
    session = context.session
    settings = session.settings
    thread = settings.value("thread")
    rows = [
        ("model", describe_model(session)),
        ("endpoint", settings.describe("base_url")),
        ("key", _key(session)),
        ("system prompt", settings.describe("system")),
        ("thread", f"{settings.describe('thread')}: {_turns(session, thread)}"),
        ("context", describe_context(session, thread)),
        ("notebook", _notebook(session)),
        ("replay", settings.describe("replay")),
        ("usage", _usage(session.ledger.total())),
    ]
    return Table("mm_magics", ("", "status"), rows, ("%minimax help lists the commands.",))


def _key(session: Session) -> str:
    try:
        return f"from {session.keys.find(checked_base_url(session.settings.value('base_url'))).source}"
    except MiniMaxError as error:
        return f"missing: {error.hint}"


def _turns(session: Session, thread: str) -> str:
    turns = session.history.turns(thread)
    order = "in document order" if session.history.has_document else "in order of first execution"
    places = {turn.place for turn in turns}
    marks = {"stale": session.history.stale() & places, "edited": session.history.edited() & places}
    return ", ".join(
        [counted(len(turns), "turn"), order, *(f"{len(marked)} {mark}" for mark, marked in marks.items() if marked)]
    )


def describe_context(session: Session, thread: str) -> str:
    """Return how much of its window the next prompt of a thread uses, without the prompt itself."""
    model = session.effective_model()
    context = session.budget.context(thread, None)
    size = conversation_size(context, model)
    summary = f"; {context.compaction}" if context.compaction and context.compaction.turns else ""
    if size.window is None:
        return f"≈ {counted(size.tokens, 'token')}; the window of {visible(model)} is unknown{summary}"
    return f"≈ {counted(size.tokens, 'token')}, {size.percent} of the {size.window:,} of {model}{summary}"


def _notebook(session: Session) -> str:
    if session.notebook is None:
        return "unknown: turns exist only in this kernel"
    if session.notebook.error is not None:
        return str(session.notebook.error).replace("\n", " ")
    faults = session.notebook.document.faults if session.notebook.document else []
    source = "live from the front end" if isinstance(session.notebook, LiveNotebook) else "as last saved"
    skipped = f"; {counted(len(faults), 'record')} skipped: %minimax doctor" if faults else ""
    return f"{session.notebook.name}, {source}{skipped}"


def _usage(account: Account) -> str:
    tokens = counted(sum(account.tokens.values()), "token")
    return ", ".join([counted(account.calls, "call"), tokens, usage_line.account_cost(account)])
