"""How much slower our code runs under coverage. Tests of speed allow for it."""

from __future__ import annotations

import sys

SLOWER = 3 if sys.gettrace() else 1
