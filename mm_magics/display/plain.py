"""The view that shows nothing while a turn streams: for programs such as nbclient, and for server-side execution."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mm_magics.display.approval_prompt import prompt_for_approval


class PlainView:
    """Shows only the final bundle."""

    due: float | None = None

    def show(self, event: object) -> None:
        """Do nothing: the final bundle shows everything."""

    approve = staticmethod(prompt_for_approval)

    def finish(self, bundle: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        """Display the final bundle."""
        from IPython.display import display

        from mm_magics.display.uncaptured import uncaptured

        with uncaptured():
            display(bundle, raw=True, metadata=metadata)  # type: ignore[no-untyped-call]
