"""The JavaScript that the kernel sends to pages.

`typesetting.js` belongs to the JupyterLab extension, so that a wheel contains it once. A checkout has the extension
inside the package, and a wheel installs it into the `share` folder of the environment.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

INSTALLED = "labextensions/mm-magics/static/typesetting.js"
"""The end of the path where a wheel installs the file."""


@cache
def widget_source(name: str) -> str:
    """Return a file of the package; "" without the built front end."""
    return _text(files("mm_magics.display") / "static" / name)


@cache
def typesetting_source() -> str:
    """Return the code that highlights code and typesets formulas; "" if only the package was copied."""
    return _text(files("mm_magics") / "labextension" / "static" / "typesetting.js") or next(
        map(_text, _installed()), ""
    )


def _text(file: Traversable) -> str:
    return file.read_text("utf-8") if file.is_file() else ""


def _installed() -> Iterator[Path]:
    with suppress(PackageNotFoundError):
        for each in distribution("mm-magics").files or ():
            if each.as_posix().endswith(INSTALLED):
                yield Path(str(each.locate()))
