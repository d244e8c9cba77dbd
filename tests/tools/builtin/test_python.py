"""`python` and `variables` in a plain namespace and in a real IPython shell."""

from __future__ import annotations

import builtins
import sys
import threading
import tracemalloc
from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy
import pandas
import polars
import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell

from mm_magics.tools.builtin.bounded_text import LIMIT, BoundedText
from mm_magics.tools.builtin.python import TRACEBACK_LINES, python_tool
from mm_magics.tools.builtin.variables import variables_tool
from mm_magics.tools.tool import ToolOutput


def run(code: str, namespace: dict[str, Any] | None = None, shell: Any = None) -> ToolOutput:
    tool = python_tool({} if namespace is None else namespace, shell)
    output = tool.function(**tool.check({"code": code}))
    assert isinstance(output, ToolOutput)
    return output


@pytest.fixture(scope="module")
def shell() -> Iterator[InteractiveShell]:
    vars(builtins).pop("_", None)  # a doctest may have left one, and IPython then makes none
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


# python -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("6 * 7", "42"),
        ("'text'", "'text'"),
        ("x = 1", "The code ran and printed nothing."),
        ("", "The code ran and printed nothing."),
        ("None", "The code ran and printed nothing."),
        ("print('a')\nprint('b')\n3", "a\nb\n3"),
        ("import sys; print('out'); print('err', file=sys.stderr)", "out\nerr\n"),
        ("1\n2", "2"),
        ("for n in range(2):\n    n", "The code ran and printed nothing."),
        ("def f():\n    return 1\nf()", "1"),
        ("[n for n in range(3)]", "[0, 1, 2]"),
        ("def f(x: int): pass\nf.__annotations__", "{'x': <class 'int'>}"),
        ("__name__", "'__main__'"),
    ],
)
def test_the_result_is_the_output_and_the_last_value(code: str, text: str) -> None:
    assert run(code, {"__name__": "__main__"}) == ToolOutput(text)


def test_a_data_frame_is_shown_as_in_a_prompt() -> None:
    output = run("frame", {"frame": pandas.DataFrame({"a": [1, 2]})})
    assert output.text.startswith("2 rows × 1 column (a: Int64)")


def test_variables_are_kept_for_later_calls() -> None:
    namespace: dict[str, Any] = {"x": 20}
    assert not run("y = x + 1\ndef twice(n): return 2 * n", namespace).is_error
    assert run("twice(y)", namespace).text == "42"
    assert namespace["y"] == 21


@pytest.mark.parametrize(
    ("code", "last", "line"),
    [
        ("x = 1\n1 / 0", "ZeroDivisionError: division by zero", "    1 / 0"),
        ("def f():\n    raise ValueError('no')\nf()", "ValueError: no", "    raise ValueError('no')"),
        ("1 +", "SyntaxError: invalid syntax", "    1 +"),
        ("!ls", "SyntaxError: invalid syntax", "    !ls"),
        ("%time 1", "SyntaxError: invalid syntax", "    %time 1"),
        ("await f()", "SyntaxError: 'await' outside function", ""),
        ("raise SystemExit(3)", "SystemExit: 3", "    raise SystemExit(3)"),
        ("import sys\nsys.exit()", "SystemExit", "    sys.exit()"),
        ("raise GeneratorExit", "GeneratorExit", "    raise GeneratorExit"),
        ("def f(): f()\nf()", "RecursionError: maximum recursion depth exceeded", "    def f(): f()"),
        ("a\0b", "SyntaxError: source code string cannot contain null bytes", ""),
        ("(" * 10_000, "SyntaxError: too many nested parentheses", ""),
        ("class E(Exception):\n    def __str__(self): 1 / 0\nraise E", "E: <exception str() failed>", "    raise E"),
        ("class R:\n    def __str__(self): raise KeyError('k')\nR()", "KeyError: 'k'", "raise KeyError('k')"),
    ],
)
def test_an_error_is_the_last_lines_of_its_traceback(code: str, last: str, line: str) -> None:
    output = run(code)
    assert output.is_error
    lines = output.text.splitlines()
    assert lines[-1].startswith(last)
    assert len(lines) <= TRACEBACK_LINES
    assert "builtin/python.py" not in output.text
    assert line in output.text


def test_output_before_an_error_is_part_of_the_result() -> None:
    assert run("print('got so far')\n1 / 0").text.startswith("got so far\nTraceback")


def test_a_syntax_error_in_the_last_line_prevents_all_of_the_code() -> None:
    namespace: dict[str, Any] = {}
    assert run("x = 1\n(yield)", namespace).is_error
    assert "x" not in namespace


def test_long_output_is_cut_in_the_middle() -> None:
    text = run("print('first')\nfor n in range(200_000): print(n)\nprint('last')").text
    assert text.startswith("first\n0\n1\n")
    assert text.endswith("\n199999\nlast\n")
    assert "[cut here: 1," in text
    assert len(text) < LIMIT + 100
    assert len(run("'x' * 10_000_000").text) < LIMIT + 100
    assert len(run("raise ValueError('x' * 10_000_000)").text) < LIMIT + 100


@pytest.mark.fuzz
@given(st.lists(st.text(max_size=30)), st.integers(2, 60))
def test_bounded_text_has_the_start_and_the_end_and_counts_the_rest(pieces: list[str], limit: int) -> None:
    output = BoundedText(limit)
    for piece in pieces:
        output.write(piece)
    whole, half = "".join(pieces), limit // 2
    if len(whole) <= 2 * half:
        assert output.text == whole
    else:
        assert output.text == f"{whole[:half]}\n… [cut here: {len(whole) - 2 * half:,} characters]\n{whole[-half:]}"


def test_text_that_is_cut_takes_no_memory() -> None:
    output, piece = BoundedText(1000), "x" * 500
    tracemalloc.start()
    for _ in range(20_000):
        output.write(piece)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 50_000
    assert "9,999,000 characters" in output.text


def test_an_interrupt_is_passed_on_and_the_streams_are_restored(shell: InteractiveShell) -> None:
    before = (sys.stdout, sys.stderr, shell.display_pub)
    with pytest.raises(KeyboardInterrupt):
        run("print('x')\nraise KeyboardInterrupt", shell=shell)
    assert (sys.stdout, sys.stderr, shell.display_pub) == before


def test_code_runs_in_the_calling_thread() -> None:
    assert run("import threading; threading.get_ident()").text == str(threading.get_ident())


def test_what_another_program_prints_is_not_captured(capfd: Any) -> None:
    assert run("import os; os.system('echo from elsewhere')").text == "0"
    assert capfd.readouterr().out == "from elsewhere\n"


def test_displays_are_captured_as_text_in_their_order(shell: InteractiveShell, capsys: Any) -> None:
    code = """
from IPython.display import HTML, Image, Markdown, clear_output, display
print("before")
display(Markdown("*hello*"), 5)
display(HTML("<b>x</b>"))
display({"image/png": "aGk="}, raw=True)
clear_output()
handle = display("first", display_id=True)
handle.update("second")
"after"
"""
    output = run(code, shell.user_ns, shell)
    assert output.text.splitlines() == [
        *(
            "before",
            "*hello*",
            "5",
            "x",
            "image/png",
            "'first'",
            "'second'",
            "'after'",
        ),
    ]
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("fig", ["[image 1, 200×100]"]),
        ("print('drawn'); fig.axes[0]", ["drawn", "[image 1, 200×100]"]),
        ("display(Image(data=png)); display(fig); 1", ["[image 1, 200×100]", "<Figure size 200x100 with 1 Axes>", "1"]),
        ("display({'image/png': encoded, 'text/plain': 'a plot'}, raw=True)", ["[image 1, 200×100]"]),
        ("display({'image/svg+xml': '<svg/>', 'text/plain': 'a plot'}, raw=True)", ["a plot"]),
        (
            "display({'image/png': 5, 'text/plain': 'a plot'}, raw=True); png[:9]",
            ["a plot", "[image, 9 bytes: not sent"],
        ),
    ],
)
def test_figures_are_images_of_the_output(shell: InteractiveShell, code: str, lines: list[str]) -> None:
    setup = """
import base64, io
from IPython.display import Image, display
from matplotlib.figure import Figure
fig = Figure(figsize=(2, 1), dpi=100)
fig.subplots()
file = io.BytesIO()
fig.savefig(file)
png = file.getvalue()
encoded = base64.b64encode(png).decode()
"""
    output = run(setup + code, shell.user_ns, shell)
    shown = output.text.splitlines()
    assert [line[: len(want)] for line, want in zip(shown, lines, strict=True)] == lines
    assert len(output.images) == any("image 1" in line for line in lines)


def test_the_shells_history_does_not_change(shell: InteractiveShell) -> None:
    shell.run_cell("40 + 1", store_history=True)
    names = ("_", "__", "_i", "_ii", "In", "Out", "_oh", "_ih")

    def state() -> list[Any]:
        return [repr(shell.user_ns.get(name)) for name in names] + [shell.execution_count]

    before = state()
    events: list[str] = []
    for event in ("pre_run_cell", "post_run_cell", "pre_execute", "post_execute"):
        shell.events.register(event, lambda *_: events.append("ran"))
    assert run("x = 1\nx + 1", shell.user_ns, shell).text == "2"
    assert run("1 / 0", shell.user_ns, shell).is_error
    assert state() == before
    assert events == []
    assert run("_ + 1", shell.user_ns, shell).text == "42"


# variables --------------------------------------------------------------------------------------------------------


class Nasty:
    """Records every access to it, and fails."""

    accessed: ClassVar[list[str]] = []

    def __getattribute__(self, name: str) -> Any:
        Nasty.accessed.append(name)
        raise RuntimeError(name)

    def __len__(self) -> int:
        Nasty.accessed.append("len")
        raise RuntimeError

    def __repr__(self) -> str:
        Nasty.accessed.append("repr")
        raise RuntimeError


class OddList(list[int]):
    def __len__(self) -> int:
        raise RuntimeError


def listed(namespace: dict[str, Any], **given: Any) -> list[str]:
    tool = variables_tool(namespace)
    return str(tool.function(**tool.check(given))).splitlines()


def test_names_types_and_sizes_are_listed_and_no_values() -> None:
    namespace = {
        "text": "secret",
        "numbers": [4711, 4712],
        "table": {"secret": 4711},
        "ordered": OrderedDict(a=1),
        "queue": deque([1]),
        "n": 4711,
        "frame": pandas.DataFrame({"secret": [1, 2]}),
        "other": polars.DataFrame({"secret": [1, 2]}),
        "array": numpy.zeros((2, 3)),
        "f": listed,
    }
    assert listed(namespace) == [
        "array: numpy.ndarray, shape (2, 3)",
        "f: function",
        f"frame: {pandas.DataFrame.__module__}.DataFrame, shape (2, 1)",
        "n: int",
        "numbers: list, 2 items",
        "ordered: collections.OrderedDict, 1 item",
        "other: polars.dataframe.frame.DataFrame, shape (2, 1)",
        "queue: collections.deque, 1 item",
        "table: dict, 1 item",
        "text: str, 6 characters",
    ]


def test_modules_hidden_names_and_those_of_ipython_are_left_out(shell: InteractiveShell) -> None:
    before = set(shell.user_ns)
    shell.user_ns |= {"numpy": numpy, "_private": 1, "mine": 1}
    assert "mine: int" in listed(shell.user_ns)
    names = {line.partition(":")[0] for line in listed(shell.user_ns)}
    assert names.isdisjoint({"numpy", "_private", "In", "Out", "exit", "quit", "get_ipython", "open"})
    for name in set(shell.user_ns) - before:
        del shell.user_ns[name]


def test_no_code_of_listed_objects_is_run() -> None:
    lazy = type("DataFrame", (Nasty,), {"__module__": "dask.dataframe"})
    broken = type("ndarray", (Nasty,), {"__module__": "numpy"})
    nan = type("Array", (), {"__module__": "dask.array.core", "shape": (float("nan"), 3)})
    Nasty.accessed.clear()
    assert listed({"a": Nasty(), "b": lazy(), "d": OddList([1, 2])}) == [
        f"a: {__name__}.Nasty",
        "b: dask.dataframe.DataFrame",
        f"d: {__name__}.OddList, 2 items",
    ]
    assert Nasty.accessed == []
    assert listed({"c": broken(), "e": nan()}) == ["c: object", "e: dask.array.core.Array, shape (?, 3)"]


def test_a_pattern_chooses_among_the_names() -> None:
    namespace = {"df_a": 1, "df_b": 2, "x": 3}
    assert listed(namespace, pattern="df_?") == ["df_a: int", "df_b: int"]
    assert listed(namespace, pattern="zzz") == ["None of the 3 variables matches 'zzz'."]


def test_a_long_list_of_variables_is_cut() -> None:
    text = "\n".join(listed({f"name_{number}": number for number in range(10_000)}))
    assert len(text) < LIMIT + 100
    assert "cut here" in text
