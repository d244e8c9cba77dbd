"""A page that makes the changes which the kernel sends, as the extension does, and decides about those it is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.kernel.background_page import Page
from tests.kernel.conftest import Kernel

Change = dict[str, Any]


def accept(_change: Change) -> dict[str, Any] | None:
    """Accept every change."""
    return {"state": "accepted"}


def reject(_change: Change) -> dict[str, Any] | None:
    """Reject every change."""
    return {"state": "rejected", "reason": "Not like this."}


def wait(_change: Change) -> dict[str, Any] | None:
    """Decide nothing yet."""
    return None


class ChangingPage(Page):
    """The page. `decide` returns what the person does with a change, and `seen` has all changes that arrived."""

    def __init__(self, kernel: Kernel, **sources: str) -> None:
        self.seen: list[Change] = []
        self.settled: list[str] = []
        self.replaced: list[Any] = []
        self.decide: Callable[[Change], dict[str, Any] | None] = accept
        self.answers: list[bool] = []
        self.acts_late = False
        self.refuses_runs = False
        self.before_run: Callable[[], None] = lambda: None
        self._runs: dict[str, Change] = {}
        super().__init__(kernel, **sources)

    def of(self, kind: str) -> list[Change]:
        return [each for each in self.seen if each["kind"] == kind]

    def connect_again(self) -> None:
        """Describe the notebook as a page does that was opened again."""
        self._front_end.sent = {}
        self.describe([], since=0.0)

    def tell(self, change: Change, state: str, reason: str = "", **more: Any) -> bool:
        """Send what became of a change, and return whether the kernel takes it."""
        message = {"type": "change", "change": change["id"], "state": state, "reason": reason, **more}
        self.answers.append(bool(self.kernel.request(message)["received"]))
        return self.answers[-1]

    def finish(self, change: Change, decision: dict[str, Any]) -> bool:
        """Make a change as it was decided, and tell the kernel."""
        more = dict(decision)
        if more["state"] == "accepted":
            more |= self._make(change, more.get("source", change.get("after")))
        return self.tell(change, **more)

    def _receive(self, message: dict[str, Any]) -> None:
        super()._receive(message)
        data = message["content"].get("data") if message["msg_type"] == "comm_msg" else None
        if isinstance(data, dict):
            self.settled += data.get("settled", [])
            self.replaced += data.get("outputs", {}).values()
            for change in data.get("changes", []):
                self.seen.append(change)
                if not self.acts_late:
                    self.act(change)
        run = self._runs.get(message["parent_header"].get("msg_id", ""))
        if run and message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            del self._runs[message["parent_header"]["msg_id"]]
            outputs = [_output(each) for each in self.outputs[run["cell"]]]
            failed = any(each["output_type"] == "error" for each in outputs)
            self.tell(run, "failed" if failed else "ended", outputs=outputs, execution_count=7)

    def act(self, change: Change) -> None:
        """Make a change, or propose it."""
        current = self.sources.get(change["cell"])
        if "before" in change and current != change["before"]:
            self.tell(change, "refused", "The text of the cell is another one.", source=current or "")
        elif change["kind"] == "run" and self.refuses_runs:
            self.tell(change, "running")
            self.tell(change, "refused", "A cell waits for input.", source=current)
        elif change["kind"] == "run":
            self.before_run()
            self.tell(change, "running")
            self.start(change["cell"])
            self._runs[next(reversed(self._requests))] = change
        elif not change["ask"]:
            self.finish(change, {"state": "accepted"})
        else:
            self.tell(change, "proposed")
            if decision := self.decide(change):
                self.finish(change, decision)

    def _make(self, change: Change, after: str | None) -> dict[str, Any]:
        cell = change["cell"]
        if change["kind"] == "delete":
            source = self.sources.pop(cell)
            return {"content": {"cell_type": "code", "id": cell, "source": source, "metadata": {}, "outputs": []}}
        source = self.sources.get(cell, "") if change["kind"] == "move" else after or ""
        self.outputs.setdefault(cell, [])
        self.turn_messages.setdefault(cell, [])
        if change["kind"] == "edit":
            self.sources[cell] = source
        else:
            others = [(id_, text) for id_, text in self.sources.items() if id_ != cell]
            ids = [id_ for id_, _ in others]
            others.insert(0 if change["place"] is None else ids.index(change["place"]) + 1, (cell, source))
            self.sources = dict(others)
        return {"source": source}


def _output(output: dict[str, Any]) -> dict[str, Any]:
    if "ename" in output:
        return {"output_type": "error", "traceback": [], **output}
    if "text" in output:
        return {"output_type": "stream", "name": "stdout", "text": output["text"]}
    return {"output_type": "display_data", "metadata": {}, "data": output["data"]}
