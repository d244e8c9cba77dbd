"""One page process for all tests of this folder, and a second one where it is needed: starting them takes seconds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.page.bridge import Page
from tests.page.kernel import comms_of_kernel


@pytest.fixture(scope="session")
def page() -> Iterator[Page]:
    """A page of JupyterLab with our extension."""
    assert shutil.which("node"), "the page needs Node"
    with comms_of_kernel(), Page() as page:
        page.call("activatePlugins")
        yield page


@pytest.fixture(scope="session")
def other_page() -> Iterator[Page]:
    """Another page, as in a second tab of the browser."""
    with Page() as page:
        page.call("activatePlugins")
        yield page
