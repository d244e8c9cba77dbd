"""mm_magics: think with MiniMax's models in a Jupyter notebook. `%load_ext mm_magics`, then `%%minimax`.

From a script: `from mm_magics import Session`. Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mm_magics.batch.api import map_prompts
    from mm_magics.config import MiniMax
    from mm_magics.session import Session
    from mm_magics.tools.schema.functions import minimax_tool

__version__ = "0.1.0"
__all__ = ["MiniMax", "Session", "__version__", "load_ipython_extension", "map_prompts", "minimax_tool"]


def load_ipython_extension(shell: Any) -> None:
    """What `%load_ext mm_magics` calls."""
    from mm_magics.ipython.magics import load

    load(shell)


def __getattr__(name: str) -> Any:
    if name == "Session":
        from mm_magics.session import Session

        return Session
    if name == "MiniMax":
        from mm_magics.config import MiniMax

        return MiniMax
    if name == "map_prompts":
        from mm_magics.batch.api import map_prompts

        return map_prompts
    if name == "minimax_tool":
        from mm_magics.tools.schema.functions import minimax_tool

        return minimax_tool
    raise AttributeError(f"module 'mm_magics' has no attribute {name!r}")
