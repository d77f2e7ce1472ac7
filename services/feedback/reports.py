"""What marketing and sales ask of the ledger: how far leads come, why they are turned down, what campaigns bring, who keeps his word."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from statistics import median
from typing import Any

import sqlalchemy as sa

from schemas.agreement import Agreement
from schemas.events.desk import ContestVerdict
from schemas.vocabulary import LeadStatus, Money
from services.feedback import tables
from services.feedback.campaigns import Campaign

OVERTURNED = ContestVerdict.OVERTURNED.value
NO_CAMPAIGN = "(none)"
"""Leads whose submissions named no campaign."""

_STAGES = ("lead", "mql", "sal", "sql", "customer")
_ALSO = {"mql": "qualified", "sal": "accepted by sales", "sql": "opportunity", "customer": "won", "lead": "received"}


@dataclass(frozen=True)
class Window:
    """Leads that were first submitted from `since` on and before `until`, of one campaign or all."""

    since: datetime | None = None
    until: datetime | None = None
    campaign: str | None = None

    def holds(self, at: Any, campaign: Any) -> list[sa.ColumnElement[bool]]:
        """The conditions on a table's columns for time (ms) and campaign."""
        conditions: list[sa.ColumnElement[bool]] = []
        if self.since is not None:
            conditions.append(at >= int(self.since.timestamp() * 1000))
        if self.until is not None:
            conditions.append(at < int(self.until.timestamp() * 1000))
        if self.campaign is not None:
            conditions.append(campaign.is_(None) if self.campaign == NO_CAMPAIGN else campaign == self.campaign)
        return conditions


def funnel(connection: sa.Connection, window: Window) -> dict[str, Any]:
    """How many leads came how far, and where they are now. A lead that won without an opportunity counts in every stage before."""
    leads = tables.LEADS.c
    reached = (leads.mql_ms, leads.sal_ms, leads.sql_ms, leads.customer_ms)
    rows = connection.execute(
        sa.select(leads.status, *reached).where(
            leads.status.is_not(None), *window.holds(leads.submitted_ms, leads.campaign)
        )
    ).all()
    furthest = Counter(max((i for i, at in enumerate(row[1:], 1) if at is not None), default=0) for row in rows)
    counts = [sum(n for stage, n in furthest.items() if stage >= i) for i in range(len(_STAGES))]
    by_status = Counter(row.status for row in rows)
    return {
        "stages": [
            {
                "stage": stage,
                "means": _ALSO[stage],
                "leads": counts[i],
                "of_previous": ratio(counts[i], counts[i - 1] if i else counts[0]),
            }
            for i, stage in enumerate(_STAGES)
        ],
        "by_status": {status.value: by_status[status.value] for status in LeadStatus if by_status[status.value]},
    }


def rejections(connection: sa.Connection, window: Window, agreement: Agreement | None = None) -> dict[str, Any]:
    """Why leads are turned down, by reason and campaign. What was undone does not count; what a manager overturned is told
    beside. agreement: says what each reason is about; about fit means a bad lead, about timing only not now."""
    table, contest = tables.REJECTIONS.c, tables.CONTESTS.c
    rows = connection.execute(
        sa.select(
            table.kind, table.reason, table.campaign, sa.func.count().label("n"), sa.func.count(contest.contest_id).label("overturned")
        )
        .select_from(
            tables.REJECTIONS.outerjoin(
                tables.CONTESTS, sa.and_(contest.action_id == table.event_id, contest.verdict == OVERTURNED)
            )
        )
        .where(table.undone.is_(sa.false()), *window.holds(table.at_ms, table.campaign))
        .group_by(table.kind, table.reason, table.campaign)
    ).all()
    reasons: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    overturned: Counter[tuple[str, str]] = Counter()
    about: Counter[str] = Counter()
    for row in rows:
        reasons[row.reason, row.kind][row.campaign or NO_CAMPAIGN] += row.n
        overturned[row.reason, row.kind] += row.overturned
        about[_about(agreement, row.reason) or "unsaid"] += row.n
    ordered = sorted(reasons.items(), key=lambda item: (-item[1].total(), item[0]))
    return {
        "total": sum(counter.total() for counter in reasons.values()),
        "overturned": overturned.total(),
        "by_about": dict(about.most_common()),
        "reasons": [
            {
                "reason": reason,
                "kind": kind,
                "about": _about(agreement, reason),
                "count": counter.total(),
                "overturned": overturned[reason, kind],
                "campaigns": dict(counter.most_common()),
            }
            for (reason, kind), counter in ordered
        ],
    }


def _about(agreement: Agreement | None, reason: str) -> str | None:
    """What a reason is about, if the agreement in force says so."""
    terms = agreement.reason(reason) if agreement is not None else None
    return terms.about.value if terms is not None and terms.about is not None else None


def campaigns(connection: sa.Connection, known: Mapping[str, Campaign]) -> dict[str, Any]:
    """What each campaign brought and cost, also those that nobody has described."""
    leads, lost, won, costs = tables.LEADS.c, tables.REJECTIONS.c, tables.WINS.c, tables.COSTS.c
    brought = {
        row.campaign or NO_CAMPAIGN: row._mapping
        for row in connection.execute(
            sa.select(
                leads.campaign,
                sa.func.count().label("leads"),
                sa.func.count(leads.mql_ms).label("mql"),
                sa.func.count(leads.sal_ms).label("sal"),
                sa.func.count(leads.sql_ms).label("sql"),
                sa.func.count(leads.customer_ms).label("customers"),
                sa.func.sum(leads.submissions).label("submissions"),
            )
            .where(leads.status.is_not(None))
            .group_by(leads.campaign)
        )
    }
    turned_down = {
        row.campaign or NO_CAMPAIGN: row.n
        for row in connection.execute(
            sa.select(lost.campaign, sa.func.count(lost.lead_id.distinct()).label("n"))
            .where(lost.undone.is_(sa.false()))
            .group_by(lost.campaign)
        )
    }
    revenue = _sums(
        connection.execute(
            sa.select(won.campaign, won.amount, won.currency).where(won.undone.is_(sa.false()), won.amount.is_not(None))
        )
    )
    cost = _sums(connection.execute(sa.select(costs.campaign, costs.amount, costs.currency)))
    for campaign_id, campaign in known.items():
        for spend in campaign.spend:
            cost[campaign_id][spend.amount.currency] += spend.amount.amount
    names = sorted({*brought, *known, *cost, *revenue})
    return {
        "campaigns": [
            {
                "campaign": name,
                "name": known[name].name if name in known else None,
                "channel": known[name].channel if name in known else None,
                "target": known[name].target if name in known else {},
                **{
                    what: int(brought[name][what] or 0) if name in brought else 0
                    for what in ("submissions", "leads", "mql", "sal", "sql", "customers")
                },
                "turned_down": turned_down.get(name, 0),
                "spend": _amounts(cost[name]),
                "won": _amounts(revenue[name]),
                "cost_per_lead": _per(cost[name], brought[name]["leads"] if name in brought else 0),
                "cost_per_customer": _per(cost[name], brought[name]["customers"] if name in brought else 0),
            }
            for name in names
        ]
    }


def scorecard(connection: sa.Connection, window: Window) -> dict[str, Any]:
    """What each department owes the other: qualified leads from marketing, leads worked in time from sales."""
    leads, held, clocks = tables.LEADS.c, tables.ASSIGNMENTS.c, tables.CLOCKS.c
    received, qualified, accepted = connection.execute(
        sa.select(sa.func.count(), sa.func.count(leads.mql_ms), sa.func.count(leads.sal_ms)).where(
            leads.status.is_not(None), *window.holds(leads.submitted_ms, leads.campaign)
        )
    ).one()
    offered = connection.execute(
        # an assignment that came back by an undo is in the table anew, and is the same offer to the same rep
        sa.select(
            held.rep_id,
            sa.func.min(held.from_ms).label("from_ms"),
            sa.func.min(held.answered_ms).label("answered_ms"),
            sa.func.max(sa.cast(held.accepted, sa.Integer)).label("accepted"),
        )
        .select_from(tables.ASSIGNMENTS.join(tables.LEADS, held.lead_id == leads.lead_id))
        .where(*window.holds(held.from_ms, leads.campaign))
        .group_by(held.lead_id, held.assignment_id, held.rep_id)
    ).all()
    kept: Counter[str] = Counter(
        dict(
            connection.execute(
                sa.select(clocks.state, sa.func.count())
                .where(*window.holds(clocks.started_ms, clocks.campaign))
                .group_by(clocks.state)
            ).all()
        )
    )
    kept["met"] += kept["corrected"]
    kept["running"] += kept["paused"]
    decided = kept["met"] + kept["breached"]
    by_rep: dict[str, list[Any]] = defaultdict(list)
    for row in offered:
        by_rep[row.rep_id or "?"].append(row)
    return {
        "marketing": {"received": received, "qualified": qualified, "qualified_share": ratio(qualified, received)},
        "sales": {
            "accepted": accepted,
            "accepted_share": ratio(accepted, qualified),
            "clocks": {
                "met": kept["met"],
                "breached": kept["breached"],
                "running": kept["running"],
                "met_share": ratio(kept["met"], decided),
            },
            **_response(offered),
        },
        "reps": [{"rep": rep, **_response(rows)} for rep, rows in sorted(by_rep.items())],
    }


def _response(offered: Iterable[Any]) -> dict[str, Any]:
    rows = list(offered)
    seconds = [(row.answered_ms - row.from_ms) / 1000 for row in rows if row.answered_ms is not None]
    return {
        "assignments": len(rows),
        "answered": len(seconds),
        "accepted_assignments": sum(bool(row.accepted) for row in rows),
        "median_seconds_to_first_action": round(median(seconds), 3) if seconds else None,
    }


def ratio(part: int, whole: int) -> float | None:
    """A share (0 to 1) to four places; None of nothing."""
    return round(part / whole, 4) if whole else None


Sums = defaultdict[str, defaultdict[str, Decimal]]
"""Campaign -> currency -> amount: amounts of different currencies are never added."""


def _sums(rows: Iterable[Any]) -> Sums:
    sums: Sums = defaultdict(lambda: defaultdict(Decimal))
    for row in rows:
        sums[row.campaign or NO_CAMPAIGN][row.currency] += Decimal(row.amount)
    return sums


def _amounts(by_currency: Mapping[str, Decimal]) -> list[dict[str, str]]:
    return [_money(amount, currency) for currency, amount in sorted(by_currency.items())]


def _per(by_currency: Mapping[str, Decimal], number: int) -> list[dict[str, str]]:
    return [_money(amount / number, currency) for currency, amount in sorted(by_currency.items())] if number else []


def _money(amount: Decimal, currency: str) -> dict[str, str]:
    return Money(amount=amount.quantize(Decimal("0.01")), currency=currency).model_dump(mode="json")
