"""The spending cap: what the finished model calls of this process cost, and what is left.

Calls in flight are not counted yet, so answers at the same time can exceed the cap.
"""

from __future__ import annotations

import os

from mm_magics.errors import UsageError
from mm_magics.settings import Settings
from mm_magics.turn.ledger import Ledger
from mm_magics.turn.prepared import PreparedPrompt
from mm_magics.wording import dollars


class Spending:
    """What a session may still spend, by the setting `spending_cap`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def left(self) -> float | None:
        """US dollars that may still be spent; None without a cap."""
        cap: float | None = self._settings.value("spending_cap")
        return None if cap is None else max(0.0, cap - Ledger.of_process.cost)

    def lowered(self, given: float | None) -> float | None:
        """Return a limit in US dollars, lowered to what is left."""
        left = self.left
        return given if left is None else left if given is None else min(given, left)

    def check(self, prompt: PreparedPrompt) -> None:
        """Raise `UsageError` if nothing is left, or if the price of the model is unknown."""
        self.check_price(prompt)
        if self.left == 0:
            raise UsageError(f"{self.describe()} Nothing was sent.")

    def check_price(self, prompt: PreparedPrompt) -> None:
        """Raise `UsageError` if a limit on the cost cannot be enforced: the price of the model is unknown."""
        prompt.check_limits("" if self.left is None else "spending_cap")

    def notes(self) -> list[str]:
        """Return what the user of a map run must know."""
        return [] if self.left is None else [self.describe()]

    def describe(self) -> str:
        """Describe the cap and what of it was spent, in one line; "" without a cap."""
        if self.left is None:
            return ""
        cap, spent = self._settings.value("spending_cap"), dollars(Ledger.of_process.cost)
        is_reached = "is reached" if self.left == 0 else f"leaves {dollars(self.left)}"
        source = self._settings.source("spending_cap")
        return f"The spending cap of ${cap:g} ({source}) {is_reached}: process {os.getpid()} has spent {spent}."
