"""What the quarter came to: per pool and rep the load against the share, how long leads waited, the largest shortfall."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.figures import percentile
from benchmarks.quarter.play import Quarter
from services.routing.processors import TEAM
from services.routing.team.fairness import ONE_LEAD

_AT_ONCE = timedelta(seconds=1)


def report_of(quarter: Quarter) -> dict[str, Any]:
    """The report as plain data."""
    check = quarter.check
    off = _off_the_product(quarter)
    pools = {pool: _pool(quarter, pool) for pool in check.waits}
    return {
        "assignments": check.assigned,
        "reps": len(quarter.reps),
        "pools": pools,
        "largest_shortfall": max(pool["largest_shortfall"] for pool in pools.values()),
        "largest_difference_of_lags": off,
        "findings": check.number_found,
        "first_findings": check.found,
    }


def _pool(quarter: Quarter, pool: str) -> dict[str, Any]:
    check = quarter.check
    members = sorted(rep for where, rep in check.accounts if where == pool)
    rows = {}
    for rep in members:
        account = check.accounts[pool, rep]
        rows[rep] = {
            "weight": quarter.reps[rep].pools[pool],
            "share": round(account.share, 3),
            "assigned": account.assigned,
            "shortfall": round(account.share - account.assigned, 3),
            "written_off": round(account.share - account.assigned - account.lag, 3),
            "largest_shortfall": round(account.shortfall, 3),
            "largest_surplus": round(account.surplus, 3),
        }
    waits = [wait.total_seconds() for wait in check.waits[pool]]
    late = [wait for wait in waits if wait > _AT_ONCE.total_seconds()]
    return {
        "assignments": len(waits),
        "at_once": round(1 - len(late) / len(waits), 4),
        "wait_seconds": _waits(waits),
        "wait_seconds_of_who_waited": _waits(late) if late else None,
        "most_waiting": check.most_waiting[pool],
        "still_waiting": len(check.waiting[pool]),
        "largest_shortfall": max(row["largest_shortfall"] for row in rows.values()),
        "reps": rows,
    }


def _waits(waits: Sequence[float]) -> dict[str, float]:
    return {"median": round(percentile(waits, 0.5), 3), "p99": round(percentile(waits, 0.99), 3), "longest": round(max(waits), 3)}


def _off_the_product(quarter: Quarter) -> float:
    """The largest difference between a lag of the check and what routing has in its state."""
    worst = 0.0
    for (pool, name), account in quarter.check.accounts.items():
        team = quarter.reps[name].team
        rep = quarter.loop.parts(TEAM.name, team)["rep"][name]
        virtual = quarter.loop.state(TEAM.name, team).pools[pool].virtual
        turn = rep.turns.get(pool, 0)
        lag = (virtual - turn if rep.able else turn) * rep.weight(pool) / ONE_LEAD
        worst = max(worst, abs(lag - account.lag))
    return worst


def tell(report: dict[str, Any], console: Console) -> None:
    """The report for people."""
    for name, pool in report["pools"].items():
        waits = pool["wait_seconds_of_who_waited"] or pool["wait_seconds"]
        table = Table(title=f"{name}: {pool['assignments']:,} assignments", title_justify="left", show_edge=False)
        for column in ("rep", "weight", "share", "assigned", "shortfall", "written off", "largest", "largest surplus"):
            table.add_column(column, justify="left" if column == "rep" else "right")
        for rep, row in pool["reps"].items():
            numbers = (f"{row[key]:,.2f}" for key in ("shortfall", "written_off", "largest_shortfall", "largest_surplus"))
            table.add_row(rep, str(row["weight"]), f"{row['share']:,.2f}", f"{row['assigned']:,}", *numbers)
        console.print(table)
        console.print(
            f"{100 * pool['at_once']:.1f} % found a rep at once; who waited (nights, weekends, everyone at his cap): median "
            f"{_said(waits['median'])}, p99 {_said(waits['p99'])}, longest {_said(waits['longest'])}; at most "
            f"{pool['most_waiting']:,} waited at once, {pool['still_waiting']} wait still\n"
        )
    console.print(
        f"{report['assignments']:,} assignments to {report['reps']} reps; largest shortfall of all: "
        f"{report['largest_shortfall']:.2f} leads; the check found {report['findings']} faults, and its lags differ from "
        f"routing's by {report['largest_difference_of_lags']:.1e} at most"
    )
    for finding in report["first_findings"]:
        console.print(f"  {finding}", markup=False)


def _said(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds:.0f} s"
