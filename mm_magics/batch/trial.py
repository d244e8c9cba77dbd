"""The trial of a map run: a random sample of its rows is asked, to see the answers and what the whole run costs.

With a column of labels, it says how often the answers agree with them. The answers are stored, so they count towards
the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil, floor, sqrt
from statistics import fmean, stdev
from typing import Any, NamedTuple

from mm_magics.batch.dry_run import DryRun
from mm_magics.batch.engines.base import NOT_SENT
from mm_magics.batch.job import MapJob
from mm_magics.batch.result import MapResult
from mm_magics.batch.row import Row
from mm_magics.batch.row_results import RowResults, RowUsage
from mm_magics.batch.sample import SampledRows, sample
from mm_magics.batch.trial_options import Z
from mm_magics.errors import AgreementError
from mm_magics.text import escape_markdown, excerpt, visible
from mm_magics.wording import counted, dollars

SHOWN_ROWS = 50
"""How many rows a report shows; those that do not agree with their labels come first."""
CELL_CHARACTERS = 80


class Agreement(NamedTuple):
    """How many of `n` answers agree with their labels: `share`, between `low` and `high` with 95 % confidence."""

    share: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        """Return the agreement in one line. The interval is rounded outwards.

        >>> print(agreement_of(137, 150))
        agreement 0.91, 95 % interval 0.85 to 0.95, n = 150
        """
        low, high = floor(self.low * 100) / 100, ceil(self.high * 100) / 100
        return f"agreement {self.share:.2f}, 95 % interval {low:.2f} to {high:.2f}, n = {self.n:,}"


def agreement_of(agreeing: int, n: int) -> Agreement:
    """Return the agreement, with the interval of Wilson.

    >>> [round(each, 3) for each in agreement_of(10, 10)[:3]]
    [1.0, 0.722, 1.0]
    """
    share, unit = agreeing / n, 1 + Z * Z / n
    center = (share + Z * Z / (2 * n)) / unit
    half = Z * sqrt(share * (1 - share) / n + Z * Z / (4 * n * n)) / unit
    return Agreement(share, min(share, max(0.0, center - half)), max(share, min(1.0, center + half)), n)


class CostRange(NamedTuple):
    """What a run costs in US dollars: as expected, and between `low` and `high` with 95 % confidence."""

    expected: float
    low: float
    high: float

    def __str__(self) -> str:
        if self.low == self.high:
            return dollars(self.expected)
        return f"{dollars(self.expected)}, 95 % interval {_amount(self.low)} to {_amount(self.high)}"


def cost_range(spent: float, costs: Sequence[float], calls: int) -> CostRange | None:
    """Return what a run costs of which some calls were made.

    Args:
        spent: What was spent.
        costs: What calls cost that were chosen at random.
        calls: How many such calls are left.

    Returns:
        The range; None if the costs say too little.
    """
    if not calls:
        return CostRange(spent, spent, spent)
    if len(costs) < 2:
        return None
    n = len(costs)
    expected = spent + calls * fmean(costs)
    half = _student(n - 1) * stdev(costs) * sqrt(calls + calls * calls / n)
    return CostRange(expected, max(spent, expected - half), expected + half)


def _student(degrees: int) -> float:
    """Return the quantile of Student's distribution for 95 % confidence, by the expansion of Cornish and Fisher."""
    first, second = (Z**3 + Z) / 4, (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96
    third = (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / 384
    return Z + first / degrees + second / degrees**2 + third / degrees**3


class Trial(MapResult):
    """The result of a trial, as `map_prompts(…, trial=30)` returns it. Its `str()` is a report.

    It has the attributes of a `MapResult`, for the rows of the sample: `frame`, `values`, `errors`, `cost`, …

    Attributes:
        rows: The numbers of the rows in the data.
        costs: What the answer of each row cost in US dollars; None if it has none, or the price is unknown.
        agreement: How often the answers agree with the labels; None without labels.
        calls_left: How many calls the run would make after the trial; None if the trial was stopped.
        run_cost: What the whole run costs, the trial included; None if that is unknown.

    >>> import tempfile
    >>> from mm_magics import Session, map_prompts
    >>> from mm_magics.simulator import Simulator
    >>> rows = [{"text": f"Review {number}", "truth": "good"} for number in range(100)]
    >>> with tempfile.TemporaryDirectory() as folder, Simulator() as endpoint:
    ...     endpoint.answers.extend(["good"] * 30)
    ...     with Session(base_url=endpoint.base_url, api_key=endpoint.key, store=f"{folder}/answers.sqlite") as session:
    ...         options = {"session": session, "progress": False}
    ...         trial = map_prompts("Good or bad? {{ row.text }}", rows, trial=30, label="truth", **options)
    >>> print(trial.agreement)
    agreement 1.00, 95 % interval 0.88 to 1.00, n = 30
    >>> len(trial.frame), trial.asked, trial.calls_left
    (30, 30, 70)
    """

    def __init__(self, job: MapJob, results: RowResults, left: DryRun | None) -> None:
        super().__init__(job, results)
        assert isinstance(job.rows, SampledRows)
        self.rows, self._total = list(job.rows.numbers), len(job.rows.whole)
        usage: list[RowUsage | None] = results.row_usage or []
        self.costs = [each.cost if each else None for each in usage]
        self._has_costs = any(each is not None for each in self.costs)
        self.calls_left = left.calls if left else None
        self.run_cost = None
        if left and self.cost is not None:
            self.run_cost = cost_range(self.cost, [each for each in self.costs if each is not None], left.requests)
        self._reasons = results.errors
        self._answers = results.answers(job.options.into)
        self._label, self._labels = job.label, list[Any]()
        self._agrees: list[bool | None] = [None] * len(self.rows)
        if self._label is not None:
            self._labels = [row[self._label.column] for row in job.rows]
            self._agrees = [self._compare(position) for position in range(len(self.rows))]
        compared = [each for each in self._agrees if each is not None]
        self.agreement = agreement_of(sum(compared), len(compared)) if compared else None

    def check(self) -> None:
        """Raise `AgreementError` if the answers agree with the labels less than the option `require` asks for."""
        require = self._job.options.require
        if require is None or (self.agreement is not None and self.agreement.low >= require):
            return
        found = str(self.agreement) if self.agreement else "no row of the trial has a label and was sent"
        raise AgreementError(
            f"The lower bound of the agreement is below the required {require:g}: {found}.",
            "Improve the prompt, or choose another model, before you run all rows.",
        )

    def _compare(self, position: int) -> bool | None:
        """Return whether a row has the answer that its label says; None if it has no label or was not sent."""
        label = self._labels[position]
        if label is None or self._reasons.get(position, "").startswith(NOT_SENT):
            return None
        assert self._label is not None
        answer = self._answers[self._label.field or next(iter(self._answers))][position]
        return bool(answer == label) or str(answer).strip().casefold() == str(label).strip().casefold()

    def __str__(self) -> str:
        rows = ["  ".join(row).rstrip() for row in _aligned(self._table())]
        return "\n".join([*rows, *self._lines()])

    @property
    def markdown(self) -> str:
        """The report as Markdown."""
        names, *rows = _aligned([[escape_markdown(cell) for cell in row] for row in self._table()])
        lines = [f"| {' | '.join(row)} |" for row in (names, ["-" * max(3, len(name)) for name in names], *rows)]
        return "\n\n".join([*map(escape_markdown, self._lines()), "\n".join(lines)])

    def _lines(self) -> list[str]:
        """Return what the trial says about the run."""
        data, total = self._job.options.data_name, self._total
        answered = len(self.rows) - len(self.errors)
        lines = [
            f"Trial with {len(self.rows):,} of {counted(total, 'row')} of {data}: {answered:,} answered, "
            f"{len(self.errors):,} failed ({counted(self.asked, 'call')}, {counted(self.stored, 'answer')} from the "
            "store)."
        ]
        if self.agreement:
            lines.append(f"{str(self.agreement).capitalize()}.")
        known = [each for each in self.costs if each is not None]
        if known:
            lines.append(f"Cost of a row: {_amount(fmean(known))} on average, {_amount(max(known))} at most.")
        if self.calls_left is not None:
            cost = f": {self.run_cost}" if self.run_cost else ""
            lines.append(f"The whole run, with {counted(self.calls_left, 'more call')}{cost}.")
        if len(self.rows) > SHOWN_ROWS:
            lines.append(f"{SHOWN_ROWS} of the {len(self.rows):,} rows:")
        return lines

    def _table(self) -> list[list[str]]:
        """Return the names of the columns and the cells of the rows that a report shows."""
        inputs = self._job.template.columns_read(self._job.rows.columns)
        label = [] if self._label is None else [f"{self._label.column} (label)"]
        names = [
            "row",
            *map(str, inputs or ["input"]),
            *self._answers,
            *label,
            *(["cost ($)"] if self._has_costs else []),
        ]
        order = sorted(range(len(self.rows)), key=lambda each: self._agrees[each] is not False)
        shown = set(order[:SHOWN_ROWS])
        table = [[_cell(name) for name in names]]
        for position, row in enumerate(self._job.rows):
            if position in shown:
                given = [row[name] for name in inputs] if isinstance(row, Row) and inputs else [row]
                answers = [column[position] for column in self._answers.values()]
                if (reason := self._reasons.get(position)) is not None:
                    answers[0] = f"failed: {reason}"
                labels = self._labels[position : position + 1]
                cost = self.costs[position]
                cells = [*given, *answers, *labels, *([cost and _amount(cost)[1:]] if self._has_costs else [])]
                table.append([f"{self.rows[position]:,}", *map(_cell, cells)])
        return table


def _cell(value: Any) -> str:
    return "" if value is None else excerpt(visible(str(value)[: 4 * CELL_CHARACTERS]), CELL_CHARACTERS)


def _aligned(table: list[list[str]]) -> list[list[str]]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [list(map(str.ljust, row, widths)) for row in table]


def _amount(cost: float) -> str:
    return f"${cost:,.{2 if cost >= 1 else 4 if cost >= 0.01 else 6}f}"


def trial_job(job: MapJob) -> MapJob:
    """Return the job that asks the random sample of this one."""
    assert job.options.trial is not None
    assert not isinstance(job.rows, SampledRows)
    rows = SampledRows(job.rows, sample(len(job.rows), job.options.trial))
    return replace(job, rows=rows, options=replace(job.options, figures=True))
