"""Rejections that were contested: how many a manager overturned, of whom, and who says "other" how often."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import sqlalchemy as sa

from schemas.agreement import Agreement, ReasonAbout
from services.feedback import tables
from services.feedback.audience import wilson
from services.feedback.lead_views import instant
from services.feedback.reports import Window

_BY_REPS = ("rejected", "recycled")
"""What a rep turned down: rejected, or given back to marketing."""
_OTHER = "other"
NOBODY = "(nobody)"


def contests(connection: sa.Connection, *, only_open: bool, limit: int = 500) -> list[dict[str, Any]]:
    """Contests, the latest first."""
    table = tables.CONTESTS.c
    wanted = [table.verdict.is_(None)] if only_open else []
    rows = connection.execute(sa.select(tables.CONTESTS).where(*wanted).order_by(table.at_ms.desc(), table.contest_id).limit(limit))
    return [
        {
            "contest_id": row.contest_id,
            "lead_id": row.lead_id,
            "action_id": row.action_id,
            "rep": row.rep_id,
            "reason": row.reason,
            "campaign": row.campaign,
            "contested_by": row.contested_by,
            "contested_at": instant(row.at_ms),
            "because": row.because,
            "verdict": row.verdict or "open",
            "decided_by": row.decided_by,
            "decided_at": instant(row.decided_ms),
            "decided_because": row.decided_because,
        }
        for row in rows
    ]


def reversals(connection: sa.Connection, agreement: Agreement | None, window: Window) -> dict[str, Any]:
    """By rep: what he turned down in the window, his share of reasons that say nothing, and what became of what was
    contested, by when it was contested. What was undone does not count. `total` is of everybody."""
    turned, asked = tables.REJECTIONS.c, tables.CONTESTS.c
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    for row in connection.execute(
        sa.select(turned.rep_id, turned.reason, sa.func.count().label("n"))
        .where(turned.undone.is_(sa.false()), turned.kind.in_(_BY_REPS), *window.holds(turned.at_ms, turned.campaign))
        .group_by(turned.rep_id, turned.reason)
    ):
        reasons[row.rep_id or NOBODY][row.reason] += row.n
    verdicts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in connection.execute(
        sa.select(asked.rep_id, asked.verdict, sa.func.count().label("n"))
        .where(*window.holds(asked.at_ms, asked.campaign))
        .group_by(asked.rep_id, asked.verdict)
    ):
        verdicts[row.rep_id or NOBODY][row.verdict or "open"] += row.n
    says_nothing = others(agreement)
    reps = sorted({*reasons, *verdicts})
    return {
        "total": _line(sum(reasons.values(), Counter()), sum(verdicts.values(), Counter()), says_nothing),
        "reps": [{"rep": rep, **_line(reasons[rep], verdicts[rep], says_nothing)} for rep in reps],
    }


def others(agreement: Agreement | None) -> frozenset[str]:
    """The reasons that say nothing: the one called other, and those that the agreement says are about something else."""
    known = agreement.reasons.values() if agreement is not None else ()
    return frozenset({_OTHER, *(str(r.id) for r in known if r.about is ReasonAbout.OTHER)})


def _line(reasons: Counter[str], verdicts: Counter[str], says_nothing: frozenset[str]) -> dict[str, Any]:
    turned_down, other = reasons.total(), sum(n for reason, n in reasons.items() if reason in says_nothing)
    decided = verdicts["upheld"] + verdicts["overturned"]
    return {
        "turned_down": turned_down,
        "other": other,
        **_share("other", other, turned_down),
        "contested": verdicts.total(),
        "open": verdicts["open"],
        "upheld": verdicts["upheld"],
        "overturned": verdicts["overturned"],
        **_share("overturned", verdicts["overturned"], decided),
        "reasons": dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
    }


def _share(name: str, part: int, whole: int) -> dict[str, Any]:
    """A share with its 95 % interval (Wilson); None of nothing."""
    low, high = wilson(part, whole)
    return {
        f"{name}_share": round(part / whole, 4) if whole else None,
        f"{name}_interval": [round(low, 4), round(high, 4)] if whole else None,
    }
