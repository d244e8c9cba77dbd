"""The built-in tool `python`: runs code in the user's namespace.

Code runs in the calling thread, so that an interrupt reaches it and is passed on to the caller. `_`, `In`, `Out` and
the execution count do not change.
"""

from __future__ import annotations

import ast
import base64
import linecache
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from itertools import count
from typing import Annotated, Any

from pydantic import Field

from mm_magics.prompt.image_file import IMAGE_TYPES, media_type
from mm_magics.prompt.images import image_data
from mm_magics.prompt.output_text import bundle_text
from mm_magics.prompt.terminal_text import terminal_text
from mm_magics.prompt.values import as_text
from mm_magics.tools.builtin.bounded_text import LIMIT, BoundedText
from mm_magics.tools.builtin.typed_function import builtin_tool
from mm_magics.tools.runtime.result_images import ResultImages
from mm_magics.tools.tool import Tool, ToolOutput

TRACEBACK_LINES = 20

RISK = (
    "Runs any code as you, in the kernel: it can change and delete your variables and files, reach the network, read "
    "keys in files and in the environment, and set rules. What it prints and displays is sent to the endpoint."
)


def python_tool(namespace: dict[str, Any], shell: Any = None) -> Tool:
    """Make the tool `python`; `shell` is the IPython shell whose displays are captured too, None without one."""
    return builtin_tool(python, namespace, shell, count(1), risk=RISK, asks=True)


def python(
    namespace: dict[str, Any],
    shell: Any,
    numbers: Iterator[int],
    code: Annotated[str, Field(strict=True, description="Plain Python, without magics (%) and ! commands.")],
) -> ToolOutput:
    """Run Python code in the user's notebook, with its variables.

    Returns what the code prints and displays, figures too, and the value of its last expression; long output is cut in
    the middle.
    Variables are kept for later calls. input() and top-level await do not work.
    """
    name = f"<python tool, call {next(numbers)}>"
    output, images = BoundedText(), ResultImages()
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)  # for the traceback's source lines
    try:
        with redirect_stdout(output), redirect_stderr(output), _capture_displays(output, images, shell):
            value = _run(code, name, namespace)
            if (image := image_data(value)) is not None:
                output.write(images.add(image))
            elif value is not None:
                output.write(repr(value) if isinstance(value, str) else as_text(value, LIMIT))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit too: a model must not end the kernel
        output.write(_traceback(error, name))
        return ToolOutput(terminal_text(output.text), is_error=True, images=images.files)
    return ToolOutput(terminal_text(output.text) or "The code ran and printed nothing.", images=images.files)


def _run(code: str, name: str, namespace: dict[str, Any]) -> Any:
    """Run the code and return the value of its last statement if that is an expression."""
    tree = ast.parse(code, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    value = ast.Expression(last.value if isinstance(last, ast.Expr) else ast.Constant(None, lineno=1, col_offset=0))
    steps = [compile(each, name, mode, dont_inherit=True) for each, mode in ((tree, "exec"), (value, "eval"))]
    exec(steps[0], namespace)  # noqa: S102  the tool's purpose
    return eval(steps[1], namespace)  # noqa: S307


def _traceback(error: BaseException, name: str) -> str:
    """The last lines of the traceback, without our own frames."""
    place = error.__traceback__
    while place is not None and place.tb_frame.f_code.co_filename != name:
        place = place.tb_next
    lines = "".join(traceback.format_exception(type(error), error, place)).splitlines()
    return "\n".join(lines[-TRACEBACK_LINES:])


class _CapturingPublisher:
    """Replaces a shell's display publisher: writes what is displayed as text, keeps images, and shows nothing."""

    def __init__(self, output: BoundedText, images: ResultImages, publisher: Any) -> None:
        self._output = output
        self._images = images
        self._publisher = publisher

    def publish(self, data: Mapping[str, Any], *_: Any, **__: Any) -> None:
        label = "".join(self._images.add(image) for image in _displayed_image(data))
        self._output.write(f"{label or bundle_text(data) or ', '.join(data)}\n")

    def clear_output(self, wait: bool = False) -> None:
        """Keep the output: what was displayed is never removed."""

    def __getattr__(self, name: str) -> Any:  # the kernel sets the parent message on its publisher
        return getattr(self._publisher, name)


def _displayed_image(data: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield the image among the formats of one display, if there is one: a file, or the same as base64."""
    for kind in IMAGE_TYPES:
        value = data.get(kind)
        with suppress(ValueError):
            file = base64.b64decode(value) if isinstance(value, str) else value
            if isinstance(file, bytes) and media_type(file):
                yield file
                return


@contextmanager
def _capture_displays(output: BoundedText, images: ResultImages, shell: Any) -> Iterator[None]:
    if shell is None:
        yield
        return
    before, shell.display_pub = shell.display_pub, _CapturingPublisher(output, images, shell.display_pub)
    try:
        yield
    finally:
        shell.display_pub = before
