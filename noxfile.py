"""Run the fast tests with other versions of Python and of the dependencies: `make test-matrix`.

A version of Python that is not installed is skipped. `make test-matrix SESSIONS=oldest` runs one session.
"""

from __future__ import annotations

import nox

nox.needs_version = ">=2026.2"
nox.options.default_venv_backend = "uv"

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
FAST = ("pytest", "-n", "2", "--dist", "loadgroup", "-m", "not browser and not slow and not wheel")
EXTRAS = ("lab", "keyring", "mcp", "pdf", "dask")
OLD_LIBRARIES = ("-W", "ignore::DeprecationWarning")
"""Old libraries use what newer ones, and newer versions of Python, call deprecated."""


@nox.session(python=PYTHONS)
def pinned(session: nox.Session) -> None:
    """The versions that all other tests use."""
    session.install("--constraint", "constraints.txt", "--editable", ".[dev]")
    session.run(*FAST, *OLD_LIBRARIES)


@nox.session(python=PYTHONS[0])
def oldest(session: nox.Session) -> None:
    """The oldest versions that `pyproject.toml` allows."""
    versions = f"{session.create_tmp()}/oldest.txt"
    session.run(
        *("uv", "pip", "compile", "--quiet", "--resolution", "lowest-direct", "pyproject.toml"),
        *(f"--extra={extra}" for extra in EXTRAS),
        *("--output-file", versions),
    )
    session.install("--constraint", versions, "--editable", ".[dev]")
    session.run(*FAST, *OLD_LIBRARIES)


@nox.session(python=PYTHONS)
def newest(session: nox.Session) -> None:
    """The newest versions that can be installed."""
    session.install("--upgrade", "--editable", ".[dev]")
    session.run(*FAST, *OLD_LIBRARIES)
