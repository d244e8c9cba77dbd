"""Run a prompt cell: build the prompt from its text and flags, send it, and show the answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mm_magics import interrupts
from mm_magics.api.messages import Block
from mm_magics.api.models import takes_images
from mm_magics.display.answer_format import AnswerFormat, parse_answer
from mm_magics.display.ipykernel_compat import call_when_idle
from mm_magics.display.request_text import folded_request
from mm_magics.errors import UsageError
from mm_magics.history import notebook_context
from mm_magics.history.edits import answered_text
from mm_magics.history.notebook import Document, current_path
from mm_magics.history.notebook_context import CellRun
from mm_magics.history.prompt_source import MAGIC, repeating_magic, second_magic
from mm_magics.history.shown_cells import ShownCell, shown_cells
from mm_magics.history.turn import Turn, new_id
from mm_magics.ipython import arguments, background, frontend
from mm_magics.ipython.background_answer import ended_answer
from mm_magics.ipython.cell_recorder import CellRecorder
from mm_magics.ipython.live_page import LivePage
from mm_magics.ipython.model_runs import ModelRuns
from mm_magics.ipython.namespace import lookup
from mm_magics.prompt import template
from mm_magics.prompt.images import PromptImages, image_blocks
from mm_magics.prompt.template import FilledExpression
from mm_magics.session import Session
from mm_magics.text import escape_controls
from mm_magics.tools.builtin.catalogue import CHANGE_TOOLS, builtin_tools
from mm_magics.tools.builtin.fix_rounds import FixRounds
from mm_magics.tools.builtin.paths import folder_of
from mm_magics.tools.builtin.turn_changes import TurnChanges
from mm_magics.tools.tool import Tool
from mm_magics.turn.prepared import PreparedPrompt
from mm_magics.wording import counted

if TYPE_CHECKING:
    from mm_magics.ipython.map_cell import MapCells

FOREGROUND = "Answers that are compared or checked are not answered in the background."
MAP_FLAGS = frozenset({"into", "budget", "figures", "engine", "pack", "trial", "label", "require"})
"""Flags that need `--map`."""


class PromptCells:
    """The prompt cells of one kernel: they share a session and can be stopped from the page."""

    def __init__(self, session: Session, shell: Any, page: LivePage, recorder: CellRecorder) -> None:
        self.recorder = recorder
        self._session, self._shell, self._page = session, shell, page
        self._stop = threading.Event()
        self._map_cells: MapCells | None = None
        self._reported_missing = ""
        self._answers = background.Answers(session, shell, page)
        self._has_begun = False
        self._runs = ModelRuns(shell, session, page.changes)
        page.changes.on_change = self._record_changes
        self._turn = TurnChanges(page.changes, self.shown_cells)
        session.namespace, session.builtin = shell.user_ns, self._builtin_tools
        shell.events.register("pre_run_cell", self._see)
        shell.events.register("post_run_cell", self._see_first)

    def _see(self, info: Any) -> None:
        self._answers.end_earlier()
        execution = frontend.execution(self._shell)
        if execution and info.store_history:
            self._session.cells.see(execution)

    def _see_first(self, result: Any) -> None:
        """See the cell that loaded the extension: it had begun before."""
        self._shell.events.unregister("post_run_cell", self._see_first)
        if result.info is not None:
            self._see(result.info)

    def stop(self) -> None:
        """Stop the cell that is running."""
        self._stop.set()

    def _record_changes(self, turn: str) -> None:
        call_when_idle(self._shell.kernel, partial(self._page.record_changes, turn))

    def in_background(self, thread: str) -> int:
        """Return how many prompts of a thread are being answered in the background."""
        return len(self._answers.running.in_thread(thread))

    def can_run_cells(self, tools: Sequence[Any]) -> bool:
        """Return whether the page can run cells while a prompt in the running cell is answered with these tools."""
        from mm_magics.ipython.turn_tools import tools_in_cell

        others = [each for each in tools if each not in CHANGE_TOOLS]
        return not self._answers.obstacle(self._cell_id()) and not tools_in_cell(self._session.find_tools(others))

    @contextmanager
    def earlier_answer_kept(self) -> Iterator[None]:
        """Show the answer of the running cell again if no prompt is sent while it is entered."""
        recorded, self._has_begun = self._page.recorded_outputs, False
        try:
            yield
        finally:
            thread = self._session.settings.value("thread")
            earlier = self._session.history.shown_turn(thread, self._cell_id())
            if earlier and not self._has_begun and self._page.recorded_outputs == recorded:
                from mm_magics.ipython.turn_output import show_earlier

                with interrupts.deferred():
                    show_earlier(earlier, self._shell, self._page)

    def run(
        self,
        text: str,
        flags: dict[str, Any],
        visible_cells: Sequence[CellRun] | None = None,
        *,
        cell_limit: int | None = None,
        then: Callable[[Turn], None] | None = None,
        fixes: ShownCell | None = None,
    ) -> None:
        """Send the text of a prompt cell to the model and show the answer.

        Args:
            text: The text below the magic.
            flags: The parsed flags.
            visible_cells: The code cells sent with the prompt. By default `--sees` selects them.
            cell_limit: The most characters of a cell that are sent; by default, the setting `sees_limit`.
            then: Called with the turn after it was shown, unless it is replayed.
            fixes: The only cell that the model may change and run. Its text is in the prompt.
        """
        # The magics load without what only a prompt needs.
        from mm_magics.ipython import code_cell, compare_cell
        from mm_magics.ipython.turn_output import is_replayed, show_turn
        from mm_magics.ipython.turn_tools import choose_tools
        from mm_magics.prompt.attachments import attach

        settings, names = self._session.settings, self._shell.user_ns
        if flags.pop("help", False):
            print(arguments.help_table())
            return
        _check_source(self.recorder.source, text)
        once_note = self._apply_once(flags)
        models = compare_cell.take_models(flags)
        settings.check_flags(flags)
        compare_cell.check_flags(flags, models)
        background.check_flags(flags, models)
        if "params" in flags:
            flags["params"] = {**settings.value("params"), **flags["params"]}
        if "map" in flags:
            self._run_map(text, flags)
            return
        if misplaced := MAP_FLAGS & flags.keys():
            raise UsageError(f"--{min(misplaced)} needs --map.", "Name a data frame or a list with --map.")
        out, answer_format = flags.pop("out", None), flags.pop("as", "markdown")
        in_background = flags.pop("background", settings.value("background"))
        edits = flags.pop("edits", settings.value("edits"))
        quiet, dry_run = flags.pop("quiet", settings.value("quiet")), flags.pop("dry_run", False)
        is_compared, limit = len(models) > 1, settings.value("value_limit")
        once_note += compare_cell.without_tools(self._session, flags) if is_compared else []
        images, attached = PromptImages(limit), [attach(each) for each in flags.pop("attach", ())]
        expressions: list[FilledExpression] = []
        if not flags.pop("raw", False):
            text, expressions = template.Template(text).fill_each(dict(names), images.as_text)
            if "system" in flags:
                expressions += [FilledExpression(each, "") for each in template.Template(flags["system"]).expressions]
                flags["system"] = template.render(flags["system"], names, limit)
        if "schema" in flags:
            flags["schema"] = lookup(
                names, flags["schema"], "--schema takes the name of a Pydantic model, a dataclass or a JSON schema."
            )
        value = partial(self._value, schema=flags.get("schema"), answer_format=answer_format)
        check = compare_cell.find_check(names, flags.pop("check", None), value)
        cell_id = self._cell_id()
        is_foreground = is_compared or check is not None
        self._turn = turn_changes = self._new_turn(edits, cell_id, fixes)
        tools_note, in_background = choose_tools(
            self._session,
            turn_changes,
            flags,
            self._document,
            is_shown=self._page.shows(cell_id),
            obstacle=FOREGROUND if is_foreground else self._answers.obstacle(cell_id),
            in_background=in_background,
        )
        sees = flags.pop("sees", settings.value("sees"))
        if visible_cells is None:
            visible_cells = self._visible_cells(sees, flags.get("thread", settings.value("thread")), cell_id)
        visible_cells, image_note = self._with_images(visible_cells, flags.get("model"))
        seen = [block for cell in visible_cells for block in image_blocks(cell.id, cell.images)]
        parts = [*seen, *(block for each in attached for block in each.blocks), *images.blocks]
        content = self._content(text, visible_cells, parts, cell_limit)
        prompt = self._session.prepare(
            content, cell_id=cell_id, source=self._answered_text(), expressions=expressions, **flags
        )
        prompt.notes.extend([*(each.note for each in attached), *image_note, *tools_note])
        prompt = replace(prompt, call_notes=tools_note)
        if turn_changes.can_change:
            prompt = replace(prompt, turn_id=turn_changes.turn)
        prompts = compare_cell.prompts_for(prompt, models) if is_compared else [prompt]
        if dry_run:
            for each in {each.request.sha256: each for each in prompts}.values():
                _show_request(each)
            if self._answers.must_wait(prompt):
                print("A prompt above is being answered: its turn will be in the request too.")
            if is_compared and models[0] == models[-1]:
                print(f"This request would be sent {len(models)} times.")
            if out:
                names[out] = [each.body for each in prompts] if is_compared else prompt.body
            return
        missing, hint = frontend.missing(self._shell)
        if missing not in ("", self._reported_missing):
            self._reported_missing = missing
            prompt.notes.append(f"{missing} {hint}")
        prompt.notes.extend(once_note)
        if answer_format == "code":
            prompt.notes.extend(code_cell.note(self._shell))
        earlier = self._session.history.shown_turn(prompt.thread, cell_id)
        show = partial(show_turn, answer_format=answer_format, quiet=quiet, earlier=earlier, page=self._page, then=then)
        wants_value = bool(out) or "schema" in flags
        if in_background and not is_foreground:
            if not (obstacle := self._answers.obstacle(cell_id)):
                if answer_format == "code":
                    prompt.notes.append(code_cell.BACKGROUND_NOTE)
                handle = self._answers.start(prompt, show, value if wants_value else lambda _turn: None)
                self._has_begun = True
                if out:
                    names[out] = handle
                return
            prompt.notes.append(obstacle)
        stop = self._stop = threading.Event()
        if is_compared:
            with self._answers.in_order(prompt, stop) as running:
                prompts = self._answers.after_above(running, prompts)
                comparison = compare_cell.begin_comparison(self._session, prompts, stop)
                show = partial(show, view_for=partial(frontend.comparison_view, comparison=comparison))
                stream = compare_cell.checked(comparison, check, self._session)
                turn = show(stream, self._shell, stop, replayed=comparison.is_replayed)
            found = compare_cell.values(turn, value) if out else None
        else:
            with self._answers.stream(prompt, stop) as stream:
                replayed = is_replayed(stream)
                show = partial(show, view_for=partial(frontend.view_for, so_far=stream.so_far))
                turn = show(compare_cell.checked(stream, check, self._session), self._shell, stop, replayed=replayed)
            if answer_format == "code" and not replayed:
                code_cell.insert(self._shell, turn, self._document, cell_id)
            found = value(turn) if wants_value else None
        if out:
            names[out] = ended_answer(turn, found) if in_background and not is_compared else found

    def _value(self, turn: Turn, *, schema: Any, answer_format: AnswerFormat) -> Any:
        """Return what `--out` stores for an answer."""
        return parse_answer(turn.text, answer_format) if schema is None else self._session.value(turn, schema)

    def _apply_once(self, flags: dict[str, Any]) -> list[str]:
        """Add the settings that the page sent for this run only to the flags, and return what the user must know."""
        once, settings = self._page.take_once(self._cell_id()), self._session.settings
        if "replay" in once and flags.get("replay", settings.value("replay")) != "only":
            flags["replay"] = once["replay"]
        own = flags.get("model", settings.value("model"))
        if (model := once.get("model", own)) == own:
            return []
        flags["model"] = model
        return [f"Asked with {model} this time only. Running the cell asks {own}."]

    def _run_map(self, text: str, flags: dict[str, Any]) -> None:
        self._turn = TurnChanges(self._page.changes, self.shown_cells)
        if self._map_cells is None:
            from mm_magics.ipython.map_cell import MapCells

            self._map_cells = MapCells(self._session, self._shell, self._page)
        cell_id = self._cell_id()
        stop = self._stop = threading.Event()
        self._map_cells.run(text, flags, cell_id, self._answered_text(), stop)

    def _cell_id(self) -> str | None:
        """Return the id that the running cell has in the notebook."""
        return self._session.place(frontend.execution(self._shell))

    def _answered_text(self) -> str | None:
        """Return the text of the running cell by which a later edit is noticed. None if the cell is unknown."""
        return answered_text(self.recorder.source) if self.recorder.source else None

    @property
    def _document(self) -> Document | None:
        """The notebook as it is known."""
        return self._session.notebook.document if self._session.notebook else None

    def _content(
        self, text: str, visible_cells: Sequence[CellRun], parts: Sequence[Block], limit: int | None
    ) -> list[Block]:
        content = [*parts, {"type": "text", "text": text.rstrip("\n")}]
        limit = self._session.settings.value("sees_limit") if limit is None else limit
        if cells := notebook_context.format_cells(visible_cells, limit):
            content.insert(0, {"type": "text", "text": cells})
        return content

    def _visible_cells(self, sees: str | int, thread: str, cell_id: str | None) -> Sequence[CellRun]:
        """Return the code cells that `--sees` selects for a prompt in this cell."""
        if sees in ("none", 0):
            return []
        with_text = self._session.settings.value("sees_text")
        above = notebook_context.cells_above(
            self._document, self._cells_run(), cell_id, with_images=True, with_text=with_text
        )
        prompts = [turn.cell_id for turn in self._session.history.context_turns(thread, cell_id)]
        if None in prompts:
            prompts += [cell.id for cell in above if cell.is_prompt]
        new = notebook_context.cells_since_prompt(above, filter(None, prompts))
        return notebook_context.select_last(new, sees) if isinstance(sees, int) else new

    def _with_images(self, cells: Sequence[CellRun], model: str | None) -> tuple[Sequence[CellRun], list[str]]:
        """Add the images of outputs if the model takes images; else leave out those of text cells, and say so."""
        name = self._session.effective_model(model)
        if takes_images(name):
            return [cell.with_images() for cell in cells], []
        count = sum(len(cell.images) for cell in cells)
        if not count:
            return cells, []
        were = "was" if count == 1 else "were"
        note = f"{counted(count, 'image')} of text cells {were} not sent: {name} does not take images."
        with_text = self._session.settings.value("sees_text")
        return [replace(cell, images=()) for cell in cells if with_text or not cell.images], [note]

    def _builtin_tools(self) -> Mapping[str, Tool]:
        path = current_path(self._session.notebook, frontend.notebook_path(self._shell))
        folder = folder_of(self._session.settings.value("tools_folder"), path)
        page = self.shown_cells if self._document is not None else None
        update = self._page.current_cells.update
        return builtin_tools(self._shell.user_ns, folder, self._other_cells, self._shell, page, self._turn, update)

    def _new_turn(self, edits: str, cell_id: str | None, fixes: ShownCell | None) -> TurnChanges:
        options: dict[str, Any] = {"turn": new_id(), "edits": edits, "own_cell": cell_id}
        fix = FixRounds(fixes.cell.id) if fixes else None
        turn = TurnChanges(self._page.changes, self.shown_cells, end_run=self._runs.end, fix=fix, **options)
        if fixes:
            turn.see(fixes)
        return turn

    def shown_cells(self) -> list[ShownCell]:
        """Return the cells of the notebook as it is known."""
        return shown_cells(self._document, self._cells_run())

    def _other_cells(self) -> Sequence[CellRun]:
        return notebook_context.other_cells(self._document, self._cells_run(), self._cell_id())

    def _cells_run(self) -> dict[str, CellRun]:
        """Return the cells that ran in this kernel, by the id that they have in the notebook."""
        return {self._session.cells.id_of(id_): cell for id_, cell in self.recorder.cells.items()}


def _check_source(source: str, text: str) -> None:
    """Raise `UsageError` if running the cell would not send exactly one prompt."""
    if repeating := repeating_magic(source):
        raise UsageError(f"%%{repeating} would send the prompt many times. Nothing was sent.", "Use %%time.")
    if line := second_magic(text):
        raise UsageError(
            f"Line {line} of the prompt starts another {MAGIC} prompt. Nothing was sent.",
            "Move it to a cell of its own. To send the line as text, enclose it in a ``` block.",
        )


def _show_request(prompt: PreparedPrompt) -> None:
    print(folded_request(prompt.body))
    plan = prompt.plan
    first = [f"{counted(len(plan.covered), 'turn')} would be summarized first."] if plan else []
    for note in [f"Nothing was sent. The request: {prompt.size}.", *first, *prompt.turn_notes, *prompt.notes]:
        print(escape_controls(note))
