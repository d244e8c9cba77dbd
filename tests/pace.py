"""How much longer our own code takes while coverage counts its lines: tests of its speed allow for that."""

from __future__ import annotations

import sys

SLOWER = 3 if sys.gettrace() else 1
