"""What both departments promised against what came of it, in numbers and sentences. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from schemas.agreement import Goals
from schemas.agreement.promises import Period
from services.feedback.audience import wilson

Amounts = Mapping[str, Decimal]
"""Currency -> amount: amounts of different currencies are never added."""

_MONTHS = {Period.MONTH: 1, Period.QUARTER: 3, Period.YEAR: 12}


@dataclass(frozen=True, slots=True)
class Standing:
    """What has come of the promises: this month's number of leads, whole weeks of the rest, and what is open now."""

    month: date
    days_left: int
    """Of the month, today included."""
    qualified_this_month: int
    qualified: int
    accepted: int
    kept: int
    breached: int
    turned_down: int
    with_reason: int
    tried_enough: int
    worked: int
    unanswered: int
    """Leads that wait for a rep's first action now."""
    too_few_attempts: int
    """Leads that are being worked now and have had fewer attempts than agreed."""
    spent: Amounts
    """In the period of the revenue goal, as are the next."""
    qualified_in_period: int


def period_of(day: date, per: Period) -> tuple[date, date]:
    """The calendar month, quarter or year in which a day lies: its first day and the first one after it."""
    months = _MONTHS[per]
    first = (day.month - 1) // months * months
    after = first + months
    return date(day.year, first + 1, 1), date(day.year + after // 12, after % 12 + 1, 1)


def revenue(goals: Goals | None, won: Amounts, zone: ZoneInfo, now: datetime) -> dict[str, Any] | None:
    """How far the goal that both share is reached. won: since the period began, by currency; others than the goal's are said apart."""
    if goals is None:
        return None
    goal = goals.revenue
    first, after = period_of(now.astimezone(zone).date(), goal.per)
    begins, ends = (datetime.combine(day, datetime.min.time(), zone) for day in (first, after))
    reached = won.get(goal.currency, Decimal(0))
    gone = (now - begins) / (ends - begins)
    others = {currency: amount for currency, amount in sorted(won.items()) if currency != goal.currency}
    sentence = (
        f"{amount_of(reached, goal.currency)} of {amount_of(goal.amount, goal.currency)} are won ({reached / goal.amount:.1%}); "
        f"{gone:.1%} of the {goal.per.value} is gone."
    )
    if others:
        sentence += f" Also won, and not counted towards the goal: {amounts_of(others)}."
    return {
        "goal": {"amount": f"{goal.amount:.2f}", "currency": goal.currency},
        "per": goal.per.value,
        "from": first.isoformat(),
        "to": (after - timedelta(days=1)).isoformat(),
        "won": {"amount": f"{reached:.2f}", "currency": goal.currency},
        "share": round(float(reached / goal.amount), 4),
        "period_gone": round(gone, 4),
        "other_currencies": [{"amount": f"{amount:.2f}", "currency": currency} for currency, amount in others.items()],
        "sentence": sentence,
    }


def owed(goals: Goals | None, standing: Standing) -> dict[str, list[dict[str, Any]]]:
    """What each department owes the other: a sentence a promise. ok: None where nothing can be said yet."""
    if goals is None:
        return {"marketing": [], "sales": []}
    return {
        "marketing": [*_number(goals, standing), *_acceptance(goals, standing), *_cost(goals, standing)],
        "sales": [*_response(goals, standing), *_attempts(goals, standing), *_reasons(goals, standing)],
    }


def _number(goals: Goals, standing: Standing) -> list[dict[str, Any]]:
    agreed, brought = goals.marketing.qualified_per_month, standing.qualified_this_month
    if agreed is None:
        return []
    said = f"{brought:,} of the {agreed:,} qualified leads of {standing.month:%B %Y} are there"
    if brought >= agreed:
        return [_promise("qualified_per_month", f"{said}: nothing is owed.", True)]
    left = "today is its last day" if standing.days_left == 1 else f"{standing.days_left} days are left"
    return [_promise("qualified_per_month", f"{said}; marketing owes {agreed - brought:,} more, and {left}.", None)]


def _acceptance(goals: Goals, standing: Standing) -> list[dict[str, Any]]:
    agreed = goals.marketing.acceptance_rate
    what = "qualified leads accepted by sales in the whole weeks"
    return [] if agreed is None else [_share("acceptance_rate", what, standing.accepted, standing.qualified, float(agreed))]


def _cost(goals: Goals, standing: Standing) -> list[dict[str, Any]]:
    agreed, number = goals.marketing.cost_per_qualified, standing.qualified_in_period
    if agreed is None:
        return []
    others = {currency: amount for currency, amount in standing.spent.items() if currency != agreed.currency and amount}
    also = f" What was spent in other currencies ({amounts_of(others)}) is not in it." if others else ""
    this, promise = f"this {goals.revenue.per.value}", amount_of(agreed.amount, agreed.currency)
    spent = standing.spent.get(agreed.currency, Decimal(0))
    if not spent:
        said = f"Nobody has said what campaigns cost {this} in {agreed.currency}, so the cost of a qualified lead ({promise} agreed) is unknown."
        return [_promise("cost_per_qualified", said + also, None)]
    if not number:
        said = f"{amount_of(spent, agreed.currency)} were spent {this}, and no lead was qualified."
        return [_promise("cost_per_qualified", said + also, False)]
    each = spent / number
    said = f"A qualified lead has cost {amount_of(each, agreed.currency)} {this}; agreed are at most {promise}."
    return [_promise("cost_per_qualified", said + also, each <= agreed.amount)]


def _response(goals: Goals, standing: Standing) -> list[dict[str, Any]]:
    agreed, decided = goals.sales.response_in_time, standing.kept + standing.breached
    if agreed is None:
        return []
    said = _share("response_in_time", "clocks kept in the whole weeks", standing.kept, decided, float(agreed))
    if standing.unanswered:
        said["sentence"] += f" {_waiting(standing.unanswered)} for a first response now."
    return [said]


def _attempts(goals: Goals, standing: Standing) -> list[dict[str, Any]]:
    agreed = goals.sales.attempts
    if agreed is None:
        return []
    by = f" by {_either(goals.sales.channels)}" if goals.sales.channels else ""
    if not standing.worked and not standing.too_few_attempts:
        return [_promise("attempts", f"No lead has been accepted yet; agreed are {agreed} attempts at each{by}.", None)]
    few = standing.too_few_attempts
    said = f"{standing.tried_enough:,} of {standing.worked:,} leads accepted in whole weeks have had the agreed {agreed} attempts{by}; " + (
        f"sales owes {few:,} that {'is' if few == 1 else 'are'} still worked the rest." if few else "none that is still worked is owed any."
    )
    return [_promise("attempts", said, not few)]


def _reasons(goals: Goals, standing: Standing) -> list[dict[str, Any]]:
    if not goals.sales.reason_for_every_rejection:
        return []
    missing = standing.turned_down - standing.with_reason
    if not standing.turned_down:
        return [_promise("reasons", "No lead was turned down in the whole weeks; agreed is a reason for each.", None)]
    said = f"{standing.with_reason:,} of {standing.turned_down:,} leads turned down in the whole weeks came back with a reason"
    return [_promise("reasons", f"{said}; sales owes {missing:,}." if missing else f"{said}: nothing is owed.", not missing)]


def _share(about: str, what: str, part: int, whole: int, agreed: float) -> dict[str, Any]:
    """A share against its goal. Below the goal it is broken only if the interval of 95 % is, too."""
    if not whole:
        return _promise(about, f"No whole week has anything to count yet; of {what} {agreed:.0%} are agreed.", None)
    low, high = wilson(part, whole)
    said = f"{part:,} of {whole:,} {what} ({part / whole:.1%}; 95 % interval {low:.1%} to {high:.1%}); agreed are {agreed:.0%}"
    if part / whole >= agreed:
        return _promise(about, f"{said}: kept.", True)
    if high < agreed:
        return _promise(about, f"{said}: not kept.", False)
    return _promise(about, f"{said}: below it, by no more than chance explains.", None)


def _promise(about: str, sentence: str, ok: bool | None) -> dict[str, Any]:
    return {"about": about, "ok": ok, "sentence": sentence}


def _waiting(number: int) -> str:
    return "1 lead waits" if number == 1 else f"{number:,} leads wait"


def _either(words: tuple[str, ...]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def amount_of(amount: Decimal, currency: str) -> str:
    """`1,200.00 EUR`."""
    return f"{amount:,.2f} {currency}"


def amounts_of(amounts: Amounts) -> str:
    """Amounts of several currencies side by side."""
    return " and ".join(amount_of(amount, currency) for currency, amount in amounts.items())
