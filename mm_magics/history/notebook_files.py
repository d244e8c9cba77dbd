"""Find notebook files in folders."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

_OTHER_FOLDERS = frozenset({"node_modules", "site-packages", "__pycache__"})


def notebooks_in(sources: Iterable[str | Path]) -> Iterator[Path]:
    """Yield the files among the sources, and the notebooks in folders and below, in the order of their names.

    Hidden folders, such as `.ipynb_checkpoints`, and those of installed packages are left out. A link to a folder is
    not followed.
    """
    for source in sources:
        path = Path(source).expanduser()
        if path.is_dir():
            yield from _below(path)
        else:
            yield path


def _below(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith(".") and each not in _OTHER_FOLDERS)
        yield from (Path(parent, each) for each in sorted(files) if each.endswith(".ipynb"))
