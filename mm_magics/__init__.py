"""mm_magics: MiniMax models in Jupyter notebooks. Load it with `%load_ext mm_magics`, then write `%%minimax` cells.

In a script, use `from mm_magics import Session`. Importing the package imports none of its modules: each public name
is imported when it is first used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mm_magics.async_session import AsyncSession
    from mm_magics.batch.api import map_prompts
    from mm_magics.config import MiniMax
    from mm_magics.errors import (
        AgreementError,
        ArgumentError,
        ConfigError,
        ConnectionFailedError,
        EndpointError,
        MCPServerError,
        MiniMaxError,
        MissingKeyError,
        NeverSendError,
        NotebookError,
        NotRecordedError,
        PromptError,
        ProtocolError,
        RecordError,
        RequestError,
        StatusError,
        StoreError,
        ToolError,
        ToolInputError,
        TurnInterruptedError,
        UsageError,
    )
    from mm_magics.events import (
        ApprovalRequested,
        BlockStart,
        BlockStop,
        Delta,
        Event,
        Idle,
        MessageStart,
        MessageStop,
        ModelReplaced,
        OtherEvent,
        PromptSent,
        Retrying,
        Summarized,
        Summarizing,
        ToolFinished,
        ToolStarted,
        TurnEnd,
    )
    from mm_magics.history.turn import Turn
    from mm_magics.session import Session
    from mm_magics.tools.schema.functions import minimax_tool
    from mm_magics.tools.tool import Tool

__version__ = "0.2.0"

if sys.platform == "emscripten":
    raise ImportError(
        "mm_magics needs threads and sockets, which Python in a browser (JupyterLite, Pyodide) does not have: "
        "use a kernel on a computer or server, such as JupyterLab, Colab or Binder."
    )

__all__ = [
    "AgreementError",
    "ApprovalRequested",
    "ArgumentError",
    "AsyncSession",
    "BlockStart",
    "BlockStop",
    "ConfigError",
    "ConnectionFailedError",
    "Delta",
    "EndpointError",
    "Event",
    "Idle",
    "MCPServerError",
    "MessageStart",
    "MessageStop",
    "MiniMax",
    "MiniMaxError",
    "MissingKeyError",
    "ModelReplaced",
    "NeverSendError",
    "NotRecordedError",
    "NotebookError",
    "OtherEvent",
    "PromptError",
    "PromptSent",
    "ProtocolError",
    "RecordError",
    "RequestError",
    "Retrying",
    "Session",
    "StatusError",
    "StoreError",
    "Summarized",
    "Summarizing",
    "Tool",
    "ToolError",
    "ToolFinished",
    "ToolInputError",
    "ToolStarted",
    "Turn",
    "TurnEnd",
    "TurnInterruptedError",
    "UsageError",
    "__version__",
    "load_ipython_extension",
    "map_prompts",
    "minimax_tool",
]

_MODULES = {
    "AsyncSession": "mm_magics.async_session",
    "MiniMax": "mm_magics.config",
    "Session": "mm_magics.session",
    "Tool": "mm_magics.tools.tool",
    "Turn": "mm_magics.history.turn",
    "map_prompts": "mm_magics.batch.api",
    "minimax_tool": "mm_magics.tools.schema.functions",
}
"""Where a public name is defined, unless it is an error or an event."""


def load_ipython_extension(shell: Any) -> None:
    """Register the magics. IPython calls this for `%load_ext mm_magics`."""
    try:
        from mm_magics.ipython.magics import load

        load(shell)
    except Exception:
        from mm_magics.packages import check_required

        check_required()
        raise


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    default = "mm_magics.errors" if name.endswith("Error") else "mm_magics.events"
    value = getattr(import_module(_MODULES.get(name, default)), name)
    globals()[name] = value
    return value
