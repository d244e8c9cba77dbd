"""The function of Colab's `google/colab/_message.py` (googlecolab/colabtools) by which a kernel asks the page.

The signature, the result and the error are those of the original. The page is a file, which a test writes.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any


class MessageError(Exception):
    """The page answered with an error."""


def blocking_request(request_type: str, request: Any = "", timeout_sec: float | None = 5, parent: Any = None) -> Any:
    """Return the page's reply, or None if it does not reply in time."""
    page = Path(os.environ["FAKE_COLAB_PAGE"])
    with page.with_name("requests").open("a") as log:
        log.write(f"{request_type} {timeout_sec}\n")
    if not page.exists():
        time.sleep(0.1)
        return None
    reply = json.loads(page.read_text())
    if "error" in reply:
        raise MessageError(reply["error"])
    return reply["data"] if request_type == "get_ipynb" else None
