"""Frames in a real Chromium while 1 MB of Markdown streams into a page, and whether the page stays usable meanwhile.

Always true: the page (`frames.html`) is fed by a worker of its own and watches itself; from here come only the presses,
as real input. Where no Chromium can be started every figure says "not measured", and counts as not held.
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
from benchmarks.figures import Figure
from benchmarks.texts import markdown
from mm_magics.display.widget import FLUSHES_PER_S

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
class Way:
    """A way to show what comes. `every`: collected for so many ms (0: a delta is a message); `follow`: scrolled."""

    name: str
    shown: str
    every: float = 0.0
    follow: bool = False

    @property
    def ours(self) -> bool:
        return self.shown == "widget"


WAYS = (
    Way("1 MB at 1,000 deltas/s, a message each", "widget"),
    Way(f"1 MB at 1,000 deltas/s, {FLUSHES_PER_S} messages/s, scrolling along", "widget", 1000 / FLUSHES_PER_S, True),
    Way("the same page, showing nothing", "nothing"),
    Way("the same as one plain text node", "pre"),
    Way("the same as innerHTML of everything", "innerHTML", 1000 / FLUSHES_PER_S),
)


def measure(_endpoint: EndpointProcess) -> Iterator[Figure]:
    with sync_playwright() as playwright:
        try:
            browser = _launched(playwright)
        except Error as error:
            why = f"no Chromium could be started (tools/chromium gets one): {error.message.splitlines()[0]}"
            for way in WAYS:
                if way.ours:
                    yield from _figures(way, None, why)
            return
        for way in WAYS:
            yield from _figures(way, _seen(browser, way), f"Chromium {browser.version.partition('.')[0]}")
        browser.close()


def _launched(playwright: Playwright) -> Browser:
    executable = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    return playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)


def _figures(way: Way, seen: dict[str, Any] | None, note: str) -> Iterator[Figure]:
    """What was seen of one way; of the references the frames alone."""
    frames = seen["frames"] if seen else []
    long = 100 * sum(each >= LONG_MS for each in frames) / len(frames) if frames else math.nan
    if seen:
        note = f"of {len(frames):,}; worst {max(frames):.0f} ms; {_pressed(seen['presses'])}; {note}"
    yield Figure(f"{way.name}: frames of 20 ms or more", long, 5.0 if way.ours else None, "{:.1f} %", note)
    if not way.ours:
        return
    presses = seen["presses"] if seen else [math.nan]
    middle = f"median {statistics.median(presses):.0f} ms of {len(presses)}" if seen else ""
    yield Figure(f"{way.name}: a press of a button is shown, the worst", max(presses), 200, "{:.0f} ms", middle)
    touched, complete = (seen["touched"], f"{seen['complete']:,} blocks") if seen else (math.nan, "")
    yield Figure(f"{way.name}: changes in finished blocks", touched, 0, "{:.0f}", complete)
    if not way.follow:
        lost = float(seen["selected"] != seen["wanted"]) if seen else math.nan
        yield Figure(f"{way.name}: selections lost", lost, 0, "{:.0f}")
    behind = seen["behind"] if seen else math.nan
    yield Figure(f"{way.name}: all of it drawn after the last message", behind, form="{:.0f} ms")


def _pressed(presses: list[float]) -> str:
    return f"a press {statistics.median(presses):.0f} ms, worst {max(presses):.0f} ms" if presses else "no press shown"


def _seen(browser: Browser, way: Way) -> dict[str, Any]:
    """Run it in a page of its own, pressing the page's button all the while."""
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    page.route("**/*", _serve)
    page.goto("http://frames.test/")
    length = CHARACTERS if way.ours else REFERENCE_S * RATE * SIZE
    how = {"way": way.shown, "every": way.every, "follow": way.follow, "rate": RATE, "size": SIZE}
    page.evaluate("(how) => { window.ran = run(how); }", {**how, "text": markdown(length)})
    wanted = ""
    if way.ours and not way.follow:
        page.wait_for_timeout(1_000)
        page.locator("#root p").first.click(click_count=3)
        wanted = page.evaluate("() => getSelection().toString()")
    while not page.evaluate("() => window.over"):
        page.mouse.click(20, 10)
        page.wait_for_timeout(PRESSES_EVERY_MS)
    seen: dict[str, Any] = page.evaluate("() => window.ran")
    page.close()
    if seen["taken"] != length or (way.ours and (seen["shown"] < 0.9 * length or not (wanted or way.follow))):
        raise RuntimeError(f"{way.name}: {seen['taken']:,} of {length:,} characters came, {seen['shown']:,} were shown")
    return {**seen, "wanted": wanted}


def _serve(route: Route) -> None:
    route.fulfill(path=FILES[urlsplit(route.request.url).path])
