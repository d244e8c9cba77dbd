"""The view that shows nothing while a turn streams: for nbclient, nbconvert, papermill and nbval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mm_magics.batch.progress import MapEvent
from mm_magics.tools.approval import deny_all


class PlainView:
    """Shows only the final bundle."""

    due: float | None = None

    def show(self, event: MapEvent) -> None:
        """Do nothing: the final bundle shows everything."""

    approve = staticmethod(deny_all)

    def finish(self, bundle: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        """Display the final bundle."""
        from IPython.display import display

        display(bundle, raw=True, metadata=metadata)  # type: ignore[no-untyped-call]
