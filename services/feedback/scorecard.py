"""One page for both departments: the goal that they share, what each promised, week by week, and what each owes the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from schemas.agreement import Agreement, Goals
from schemas.agreement.promises import Period
from schemas.vocabulary import LeadStatus
from services.feedback import reports, tables
from services.feedback.campaigns import Campaign
from services.feedback.efforts import efforts
from services.feedback.promises import Amounts, Standing, owed, period_of, revenue
from services.feedback.reports import NO_CAMPAIGN, Window

_WORKED = (LeadStatus.ACCEPTED.value, LeadStatus.WORKING.value)


def scorecard(
    connection: sa.Connection,
    window: Window,
    zone: ZoneInfo,
    goals: Goals | None,
    known: Mapping[str, Campaign],
    now: datetime,
) -> dict[str, Any]:
    """The window is of the weeks and totals; the revenue, this month's leads and what is open are as of now."""
    weeks = efforts(connection, window, zone, goals, now)
    first, after = period_of(now.astimezone(zone).date(), goals.revenue.per if goals is not None else Period.YEAR)
    period = _between(first, after, zone, window.campaign)
    spent = _spent(connection, (first, after), period, known)
    standing = _standing(connection, period, weeks["weeks"], zone, goals, spent, now)
    return {
        **reports.scorecard(connection, window),
        "zone": weeks["zone"],
        "goals": weeks["goals"],
        "revenue": revenue(goals, _won(connection, period), zone, now),
        "weeks": weeks["weeks"],
        "owes": owed(goals, standing),
    }


def zone_of(agreement: Agreement | None) -> ZoneInfo:
    """Whose weeks are meant unless somebody says: those of the agreement's first calendar that names a zone."""
    calendars = agreement.terms.calendars.values() if agreement is not None else ()
    return ZoneInfo(next((c.zone for c in calendars if c.zone != "UTC"), "UTC"))


def _between(first: date, after: date, zone: ZoneInfo, campaign: str | None) -> Window:
    since, until = (datetime.combine(day, datetime.min.time(), zone) for day in (first, after))
    return Window(since, until, campaign)


def _standing(
    connection: sa.Connection,
    period: Window,
    weeks: Iterable[Mapping[str, Any]],
    zone: ZoneInfo,
    goals: Goals | None,
    spent: Amounts,
    now: datetime,
) -> Standing:
    whole = [week for week in weeks if week["over"]]
    month, after = period_of(now.astimezone(zone).date(), Period.MONTH)
    unanswered, too_few = _open(connection, period.campaign, goals)
    return Standing(
        month=month,
        days_left=(after - now.astimezone(zone).date()).days,
        qualified_this_month=_qualified(connection, _between(month, after, zone, period.campaign)),
        qualified=sum(week["marketing"]["qualified"]["value"] for week in whole),
        accepted=sum(week["marketing"]["accepted"] for week in whole),
        kept=sum(week["sales"]["clocks"]["kept"] for week in whole),
        breached=sum(week["sales"]["clocks"]["breached"] for week in whole),
        turned_down=sum(week["sales"]["turned_down"] for week in whole),
        with_reason=sum(week["sales"]["turned_down_with_reason"] for week in whole),
        tried_enough=sum(week["sales"]["tried_as_agreed"]["leads"] for week in whole),
        worked=sum(week["sales"]["tried_as_agreed"]["of"] for week in whole),
        unanswered=unanswered,
        too_few_attempts=too_few,
        spent=spent,
        qualified_in_period=_qualified(connection, period),
    )


def _qualified(connection: sa.Connection, window: Window) -> int:
    leads = tables.LEADS.c
    return connection.execute(
        sa.select(sa.func.count()).where(leads.status.is_not(None), *window.holds(leads.mql_ms, leads.campaign))
    ).scalar_one()


def _open(connection: sa.Connection, campaign: str | None, goals: Goals | None) -> tuple[int, int]:
    """Leads without a first action, and leads that are worked and have had too few attempts on agreed channels."""
    leads, tried = tables.LEADS.c, tables.ATTEMPTS.c
    of = Window(campaign=campaign).holds(leads.submitted_ms, leads.campaign)
    unanswered = connection.execute(
        sa.select(sa.func.count()).where(leads.status == LeadStatus.ASSIGNED.value, *of)
    ).scalar_one()
    agreed = goals.sales.attempts if goals is not None else None
    if goals is None or agreed is None:
        return unanswered, 0
    channels = [tried.channel.in_([str(c) for c in goals.sales.channels])] if goals.sales.channels else []
    attempts = (
        sa.select(tried.lead_id, sa.func.count().label("n"))
        .where(tried.undone.is_(sa.false()), *channels)
        .group_by(tried.lead_id)
        .subquery()
    )
    too_few = connection.execute(
        sa.select(sa.func.count())
        .select_from(tables.LEADS.outerjoin(attempts, leads.lead_id == attempts.c.lead_id))
        .where(leads.status.in_(_WORKED), sa.func.coalesce(attempts.c.n, 0) < agreed, *of)
    ).scalar_one()
    return unanswered, too_few


def _won(connection: sa.Connection, window: Window) -> Amounts:
    won = tables.WINS.c
    amounts: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in connection.execute(
        sa.select(won.amount, won.currency).where(
            won.undone.is_(sa.false()), won.amount.is_not(None), *window.holds(won.at_ms, won.campaign)
        )
    ):
        amounts[row.currency] += Decimal(row.amount)
    return dict(amounts)


def _spent(
    connection: sa.Connection, days: tuple[date, date], window: Window, known: Mapping[str, Campaign]
) -> Amounts:
    """What campaigns said that their months cost, and what submissions said. days: the first, and the first one after."""
    cost, touch = tables.COSTS.c, tables.TOUCHES.c
    amounts: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in connection.execute(
        sa.select(cost.amount, cost.currency)
        .select_from(tables.COSTS.join(tables.TOUCHES, cost.event_id == touch.event_id))
        .where(*window.holds(touch.at_ms, cost.campaign))
    ):
        amounts[row.currency] += Decimal(row.amount)
    first, last = (f"{day:%Y-%m}" for day in (days[0], days[1] - timedelta(days=1)))
    for name, campaign in known.items():
        if window.campaign in (None, name) and window.campaign != NO_CAMPAIGN:
            for spend in campaign.spend:
                if first <= spend.month <= last:
                    amounts[spend.amount.currency] += spend.amount.amount
    return dict(amounts)
