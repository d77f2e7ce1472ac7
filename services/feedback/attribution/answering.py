"""An attribution as it is answered in JSON, the same by the command and the door."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from services.feedback.attribution.crediting import MEANS, Attribution, Credit


def answer(attributions: Sequence[Attribution]) -> dict[str, Any]:
    """Of the same journeys by the same model, one for each dimension.

    Amounts are decimal strings by currency; `share` (0 to 1) is of all revenue of that currency.
    """
    of = attributions[0]
    return {
        "model": of.model.value,
        "means": MEANS[of.model],
        "wins": of.wins,
        "revenue": amounts(of.revenue),
        "by": {a.by.value: [_credit(credit, a) for credit in a.credits] for a in attributions},
        "unattributed": {
            "wins": of.unattributed_wins,
            "revenue": amounts(of.unattributed),
            "because": "won without a touch before",
        },
        "touches_after_win": of.touches_after_win,
    }


def _credit(credit: Credit, attribution: Attribution) -> dict[str, Any]:
    return {
        "name": credit.name,
        "revenue": amounts(credit.revenue),
        "share": {
            currency: round(float(amount / attribution.revenue[currency]), 6)
            for currency, amount in sorted(credit.revenue.items())
            if attribution.revenue[currency]
        },
        "wins": round(float(credit.wins), 6),
        "leads_touched": credit.leads,
        "leads_won": credit.won,
    }


def amounts(revenue: Mapping[str, Decimal]) -> list[dict[str, str]]:
    """As Money travels, by currency."""
    return [{"amount": _decimal(amount), "currency": currency} for currency, amount in sorted(revenue.items())]


def _decimal(amount: Decimal) -> str:
    return f"{amount:.2f}" if amount == round(amount, 2) else f"{amount:f}"
