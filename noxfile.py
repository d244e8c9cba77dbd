"""Run the fast tests with other versions of Python and of the dependencies: `make test-matrix`.

A version of Python that is not installed is skipped. `make test-matrix SESSIONS=oldest` runs one session.
`.github/workflows/ci.yml` runs the same sessions.
"""

from __future__ import annotations

import nox

nox.needs_version = ">=2026.2"
nox.options.default_venv_backend = "uv"

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
FAST = ("pytest", "-n", "2", "--dist", "loadgroup", "-m", "not browser and not slow and not wheel")
EXTRAS = ("lab", "keyring", "mcp", "pdf", "dask", "parquet")
OLD_LIBRARIES = ("-W", "ignore::DeprecationWarning")
"""Old libraries use what newer ones, and newer versions of Python, call deprecated."""

PAGE_ABOUT_ROWS = "tests/docs/test_docs.py::test_the_examples_of_a_page_return_what_it_shows"
WITHOUT_MCP = ("--ignore=tests/tools/mcp", "--ignore=mm_magics/tools/mcp")
WITHOUT_EXTRAS = (
    *WITHOUT_MCP,
    "--ignore=tests/batch/test_dask.py",
    "--ignore=tests/batch/test_dask_models.py",
    "--ignore=tests/batch/test_partitions.py",
    "--ignore=tests/browser",
    "--ignore=tests/endpoint/test_keys.py",
    "--ignore=tests/ipython/test_commands.py",
    "--ignore=tests/prompt/test_attachments.py",
    f"--deselect={PAGE_ABOUT_ROWS}[docs/how-to/run-a-prompt-over-rows.md]",
)
"""The tests that need the packages of the extras."""


@nox.session(python=PYTHONS)
def pinned(session: nox.Session) -> None:
    """The versions that all other tests use."""
    session.install("--constraint", "constraints.txt", "--editable", ".[dev]")
    session.run(*FAST, *OLD_LIBRARIES)


@nox.session(python=PYTHONS[0])
def oldest(session: nox.Session) -> None:
    """The oldest versions that `pyproject.toml` allows. The tools of the tests have the newest that go with them."""
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


@nox.session(python=PYTHONS[0])
def without_extras(session: nox.Session) -> None:
    """Without the packages that only the extras need. ipykernel is always there."""
    session.install("--constraint", "constraints.txt", "--editable", ".[dev]")
    session.run("uv", "pip", "uninstall", "dask", "distributed", "jupyterlab", "keyring", "mcp", "notebook", "pypdf")
    session.run(*FAST, *OLD_LIBRARIES, *WITHOUT_EXTRAS)


@nox.session(python=PYTHONS[0])
def with_jupyter_ai(session: nox.Session) -> None:
    """Beside jupyter-ai, which replaces mcp by an older version that we do not use."""
    session.install("--editable", ".[dev]")
    session.install("jupyter-ai>=3.2")
    session.run(*FAST, *OLD_LIBRARIES, *WITHOUT_MCP)


@nox.session(python=PYTHONS[0])
def with_jupyter_collaboration(session: nox.Session) -> None:
    """Beside jupyter-collaboration, whose server runs in the tests of the page."""
    session.install("--editable", ".[dev]", "jupyter-collaboration>=5")
    session.run(*FAST, *OLD_LIBRARIES)
