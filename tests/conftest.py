"""Fixtures of all tests: an environment without key and endpoint, a simulator, and a session on it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic  # noqa: F401  # takes a second, which would count in the first test that measures time
import pytest
from hypothesis import HealthCheck, Phase, settings

from mm_magics.session import Session
from mm_magics.simulator import Simulator
from tests.canary import in_files

VARIABLES = (
    "MINIMAX_API_KEY",
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_BASE_URL",
    "ANTHROPIC_CUSTOM_HEADERS",
    "MINIMAX_MODEL",
    "VIRTUAL_ENV",  # IPython adds the packages of this environment to those of the one that runs it
)

SEARCH_S = 2.0
LARGEST = 5_000_000
OTHERS = {"site-packages", "node_modules", "bin", ".git"}
"""Folders with files that the tests did not write."""

settings.register_profile(
    "quick",
    deadline=None,
    database=None,
    max_examples=60,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
# A test that detects a mutant does not look for the smallest example: mutmut would stop it and take it for a hang.
settings.register_profile(
    "mutants", settings.get_profile("quick"), derandomize=True, phases=[Phase.explicit, Phase.generate]
)
settings.register_profile(
    "fuzz",
    deadline=None,
    database=None,
    max_examples=10_000,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


# JupyterLab installs this package, which makes `import jsonschema` take a second: it builds parsers that no test needs.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]


def pytest_configure() -> None:
    """Handle interrupts as in a terminal, even if a shell started the tests in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionfinish() -> None:
    """Save what coverage measured: xdist kills a worker that takes more than ten seconds to exit."""
    coverage = sys.modules.get("coverage")
    if coverage and (measuring := coverage.Coverage.current()):
        measuring.save()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the tests' groups to their ids, where pytest-xdist reads them. pytest 9.2 ignores what xdist 3.8 adds."""
    if not getattr(config.option, "loadgroup", False):
        return
    for item in items:
        groups = sorted({mark.args[0] for mark in item.iter_markers("xdist_group")})
        if groups and "@" not in item.nodeid.rpartition("]")[2]:
            item._id = type(item._id).parse(f"{item.nodeid}@{'_'.join(groups)}")


@pytest.fixture(autouse=True)
def _no_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def is_strict() -> bool:
    """Whether `endpoint` has the rules of the strictest endpoint; a test that needs MiniMax's only overrides it."""
    return True


@pytest.fixture
def endpoint(is_strict: bool) -> Iterator[Simulator]:
    with Simulator(strict=is_strict) as simulator:
        yield simulator


@pytest.fixture
def session_settings() -> dict[str, Any]:
    """Settings of `session`; a test file overrides this fixture to change them."""
    return {}


@pytest.fixture
def session(endpoint: Simulator, session_settings: dict[str, Any]) -> Iterator[Session]:
    """A session on the test's own simulator that sends each request once."""
    options = {"base_url": endpoint.base_url, "api_key": endpoint.key, "max_retries": 0} | session_settings
    with Session(**options) as session:
        yield session


@pytest.fixture(scope="session", autouse=True)
def _no_key_is_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Search the temporary folders of all tests for keys, the newest first, when the tests are done."""
    yield
    began = time.monotonic()
    base = tmp_path_factory.getbasetemp()
    for folder in sorted(base.iterdir(), key=lambda each: -each.lstat().st_mtime):
        if folder.is_symlink():
            continue
        assert in_files(_own(folder), simulators=True) == [], "a test left a key behind"
        if time.monotonic() - began > SEARCH_S:
            return


def _own(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [each for each in folders if each not in OTHERS]
        for file in (Path(parent, name) for name in names):
            if file.is_file() and not file.is_symlink() and file.stat().st_size <= LARGEST:
                yield file
