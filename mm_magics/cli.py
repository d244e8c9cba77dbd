"""The command `mm-magics`: demo, simulator, history, sent, search, usage, replay and doctor, without a notebook.

A `MiniMaxError` is printed to stderr as two lines, without a traceback, and the exit status is 1. What is printed
may come from a stranger's notebook, so `PlainStream` replaces control characters by visible ones in all of it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any, TextIO

from mm_magics import __version__
from mm_magics.errors import MiniMaxError, NotebookError, UsageError
from mm_magics.text import escape_controls

if TYPE_CHECKING:
    from mm_magics.display.table import Table
    from mm_magics.history.notebook import Document
    from mm_magics.history.turn import Turn

NOT_RECORDED = [
    "A turn that was copied to other notebooks counts once.",
    "Not included, because no saved turn records it: deleted cells, cleared outputs, answers beyond max_versions,",
    "retries, and the prompts of scripts and consoles.",
]

_WHERE = "a folder with notebooks, or one notebook (default: the current folder)"


class PlainStream:
    """A stream that shows control characters instead of sending them to the terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        encoding = self._stream.encoding or "utf-8"
        self._stream.write(escape_controls(text).encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    with (
        redirect_stdout(PlainStream(sys.stdout)),
        redirect_stderr(PlainStream(sys.stderr)),
    ):
        return _run(argv)


def _run(argv: Sequence[str] | None) -> int:
    options = _parser().parse_args(argv)
    try:
        status: int = options.run(options)
    except MiniMaxError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def _print(table: Table) -> None:
    """Print a table, wrapped to the width of a terminal. Elsewhere each row stays on one line, for other programs."""
    from mm_magics.display.table import UNLIMITED

    print(table.as_text(get_terminal_size().columns if sys.stdout.isatty() else UNLIMITED))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mm-magics", description="Work with mm_magics from a shell.")
    parser.add_argument("--version", action="version", version=f"mm-magics {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="run a notebook and print its conversation while it streams")
    demo.add_argument("notebook", type=Path, help="the notebook to run; the file is not changed")
    demo.add_argument("--output", type=Path, default=Path("demo-output"), help="output folder (default: %(default)s)")
    demo.set_defaults(run=_demo)

    simulator = commands.add_parser("simulator", help="run the bundled simulator of the endpoint until interrupted")
    simulator.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    simulator.add_argument("--allow-remote", action="store_true", help="allow a host that other machines can reach")
    simulator.add_argument("--port", type=int, default=0, help="port to listen on (default: any free port)")
    simulator.add_argument("--key", help="API key to accept (default: a random one)")
    simulator.add_argument("--rate", type=float, help="deltas per second (default: as fast as possible)")
    simulator.add_argument("--strict", action="store_true", help="add the rules of other endpoints of this format")
    simulator.add_argument("--log", type=Path, help="write each request to this file, one JSON object per line")
    simulator.set_defaults(run=_simulator)

    history = commands.add_parser("history", help="list the conversations of a notebook")
    history.add_argument("notebook", type=Path, help="the notebook to read")
    history.add_argument("--json", action="store_true", help="print the turn records as JSON")
    history.set_defaults(run=_history)

    sent = commands.add_parser("sent", help="list what the requests of the turns in a notebook contained")
    sent.add_argument("notebook", type=Path, help="the notebook to read")
    sent.set_defaults(run=_sent)

    search = commands.add_parser("search", help="find turns in notebooks; exit with status 1 if nothing is found")
    search.add_argument("words", help="words that a turn must contain; '\"two words\"' is a phrase")
    search.add_argument("source", type=Path, nargs="?", default=Path(), metavar="folder", help=_WHERE)
    search.set_defaults(run=_search)

    usage = commands.add_parser("usage", help="add up the model calls that the turns in notebooks record")
    usage.add_argument("source", type=Path, nargs="?", default=Path(), metavar="folder", help=_WHERE)
    usage.add_argument("--by", choices=["model", "notebook", "day"], default="model", help="default: %(default)s")
    usage.set_defaults(run=_usage)

    replay = commands.add_parser("replay", help="check whether notebooks can run without calling the endpoint")
    replay.add_argument(
        "action", choices=["check"], help="check the recorded answers; exit with status 1 unless every cell is recorded"
    )
    replay.add_argument("notebooks", type=Path, nargs="+", metavar="notebook", help="the notebooks to check")
    replay.set_defaults(run=_replay)

    doctor = commands.add_parser("doctor", help="check the setup; exit with status 1 if there is a problem")
    doctor.set_defaults(run=_doctor)
    return parser


def _demo(options: argparse.Namespace) -> int:
    try:
        from mm_magics.demo import run
    except ModuleNotFoundError as error:
        hint = "Run: pip install 'mm-magics[lab]'"
        raise UsageError(f"The demo needs the package {error.name}.", hint) from None
    return run(options.notebook, options.output)


def _simulator(options: argparse.Namespace) -> int:
    from mm_magics.simulator.serve import serve

    serve(
        options.host,
        options.port,
        key=options.key,
        rate=options.rate,
        strict=options.strict,
        log_file=options.log,
        allow_remote=options.allow_remote,
    )
    return 0


def _history(options: argparse.Namespace) -> int:
    from mm_magics.history.notebook import read_notebook
    from mm_magics.ipython.commands import threads
    from mm_magics.session import Session

    document = read_notebook(options.notebook)
    for fault in [*document.faults, *document.warnings]:
        print(fault, file=sys.stderr)
    if options.json:
        records = [turn.record() for turn in document.turns()]
        text = json.dumps(records, ensure_ascii=False, indent=1)
        print(text if escape_controls(text) == text else json.dumps(records, indent=1))
        return 0
    session = Session()
    session.history.follow(document)
    for table in threads.all_threads(session):
        _print(table)
    return 0


def _sent(options: argparse.Namespace) -> int:
    from mm_magics.history.notebook import read_notebook
    from mm_magics.ipython.commands import sent
    from mm_magics.session import Session

    document = read_notebook(options.notebook)
    for fault in [*document.faults, *document.warnings]:
        print(fault, file=sys.stderr)
    session = Session()
    session.history.follow(document)
    for name in session.history.names():
        for turn in session.history.turns(name):
            if turn.thread == name:
                _print(sent.turn_table(session, turn, document))
    return 0


def _documents(source: Path) -> Iterator[tuple[Path, Document]]:
    """Yield the notebooks at and below the path. What cannot be read is reported."""
    from mm_magics.history.notebook import read_notebook
    from mm_magics.history.notebook_files import notebooks_in

    if not source.exists():
        hint = 'To find several words, put them in quotation marks: mm-magics search "coral reef".'
        raise UsageError(f"{source} does not exist.", hint)
    for path in notebooks_in([source]):
        try:
            document = read_notebook(path)
        except NotebookError as error:
            print(error.message, file=sys.stderr)
            continue
        for fault in document.faults:
            print(f"{path}, {fault}", file=sys.stderr)
        yield path, document


def _search(options: argparse.Namespace) -> int:
    from mm_magics.history.search import matches_in, patterns_of

    patterns = patterns_of(options.words)
    if not patterns:
        raise UsageError("There is nothing to search for.", "Name a word: mm-magics search reef.")
    is_found = False
    for path, document in _documents(options.source):
        for number, cell in enumerate(document.cells, 1):
            for turn in cell.turns:
                for each in (turn, *turn.versions):
                    if not (matches := matches_in(each, patterns)):
                        continue
                    is_found = True
                    version = "" if each is turn else ", an earlier answer"
                    print(f"{path}, cell {number}{version}: {each.model}, {each.created[:10]}, thread {each.thread}")
                    for match in matches:
                        print(f"  {match.part}: {match.text}")
    return 0 if is_found else 1


def _usage(options: argparse.Namespace) -> int:
    from mm_magics.display.table import Table
    from mm_magics.ipython.commands.usage import COLUMNS, usage_row
    from mm_magics.turn.ledger import accounts_of, total_of

    turns: list[Turn] = []
    paths: dict[str, str] = {}  # where each turn was found first
    for path, document in _documents(options.source):
        for turn in document.turns():
            turns.append(turn)
            for each in (turn, *turn.versions):
                paths.setdefault(each.id, str(path))
    groups: dict[str, Callable[[Turn, str], str]] = {
        "model": lambda _, model: model,
        "notebook": lambda turn, _: paths[turn.id],
        "day": lambda turn, _: turn.created[:10],
    }
    accounts = accounts_of(turns, groups[options.by])
    rows = [usage_row(key, account) for key, account in sorted(accounts.items())]
    if len(rows) > 1:
        rows.append(usage_row("all", total_of(accounts.values())))
    lines = NOT_RECORDED if rows else ["There are no turns."]
    _print(Table("", (options.by, *COLUMNS), rows, lines))
    return 0


def _replay(options: argparse.Namespace) -> int:
    from mm_magics.display.table import Table
    from mm_magics.history.notebook import read_notebook
    from mm_magics.history.replay import check_cells

    complete = True
    for path in options.notebooks:
        try:
            results = list(check_cells(read_notebook(path)))
        except NotebookError as error:
            print(error, file=sys.stderr)
            complete = False
            continue
        complete = complete and all(result.state == "recorded" for result in results)
        rows = [(str(each.number), each.state, each.cell.source.partition("\n")[0], each.reason) for each in results]
        columns = ("cell", "status", "source", "reason")
        _print(Table(str(path), columns, rows, () if rows else ("This notebook has no prompt cells.",)))
    return 0 if complete else 1


def _doctor(_: argparse.Namespace) -> int:
    from mm_magics import doctor
    from mm_magics.ipython.commands.doctor import findings_table
    from mm_magics.session import Session

    with Session() as session:
        findings = list(doctor.examine(session, "none (shell)"))
    _print(findings_table(findings))
    return int(any(finding.ok is False for finding in findings))
