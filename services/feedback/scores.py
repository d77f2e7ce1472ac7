"""The score of a lead at any instant, out of its log: its parts, what changed, and what would make it qualified."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Protocol

import orjson
import sqlalchemy as sa
from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime

from schemas.agreement import Agreement, Facts
from schemas.agreement.knowledge import Knowledge, facts, learn
from schemas.agreement.qualifying import explain
from schemas.events.scoring import LeadScored
from schemas.ids import EventId
from schemas.learning.course import ModelInForce
from schemas.learning.judging import in_place_of_the_score, learned_of
from schemas.lifecycle import UNBORN, Effect, State, fold
from schemas.vocabulary import as_number
from schemas.wire import UndecodableRecord, decode
from services.feedback import tables
from services.feedback.lead_views import instant, lead
from services.runtime.problems import Problem
from services.runtime.projection import ProjectionRunner

_UNSCORED = frozenset({State.NONE, State.ERASED})
_SCORED = LeadScored.type_name()


class Agreements(Protocol):
    """The agreements as far as they are published."""

    def in_force(self, at: datetime) -> Agreement: ...
    def model_at(self, at: datetime) -> ModelInForce | None: ...


def score_doors(runner: ProjectionRunner, agreements: Agreements) -> APIRouter:
    """The route under /v1."""
    router = APIRouter(prefix="/v1")

    @router.get("/leads/{lead_id}/score", tags=["leads"], summary="The score at an instant, taken apart")
    async def score(
        lead_id: Annotated[str, Path(max_length=100)],
        at: Annotated[AwareDatetime | None, Query(description="such as 2026-03-01T09:00:00Z; without it: now")] = None,
    ) -> dict[str, Any]:
        asked = (at or datetime.now(UTC)).astimezone(UTC)
        found = await runner.read(lambda connection: score_at(connection, agreements, lead_id, asked))
        return in_numbers(found)

    return router


_IN_POINTS = frozenset({"score", "fit", "engagement", "points"})


def in_numbers(found: dict[str, Any]) -> dict[str, Any]:
    """What `score_at` found with its points as JSON numbers, as in every other answer.

    The changes of `to_qualify` are left alone: there `engagement` names a kind of engagement, not points.
    """
    ways = [way | {"score": as_number(Decimal(way["score"]))} for way in found["to_qualify"]]
    return {name: ways if name == "to_qualify" else _in_numbers(name, value) for name, value in found.items()}


def _in_numbers(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_in_numbers(name, part) for part in value]
    if isinstance(value, dict) and "times" in value:  # a way to qualify: there `engagement` is the kind, not its points
        return value
    if isinstance(value, dict):
        return {key: _in_numbers(key, part) for key, part in value.items()}
    return as_number(Decimal(value)) if name in _IN_POINTS and isinstance(value, str) else value


def score_at(connection: sa.Connection, agreements: Agreements, lead_id: str, at: datetime) -> dict[str, Any]:
    """The score of a lead at an instant by the agreement in force then, as scoring reckons it. Raises Problem.

    A later instant than now is what the score comes to if nothing happens until then.
    """
    lead(connection, lead_id)
    table = tables.TIMELINE
    rows = connection.execute(
        sa.select(table)
        .where(table.c.lead_id == lead_id, table.c.at_ms <= int(at.timestamp() * 1000))
        .order_by(table.c.position)
    ).all()
    try:
        agreement = agreements.in_force(at)
        known = _known(rows, agreements, at)
    except LookupError as error:
        raise Problem(
            404, "No agreement then", f"No agreement was in force at {at.isoformat()}; ask for a later instant."
        ) from error
    if known is None:
        raise Problem(
            404, "Not submitted then", f"The lead had not been submitted by {at.isoformat()}; ask for a later instant."
        )
    explained = {**explain(agreement, known, at).document(), **_learned(agreement, known, agreements.model_at(at), at)}
    last = next((orjson.loads(row.body) | {"at_ms": row.at_ms} for row in reversed(rows) if row.type == _SCORED), None)
    return {
        "lead_id": lead_id,
        **explained,
        "agreement": agreement.name,
        "agreement_version": agreement.version,
        "since_last": None if last is None else _since(last, explained),
    }


def _learned(agreement: Agreement, known: Facts, model: ModelInForce | None, at: datetime) -> dict[str, Any]:
    """What the model in force then says, also where it only watches; and the verdict, where it goes by the model."""
    standing = agreement.standing(replace(known, now=at))
    learned = learned_of(agreement, standing, model)
    if learned is None:
        return {"learned": None}
    judged = in_place_of_the_score(agreement, standing, learned)
    verdict = (
        {} if judged is None else {"verdict": judged.verdict.value, "rule": judged.rule, "because": judged.because}
    )
    return {**verdict, "learned": _as_number(learned.model_dump())}


def _as_number(value: Any) -> Any:
    if isinstance(value, Decimal):
        return as_number(value)
    if isinstance(value, dict):
        return {name: _as_number(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_as_number(part) for part in value]
    return value


def _known(rows: Any, agreements: Agreements, at: datetime) -> Facts | None:
    """What scoring knew, by its own fold over the lead's log; None if there was nothing to score."""
    known, life = Knowledge(), UNBORN
    for row in rows:
        try:
            event = decode(row.type, bytes(row.body))
        except UndecodableRecord:
            continue
        now = datetime.fromtimestamp(row.at_ms / 1000, UTC)
        life, _ = fold(life, event, position=row.position, now=now, event_id=EventId(row.event_id))
        known = learn(
            known,
            event,
            agreements.in_force(now),
            life=life,
            effect=Effect(row.effect),
            position=row.position,
            now=now,
        )
    return None if life.state in _UNSCORED else facts(known, life, at)


def _since(last: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """What is otherwise than when the score was said last, by rule."""
    before, after = _by_rule(last["contributions"]), _by_rule(now["contributions"])
    changes = []
    for key in dict.fromkeys((*after, *before)):
        points_before, points_now = before.get(key, (Decimal(0), ""))[0], after.get(key, (Decimal(0), ""))[0]
        if points_before != points_now:
            part, rule = key
            because = (after.get(key) or before[key])[1]
            changes.append(
                {
                    "part": part,
                    "rule": rule,
                    "points": f"{points_now - points_before:f}",
                    "because": because,
                }
            )
    return {
        "at": instant(last["at_ms"]),
        "score": last["score"],
        "grade": last["grade"],
        "agreement_version": last["agreement_version"],
        "points": f"{Decimal(now['score']) - Decimal(last['score']):f}",
        "changes": changes,
    }


def _by_rule(contributions: list[dict[str, Any]]) -> dict[tuple[str, str], tuple[Decimal, str]]:
    out: dict[tuple[str, str], tuple[Decimal, str]] = {}
    for c in contributions:
        before, because = out.get((c["part"], c["rule"]), (Decimal(0), c["because"]))
        out[c["part"], c["rule"]] = before + Decimal(str(c["points"])), because
    return out
