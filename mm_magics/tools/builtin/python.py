"""The built-in tools that work in the user's namespace: `python` and `variables`.

Always true: code runs in the calling thread, so that an interrupt reaches it and goes on to the caller; `_`, `In`,
`Out` and the execution count stay as they are; of the objects that it names, `variables` asks none but arrays and
frames, and those for their shape alone.
"""

from __future__ import annotations

import ast
import linecache
import traceback
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from fnmatch import fnmatchcase
from itertools import count
from numbers import Integral
from types import ModuleType
from typing import Any

from mm_magics.prompt.values import as_text, cut
from mm_magics.tools.builtin.bounded_text import LIMIT, BoundedText
from mm_magics.tools.builtin.checked import checker, schema
from mm_magics.tools.tool import Tool, ToolOutput

TRACEBACK_LINES = 20

PYTHON_RISK = (
    "Runs any code as you, in the kernel: it can change and delete your variables and files, reach the network, read "
    "keys in files and in the environment, and set rules. What it shows goes to the endpoint."
)
VARIABLES_RISK = "Names, types and sizes of your variables go to the endpoint; their values do not."

_PYTHON = schema(("code",), code={"type": "string", "description": "Plain Python. No magics (%), no ! commands."})
_VARIABLES = schema(
    pattern={"type": "string", "description": "Names to list, * and ? allowed; all by default.", "default": "*"}
)


def python(namespace: dict[str, Any], shell: Any = None) -> Tool:
    """The tool `python`; `shell` is the IPython shell whose displays are captured too, None without one."""
    numbers = count(1)

    def run(code: str) -> ToolOutput:
        return _run(code, f"<python tool, call {next(numbers)}>", namespace, shell)

    return Tool(
        "python",
        "Run Python code in the user's notebook, with its variables. You get what it prints and displays and the value "
        "of its last expression, long output cut in the middle; variables stay for later calls. "
        "input() and top-level await do not work.",
        _PYTHON,
        run,
        checker(_PYTHON),
        asks=True,
        risk=PYTHON_RISK,
    )


def _run(code: str, name: str, namespace: dict[str, Any], shell: Any) -> ToolOutput:
    kept = BoundedText()
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)  # for the traceback's source lines
    try:
        with redirect_stdout(kept), redirect_stderr(kept), _displays(kept, shell):
            value = _value(code, name, namespace)
            if value is not None:
                kept.write(repr(value) if isinstance(value, str) else as_text(value, LIMIT))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit too: a model does not end the kernel
        kept.write(_traceback(error, name))
        return ToolOutput(kept.text, is_error=True)
    return ToolOutput(kept.text or "It ran, and showed nothing.")


def _value(code: str, name: str, namespace: dict[str, Any]) -> Any:
    """Run the code; the value of its last statement if that is an expression."""
    tree = ast.parse(code, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    value = ast.Expression(last.value if isinstance(last, ast.Expr) else ast.Constant(None, lineno=1, col_offset=0))
    steps = [compile(each, name, mode, dont_inherit=True) for each, mode in ((tree, "exec"), (value, "eval"))]
    exec(steps[0], namespace)  # noqa: S102  what the tool is for
    return eval(steps[1], namespace)  # noqa: S307


def _traceback(error: BaseException, name: str) -> str:
    """The traceback's last lines, without our own frames."""
    place = error.__traceback__
    while place is not None and place.tb_frame.f_code.co_filename != name:
        place = place.tb_next
    lines = "".join(traceback.format_exception(type(error), error, place)).splitlines()
    return "\n".join(lines[-TRACEBACK_LINES:])


class _Written:
    """Stands in for a shell's display publisher: what is displayed is written down as text and shown to nobody."""

    def __init__(self, kept: BoundedText, publisher: Any) -> None:
        self._kept = kept
        self._publisher = publisher

    def publish(self, data: Mapping[str, Any], *_: Any, **__: Any) -> None:
        self._kept.write(f"{data.get('text/markdown') or data.get('text/plain') or ', '.join(data)}\n")

    def clear_output(self, wait: bool = False) -> None:
        """Nothing that was shown is taken back."""

    def __getattr__(self, name: str) -> Any:  # the kernel tells its publisher of messages that come meanwhile
        return getattr(self._publisher, name)


@contextmanager
def _displays(kept: BoundedText, shell: Any) -> Iterator[None]:
    if shell is None:
        yield
        return
    before, shell.display_pub = shell.display_pub, _Written(kept, shell.display_pub)
    try:
        yield
    finally:
        shell.display_pub = before


# Variables --------------------------------------------------------------------------------------------------------

_SIZED: tuple[Any, ...] = (str, bytes, bytearray, list, tuple, dict, set, frozenset, range, deque)
_SHAPED = ("numpy.", "pandas.", "polars.", "pyarrow.", "scipy.", "xarray.", "torch.", "jax.", "jaxlib.", "dask.array.")
"""How the modules begin whose types say their shape without computing anything."""

_OF_IPYTHON = frozenset(("In", "Out", "exit", "quit", "get_ipython", "open"))


def variables(namespace: Mapping[str, Any]) -> Tool:
    """The tool `variables`."""

    def run(pattern: str = "*") -> str:
        found = {name: value for name, value in dict(namespace).items() if _is_own(name, value)}
        lines = [f"{name}: {_kind(found[name])}" for name in sorted(found) if fnmatchcase(name, pattern)]
        return cut("\n".join(lines), LIMIT) if lines else f"None of the {len(found)} variables has such a name."

    return Tool(
        "variables",
        "List the variables of the user's notebook: name, type, shape or number of items. No values.",
        _VARIABLES,
        run,
        checker(_VARIABLES),
        risk=VARIABLES_RISK,
    )


def _is_own(name: Any, value: Any) -> bool:
    return (
        isinstance(name, str)
        and not name.startswith("_")
        and name not in _OF_IPYTHON
        and not issubclass(type(value), ModuleType)  # isinstance would ask the object for its class
    )


def _kind(value: Any) -> str:
    """Its type, and its shape or length where asking for it computes nothing."""
    try:
        module, name = type(value).__module__, type(value).__qualname__
        kind = name if module == "builtins" else f"{module}.{name}"
        for sized in _SIZED:
            if issubclass(type(value), sized):
                return f"{kind}, {sized.__len__(value):,} {'characters' if sized is str else 'items'}"
        if f"{module}.".startswith(_SHAPED) and isinstance(shape := getattr(value, "shape", None), tuple):
            return f"{kind}, shape ({', '.join(str(int(n)) if isinstance(n, Integral) else '?' for n in shape)})"
        return kind
    except Exception:  # an object whose class fails when it is asked what it is
        return "object"
