"""A real JupyterLab in a real Chromium, its kernels talking to a simulator over HTTP."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import nbformat
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Playwright, expect, sync_playwright

from mm_magics.history.turn import MIME_TYPE
from mm_magics.simulator import Simulator
from tests import forked_kernels
from tests.canary import in_files, places

PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)
AXE = Path(__file__).parents[2] / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
READY = """async () => {
  const app = window.jupyterapp;
  if (!app) return false;
  await app.restored;
  const panel = app.shell.currentWidget;
  if (!panel?.context) return false;
  await panel.context.ready;
  await panel.sessionContext.ready;
  const kernel = panel.sessionContext.session?.kernel;
  return kernel?.connectionStatus === 'connected' && kernel?.status === 'idle';
}"""
# What JupyterLab does in a moment or in the next frame has happened. A page behind another one draws no frames.
SETTLED = """async () => {
  for (let count = 0; count < 2; count++) {
    await new Promise((done) => setTimeout(done));
    await Promise.race([new Promise(requestAnimationFrame), new Promise((done) => setTimeout(done, 500))]);
  }
}"""
RAN = f"""async () => {{
  const late = new Promise((_, fail) => setTimeout(() => fail(new Error('the cell did not end')), 120_000));
  await Promise.race([window.ran, late]);
  await ({SETTLED})();
}}"""
# Whether no output shows a turn as it streams or as far as a page saved it while it did.
FINAL = """(type) => window.jupyterapp?.shell.currentWidget?.content?.model?.toJSON().cells.every((cell) =>
  (cell.outputs ?? []).every(({ data = {}, metadata = {} }) => {
    const isRunning = 'application/vnd.jupyter.widget-view+json' in data;
    return !(type in data) || (!isRunning && [undefined, 'gone'].includes(metadata[type]?.partial));
  })
)"""
PRINTED = """(number) => window.jupyterapp.shell.currentWidget.content.model.toJSON().cells[number].outputs
  .map(({ text }) => [text ?? ''].flat().join('')).join('')"""
RESTART = "async () => { await window.jupyterapp.shell.currentWidget.sessionContext.restartKernel(); }"
ANIMATED = """() => document.getAnimations().some(({ effect, playState }) =>
  playState === 'running' && effect.getComputedTiming().iterations !== Infinity)"""
OPEN = """async (path) => { await window.jupyterapp.commands.execute('docmanager:open', { path }); }"""
CLOSE = """async () => {
  while (!window.jupyterapp) await new Promise((done) => setTimeout(done, 50));
  await window.jupyterapp.restored;
  for (const panel of [...window.jupyterapp.shell.widgets('main')]) {
    await panel.sessionContext?.shutdown().catch(() => {});  // the kernel may be gone
    panel.dispose();
  }
}"""
THEME = """async (theme) => {
  if (document.body.dataset.jpThemeName === theme) return;
  await window.jupyterapp.commands.execute('apputils:change-theme', { theme });
  while (document.body.dataset.jpThemeName !== theme) await new Promise((done) => setTimeout(done, 50));
}"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests, and keep those of a file on one worker: each worker has its own servers and browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.xdist_group(f"browser {item.path.name}"))


@pytest.fixture(scope="session")
def browser() -> Iterator[BrowserContext]:
    """One browser whose pages share a cache, so JupyterLab is loaded once."""
    with sync_playwright() as playwright:
        try:
            browser = launch(playwright)
        except Exception as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"no Chromium could be started, so the browser tests were not run: {error}")
        context = browser.new_context(color_scheme="light")
        context.set_default_timeout(PATIENCE_MS)
        yield context
        browser.close()


def launch(playwright: Playwright) -> Browser:
    """Start the installed Chromium, or else Playwright's."""
    executable = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    return playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)


@pytest.fixture(scope="session", autouse=True)
def _quick_start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with forked_kernels.preload(tmp_path_factory.mktemp("kernels")):
        yield


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    with Simulator() as endpoint:
        yield endpoint


@pytest.fixture(autouse=True)
def _unused_answers(simulator: Simulator) -> Iterator[None]:
    """Drop the scripted answers that a test that failed has not used: the next test would get them."""
    yield
    simulator.answers.clear()


PATIENT = f"""import mm_magics.display.text_fallback
mm_magics.display.text_fallback.WAIT_S = {PATIENCE_MS / 1000}
del mm_magics
"""
"""Run by each kernel: on a busy machine a page takes longer than a second to draw its first widget."""

APPS = {
    "lab": ("jupyterlab", "LabApp", "lab/tree"),
    "notebook": ("notebook", "JupyterNotebookApp", "notebooks"),
}


class Lab:
    """A running JupyterLab or Notebook 7. Notebooks live in `folder`, and are opened below `url`/`tree`.

    `page` is where JupyterLab shows one notebook after the other: to open a page takes longer than most tests.
    """

    page: Page | None = None

    def __init__(
        self, folder: Path, endpoint: Simulator, disabled: tuple[str, ...], app: str, python: str = sys.executable
    ) -> None:
        self.folder, self.simulator = folder, endpoint
        folder.mkdir()
        module, trait, self.tree = APPS[app]
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        config = folder.parent / "config"
        (config / "lab").mkdir(parents=True)
        (config / "labconfig").mkdir()
        off = ("@jupyterlab/apputils-extension:announcements", "nbdime-jupyterlab", *disabled)
        quiet = {"disabledExtensions": dict.fromkeys(off, True)}
        (config / "labconfig" / "page_config.json").write_text(json.dumps(quiet))
        startup = config / "ipython" / "profile_default" / "startup"
        startup.mkdir(parents=True)
        (startup / "patient.py").write_text(PATIENT)
        environment = {
            **os.environ,
            "ANTHROPIC_BASE_URL": endpoint.base_url,
            "ANTHROPIC_API_KEY": endpoint.key,
            "JUPYTER_CONFIG_DIR": str(config),
            "JUPYTERLAB_SETTINGS_DIR": str(config / "lab"),
            "IPYTHONDIR": str(config / "ipython"),
        }
        options = [
            f"--ServerApp.port={port}",
            "--ServerApp.token=",
            "--ServerApp.password=",
            "--ServerApp.open_browser=False",
            "--ServerApp.allow_root=True",
            f"--ServerApp.root_dir={folder}",
            f"--{trait}.expose_app_in_browser=True",
        ]
        self._log = (folder.parent / "server.log").open("w")
        command = [python, "-m", module, *options]
        self._process = subprocess.Popen(
            command, cwd=folder.parent, env=environment, stdout=self._log, stderr=self._log
        )
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.url}/api", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        self.close()
        raise RuntimeError((self.folder.parent / "server.log").read_text()[-2000:])

    def close(self) -> None:
        """Stop the server, and kill it if it is too busy to stop in time: kernels exit when their parent is gone."""
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> Iterator[Lab]:
    yield from _server(tmp_path_factory.mktemp("lab"), simulator)


@pytest.fixture(scope="session")
def lab_without_plugin(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> Iterator[Lab]:
    yield from _server(tmp_path_factory.mktemp("bare"), simulator, disabled=("mm-magics",))


@pytest.fixture(scope="session")
def notebook7(tmp_path_factory: pytest.TempPathFactory, simulator: Simulator) -> Iterator[Lab]:
    yield from _server(tmp_path_factory.mktemp("seven"), simulator, app="notebook")


def _server(home: Path, endpoint: Simulator, *, disabled: tuple[str, ...] = (), **options: str) -> Iterator[Lab]:
    server = Lab(home / "notebooks", endpoint, disabled, **{"app": "lab", **options})
    yield server
    server.close()


class Notebook:
    """One notebook, open in one page. Cells are numbered from 0."""

    def __init__(self, page: Page, path: Path, simulator: Simulator | None = None) -> None:
        self.page, self.path, self.simulator = page, path, simulator

    def run(self, number: int, *, wait: bool = True) -> None:
        """Run the cell and, by default, wait until it has finished."""
        self.page.evaluate(
            """async (number) => {
              const app = window.jupyterapp, notebook = app.shell.currentWidget.content;
              notebook.activeCellIndex = number;
              notebook.deselectAll();
              window.ran = app.commands.execute('notebook:run-cell');
            }""",
            number,
        )
        if wait:
            self.wait()

    def wait(self) -> None:
        """Wait until the last cell has finished. A cell that never ends fails only its own test."""
        self.page.evaluate(RAN)

    def let_end(self) -> None:
        """Let the answers that stream arrive at once."""
        assert self.simulator
        self.simulator.hurry()

    def final(self) -> None:
        """Wait until each turn in the notebook has its final output, and it is drawn."""
        self.page.wait_for_function(FINAL, arg=MIME_TYPE)
        self.page.evaluate(SETTLED)

    def restart(self) -> None:
        """Restart the kernel."""
        self.page.evaluate(RESTART)
        ready(self.page)

    def reload(self, wait_until: Literal["load", "commit"] = "load") -> None:
        """Reload the page with only this notebook open."""
        self.page.goto(f"{self.page.url.partition('?')[0]}?reset", wait_until=wait_until)

    def output(self, number: int) -> Locator:
        return self.page.locator(".jp-Notebook .jp-Cell").nth(number).locator(".jp-OutputArea").first

    def printed(self, number: int) -> str:
        """What the cell has printed."""
        return str(self.page.evaluate(PRINTED, number))

    def evaluate(self, expression: str) -> Any:
        return self.page.evaluate(expression)

    def save(self) -> Any:
        """Save the notebook and return the saved file."""
        self.page.evaluate("async () => { await window.jupyterapp.commands.execute('docmanager:save'); }")
        return nbformat.read(self.path, as_version=4)

    def violations(self, selector: str) -> list[str]:
        """What axe finds in the nodes of that selector, once their transitions have ended."""
        self.page.wait_for_function(f"() => !({ANIMATED})()")
        self.page.add_script_tag(path=str(AXE))
        found = self.page.evaluate("async (selector) => (await axe.run(selector)).violations", selector)
        return [f"{each['id']}: {node['html'][:120]}" for each in found for node in each["nodes"]]

    def screenshot(self, path: Path) -> None:
        self.page.screenshot(path=str(path))


@pytest.fixture
def open_notebook(browser: BrowserContext, lab: Lab, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A function that writes a notebook with code cells and opens it. Pages are closed at the end."""
    yield from _opener(browser, lab, request)


@pytest.fixture
def open_without_plugin(
    browser: BrowserContext, lab_without_plugin: Lab, request: pytest.FixtureRequest
) -> Iterator[Any]:
    """Like `open_notebook`, in a JupyterLab where the extension is disabled."""
    yield from _opener(browser, lab_without_plugin, request)


@pytest.fixture
def open_in_notebook7(browser: BrowserContext, notebook7: Lab, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Like `open_notebook`, in Notebook 7."""
    yield from _opener(browser, notebook7, request)


def _opener(browser: BrowserContext, lab: Lab, request: pytest.FixtureRequest) -> Iterator[Any]:
    own: list[Page] = []
    count = 0

    def opened(
        *sources: str,
        theme: str = "JupyterLab Light",
        name: str = "",
        width: int = 1100,
        height: int = 900,
        fresh: bool = False,
        has_ids: bool = True,
    ) -> Notebook:
        nonlocal count
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
        path = lab.folder / f"{name or request.node.name}-{count}.ipynb"
        count += 1
        made = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
        if not has_ids:
            made.nbformat_minor = 4
            for cell in made.cells:
                del cell["id"]
        nbformat.write(made, path)
        page = _page_of(browser, lab, path.name, fresh)
        if page is not lab.page:
            own.append(page)
        page.set_viewport_size({"width": width, "height": height})
        ready(page)
        page.evaluate(THEME, theme)
        page.evaluate("() => window.jupyterapp.shell.collapseLeft?.()")
        return Notebook(page, path, lab.simulator)

    yield opened
    shown = [each for each in (lab.page, *own) if each is not None and not each.is_closed()]
    assert places("".join(page.content() for page in shown), simulators=True) == [], "the page contains a key"
    assert in_files(lab.folder.glob("*.ipynb"), simulators=True) == []
    for page in own:
        page.evaluate(CLOSE)
        page.close()


def _page_of(browser: BrowserContext, lab: Lab, name: str, fresh: bool) -> Page:
    """A page that shows only this notebook: the page that the tests share, or a new one."""
    if lab.page and not fresh:
        lab.page.bring_to_front()  # a page behind another one draws no frames
        lab.page.evaluate(CLOSE)
        lab.page.evaluate(OPEN, name)
        return lab.page
    page = browser.new_page()
    # JupyterLab gives a second page of the same workspace another workspace.
    tree = lab.tree.replace("lab/tree", "lab/workspaces/fresh/tree") if fresh else lab.tree
    page.goto(f"{lab.url}/{tree}/{name}?reset")
    if lab.tree == "lab/tree" and not fresh:
        lab.page = page
    return page


def eventually(probe: Callable[[], Any], expected: Any = True) -> None:
    """Wait until `probe` returns what is expected."""
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while (found := probe()) != expected and time.monotonic() < deadline:
        time.sleep(0.1)
    assert found == expected


def ready(page: Page) -> None:
    """Wait until the page's notebook and its kernel are."""
    deadline = time.monotonic() + 60
    while not page.evaluate(READY):
        if time.monotonic() > deadline:
            raise TimeoutError("JupyterLab did not get ready.")
        time.sleep(0.1)


@pytest.fixture
def logged(simulator: Simulator) -> Any:
    """A function that returns the bodies of the requests for an answer that the simulator received in this test."""
    before = len(simulator.log)
    return lambda: [json.loads(json.dumps(record.body)) for record in list(simulator.log)[before:] if record.body]
