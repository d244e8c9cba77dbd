"""Import what the first prompt needs while the user types, in a thread that makes way for every cell.

The SDK alone takes about a second to import. Between two modules the thread waits as long as a cell runs, unless that
cell needs one of the modules: then another thread waits for the lock of an import, and the import continues.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mm_magics.ipython.frontend import FrontEnd

POLL_S = 0.01
"""How often a waiting import looks whether the cell ended or needs it."""

MAX_PAUSE_S = 60.0
"""How long a cell can delay the import, so that no lock that a module takes can block a cell forever."""


class _Loader(SourceFileLoader):
    """Loads a module of the thread: it calls `wait` before it runs the module's code."""

    wait: Callable[[], None]

    def exec_module(self, module: ModuleType) -> None:
        self.wait()
        super().exec_module(module)


class BackgroundImport:
    """Runs the imports of `load` when the next cell ended, in the pauses between cells."""

    def __init__(self, shell: Any, load: Callable[[], None]) -> None:
        self._shell, self._load = shell, load
        self._may_run = threading.Event()
        self._collects = True
        self._thread = threading.Thread(target=self._run, name="mm_magics import", daemon=True)
        shell.events.register("pre_run_cell", self._cell_begins)
        shell.events.register("post_run_cell", self._cell_ended)

    @property
    def is_done(self) -> bool:
        return self._thread.ident is not None and not self._thread.is_alive()

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Find a module for the thread, as an entry of `sys.meta_path`."""
        if threading.current_thread() is not self._thread:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
            spec.loader.wait = self._wait
        return spec

    def _cell_begins(self, _info: object) -> None:
        self._may_run.clear()
        if self.is_done:
            self._shell.events.unregister("pre_run_cell", self._cell_begins)
            self._shell.events.unregister("post_run_cell", self._cell_ended)

    def _cell_ended(self, _result: object) -> None:
        self._may_run.set()
        if self._thread.ident is None:
            self._thread.start()

    def _run(self) -> None:
        self._stop_collecting()  # the imports create objects that stay
        sys.meta_path.insert(0, self)
        try:
            with suppress(Exception):  # the first prompt has the same error, and reports it
                self._load()
        finally:
            with suppress(ValueError):  # a cell may have changed the list
                sys.meta_path.remove(self)
            self._collect_again()

    def _wait(self) -> None:
        """Wait until no cell runs. Of Python's locks the thread has only those of the modules that it is importing."""
        if self._may_run.is_set():
            return
        self._collect_again()
        end = time.monotonic() + MAX_PAUSE_S
        while not self._may_run.wait(POLL_S):
            if time.monotonic() > end or _an_import_waits(self._thread.ident):
                self._may_run.set()
        self._stop_collecting()

    def _stop_collecting(self) -> None:
        self._collects = gc.isenabled()
        gc.disable()

    def _collect_again(self) -> None:
        if self._collects:
            gc.enable()


def import_for_prompts(front_end: FrontEnd) -> None:
    """Import and prepare what the first prompt of this front end needs."""
    from mm_magics.endpoint.sdk import import_sdk

    import_sdk()
    import httpx2

    import mm_magics.endpoint.http_clients
    import mm_magics.ipython.code_cell
    import mm_magics.ipython.compare_cell
    import mm_magics.ipython.turn_output
    import mm_magics.ipython.turn_tools
    import mm_magics.prompt.attachments
    from mm_magics.history.turn import Turn

    httpx2.HTTPTransport(trust_env=False).close()  # the first one imports its library; proxies do not matter here

    if front_end in ("terminal", "console"):
        from mm_magics.display.terminal import console

        console()
    else:
        import mm_magics.display.page_view
        import mm_magics.display.text_fallback  # noqa: F401
        from mm_magics.display.page_output import read_sources

        read_sources()
    from mm_magics.display.mime_bundle import make_bundle

    make_bundle(
        Turn("main", "complete", "", [{"role": "user", "content": ""}, {"role": "assistant", "content": "*a*"}])
    )
    _import_for_completion()


def _import_for_completion() -> None:
    """Import what IPython needs to complete names in `{{ }}`: pages wait for one second only."""
    with suppress(ImportError):
        import jedi.api.completion  # noqa: F401


def _an_import_waits(importing: int | None) -> bool:
    """Return whether another thread waits until a module is imported."""
    return any(
        frame.f_code.co_filename == "<frozen importlib._bootstrap>" and frame.f_code.co_name == "acquire"
        for thread, frame in sys._current_frames().items()
        if thread != importing
    )
