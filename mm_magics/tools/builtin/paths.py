"""Decide which paths the file tools may use.

A path is resolved with all its links. It must lead to a place inside the chosen folder that is not hidden and does not
look like a key, and it must be written in normal form, so that it cannot bypass an approval rule.
"""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path

from mm_magics.errors import ToolError, UsageError
from mm_magics.system import is_as_stored, is_normal_path

KEY_FILES = (
    *("*.pem", "*.key", "*.p8", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.ppk", "*.gpg", "*.env"),
    *("*.pem.*", "*.pem~", "*.key.*", "*.key~", "*.p12.*", "*.pfx.*", "*.env.*"),
    *("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "*kubeconfig*", "*htpasswd*", "*netrc", "pgpass*", "*.tfstate"),
    *("*credential*", "*secret*", "*password*", "service*account*.json", "*private[_-]key*"),
    *(
        "*api_key*",
        "*api-key*",
        "*apikey*",
        "token.json",
        "tokens.json",
        "token.txt",
        "*[_-]token",
        "auth.json",
        "oauth*.json",
        "*-adminsdk-*.json",
        "*.tfvars",
        "*.ovpn",
        "*.jceks",
        "ssh_host_*",
        "wallet.dat",
        "env.local",
        "*[_-]token.json",
        "*[_-]token.txt",
    ),
)
"""Lower-case name patterns of files and folders that usually contain keys."""


def folder_of(chosen: str, notebook: Path | None) -> Path:
    """Return the folder that the setting `tools_folder` chooses.

    Args:
        chosen: The setting, relative to the notebook's folder; "" is that folder itself.
        notebook: The notebook's file; without one, the current folder takes the place of its folder.

    Raises:
        UsageError: If there is no such folder.
    """
    base = notebook.parent if notebook else Path.cwd()
    try:
        folder = (base / Path(chosen).expanduser()).resolve()
        is_folder = folder.is_dir()
    except (OSError, ValueError, RuntimeError):  # a null byte, a circle of links, an unknown user after ~
        is_folder = False
    if not is_folder:
        raise UsageError(f"tools_folder is {chosen!r}, which is not a folder.", "%minimax set tools_folder FOLDER")
    return folder


def confined(root: Path, path: str) -> Path:
    """Resolve a path that the model gave, with all its links.

    One that is not in normal form is not looked up: on Windows, it may name a server.

    Raises:
        ToolError: If it leads out of the folder, is hidden, looks like a key, or is not in normal form: a rule for
            `report/*` must not allow `report/../other`.
    """
    normal = is_normal_path(path)
    try:
        place = (root / path).resolve() if normal else Path(os.path.normpath(root / path))
    except (OSError, ValueError, RuntimeError):  # a null byte, a lone surrogate, a circle of links
        raise ToolError(f"{path!r} is not a path.") from None
    if not place.is_relative_to(root):
        raise ToolError(f"{path!r} leads out of the folder.", "Only files inside it can be used.")
    if not normal:
        raise ToolError(
            f"{path!r} is not in normal form.", "Write it relative to the folder, without '..', './' and '//'."
        )
    if not is_as_stored(root, path):
        raise ToolError(f"{path!r} is not spelled as in the folder.", "list_files shows how it is spelled.")
    parts = place.relative_to(root).parts
    if any(part.startswith(".") for part in parts):
        raise ToolError(f"{path!r} is hidden, so it cannot be used.", "Ask the user for what you need from it.")
    if any(_is_key_file(part) for part in parts):
        raise ToolError(
            f"{path!r} looks like a file with keys, so it cannot be used.", "Ask the user for what you need from it."
        )
    return place


def displayed(path: Path, root: Path) -> str:
    """The path relative to the root, on one line and as valid UTF-8."""
    text = os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "replace")
    return "".join(each if each.isprintable() else "\ufffd" for each in text)


def _is_key_file(name: str) -> bool:
    return any(fnmatchcase(name.lower(), pattern) for pattern in KEY_FILES)
