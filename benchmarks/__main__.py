"""`python -m benchmarks [NAME ...] [--runs N] [--json]`: measure, and print each figure's median beside its target."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import platform
import sys
from collections.abc import Awaitable, Callable, Sequence

import structlog
from rich.console import Console
from rich.table import Table

from benchmarks import (
    backtest,
    clocks,
    engine,
    forecast,
    hop,
    imports,
    learning,
    loop,
    proof,
    restore,
    routing,
    scoring,
    ticks,
)
from benchmarks.figures import Figure, medians

BENCHMARKS: dict[str, tuple[str, Callable[[], Awaitable[list[Figure]]]]] = {
    "engine": ("one hop with state and one output: our engine, a plain aiokafka loop, stock Faust", engine.measure),
    "hop": ("what one record costs one processor, by part and without a broker", hop.measure),
    "scoring": ("a score of 60 rules and 40 engagements beside ifs written by hand", scoring.measure),
    "clocks": ("deadlines a second, how late breaches are said, clocks after SIGKILL", clocks.measure),
    "proof": ("an agreement of 300 rules, proven over all possible leads", proof.measure),
    "learning": ("the score that learns, over a bank's recorded campaigns", learning.measure),
    "backtest": ("the recorded log under another agreement, on two processes", backtest.measure),
    "routing": ("what an assignment costs a team, by reps and by waiting leads", routing.measure),
    "imports": ("10,000 leads imported beside fresh ones", imports.measure),
    "ticks": ("what a tick costs with few and with many clocks that are not due", lambda: ticks.measure(clocks.NUMBERS)),
    "forecast": ("which clocks will be breached: a simulated month against the base rate", forecast.measure),
    "restore": ("the state of 100,000 keys, read back", restore.measure),
    "loop": ("the whole loop, every service a process", loop.measure),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named benchmarks (all, if none is named). Answers the exit code: 0, or 1 if one could not be run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="*", help="; ".join(f"{n}: {what}" for n, (what, _) in BENCHMARKS.items()))
    parser.add_argument("--runs", type=int, default=3, help="how often each is run; the median is told (default 3)")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of tables")
    options = parser.parse_args(arguments)
    # What our own parts say while they measure belongs neither into the tables nor into the JSON document.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    unknown = set(options.name) - BENCHMARKS.keys()
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}: there are {', '.join(BENCHMARKS)}")
    results = {}
    for name in options.name or BENCHMARKS:
        what, measure = BENCHMARKS[name]
        sys.stderr.write(f"{name}: {what}, {options.runs} times\n")
        runs = [asyncio.run(measure()) for _ in range(options.runs)]
        results[name] = medians(runs)
        if not options.json:
            _print(name, what, options.runs, results[name])
    if options.json:
        print(json.dumps({"machine": platform.platform(), "runs": options.runs, "figures": {
            name: [{"name": f.name, "median": f.value, "min": low, "max": high, "unit": f.unit, "target": f.target} for f, low, high in rows]
            for name, rows in results.items()
        }}))
    return 0


def _print(name: str, what: str, runs: int, rows: list[tuple[Figure, float, float]]) -> None:
    table = Table(title=f"{name}: {what}", caption=f"median of {runs}; min to max", title_justify="left")
    for column in ("figure", "median", "min to max", "unit", "target"):
        table.add_column(column, justify="right" if column in ("median", "min to max") else "left")
    for figure, low, high in rows:
        table.add_row(figure.name, f"{figure.value:,.2f}", f"{low:,.2f} to {high:,.2f}", figure.unit, figure.target)
    Console().print(table)


if __name__ == "__main__":
    raise SystemExit(main())
