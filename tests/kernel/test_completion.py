"""Tab and Shift-Tab in a prompt cell: what a front end asks the kernel, and what it then replaces or shows."""

from __future__ import annotations

import re

import pytest

NAMES = """
import math
class Account:
    '''An account of a customer.'''
    balance_total = 3
    owner = "Ada"
account_of_ada = Account()
größe = 1
table = {"größter wert": 1, "b": 2}
def look_up(word: str) -> str:
    '''Look a word up.'''
    return word
def _hidden(): pass
servers = get_ipython().magics_manager.registry["MiniMaxMagics"].session.servers
if "files" not in servers.names:
    servers.add("files", ["false"])
"""


def at_cursor(text: str) -> tuple[str, int]:
    """Return the text without its `|`, and where that was."""
    return text.replace("|", "", 1), text.index("|")


def completed(kernel, text: str) -> list[str]:
    """Return the whole cells that a front end offers, with the cursor's position in each."""
    code, cursor = at_cursor(text)
    reply = kernel.client.complete(code, cursor, reply=True, timeout=30)["content"]
    start, end = reply["cursor_start"], reply["cursor_end"]
    assert start <= cursor <= end
    for each in reply["metadata"].get("_jupyter_types_experimental", ()):
        assert (each["start"], each["end"]) == (start, end)
    return [code[:start] + match + "|" + code[end:] for match in reply["matches"]]


def inspected(kernel, text: str) -> str:
    code, cursor = at_cursor(text)
    reply = kernel.client.inspect(code, cursor, reply=True, timeout=30)["content"]
    return re.sub(r"\x1b\[[\d;]*m", "", reply["data"].get("text/plain", "")) if reply["found"] else ""


@pytest.fixture
def named(kernel):
    assert kernel.run(NAMES).error is None
    return kernel


AROUND = [
    ("%%minimax\n", ""),
    ("%%minimax\nWhat is ", " worth?"),
    ("%%minimax\n\n\nThe first line.\nWhat is ", " worth?\nTell me."),
    ("%%minimax\n{ } {x} }} { {{ 1 }} {{ {'a': {'b': 1}}['a'] }} ", " {{ math }} }"),
    ("%%minimax\n{{ math. }} and {{ ) }} ", ""),
    ("%%minimax\nüber 東京 ", " ü"),
    ("%%minimax\n🎉👩‍👩‍👧 e\u0301 ", " 🎉"),
    ("%%time\n# A comment.\n%%minimax --quiet\n🎉 ", ""),
    ("\n  %%minimax\n", "\n"),
    ("%%minimax --system 'Mind ", "'\nHello."),
    ("%%minimax\r\nOne.\r\n", "\r\n"),
]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("{{account_of|}}", "{{account_of_ada|}}"),
        ("{{ account_of| }}", "{{ account_of_ada| }}"),
        ("{{ account_of_ada.bal| }}", "{{ account_of_ada.balance_total| }}"),
        ("{{ account_of_ada.bal|", "{{ account_of_ada.balance_total|"),
        ("{{ len(account_of_ada.bal|) + 1 }}", "{{ len(account_of_ada.balance_total|) + 1 }}"),
        ("{{ {'a': {'b': 1}}, account_of_ada.bal| }}", "{{ {'a': {'b': 1}}, account_of_ada.balance_total| }}"),
        ("{{ max(1,\n    account_of_ada.bal|) }}", "{{ max(1,\n    account_of_ada.balance_total|) }}"),
        ("{{ grö| }}", "{{ größe| }}"),
        ("{{ '🎉' + account_of_ada.ow| }}", "{{ '🎉' + account_of_ada.owner| }}"),
        ('{{ table["größ| }}', '{{ table["größter wert| }}'),
    ],
)
def test_an_expression_is_completed_in_place(named, expression, expected):
    for before, after in AROUND:
        in_line = "--system" in before
        ends_with_the_next = "}}" not in expression and "}}" in after
        if not (in_line and "\n" in expression) and not ends_with_the_next:
            assert completed(named, before + expression + after) == [before + expected + after]


def test_completion_of_an_empty_expression_offers_names_but_no_magics(named):
    found = completed(named, "%%minimax\nA {{ | }}")
    assert "%%minimax\nA {{ account_of_ada| }}" in found
    assert not [each for each in found if "{{ %" in each]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%%minimax --tools look|", ["look_up"]),
        ("%%minimax --tools pyth|\nHello.", ["python"]),
        ("%%minimax --tools python,look|", ["python,look_up"]),
        ("%%minimax --tools python,look_up,read|", ["python,look_up,read_file"]),
        ("%%minimax --tools=python,var|", ["python,variables"]),
        ("%%time\n%%minimax --tools sh|", ["shell"]),
        ("%%minimax --tools _hid|", []),
        ("%%minimax --tools acc|", []),
        ("%%minimax --tools files|", ["files"]),
    ],
)
def test_tools_are_completed_also_in_a_list(named, text, expected):
    found = [re.split(r"[\s=]", each.partition("|")[0])[-1] for each in completed(named, text)]
    assert found == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%%minimax --max-tok|ens 5\nHello.", ["--max-tokens N", "maximum output tokens", "65536 (default)"]),
        ("%%minimax --max-tokens 5|", ["--max-tokens N"]),
        ("%%minimax -|t 0.5", ["-t, --temperature X", "1.0 (default)"]),
        ("%%minimax --replay=au|to", ["--replay MODE", "Values: off, auto, only."]),
        ("# Note.\n%%time\n%%minimax --ra|w", ["--raw", "send the cell unchanged"]),
        ("%minimax for|k side", ["fork NAME", "continue in a new thread"]),
        ("x = 1\n%minimax set tool_lim|it 5", ["tool_limit", "Maximum characters", "20000 (default)"]),
        ("%%minimax\n🎉 {{ 1 }} What does {{ account_of_|ada.owner }} owe?", ["Account", "An account of a customer."]),
        ("%%minimax\n{{ look_up('x|') }}", ["look_up(word: str) -> str", "Look a word up."]),
        ("%%minimax --system '{{ look_|up }}'\nHi", ["Look a word up."]),
        ("look_|up", ["Look a word up."]),
        ("%%minimax\n{{ nothing_of_this_|name }}", []),
    ],
)
def test_a_tooltip_shows_the_help_of_a_flag_or_the_object_of_an_expression(named, text, expected):
    shown = inspected(named, text)
    assert bool(shown) == bool(expected)
    for part in expected:
        assert part in shown
