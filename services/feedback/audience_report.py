"""Whom to target: leads as the ledger has them, read by segments, with what campaigns cost, in numbers and sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson
import sqlalchemy as sa

from schemas.agreement import Agreement, AttributeType
from schemas.events.intake import LeadSubmitted
from schemas.lifecycle import Effect
from schemas.vocabulary import LeadStatus
from services.feedback import tables
from services.feedback.audience import (
    LEADS_AT_LEAST,
    LEVEL,
    WINS_AT_LEAST,
    Audience,
    Seen,
    Segment,
    bands,
    read_audience,
)
from services.feedback.campaigns import Campaign
from services.feedback.reports import NO_CAMPAIGN, Window

_GONE = (LeadStatus.ERASED.value, LeadStatus.MERGED.value, LeadStatus.SUPPRESSED.value)
_RIPE_SHARE = 0.9
"""Leads count from the age on at which so many of the wins had come."""
_NUMBERS = frozenset({AttributeType.INTEGER, AttributeType.DECIMAL})
_LONGEST = 60
_SENTENCES = 6
Costs = Mapping[str, Mapping[str, Decimal]]


@dataclass(frozen=True)
class Reading:
    """The leads that are old enough to be judged, and how many are not."""

    seen: list[Seen]
    too_young: int
    ripe_ms: int


def audience(
    connection: sa.Connection, agreement: Agreement | None, known: Mapping[str, Campaign], window: Window, now_ms: int
) -> dict[str, Any]:
    """The report. agreement: says which attributes are not personal, and which are numbers."""
    reading = leads_read(connection, agreement, window, now_ms)
    found = read_audience(reading.seen)
    costs = costs_of(connection, known)
    return {
        "leads": found.leads,
        "won": found.won,
        "rate": round(found.rate, 4),
        "too_young": reading.too_young,
        "ripe_after_days": round(reading.ripe_ms / 86_400_000, 2),
        "looked_at": found.looked_at,
        "level": LEVEL,
        "segments": [_segment(s, costs) for s in found.segments],
        "target_next": [_target(s, found) for s in found.segments if s.verdict == "better"][:_SENTENCES],
        "stop_paying_for": [_stop(s, costs) for s in found.segments if s.verdict == "worse"][:_SENTENCES],
        "remarks": _remarks(found, reading, costs),
    }


# ------------------------------------------------------------------ reading


def leads_read(connection: sa.Connection, agreement: Agreement | None, window: Window, now_ms: int) -> Reading:
    """Every lead that is old enough to be judged, as it was in its first submission."""
    leads, events = tables.LEADS.c, tables.TIMELINE.c
    rows = connection.execute(
        sa.select(leads.lead_id, leads.submitted_ms, leads.customer_ms).where(
            leads.status.is_not(None),
            leads.status.not_in(_GONE),
            leads.submitted_ms.is_not(None),
            *window.holds(leads.submitted_ms, leads.campaign),
        )
    ).all()
    waits = sorted(row.customer_ms - row.submitted_ms for row in rows if row.customer_ms is not None)
    ripe_ms = waits[min(len(waits) - 1, int(len(waits) * _RIPE_SHARE))] if waits else 0
    ripe = {r.lead_id: r for r in rows if now_ms - r.submitted_ms >= ripe_ms}
    first: dict[str, bytes] = {}
    submissions = connection.execution_options(yield_per=2_000).execute(
        sa.select(events.lead_id, events.at_ms, events.body)
        .where(events.type == LeadSubmitted.type_name(), events.effect == Effect.EFFECT.value)
        .order_by(events.partition, events.position)
    )
    for lead_id, at_ms, body in submissions:
        row = ripe.get(lead_id)
        if row is not None and lead_id not in first and at_ms >= row.submitted_ms:
            first[lead_id] = bytes(body)  # as it was when it first came: what was learnt later may be because it was won
    told = [(lead_id, orjson.loads(body)) for lead_id, body in first.items()]
    banded = _bands([content for _, content in told], agreement)
    seen = [Seen(_traits(c, agreement, banded), ripe[i].customer_ms is not None) for i, c in told]
    return Reading(seen, len(rows) - len(ripe), ripe_ms)


def _bands(contents: list[dict[str, Any]], agreement: Agreement | None) -> dict[str, Any]:
    out = {}
    for name, attribute in agreement.attributes.items() if agreement is not None else ():
        if attribute.type in _NUMBERS and not attribute.personal:
            values = [float(c["attributes"][name]) for c in contents if _is_number(c.get("attributes", {}).get(name))]
            out[str(name)] = bands(values, lambda v: f"{v:,.10g}")
    return out


def _traits(content: Mapping[str, Any], agreement: Agreement | None, banded: Mapping[str, Any]) -> dict[str, str]:
    source = content.get("source") or {}
    traits = {
        "campaign": str(source.get("campaign") or NO_CAMPAIGN),
        "channel": str(source["channel"]) if source.get("channel") else "",
        "country": str(content["country"]) if content.get("country") else "",
    }
    declared = agreement.attributes if agreement is not None else {}
    for name, value in (content.get("attributes") or {}).items():
        attribute = declared.get(name)
        if attribute is None or attribute.personal or name in traits:
            continue
        if name in banded:
            traits[name] = banded[name](float(value)) if _is_number(value) else ""
        else:
            traits[name] = ("yes" if value else "no") if isinstance(value, bool) else str(value)[:_LONGEST]
    return {name: value for name, value in traits.items() if value}


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or value is None:
        return False
    try:
        float(str(value))
    except ValueError:
        return False
    return True


def costs_of(connection: sa.Connection, known: Mapping[str, Campaign]) -> dict[str, dict[str, Decimal]]:
    """Campaign -> currency -> what was spent, as marketing says and as submissions say."""
    costs: dict[str, dict[str, Decimal]] = {}
    table = tables.COSTS.c
    rows = connection.execute(sa.select(table.campaign, table.currency, table.amount))
    said = [(row.campaign or NO_CAMPAIGN, row.currency, Decimal(row.amount)) for row in rows]
    said += [(name, str(s.amount.currency), s.amount.amount) for name, c in known.items() for s in c.spend]
    for name, currency, amount in said:
        of = costs.setdefault(name, {})
        of[currency] = of.get(currency, Decimal(0)) + amount
    return costs


# ------------------------------------------------------------------ telling


def _segment(segment: Segment, costs: Costs) -> dict[str, Any]:
    spent = _spent(segment, costs)
    return {
        "segment": dict(segment.key),
        "leads": segment.leads,
        "won": segment.won,
        "rate": round(segment.rate, 4),
        "interval": [round(segment.low, 4), round(segment.high, 4)],
        "likely_rate": round(segment.likely_rate, 4),
        "rest_rate": round(segment.rest_rate, 4),
        "lift": round(segment.lift, 2) if segment.lift is not None else None,
        "p": segment.p,
        "p_corrected": segment.p_corrected,
        "verdict": segment.verdict,
        "spend": [_money(amount, currency) for currency, amount in spent.items()],
        "cost_per_lead": [_money(amount / segment.leads, currency) for currency, amount in spent.items()],
        "cost_per_win": [_money(amount / segment.won, currency) for currency, amount in spent.items() if segment.won],
    }


def _spent(segment: Segment, costs: Costs) -> Mapping[str, Decimal]:
    ((dimension, value), *more) = segment.key
    return costs.get(value, {}) if dimension == "campaign" and not more else {}


def _money(amount: Decimal, currency: str) -> dict[str, str]:
    return {"amount": f"{amount:.2f}", "currency": currency}


def name_of(segment: Mapping[str, str]) -> str:
    """A segment in words."""
    return " and ".join(f"{dimension.replace('_', ' ')} {value}" for dimension, value in segment.items())


def _numbers(s: Segment) -> str:
    return f"{s.rate:.1%} of its leads were won ({s.won:,} of {s.leads:,}; 95 % interval {s.low:.1%} to {s.high:.1%})"


def _compared(s: Segment) -> str:
    others = "the better half" if len(s.key) > 1 and s.rate > s.rest_rate else "the worse half" if len(s.key) > 1 else "all others"
    return f"against {s.rest_rate:.1%} of {others}"


def _target(s: Segment, found: Audience) -> str:
    times = f", {s.lift:.1f} times as many" if s.lift is not None else ""
    return (
        f"Target {name_of(dict(s.key))}: {_numbers(s)}, {_compared(s)}{times}. With more leads expect about {s.likely_rate:.1%}."
    )


def _stop(s: Segment, costs: Costs) -> str:
    spent = _spent(s, costs)
    told = " and ".join(
        f"{amount:,.2f} {currency}" + (f" ({amount / s.won:,.2f} a win)" if s.won else " for no win")
        for currency, amount in spent.items()
    )
    if spent:
        return f"Stop paying for {name_of(dict(s.key))}: {_numbers(s)}, {_compared(s)}, and it has cost {told}."
    return f"Do not seek more of {name_of(dict(s.key))}: {_numbers(s)}, {_compared(s)}."


def _remarks(found: Audience, reading: Reading, costs: Costs) -> list[str]:
    remarks = []
    if reading.too_young:
        remarks.append(
            f"{reading.too_young:,} leads are too young to judge: nine of ten wins came within {_days(reading.ripe_ms)}, "
            "so younger leads, won or not, are left out."
        )
    if found.won < WINS_AT_LEAST:
        remarks.append(f"With {found.won} wins nothing can be claimed yet: it takes {WINS_AT_LEAST}.")
    elif not any(s.verdict in ("better", "worse") for s in found.segments):
        remarks.append(f"{found.looked_at} segments were looked at, and none differs by more than chance explains.")
    else:
        remarks.append(
            f"{found.looked_at} segments were looked at; what is claimed holds with all of these looks accounted for (Holm, level {LEVEL:.0%})."
        )
    few = sum(s.verdict == "too few" for s in found.segments)
    if few and found.won >= WINS_AT_LEAST:
        remarks.append(
            f"{few} segments have fewer than {LEADS_AT_LEAST} leads (or all but so few): they are counted, and nothing "
            "is claimed of them."
        )
    remarks += [
        f"Campaign {s.key[0][1]} has cost {_all(_spent(s, costs))} and brought no win of {s.leads} leads; that is too early to call."
        for s in found.segments
        if _spent(s, costs) and not s.won and s.verdict != "worse"
    ][:_SENTENCES]
    remarks.append("Segments show what goes together with winning; that more money would bring more of it is for a trial to show.")
    return remarks


def _all(spent: Mapping[str, Decimal]) -> str:
    return " and ".join(f"{amount:,.2f} {currency}" for currency, amount in spent.items())


def _days(ms: int) -> str:
    days = ms / 86_400_000
    return f"{days:,.0f} days" if days >= 2 else f"{ms / 3_600_000:,.1f} hours" if ms >= 3_600_000 else f"{ms / 60_000:,.1f} minutes"
