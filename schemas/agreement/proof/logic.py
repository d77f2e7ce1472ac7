"""And and or of any number of parts, none included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import z3


def conjunction(parts: Sequence[Any]) -> Any:
    return parts[0] if len(parts) == 1 else z3.And(*parts) if parts else z3.BoolVal(True)


def disjunction(parts: Sequence[Any]) -> Any:
    return parts[0] if len(parts) == 1 else z3.Or(*parts) if parts else z3.BoolVal(False)
