"""How much slower our code runs under coverage and on a busy machine. Tests of speed allow for it."""

from __future__ import annotations

import os
import sys

SLOWER = 3 if sys.gettrace() else 1
PATIENCE = SLOWER if "TIMED" in os.environ else 6 * SLOWER
"""How many times as long as on a quiet machine something may take."""
