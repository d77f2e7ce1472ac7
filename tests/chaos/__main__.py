"""Audit again what a run has kept: `python -m tests.chaos FILE`. Exit code 1 if anything is wrong."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.chaos.audit import audit
from tests.chaos.evidence import kept

if len(sys.argv) != 2:
    sys.exit(__doc__)
found = audit(kept(Path(sys.argv[1])))
print(found.report())  # noqa: T201 - its one purpose
sys.exit(1 if found.wrong else 0)
