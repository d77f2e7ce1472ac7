"""The sheet that both departments read before the next campaign: what one cost and brought, whom it reached, what sales said."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import orjson
import sqlalchemy as sa

from schemas.agreement import Agreement
from schemas.events.intake import LeadSubmitted
from schemas.lifecycle import Effect
from services.feedback import tables
from services.feedback.advice import Evidence, advice
from services.feedback.audience import Segment, read_audience, wilson
from services.feedback.audience_report import Reading, costs_of, leads_read
from services.feedback.campaigns import Campaign
from services.feedback.clocks import BREACHED, KEPT
from services.feedback.promises import Amounts, amounts_of
from services.feedback.reach import reach
from services.feedback.reports import NO_CAMPAIGN, OVERTURNED, Window
from services.feedback.sla_report import quantile
from services.runtime.http import Problem

_DAY_MS = 86_400_000
_STAGES = ("leads", "qualified", "accepted", "opportunities", "won")
_BY_SALES = frozenset({"rejected", "recycled", "lost"})


def review(
    connection: sa.Connection, campaign_id: str, agreement: Agreement | None, known: Mapping[str, Campaign], now: datetime
) -> dict[str, Any]:
    """The sheet. Raises Problem (404) if nobody has described the campaign and no lead names it."""
    campaign, window = known.get(campaign_id), Window(campaign=campaign_id)
    rows = _leads(connection, window)
    if campaign is None and not rows:
        raise Problem(
            404,
            "No such campaign",
            f"No campaign {campaign_id!r} was described and no lead names it: GET /v1/reports/campaigns lists those that are known.",
        )
    stages, numbers = _stages(rows)
    cost = costs_of(connection, known).get(campaign_id, {})
    revenue, unpriced = _won(connection, window)
    reasons, refused = _reasons(connection, window, agreement, rows)
    clocks = _clocks(connection, window)
    everybody = leads_read(connection, agreement, Window(), int(now.timestamp() * 1000))
    attributes = {str(name): one for name, one in agreement.attributes.items()} if agreement is not None else {}
    reached = reach(campaign.target if campaign else {}, _came(connection, window, rows), attributes, numbers)
    name = campaign.name if campaign is not None else campaign_id
    evidence = Evidence(
        name=name,
        leads=numbers["leads"],
        qualified=numbers["qualified"],
        accepted=numbers["accepted"],
        refused=refused,
        kept=sum(clocks[state] for state in KEPT),
        breached=clocks[BREACHED],
        cost=cost,
        against_others=_against_others(everybody, campaign_id),
        inside=read_audience([_without_campaign(one) for one in everybody.seen if one.traits["campaign"] == campaign_id]),
        reach=reached,
        reasons=reasons,
        goals=agreement.terms.goals if agreement is not None else None,
    )
    return {
        "campaign": campaign_id,
        "name": name,
        "described": campaign is not None,
        "channel": campaign.channel if campaign else None,
        "from": campaign.from_.isoformat() if campaign else None,
        "to": campaign.to.isoformat() if campaign and campaign.to else None,
        "read_at": now.isoformat(timespec="seconds"),
        "numbers": {**numbers, "turned_down": sum(r["count"] for r in reasons)},
        "stages": stages,
        "cost": _money(cost),
        "revenue": _money(revenue),
        "cost_per": {what: _per(cost, numbers[of]) for what, of in (("lead", "leads"), ("qualified", "qualified"), ("win", "won"))},
        "reach": reached,
        "turned_down": reasons,
        **advice(evidence),
        "remarks": _remarks(campaign, numbers, cost, revenue, unpriced, evidence, everybody),
    }


# ------------------------------------------------------------------ reading


def _leads(connection: sa.Connection, window: Window) -> Sequence[Any]:
    leads = tables.LEADS.c
    return connection.execute(
        sa.select(
            leads.lead_id, leads.submissions, leads.submitted_ms, leads.mql_ms, leads.sal_ms, leads.sql_ms, leads.customer_ms
        ).where(leads.status.is_not(None), *window.holds(leads.submitted_ms, leads.campaign))
    ).all()


def _stages(rows: Sequence[Any]) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """A lead that was won without an opportunity counts in every stage before; its time is from the last stage that it was seen in."""
    furthest: Counter[int] = Counter()
    took: dict[int, list[float]] = defaultdict(list)
    for row in rows:
        times = (row.submitted_ms, row.mql_ms, row.sal_ms, row.sql_ms, row.customer_ms)
        seen = [i for i, at in enumerate(times) if at is not None]
        furthest[max(seen, default=0)] += 1
        for before, i in pairwise(seen):
            took[i].append(max(0.0, (times[i] - times[before]) / _DAY_MS))
    counts = [sum(n for stage, n in furthest.items() if stage >= i) for i in range(len(_STAGES))]
    stages = []
    for i, stage in enumerate(_STAGES):
        of = counts[i - 1] if i else counts[0]
        low, high = wilson(counts[i], of)
        stages.append(
            {
                "stage": stage,
                "leads": counts[i],
                "of_previous": round(counts[i] / of, 4) if of and i else None,
                "interval": [round(low, 4), round(high, 4)] if of and i else None,
                "median_days": quantile(sorted(took[i]), 0.5),
            }
        )
    return stages, {
        "submissions": sum(row.submissions for row in rows),
        **dict(zip(_STAGES, counts, strict=True)),
    }


def _won(connection: sa.Connection, window: Window) -> tuple[dict[str, Decimal], int]:
    """Revenue by currency, and how many wins have no amount."""
    won = tables.WINS.c
    revenue: defaultdict[str, Decimal] = defaultdict(Decimal)
    unpriced = 0
    for row in connection.execute(
        sa.select(won.amount, won.currency).where(won.undone.is_(sa.false()), *window.holds(won.at_ms, won.campaign))
    ):
        if row.amount is None:
            unpriced += 1
        else:
            revenue[row.currency] += Decimal(row.amount)
    return dict(revenue), unpriced


def _reasons(
    connection: sa.Connection, window: Window, agreement: Agreement | None, rows: Sequence[Any]
) -> tuple[list[dict[str, Any]], int]:
    """Why leads were turned down, in the agreement's words, without what a manager overturned; and how many qualified leads
    sales turned down unaccepted."""
    table = tables.REJECTIONS.c
    overturned = sa.select(tables.CONTESTS.c.action_id).where(tables.CONTESTS.c.verdict == OVERTURNED)
    found = connection.execute(
        sa.select(table.lead_id, table.kind, table.reason).where(
            table.undone.is_(sa.false()), table.event_id.not_in(overturned), *window.holds(table.at_ms, table.campaign)
        )
    ).all()
    counted = Counter((row.kind, row.reason) for row in found)
    by_sales = sum(n for (kind, _), n in counted.items() if kind in _BY_SALES)
    undecided = {row.lead_id for row in rows if row.mql_ms is not None and row.sal_ms is None}
    refused = {row.lead_id for row in found if row.kind in _BY_SALES} & undecided
    titles = {str(name): one for name, one in agreement.reasons.items()} if agreement is not None else {}
    said = []
    for (kind, reason), count in sorted(counted.items(), key=lambda item: (-item[1], item[0])):
        terms = titles.get(reason)
        of = by_sales if kind in _BY_SALES else sum(counted.values()) - by_sales
        low, high = wilson(count, of)
        said.append(
            {
                "reason": reason,
                "title": terms.title if terms is not None else reason.replace("_", " "),
                "about": terms.about.value if terms is not None and terms.about is not None else None,
                "kind": kind,
                "by_sales": kind in _BY_SALES,
                "count": count,
                "of": of,
                "interval": [round(low, 4), round(high, 4)],
            }
        )
    return said, len(refused)


def _clocks(connection: sa.Connection, window: Window) -> Counter[str]:
    clock = tables.CLOCKS.c
    return Counter(
        dict(
            connection.execute(
                sa.select(clock.state, sa.func.count())
                .where(clock.grace.is_(sa.false()), *window.holds(clock.started_ms, clock.campaign))
                .group_by(clock.state)
            ).all()
        )
    )


def _came(connection: sa.Connection, window: Window, rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Each lead as it was in its first submission that named the campaign; nothing is known of others."""
    leads, events = tables.LEADS.c, tables.TIMELINE.c
    of = sa.select(leads.lead_id).where(leads.status.is_not(None), *window.holds(leads.submitted_ms, leads.campaign))
    came: dict[str, dict[str, Any]] = {}
    for lead_id, body in connection.execute(
        sa.select(events.lead_id, events.body)
        .where(
            events.type == LeadSubmitted.type_name(), events.effect == Effect.EFFECT.value, events.lead_id.in_(of)
        )
        .order_by(events.partition, events.position)
    ):
        content = orjson.loads(body)
        source = content.get("source") or {}
        if lead_id not in came and (source.get("campaign") or NO_CAMPAIGN) == window.campaign:
            attributes = content.get("attributes") or {}
            came[lead_id] = {**attributes, "country": content.get("country"), "channel": source.get("channel")}
    return [came.get(row.lead_id, {}) for row in rows]


def _against_others(everybody: Reading, campaign_id: str) -> Segment | None:
    found = read_audience(everybody.seen)
    return next((s for s in found.segments if s.key == (("campaign", campaign_id),)), None)


def _without_campaign(one: Any) -> Any:
    return type(one)({name: value for name, value in one.traits.items() if name != "campaign"}, one.won)


# ------------------------------------------------------------------ telling


def _money(amounts: Amounts) -> list[dict[str, str]]:
    return [{"amount": f"{amount:.2f}", "currency": currency} for currency, amount in sorted(amounts.items())]


def _per(amounts: Amounts, number: int) -> list[dict[str, str]]:
    return _money({currency: amount / number for currency, amount in amounts.items()}) if number else []


def _remarks(
    campaign: Campaign | None,
    numbers: Mapping[str, int],
    cost: Amounts,
    revenue: Amounts,
    unpriced: int,
    evidence: Evidence,
    everybody: Reading,
) -> list[str]:
    remarks = []
    if campaign is None:
        remarks.append("Nobody has described this campaign: PUT /v1/campaigns/{id} says its name, period, target and cost.")
    elif not campaign.target:
        remarks.append("Nobody has said whom the campaign should reach: its target is empty.")
    if not numbers["leads"]:
        remarks.append("No lead names this campaign.")
    if not cost:
        remarks.append("Nobody has said what it cost, so there is no cost per lead, per qualified lead or per win.")
    if len({*cost, *revenue}) > 1:
        remarks.append(f"There are several currencies ({', '.join(sorted({*cost, *revenue}))}); they are never added or converted.")
    if not numbers["won"]:
        spent = f" It has cost {amounts_of(cost)}." if cost else ""
        remarks.append(f"Nothing was won yet, so there is neither revenue nor a cost per win.{spent}")
    if unpriced:
        remarks.append(f"{unpriced:,} wins came without an amount: they count as wins and bring no revenue here.")
    if evidence.goals is None:
        remarks.append("No goals are agreed, so acceptance, cost and clocks are compared with none.")
    inside = evidence.inside
    remarks.append(
        f"{inside.leads:,} of its leads are old enough to be judged by what was won; {inside.looked_at} segments were looked at."
        if inside.looked_at
        else f"{inside.leads:,} of its leads are old enough to be judged, {inside.won:,} won: too few to say which segments convert."
    )
    if everybody.too_young:
        remarks.append(f"{everybody.too_young:,} leads of all campaigns are too young to be judged by what was won.")
    return remarks
