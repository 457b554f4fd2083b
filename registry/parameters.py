"""How a rule's parameter is named for a device: D-01.upper.  No Django here."""

from __future__ import annotations

import re

NAME = re.compile(r"[^\s.]+\.[A-Za-z_][A-Za-z0-9_]*")
