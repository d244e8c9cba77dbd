"""`%minimax usage`: the calls that this kernel made, and what the notebook's turns stand for."""

from __future__ import annotations

from mm_magics.api.usage import TOKEN_COUNTERS
from mm_magics.display import usage_line
from mm_magics.display.table import Table
from mm_magics.ipython.commands.command import Context
from mm_magics.turn.ledger import Account, accounts_of
from mm_magics.wording import counted

COLUMNS = ("calls", "time", "tokens in", "out", "cache read", "cache written", "cost")


def usage(context: Context, _rest: str) -> Table:
    """Show the calls that this kernel made, and those that the turns of the notebook stand for, by model."""
    session = context.session
    ledger = session.ledger
    rows = [
        (f"this kernel, in {notebook}" if notebook else "this kernel", *usage_row(model, account))
        for (notebook, model), account in ledger.accounts.items()
    ]
    if len(rows) > 1:
        rows.append(("this kernel", *usage_row("all", ledger.total())))
    source = f"the turns of {session.notebook.name}" if session.notebook else "the turns"
    accounts = accounts_of(session.history.all_turns())
    rows += [(source, *usage_row(model, account)) for model, account in sorted(accounts.items())]
    lines = [] if rows else ["No prompts have been sent yet."]
    if ledger.replayed:
        lines.append(f"{counted(ledger.replayed, 'answer')} replayed, without a call.")
    if cap := session.spending.describe():
        lines.append(cap)
    return Table("", ("", "model", *COLUMNS), rows, lines)


def usage_row(name: str, account: Account) -> tuple[str, ...]:
    """Return the name and the sums, in the order of `COLUMNS`."""
    counts = tuple(f"{account.tokens[counter]:,}" for counter in TOKEN_COUNTERS)
    cost = usage_line.account_cost(account)
    return name, f"{account.calls:,}", f"{account.seconds:.1f} s", *counts, cost
