"""`%minimax doctor`: the results of all checks as a table."""

from __future__ import annotations

from collections.abc import Sequence

from mm_magics import doctor as checks
from mm_magics.display.table import Table
from mm_magics.ipython import frontend
from mm_magics.ipython.commands.command import Context


def doctor(context: Context, _rest: str) -> Table:
    """Run all checks."""
    front_end = frontend.detect(context.shell)
    return findings_table(list(checks.examine(context.session, front_end, *frontend.missing(context.shell))))


def findings_table(findings: Sequence[checks.Finding]) -> Table:
    """Show the findings as a table, with a line for each problem that says how to fix it."""
    lines = [_problem_line(finding) for finding in findings if finding.ok is False] or ["No problems found."]
    return Table("", ("", "check", "result"), [(each.mark, each.subject, each.detail) for each in findings], lines)


def _problem_line(finding: checks.Finding) -> str:
    end = "" if finding.detail.endswith((".", "!", "?")) else "."
    return f"{finding.subject}: {finding.detail}{end} {finding.hint}".rstrip()
