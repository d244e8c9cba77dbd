"""The documentation says what the code does."""

from __future__ import annotations

import doctest
import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mm_magics import Session
from mm_magics.batch import rate_limit
from mm_magics.batch.engines import dask, sender
from mm_magics.config import MiniMax
from mm_magics.endpoint import error_hints, error_mapping, retries
from mm_magics.endpoint.client import MAX_MODEL_PAGE_BYTES, MAX_MODEL_PAGES
from mm_magics.endpoint.reader import MAX_RESPONSE_BYTES
from mm_magics.endpoint.sdk import CONNECT_TIMEOUT
from mm_magics.ipython import commands
from mm_magics.json_size import MAX_BYTES
from mm_magics.tools.builtin.catalogue import TOOL_NAMES, any_turn, builtin_tools
from tests.test_layers import LAYERS

ROOT = Path(__file__).parents[2]


def test_the_generated_reference_is_up_to_date():
    done = subprocess.run([sys.executable, "tools/reference", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_relative_links_lead_to_files():
    pages = {page: page.read_text("utf-8") for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]}
    pages[ROOT / "benchmarks/README.md"] = (ROOT / "benchmarks/README.md").read_text("utf-8")
    for notebook in ROOT.glob("notebooks/*.ipynb"):
        cells = json.loads(notebook.read_text("utf-8"))["cells"]
        pages[notebook] = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    assert len(pages) > 70
    for page, text in pages.items():
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_tools_page_lists_the_risk_of_each_built_in_tool():
    page = (ROOT / "docs/reference/tools.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (asks|runs) \| (.*) \|$", page, re.MULTILINE)
    tools = builtin_tools({}, Path(), tuple, page=tuple, turn=any_turn()).values()
    assert rows == [(tool.name, "asks" if tool.asks else "runs", tool.risk) for tool in tools]
    assert tuple(tool.name for tool in tools) == TOOL_NAMES


def test_the_rules_on_the_approval_page_are_valid_commands():
    page = (ROOT / "docs/how-to/approve-tool-calls.md").read_text("utf-8")
    lines = re.findall(r"^%minimax (tools.*)$", page, re.MULTILINE)
    session = Session()
    for line in lines:
        commands.run(commands.Context(session, SimpleNamespace(user_ns={})), line)
    assert len(lines) == 8
    assert list(session.rules) == []


EXAMPLES = {
    "docs/how-to/approve-tool-calls.md": 11,
    "docs/how-to/get-python-objects.md": 8,
    "docs/how-to/offer-functions.md": 10,
    "docs/how-to/run-a-prompt-over-rows.md": 21,
    "docs/explanation/large-map-runs.md": 10,
}


def test_every_page_with_examples_is_tested():
    pages = [page for page in ROOT.glob("docs/**/*.md") if ">>> " in page.read_text("utf-8")]
    assert sorted(page.relative_to(ROOT).as_posix() for page in pages) == sorted(EXAMPLES)


@pytest.mark.parametrize("page", EXAMPLES)
def test_the_examples_of_a_page_return_what_it_shows(page, endpoint, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", endpoint.base_url)
    monkeypatch.setenv("MINIMAX_API_KEY", endpoint.key)
    names: dict[str, object] = {"__name__": "docs"}
    test = doctest.DocTestParser().get_doctest((ROOT / page).read_text("utf-8"), names, page, page, 0)
    output: list[str] = []
    failed, tried = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=output.append, clear_globs=False)
    if "session" in test.globs:
        test.globs["session"].close()
    assert tried >= EXAMPLES[page]
    assert failed == 0, "".join(output)


def test_the_script_in_the_readme_runs(endpoint, monkeypatch, capsys):
    monkeypatch.setenv("ANTHROPIC_BASE_URL", endpoint.base_url)
    monkeypatch.setenv("MINIMAX_API_KEY", endpoint.key)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    script = next(block for block in blocks if "Session" in block)
    exec(compile(script, "README.md", "exec"), {})
    assert "TurnEnd" in capsys.readouterr().out
    assert [len(record.body["messages"]) for record in endpoint.log] == [1, 3]


def test_the_tests_named_on_the_reliability_page_exist():
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs/reference/reliability.md").read_text("utf-8"))
    assert len(named) > 15
    for path, name in named:
        assert f"\ndef {name}(" in (ROOT / path).read_text("utf-8"), f"{path}::{name}"


def test_the_limits_on_the_reliability_page_are_those_of_the_code():
    page = (ROOT / "docs/reference/reliability.md").read_text("utf-8")
    config = MiniMax()
    bounds = {
        "an answer's first event": f"| {config.timeout:g} s | `timeout`, `--timeout` |",
        "the whole": f"| {config.max_seconds:,.0f} s | `max_seconds` |",
        "the size": f"| {MAX_RESPONSE_BYTES // 1_000_000} MB |",
        "a refusal": (
            f"| {error_mapping.MAX_ERROR_BODY_S:g} s after its headers, "
            f"{error_mapping.MAX_ERROR_BODY_BYTES // 1_000_000} MB unpacked; "
        ),
        "the list of models": f"{MAX_MODEL_PAGES} pages of {MAX_MODEL_PAGE_BYTES // 1_000_000} MB |",
        "a connection": f"| {CONNECT_TIMEOUT:g} s, or half of `timeout`",
        "a tool": f"| {config.tool_timeout:g} s a call, {config.max_rounds} rounds a turn |",
        "tries": f"| `max_retries`, {config.max_retries} |",
        "pauses": (
            f"| {retries.FIRST_BACKOFF_S:g} s, then doubled up to {retries.MAX_BACKOFF_S:g} s, "
            "or the value of `Retry-After` |"
        ),
        "the longest pause": f"is reported instead of waited for | {retries.MAX_WAIT_S:g} s |",
    }
    assert [what for what, row in bounds.items() if row not in page] == []


def test_the_limits_on_the_many_prompts_page_are_those_of_the_code():
    page = " ".join((ROOT / "docs/how-to/run-a-prompt-over-rows.md").read_text("utf-8").split())
    bounds = [
        f"| `concurrency` | {MiniMax().concurrency} | concurrent calls, up to {rate_limit.MAX_CONCURRENCY:,} |",
        f"| `max_retries` | {MiniMax().max_retries} |",
        f"`{MiniMax().store}`",
        f"{sender.FIRST_ANSWER_TOKENS} tokens if none is stored",
        f"or {sender.MAX_FAILURES} failures without a single answer",
        f"an answer larger than {MAX_BYTES // 1_000_000} MB is an error",
        f"chunks of {dask.REQUESTS_PER_CALL} requests",
    ]
    assert [each for each in bounds if each.lower() not in page.lower()] == []
    assert (rate_limit.FIRST_PAUSE_S, retries.MAX_WAIT_S, rate_limit.PATIENCE_S, dask.NO_WORKERS_S) == (
        1.0,
        60.0,
        600.0,
        60.0,
    )
    assert error_hints.FATAL_STATUSES == (401, 402, 403, 404, 405, 407)
    assert error_hints.THROTTLED_STATUSES == (429, 529)


def test_the_places_named_on_the_architecture_page_exist():
    page = (ROOT / "docs/architecture.md").read_text("utf-8")
    named = re.findall(r"`((?:mm_magics|labextension|tests)/[\w./-]+)`", page)
    assert len(named) > 25
    assert [place for place in named if not (ROOT / place).exists()] == []


def test_the_layers_on_the_architecture_page_are_those_of_the_code():
    page = (ROOT / "docs/architecture.md").read_text("utf-8")
    drawn = dict(re.findall(r'^    (\w+)\["([\w/, ]+)(?:<br/>.*)?"\]$', page, re.MULTILINE))
    order = re.search(r"^    (cli(?: --> \w+)+)$", page, re.MULTILINE)
    assert order
    names = [name.strip(" /") for node in reversed(order[1].split(" --> ")) for name in drawn[node].split(",")]
    assert sorted([*names, "simulator", "__init__"]) == sorted(name for layer in LAYERS for name in layer)
    heights = [next(height for height, layer in enumerate(LAYERS) if name in layer) for name in names]
    assert heights == sorted(heights)
