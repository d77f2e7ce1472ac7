"""`python -m benchmarks.quarter [--leads N] [--seed N] [--json]`: play the quarter, check it, report. Exits 1 on a fault."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.progress import Progress

from benchmarks.quarter.play import Quarter
from benchmarks.quarter.report import report_of, tell

LEADS = 50_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Play it. The exit code: 0, or 1 if the check found something."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quarter", description=__doc__)
    parser.add_argument("--leads", type=int, default=LEADS, help=f"how many come in the quarter (default {LEADS:,})")
    parser.add_argument("--seed", type=int, default=7, help="another one is another quarter (default 7)")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    options = parser.parse_args(arguments)
    if options.leads < 1:
        parser.error("--leads takes a number from 1 on")
    quarter = Quarter(options.leads, options.seed)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("leads", total=options.leads)
        quarter.play(lambda number: progress.update(task, completed=number))
    report = report_of(quarter)
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        tell(report, Console(width=None if sys.stdout.isatty() else 140))
    return 1 if report["findings"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
