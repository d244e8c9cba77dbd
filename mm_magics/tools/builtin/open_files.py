"""Open what a checked path leads to, and nothing else.

Between the check of a path and its use, another program can replace a folder by a link to elsewhere. Therefore a path
is opened one component after the other, from the chosen folder down, and no component may be a link. Where the system
cannot open relative to a folder (Windows), the path is checked and used by name, and the race remains.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mm_magics.errors import ToolError

IS_RELATIVE = {os.open, os.stat, os.mkdir, os.rename, os.unlink} <= os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")
"""Whether this system opens files relative to a folder that is open."""

_FOLDER = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


@contextmanager
def open_folder(root: Path, folder: Path, *, create: bool = False) -> Iterator[int | None]:
    """Open a folder below the root.

    Args:
        root: The chosen folder, with its links resolved.
        folder: A folder inside it, with its links resolved.
        create: Create the folders that are missing.

    Yields:
        Its descriptor, for `dir_fd`; None where the system has no such thing.

    Raises:
        ToolError: If a part of the path has become a link.
        OSError: If a folder cannot be opened or created.
    """
    if not IS_RELATIVE:
        if create:
            folder.mkdir(parents=True, exist_ok=True)
        yield None
        return
    opened = os.open(root, _FOLDER)
    try:
        for name in folder.relative_to(root).parts:
            inner = _open_inner(name, opened, create)
            os.close(opened)
            opened = inner
        yield opened
    finally:
        os.close(opened)


def in_folder(path: Path, folder: int | None) -> str:
    """Return how the path is named for a call that gets `dir_fd=folder`."""
    return str(path) if folder is None else path.name


def check_link(path: Path, folder: int | None) -> None:
    """Raise `ToolError` if the path has become a link. It had none when it was checked."""
    try:
        found = os.stat(in_folder(path, folder), dir_fd=folder, follow_symlinks=False)
    except OSError:
        return
    if stat.S_ISLNK(found.st_mode):
        raise ToolError(f"{path.name!r} was replaced by a link while it was opened.", "Look at the folder again.")


def _open_inner(name: str, folder: int, create: bool) -> int:
    if create:
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=folder)
    try:
        return os.open(name, os.O_RDONLY | _FOLDER, dir_fd=folder)
    except OSError:
        check_link(Path(name), folder)
        raise
