"""Where a win came from: the cycles of leads that came back, the first touch of each, and what recycling has yielded."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from schemas.agreement import Agreement
from schemas.vocabulary import LifecycleStage, Money
from services.feedback import tables
from services.feedback.audience import wilson
from services.feedback.lead_views import instant
from services.feedback.passes import STAGES
from services.feedback.reports import Window
from services.feedback.touches import survivors
from services.runtime.bulk import select_by
from services.runtime.http import Problem

Rows = Sequence[Mapping[str, Any]]

WINS_SHOWN = 200
_DAY_MS = 86_400_000
_REACHED = {"qualified": LifecycleStage.MQL, "accepted": LifecycleStage.SAL, "opportunities": LifecycleStage.SQL, "won": LifecycleStage.CUSTOMER}
_WAKES = ("date", "engagement", "score", "campaign", "submission")


def cycles(connection: sa.Connection, lead_id: str) -> dict[str, Any]:
    """Every pass of a lead through the loop, with the first touch of each. Raises Problem 404."""
    passed = _passes(connection, [lead_id])
    if lead_id not in passed:
        raise Problem(404, "No such lead", f"The ledger knows no lead {lead_id[:80]!r}.")
    return {"lead_id": lead_id, "cycles": _with_touches(connection, passed)[lead_id]}


def recycling(connection: sa.Connection, agreement: Agreement | None, window: Window) -> dict[str, Any]:
    """What became of the leads that went to rest in the window, by reason and cycle; and the wins of later cycles, each with
    where its lead came from in every cycle before."""
    ended, after = tables.CYCLES.alias("ended"), tables.CYCLES.alias("after")
    follows = sa.and_(
        after.c.lead_id == ended.c.lead_id, after.c.life == ended.c.life, after.c.cycle == ended.c.cycle + 1
    )
    held = window.holds(ended.c.ended_ms, ended.c.campaign)
    rows = connection.execute(
        sa.select(
            ended.c.reason, ended.c.stream, ended.c.cycle, ended.c.ended_as, after.c.woken_by, after.c.stage,
            sa.func.count().label("n"), sa.func.sum(after.c.began_ms - ended.c.ended_ms).label("rested_ms"),
        )
        .select_from(ended.outerjoin(after, follows))
        .where(ended.c.ended_ms.is_not(None), *held)
        .group_by(ended.c.reason, ended.c.stream, ended.c.cycle, ended.c.ended_as, after.c.woken_by, after.c.stage)
    ).all()  # fmt: skip
    revenue = _revenue(connection, ended, held)
    groups: dict[tuple[str, int], list[Any]] = defaultdict(list)
    for row in rows:
        groups[row.reason, row.cycle].append(row)
    wins = _wins(connection, window)
    return {
        "by_reason": [
            _yielded(key, group, agreement, revenue.get(key, {}))
            for key, group in sorted(groups.items(), key=lambda item: (-sum(r.n for r in item[1]), item[0]))
        ],
        "wins": wins[:WINS_SHOWN],
        "wins_in_later_cycles": len(wins),
        "by_first_campaign": _by_first_campaign(wins),
    }


def _yielded(
    key: tuple[str, int], rows: Iterable[Any], agreement: Agreement | None, revenue: Mapping[str, Decimal]
) -> dict[str, Any]:
    reason, cycle = key
    terms = agreement.reason(reason) if agreement is not None else None
    ends: Counter[str] = Counter()
    woken: Counter[str] = Counter()
    streams: Counter[str] = Counter()
    reached: Counter[str] = Counter()
    rested_ms = 0
    for row in rows:
        ends[row.ended_as] += row.n
        streams[row.stream or ""] += row.n if row.stream else 0
        if row.woken_by is not None:
            woken[row.woken_by] += row.n
            rested_ms += int(row.rested_ms or 0)
            far = STAGES.index(LifecycleStage(row.stage))
            for name, stage in _REACHED.items():
                reached[name] += row.n if far >= STAGES.index(stage) else 0
    rested, back = ends["recycled"], woken.total()
    low, high = wilson(reached["won"], rested)
    return {
        "reason": reason,
        "title": str(terms.title) if terms is not None else reason.replace("_", " "),
        "about": terms.about.value if terms is not None and terms.about is not None else None,
        "cycle": cycle,
        "streams": [name for name, n in streams.most_common() if n],
        "rested": rested,
        "retired": ends["retired"],
        "suppressed": ends["suppressed"],
        "came_back": back,
        "woken_by": {kind: woken[kind] for kind in _WAKES if woken[kind]},
        "mean_days_of_rest": round(rested_ms / back / _DAY_MS, 2) if back else None,
        **{name: reached[name] for name in _REACHED},
        "won_share": round(reached["won"] / rested, 4) if rested else None,
        "interval": [round(low, 4), round(high, 4)] if rested else None,
        "revenue": [_money(amount, currency) for currency, amount in sorted(revenue.items())],
    }


def _revenue(
    connection: sa.Connection, ended: Any, held: Sequence[sa.ColumnElement[bool]]
) -> dict[tuple[str, int], dict[str, Decimal]]:
    """What was won in the cycle after each end, by reason and cycle, by currency: never added across currencies."""
    wins = tables.WINS.c
    out: dict[tuple[str, int], dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    joined = ended.join(
        tables.WINS,
        sa.and_(wins.lead_id == ended.c.lead_id, wins.life == ended.c.life, wins.cycle == ended.c.cycle + 1),
    )
    for row in connection.execute(
        sa.select(ended.c.reason, ended.c.cycle, wins.amount, wins.currency)
        .select_from(joined)
        .where(wins.undone.is_(sa.false()), wins.amount.is_not(None), *held)
    ):
        out[row.reason, row.cycle][row.currency] += Decimal(row.amount)
    return out


def _wins(connection: sa.Connection, window: Window) -> list[dict[str, Any]]:
    """Wins of cycles after the first, the latest first, each with the lead's whole way."""
    wins = tables.WINS.c
    found = connection.execute(
        sa.select(tables.WINS)
        .where(wins.undone.is_(sa.false()), wins.cycle > 1, *window.holds(wins.at_ms, wins.campaign))
        .order_by(wins.at_ms.desc(), wins.event_id)
    ).all()
    ways = _with_touches(connection, _passes(connection, {row.lead_id for row in found}))
    out = []
    for row in found:
        way = [one for one in ways.get(row.lead_id, []) if one["cycle"] <= row.cycle]
        first = next((one["first_touch"] for one in way if one["first_touch"] is not None), None)
        last = way[-1]["first_touch"] if way else None
        out.append(
            {
                "lead_id": row.lead_id,
                "cycle": row.cycle,
                "won_at": instant(row.at_ms),
                "amount": _money(Decimal(row.amount), row.currency) if row.amount is not None else None,
                "first_touch": first,
                "first_touch_of_its_cycle": last,
                "days_from_first_touch": _days(first["at"], row.at_ms) if first is not None else None,
                "cycles": way,
            }
        )
    return out


def _days(since: str, until_ms: int) -> float:
    return round((until_ms / 1000 - datetime.fromisoformat(since).timestamp()) / 86_400, 1)


def _by_first_campaign(wins: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Which campaigns won leads in later cycles that they had brought in the first."""
    number: Counter[str] = Counter()
    amounts: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for win in wins:
        campaign = (win["first_touch"] or {}).get("campaign") or "(none)"
        number[campaign] += 1
        if win["amount"] is not None:
            amounts[campaign][win["amount"]["currency"]] += Decimal(win["amount"]["amount"])
    return [
        {
            "campaign": campaign,
            "wins": n,
            "revenue": [_money(amount, currency) for currency, amount in sorted(amounts[campaign].items())],
        }
        for campaign, n in sorted(number.items(), key=lambda item: (-item[1], item[0]))
    ]


# ------------------------------------------------------------------ passes and their touches


def _passes(connection: sa.Connection, leads: Collection[str]) -> dict[str, list[dict[str, Any]]]:
    """The cycles of each lead's present life, in order; a lead that never came back has one, as its row tells."""
    known: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in select_by(connection, tables.CYCLES.c.lead_id, leads, *tables.CYCLES.c):
        known[row.lead_id].append(dict(row._mapping))
    out: dict[str, list[dict[str, Any]]] = {}
    of = tables.LEADS.c
    for row in select_by(
        connection, of.lead_id, leads, of.lead_id, of.cycle, of.cycle_ms, of.stage, of.submitted_ms, of.campaign
    ):
        lives = known.get(row.lead_id, [])
        life = max((one["life"] for one in lives), default=1)
        passed = sorted((one for one in lives if one["life"] == life), key=lambda one: one["cycle"])
        if not any(one["cycle"] == row.cycle for one in passed):
            passed.append(_first_pass(row, life))
        out[row.lead_id] = passed
    return out


def _first_pass(row: Any, life: int) -> dict[str, Any]:
    nothing = dict.fromkeys(column.name for column in tables.CYCLES.columns)
    return nothing | {"lead_id": row.lead_id, "life": life, "cycle": row.cycle, "began_ms": row.cycle_ms, "stage": row.stage}


def _with_touches(connection: sa.Connection, passed: Mapping[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """The cycles as they are shown. A cycle's touches are those after the end of the one before: what brought a lead back
    while it rested counts for the cycle that it began. Computed from the touches as they are known now, those of leads
    that were merged into this one included."""
    touches = _touches(connection, passed)
    out: dict[str, list[dict[str, Any]]] = {}
    for lead, cycles_ in passed.items():
        ends = [one["ended_ms"] or 0 for one in cycles_[:-1]]
        first: dict[int, Any] = {}
        many: Counter[int] = Counter()
        since = cycles_[0]["began_ms"] if cycles_[0]["life"] > 1 else 0  # an erased person's touches are not his
        for touch in touches.get(lead, []):
            if touch.at_ms < since:
                continue
            number = bisect_right(ends, touch.at_ms - 1) if ends else 0
            first.setdefault(number, touch)
            many[number] += 1
        out[lead] = [_shown(one, first.get(i), many[i]) for i, one in enumerate(cycles_)]
    return out


def _touches(connection: sa.Connection, leads: Collection[str]) -> dict[str, list[Any]]:
    into = {old: new for old, new in survivors(connection).items() if new in leads}
    found: dict[str, list[Any]] = defaultdict(list)
    for row in select_by(connection, tables.TOUCHES.c.lead_id, {*leads, *into}, *tables.TOUCHES.c):
        found[into.get(row.lead_id, row.lead_id)].append(row)
    return {lead: sorted(rows, key=lambda row: (row.at_ms, row.event_id)) for lead, rows in found.items()}


def _shown(one: Mapping[str, Any], touch: Any, touches: int) -> dict[str, Any]:
    return {
        "cycle": one["cycle"],
        "began_at": instant(one["began_ms"]),
        "woken_by": one["woken_by"],
        "because": one["because"],
        "first_touch": None
        if touch is None
        else {
            "at": instant(touch.at_ms), "campaign": touch.campaign, "channel": touch.channel,
            "collateral": touch.collateral,
        },
        "touches": touches,
        "reached": one["stage"],
        "ended_at": instant(one["ended_ms"]),
        "ended_as": one["ended_as"],
        "reason": one["reason"],
        "stream": one["stream"],
        "buying_stage": one["buying_stage"],
        "wakes_at": instant(one["wakes_ms"]),
    }  # fmt: skip


def _money(amount: Decimal, currency: str) -> dict[str, str]:
    return Money(amount=amount.quantize(Decimal("0.01")), currency=currency).model_dump(mode="json")


__all__ = ["cycles", "recycling"]
