"""`%%minimax` and `%minimax`: parse, ask, show.

Always true: there is no logic here; what fails raises one of our errors, which IPython shows as one line or two.
"""

from __future__ import annotations

import json
import threading
from typing import Any

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from mm_magics import arguments, prompt
from mm_magics.config import MiniMax
from mm_magics.display import form as forms
from mm_magics.display import frontend
from mm_magics.models import CATALOGUE
from mm_magics.session import Prompt, Session


@magics_class
class MiniMaxMagics(Magics):
    """The magics of one shell, and the session that its prompt cells share."""

    shell: Any

    def __init__(self, shell: Any, session: Session) -> None:
        super().__init__(shell)
        self.session = session

    @no_var_expand
    @line_cell_magic
    def minimax(self, line: str, cell: str | None = None) -> Any:
        """Ask a MiniMax model. `%%minimax --help` lists the flags, `%minimax help` the commands."""
        if cell is None:
            from mm_magics import commands

            return commands.run(self.session, self.shell, line)
        flags = arguments.parse(line)
        if flags.pop("help", False):
            print(arguments.help_text())
            return None
        return self._ask(cell, flags)

    def _ask(self, cell: str, flags: dict[str, Any]) -> None:
        config, shell = self.session.config, self.shell
        out, form = flags.pop("out", None), flags.pop("as", "markdown")
        quiet, dry_run = flags.pop("quiet", config.quiet), flags.pop("dry_run", False)
        if not flags.pop("raw", False):
            cell = prompt.render(cell, shell.user_ns, config.value_limit)
            if "system" in flags:
                flags["system"] = prompt.render(flags["system"], shell.user_ns, config.value_limit)
        if "params" in flags:
            flags["params"] = {**config.params, **flags["params"]}
        cell_id = frontend.cell_id(shell)
        ready = self.session.prepare(cell.rstrip("\n"), cell_id=cell_id, **flags)
        if dry_run:
            _show_request(ready)
            return
        stop = threading.Event()
        earlier = self.session.history.of_cell(ready.thread, cell_id)
        answer = self.session.stream(ready, stop=stop)
        turn = frontend.perform(answer, shell, stop, form=form, quiet=quiet, earlier=earlier)
        if out:
            shell.user_ns[out] = forms.value(turn.text, form)


def _show_request(ready: Prompt) -> None:
    print(json.dumps(ready.body, ensure_ascii=False, indent=2))
    for note in [f"Nothing was sent. {ready.seen} earlier turns would be seen.", *ready.notes]:
        print(note)


@context_matcher()  # type: ignore[untyped-decorator]
def complete(context: CompletionContext) -> SimpleMatcherResult:
    """Tab completion of flags, their values, commands and settings, on the magic's own line only."""
    line = context.line_with_cursor[: context.cursor_position]
    if not line.startswith(("%minimax", "%%minimax")) or (line.startswith("%%") and context.cursor_line > 0):
        return SimpleMatcherResult(completions=[])
    settings = sorted(MiniMax.class_trait_names(config=True))
    found = arguments.completions(line, list(CATALOGUE), settings)
    return SimpleMatcherResult(completions=[SimpleCompletion(text=name, type="magic") for name in found], suppress=True)


def load(shell: Any) -> None:
    """Register the magics, the settings and the completion; loading twice keeps the session."""
    if any(isinstance(each, MiniMax) for each in shell.configurables):
        return
    config = MiniMax(parent=shell)
    shell.configurables.append(config)
    shell.register_magics(MiniMaxMagics(shell, Session(config)))
    shell.Completer.custom_matchers.append(complete)
