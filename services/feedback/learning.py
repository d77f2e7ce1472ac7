"""What the learner has learned, as it published it: the model in force, and its figures over time."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol

from fastapi import APIRouter

from schemas.agreement import Agreement
from schemas.events.scoring import ModelPublished
from schemas.learning.course import ModelCourse
from schemas.learning.judging import why_it_does_not_count
from schemas.vocabulary import as_number


class Published(Protocol):
    """The agreements and the models as far as they are published."""

    models: ModelCourse

    def in_force(self, at: datetime) -> Agreement: ...


def learning_doors(published: Published) -> APIRouter:
    """The route under /v1."""
    router = APIRouter(prefix="/v1")

    @router.get("/reports/learning", tags=["reports"], summary="What was learned from outcomes, and whether it counts")
    async def learning() -> dict[str, Any]:
        """`series`: figures of the latest outcomes at each publication; every answer was given before its outcome was known."""
        return report(published, datetime.now(UTC))

    return router


def report(published: Published, at: datetime) -> dict[str, Any]:
    """Everything that is known of the learner at `at`."""
    try:
        agreement = published.in_force(at)
    except LookupError:
        agreement = None
    terms = None if agreement is None else agreement.terms.learning
    last, in_force = published.models.last(), published.models.in_force(at)
    return {
        "counts": "rules" if terms is None else terms.counts,
        "model_decides": agreement is not None and why_it_does_not_count(agreement, in_force) is None,
        "asked_for": None
        if terms is None
        else {
            "outcomes": terms.at_least,
            "better_by": as_number(terms.better_by),
            "qualifies_from": None if terms.qualifies_from is None else as_number(terms.qualifies_from),
            "leave_out": list(terms.leave_out),
        },
        "outcomes": 0 if last is None else last.outcomes,
        "wins": 0 if last is None else last.wins,
        "learned": last is not None and last.learned,
        "better_than_rules": last is not None and last.better,
        "because": "no outcome has been learned from yet; the rules alone count" if last is None else last.because,
        "in_force": None
        if in_force is None
        else {"model_version": in_force.version, "since": _iso(in_force.effective_at), "learned": in_force.learned},
        "leaks": []
        if last is None
        else [{"attribute": leak.attribute, "because": leak.because} for leak in last.leaks],
        "strongest": []
        if last is None
        else [{"attribute": name, "log_odds": as_number(size)} for name, size in last.weights.items()],
        "series": [_point(at, event) for at, event in published.models.series()],
    }


def _point(at: datetime, event: ModelPublished) -> dict[str, Any]:
    figures = {} if event.figures is None else event.figures.model_dump(exclude={"outcomes", "wins"})
    return {
        "at": _iso(at),
        "model_version": event.model_version,
        "in_force_from": _iso(event.effective_at),
        "outcomes": event.outcomes,
        "wins": event.wins,
        "learned": event.learned,
        "better_than_rules": event.better,
        "of_latest": 0 if event.figures is None else event.figures.outcomes,
        **{name: as_number(value) if isinstance(value, Decimal) else value for name, value in figures.items()},
    }


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
