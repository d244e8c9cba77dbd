"""The view that shows nothing while it streams: for nbclient, nbconvert, papermill and nbval."""

from __future__ import annotations

from typing import Any

from mm_magics.batch.progress import MapEvent
from mm_magics.tools.approval import deny_all


class PlainView:
    due: float | None = None

    def show(self, event: MapEvent) -> None:
        """Nothing: the final bundle says it all."""

    approve = staticmethod(deny_all)

    def finish(self, bundle: dict[str, Any], metadata: dict[str, Any]) -> None:
        """Show the final bundle."""
        from IPython.display import display

        display(bundle, raw=True, metadata=metadata)  # type: ignore[no-untyped-call]
