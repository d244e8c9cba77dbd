"""Display an answer in its own cell, even where the cell's other outputs are captured.

`with Output():` of ipywidgets and `%%capture` take everything that a cell displays. What an Output widget shows is not
saved in the notebook, and it does not show updates. The answer of a prompt belongs to its cell, so it is not captured.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.getipython import get_ipython

from mm_magics.display.ipykernel_compat import current_request, new_display_publisher


@contextmanager
def uncaptured() -> Iterator[None]:
    """While it is entered, what is displayed appears in the output of the running cell."""
    shell: Any = get_ipython()
    request = current_request(shell)
    # In the callback of a widget there is no cell that could show anything.
    if request.get("header", {}).get("msg_type") != "execute_request":
        yield
        return
    outputs = {output: output.msg_id for output in _capturing_outputs(request)}
    publisher = shell.display_pub
    try:
        _assign(dict.fromkeys(reversed(outputs), ""))
        if isinstance(publisher, CapturingDisplayPublisher):
            shell.display_pub = new_display_publisher(shell)
        yield
    finally:
        shell.display_pub = publisher
        _assign(outputs)


def _capturing_outputs(request: dict[str, Any]) -> list[Any]:
    """Return the Output widgets that capture what the running cell displays, in the order in which they were made."""
    widgets = sys.modules.get("ipywidgets")
    if widgets is None:
        return []
    module: Any = sys.modules["ipywidgets.widgets.widget"]
    instances = module._instances if hasattr(module, "_instances") else widgets.Widget.widgets
    outputs = [each for each in list(instances.values()) if isinstance(each, widgets.Output)]
    capturing = [each for each in outputs if each.msg_id == request["header"]["msg_id"]]
    # nbclient fails if nested widgets do not stop capturing from the inside out, and only it knows their order.
    is_known = len(capturing) == 1 or "cellId" in (request.get("metadata") or {})
    return capturing if is_known else []


def _assign(requests: dict[Any, str]) -> None:
    """Let each Output widget capture the outputs of a request, or of none."""
    if requests:
        # What was printed before belongs to where it was captured.
        sys.stdout.flush()
        sys.stderr.flush()
    for output, request in requests.items():
        output.msg_id = request
