"""Frames in a real Chromium while 1 MB of Markdown streams into a page, and whether the page stays usable.

The page (`frames.html`) is fed by its own worker and measures itself; this module only presses a button, as real input.
If no Chromium can be started, every measurement is "not measured" and its limit is exceeded.
"""

from __future__ import annotations

import math
import shutil
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Error, Playwright, Route, sync_playwright

from benchmarks.endpoint import EndpointProcess
from benchmarks.measurements import Measurement
from benchmarks.texts import markdown
from mm_magics.display.page_view import FLUSHES_PER_S

ROOT = Path(__file__).parents[1]
FILES = {
    "/": ROOT / "benchmarks" / "frames.html",
    "/runtime.js": ROOT / "mm_magics" / "display" / "static" / "runtime.js",
    "/marked.js": ROOT / "labextension" / "node_modules" / "marked" / "lib" / "marked.umd.js",
}
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]

CHARACTERS = 1_000_000
RATE = 1_000
SIZE = 50
LONG_MS = 20.0
REFERENCE_S = 8
PRESSES_EVERY_MS = 300


@dataclass(frozen=True)
class Renderer:
    """A way to show the stream.

    `every`: the deltas of so many ms are one message (0: one message per delta). `follow`: the page scrolls along.
    """

    name: str
    kind: str
    every: float = 0.0
    follow: bool = False

    @property
    def ours(self) -> bool:
        return self.kind == "widget"


RENDERERS = (
    Renderer("1 MB at 1,000 deltas/s, one message per delta", "widget"),
    Renderer(
        f"1 MB at 1,000 deltas/s, {FLUSHES_PER_S} messages/s, scrolling along", "widget", 1000 / FLUSHES_PER_S, True
    ),
    Renderer("the same page, showing nothing", "nothing"),
    Renderer("the same as one plain text node", "pre"),
    Renderer("the same as innerHTML of everything", "innerHTML", 1000 / FLUSHES_PER_S),
)


def measure(_endpoint: EndpointProcess) -> Iterator[Measurement]:
    with sync_playwright() as playwright:
        try:
            browser = _launch(playwright)
        except Error as error:
            reason = f"no Chromium could be started (tools/chromium installs one): {error.message.splitlines()[0]}"
            for renderer in RENDERERS:
                if renderer.ours:
                    yield from _measurements(renderer, None, reason)
            return
        for renderer in RENDERERS:
            yield from _measurements(
                renderer, _observe(browser, renderer), f"Chromium {browser.version.partition('.')[0]}"
            )
        browser.close()


def _launch(playwright: Playwright) -> Browser:
    executable = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    return playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)


def _measurements(renderer: Renderer, seen: dict[str, Any] | None, note: str) -> Iterator[Measurement]:
    """Return the measurements of one renderer; for the references, only the frames."""
    frames = seen["frames"] if seen else []
    long = 100 * sum(each >= LONG_MS for each in frames) / len(frames) if frames else math.nan
    if seen:
        note = f"of {len(frames):,}; worst {max(frames):.0f} ms; {_press_times(seen['presses'])}; {note}"
    yield Measurement(
        f"{renderer.name}: frames of 20 ms or more", long, 5.0 if renderer.ours else None, "{:.1f} %", note
    )
    if not renderer.ours:
        return
    presses = seen["presses"] if seen else [math.nan]
    details = f"median {statistics.median(presses):.0f} ms of {len(presses)}" if seen else ""
    yield Measurement(f"{renderer.name}: slowest button press", max(presses), 200, "{:.0f} ms", details)
    touched, complete = (seen["touched"], f"{seen['complete']:,} blocks") if seen else (math.nan, "")
    yield Measurement(f"{renderer.name}: changes in finished blocks", touched, 0, "{:.0f}", complete)
    if not renderer.follow:
        lost = float(seen["selected"] != seen["selected_before"]) if seen else math.nan
        yield Measurement(f"{renderer.name}: selections lost", lost, 0, "{:.0f}")
    behind = seen["behind"] if seen else math.nan
    yield Measurement(f"{renderer.name}: drawn after the last message", behind, form="{:.0f} ms")


def _press_times(presses: list[float]) -> str:
    return f"a press {statistics.median(presses):.0f} ms, worst {max(presses):.0f} ms" if presses else "no press shown"


def _observe(browser: Browser, renderer: Renderer) -> dict[str, Any]:
    """Run a renderer in its own page, pressing the page's button repeatedly."""
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    page.route("**/*", _serve)
    page.goto("http://frames.test/")
    length = CHARACTERS if renderer.ours else REFERENCE_S * RATE * SIZE
    feed = {"way": renderer.kind, "every": renderer.every, "follow": renderer.follow, "rate": RATE, "size": SIZE}
    page.evaluate("(feed) => { window.ran = run(feed); }", {**feed, "text": markdown(length)})
    selected = ""
    if renderer.ours and not renderer.follow:
        page.wait_for_timeout(1_000)
        page.locator("#root p").first.click(click_count=3)
        selected = page.evaluate("() => getSelection().toString()")
    while not page.evaluate("() => window.over"):
        page.mouse.click(20, 10)
        page.wait_for_timeout(PRESSES_EVERY_MS)
    seen: dict[str, Any] = page.evaluate("() => window.ran")
    page.close()
    if seen["taken"] != length or (
        renderer.ours and (seen["shown"] < 0.9 * length or not (selected or renderer.follow))
    ):
        raise RuntimeError(
            f"{renderer.name}: {seen['taken']:,} of {length:,} characters arrived, {seen['shown']:,} were shown"
        )
    return {**seen, "selected_before": selected}


def _serve(route: Route) -> None:
    route.fulfill(path=FILES[urlsplit(route.request.url).path])
