"""`mm-magics demo │ simulator │ history │ replay │ doctor`: what can be done from a shell, without a notebook.

Always true: one of our errors ends with its own two lines on stderr and status 1, never with a traceback.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from mm_magics import __version__
from mm_magics.errors import MiniMaxError, UsageError


def main(argv: Sequence[str] | None = None) -> int:
    """The entry point; the exit status."""
    options = _parser().parse_args(argv)
    try:
        status: int = options.run(options)
    except MiniMaxError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mm-magics", description="%%minimax without a notebook.")
    parser.add_argument("--version", action="version", version=f"mm-magics {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="run a notebook and print the conversation as it streams")
    demo.add_argument("notebook", type=Path, help="the notebook; it is not changed")
    demo.add_argument("--output", type=Path, default=Path("demo-output"), help="folder for what it made")
    demo.set_defaults(run=_demo)

    simulator = commands.add_parser("simulator", help="serve the bundled endpoint until interrupted")
    simulator.add_argument("--host", default="127.0.0.1", help="a loopback address")
    simulator.add_argument("--port", type=int, default=0, help="0: a free one")
    simulator.add_argument("--key", help="the key that it takes; a random one if not given")
    simulator.add_argument("--rate", type=float, help="deltas a second; as fast as it can if not given")
    simulator.add_argument("--log", type=Path, help="write what was asked, one JSON object a line")
    simulator.set_defaults(run=_simulator)

    history = commands.add_parser("history", help="the conversations of a notebook")
    history.add_argument("notebook", type=Path)
    history.add_argument("--json", action="store_true", help="the turn records, as JSON")
    history.set_defaults(run=_history)

    replay = commands.add_parser("replay", help="whether notebooks can be run without a call")
    replay.add_argument("action", choices=["check"])
    replay.add_argument("notebooks", type=Path, nargs="+", metavar="notebook")
    replay.set_defaults(run=_replay)

    doctor = commands.add_parser("doctor", help="whether all is well; the exit status says so too")
    doctor.set_defaults(run=_doctor)
    return parser


def _demo(options: argparse.Namespace) -> int:
    try:
        from mm_magics.demo import run
    except ModuleNotFoundError as error:
        raise UsageError(f"The demo needs {error.name}.", "pip install 'mm-magics[lab]'") from None
    return run(options.notebook, options.output)


def _simulator(options: argparse.Namespace) -> int:
    from mm_magics.simulator.serve import serve

    serve(options.host, options.port, key=options.key, rate=options.rate, log_file=options.log)
    return 0


def _history(options: argparse.Namespace) -> int:
    from mm_magics.history.notebook import read_notebook
    from mm_magics.ipython.commands.threads import history
    from mm_magics.session import Session

    document = read_notebook(options.notebook)
    for fault in document.faults:
        print(fault, file=sys.stderr)
    if options.json:
        print(json.dumps([turn.record() for turn in document.turns()], ensure_ascii=False, indent=1))
        return 0
    session = Session()
    session.history.follow(document)
    for name in session.history.threads():
        print(repr(history(session, None, name)))
    return 0


def _replay(options: argparse.Namespace) -> int:
    from mm_magics.display.table import Table
    from mm_magics.history.notebook import read_notebook
    from mm_magics.history.replay import check_cells

    well = True
    for path in options.notebooks:
        found = list(check_cells(read_notebook(path)))
        well = well and all(each.state == "recorded" for each in found)
        rows = [(str(each.number), each.state, each.cell.source.partition("\n")[0], each.reason) for each in found]
        print(repr(Table(str(path), ("cell", "state", "", ""), rows, () if rows else ("It has no prompt cells.",))))
    return 0 if well else 1


def _doctor(_: argparse.Namespace) -> int:
    from mm_magics import doctor
    from mm_magics.ipython.commands import doctor_report
    from mm_magics.session import Session

    with Session() as session:
        found = list(doctor.examine(session, "the shell"))
    print(repr(doctor_report(found)))
    return int(any(finding.well is False for finding in found))
