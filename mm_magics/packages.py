"""The packages that mm_magics uses, and whether the installed versions are the ones that it declares.

Another package may have replaced a version after pip installed ours: pip only warns about it. The declared versions
are read from the metadata of the installed mm-magics.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, distributions, requires
from importlib.metadata import version as metadata_version
from importlib.util import find_spec
from typing import NamedTuple

from mm_magics.errors import ConfigError, UsageError

EXTRAS = ("lab", "mcp", "keyring", "dask", "parquet", "pdf")
"""The extras that users install; the others are for people who work on this package."""

_EXTRA = re.compile(r"extra\s*==\s*['\"]([\w-]+)['\"]")

_usable: set[str] = set()
"""Packages that were found in a declared version; they are not looked up again."""


class Requirement(NamedTuple):
    """What mm-magics declares about a package: its bounds, such as `>=2.3,<3`, and the extra it belongs to, or ""."""

    name: str
    bounds: str
    extra: str


@cache
def declared() -> list[Requirement]:
    """Return what every installation needs and then what the extras for users need; [] without our own metadata."""
    try:
        found = [_parse(line) for line in requires("mm-magics") or ()]
    except PackageNotFoundError:
        return []
    rank = {extra: number for number, extra in enumerate(("", *EXTRAS))}
    return sorted((each for each in found if each.extra in rank), key=lambda each: rank[each.extra])


def installed_version(name: str) -> str:
    """Return the version of a package; "" if it is not installed."""
    try:
        return metadata_version(name) or ""
    except PackageNotFoundError:
        return ""


def wrong_version(name: str) -> str:
    """Return which version is installed and which is needed; "" if it is missing or in a declared version."""
    installed = installed_version(name)
    for each in declared() if installed else ():
        if each.name == name and not allows(each.bounds, installed):
            return f"{name} {installed} is installed, but mm-magics needs {name}{each.bounds}"
    return ""


def fix(name: str) -> str:
    """Return how to install a declared version, and which other packages do not allow it."""
    requirement = next((each for each in declared() if each.name == name), Requirement(name, "", ""))
    if not installed_version(name):
        return f'Run: pip install "{f"mm-magics[{requirement.extra}]" if requirement.extra else name}"'
    command = f'Run: pip install "{name}{requirement.bounds}", and restart the kernel.'
    others = sorted(_conflicts(requirement))
    return f"{command} But {' and '.join(others)}: use another environment for one of them." if others else command


def require(name: str, purpose: str) -> None:
    """Check that a package can be used, before it is imported.

    Args:
        name: The package.
        purpose: What needs it, in the plural, as the start of a sentence: "MCP servers".

    Raises:
        UsageError: It is not installed, or not in a declared version.
    """
    if name in _usable:
        return
    if not installed_version(name) and find_spec(name) is None:
        raise UsageError(f"{purpose} need the {name} package.", fix(name))
    if wrong := wrong_version(name):
        raise UsageError(f"{purpose} cannot be used: {wrong}.", fix(name))
    _usable.add(name)


def check_required() -> None:
    """Check the packages that every installation needs, when loading failed.

    Raises:
        ConfigError: Some are missing or in a wrong version.
    """
    names = [each.name for each in declared() if not each.extra]
    problems = [f"{name} is not installed" for name in names if not installed_version(name)]
    problems += filter(None, map(wrong_version, names))
    if problems:
        hint = "Run: pip install --upgrade mm-magics, and restart the kernel."
        raise ConfigError(f"mm_magics cannot be loaded: {'; '.join(problems)}.", hint)


def allows(bounds: str, version: str) -> bool:
    """Return whether a version is within the bounds. Pre-releases count as their release.

    >>> [allows(">=2.3,<3", each) for each in ("1.30.0", "2.3", "2.10.1", "3.0.0rc1")]
    [False, True, True, False]
    """
    from packaging.specifiers import SpecifierSet
    from packaging.version import InvalidVersion, Version

    try:
        return Version(version).base_version in SpecifierSet(bounds)
    except InvalidVersion:
        return False


def _parse(line: str) -> Requirement:
    from packaging import requirements
    from packaging.utils import canonicalize_name

    try:
        found = requirements.Requirement(line)
    except requirements.InvalidRequirement:
        return Requirement(line, "", "?")
    bounds = ",".join(sorted(map(str, found.specifier), reverse=True))
    extra = _EXTRA.search(str(found.marker or ""))
    return Requirement(canonicalize_name(found.name), bounds, extra[1] if extra else "")


def _conflicts(requirement: Requirement) -> Iterator[str]:
    """Yield "NAME requires mcp<2" for each installed package whose bounds and ours allow no common version."""
    from packaging.specifiers import SpecifierSet

    for distribution in distributions():
        for line in distribution.requires or ():
            other = _parse(line)
            if other.name != requirement.name or other.extra:
                continue
            both = SpecifierSet(f"{requirement.bounds},{other.bounds}".strip(","))
            if not any(allows(str(both), each.version.removesuffix(".*")) for each in both):
                yield f"{distribution.name} requires {other.name}{other.bounds}"
