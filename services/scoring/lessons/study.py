"""Learning from lessons, a few at a time and in the order of time: first a lead is scored, later its outcome is learned.

Each batch is one transaction: the lessons' marks and the learner's state change together or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import sqlalchemy as sa

from schemas.agreement import Agreement
from schemas.learning.cells import Value
from schemas.learning.traits import traits_of
from services.scoring.learning.leaks import Evidence, Leak, find_leaks
from services.scoring.learning.learner import HORIZONS, Features, Learner
from services.scoring.learning.state import StateRefused, features_from_bytes, features_to_bytes, from_bytes, to_bytes
from services.scoring.learning.track_record import KEPT, Judged
from services.scoring.lessons.tables import LEARNER, LESSONS

LESSONS_AT_ONCE = 200
LOOKED_AT_FOR_LEAKS = 5_000
LESSONS_KEPT = 50_000
"""Newest outcomes that are kept to begin anew from, when the attributes change."""


@dataclass(frozen=True, slots=True)
class Studied:
    """What one batch did."""

    lessons: int
    outcomes: int


class Pupil:
    """The learner of this installation, as the database has it; what was read stays at hand as long as nobody else writes it."""

    def __init__(self) -> None:
        self._revision = -1
        self.learner: Learner | None = None
        self.left_out: dict[str, str] = {}
        """Attributes that know the future, with why."""
        self.announced = False
        """Whether anything was published since it began (anew)."""

    def study(self, connection: sa.Connection, agreement: Agreement, before_ms: int) -> Studied:
        """Take the next lessons whose time is before `before_ms`. In one transaction, in the writer thread."""
        self._take_up(connection, agreement)
        moments = _due(connection, before_ms, agreement.terms.learning.settles_after.total_seconds())
        if not moments:
            return Studied(0, 0)
        learner = self._the_learner()
        fresh: dict[str, Features] = {}
        answered, learned = [], []
        for _, is_outcome, row in moments:
            if is_outcome:
                features = fresh.get(row.lesson_id) or features_from_bytes(row.features)
                learner.learn(features, bool(row.won))
                learned.append({"of": row.lesson_id})
            else:
                scored = learner.score(_traits(row.traits))
                fresh[row.lesson_id] = scored.features
                answered.append(
                    {
                        "of": row.lesson_id,
                        "new_features": features_to_bytes(scored.features),
                        "new_contributions": scored.contributions[2:].astype("<f8").tobytes(),
                        "new_log_odds": scored.log_odds,
                        "new_recent_rate": scored.recent_rate,
                    }
                )
        if answered:
            connection.execute(_ANSWERED, answered)
        if learned:
            connection.execute(_LEARNED, learned)
            self._keep(connection)
        return Studied(len(moments), len(learned))

    def leave_out(self, connection: sa.Connection, leaks: Sequence[Leak], agreement: Agreement) -> None:
        """Begin anew without these attributes."""
        self.left_out |= {leak.attribute: leak.because for leak in leaks}
        self._begin(connection, agreement)

    def was_announced(self, connection: sa.Connection) -> None:
        """What was learned since it began has been published."""
        connection.execute(sa.update(LEARNER).where(LEARNER.c.revision == self._revision).values(announced=True))
        self.announced = True

    def find_leaks(self, connection: sa.Connection) -> list[Leak]:
        """Of the attributes in use, those that know the future, by the latest lessons."""
        rows = connection.execute(_latest(LOOKED_AT_FOR_LEAKS)).all()[::-1]
        learner = self._the_learner()
        if not rows:
            return []
        features = [features_from_bytes(row.features) for row in rows]
        rates = slice(1 + len(HORIZONS), 1 + len(HORIZONS) + len(learner.attributes))
        traits = [_traits(row.traits) for row in rows]
        evidence = Evidence(
            learner.attributes,
            np.array([float(row.won) for row in rows]),
            np.array([f.dense[rates] for f in features]),
            np.array([f.numbers for f in features]),
            np.array([np.frombuffer(row.contributions, "<f8") for row in rows]),
            np.array([row.log_odds for row in rows]),
            [[t.get(a) for a in learner.attributes] for t in traits],
        )
        return find_leaks(evidence)

    def answers(self, connection: sa.Connection) -> list[Judged]:
        """The latest answers whose outcomes are known, oldest first: each was given before."""
        return [
            Judged(_chance(row.log_odds), row.recent_rate, bool(row.won), row.rules_score)
            for row in connection.execute(_latest(KEPT)).all()[::-1]
        ]

    def sizes(self, connection: sa.Connection, of: int = 1000) -> list[float]:
        """By how much each attribute moved the latest leads, on the average."""
        rows = connection.execute(_latest(of)).all()
        width = len(self._the_learner().attributes)
        moved = np.array([np.frombuffer(row.contributions, "<f8") for row in rows]).reshape(-1, width)
        return [float(size) for size in np.abs(moved).mean(axis=0)] if len(rows) else [0.0] * width

    def forget(self, connection: sa.Connection) -> None:
        """Lessons that are too old to begin anew from. What was learned from them stays learned."""
        border = connection.scalar(
            sa.select(LESSONS.c.ended_at_ms).where(LESSONS.c.learned).order_by(LESSONS.c.ended_at_ms.desc()).offset(LESSONS_KEPT).limit(1)
        )  # fmt: skip
        if border is not None:
            connection.execute(sa.delete(LESSONS).where(LESSONS.c.learned, LESSONS.c.ended_at_ms <= border))

    # ------------------------------------------------------------------ inside

    def _take_up(self, connection: sa.Connection, agreement: Agreement) -> None:
        """Make the learner the one that the database has; begin anew if there is none for what there is to look at now."""
        row = connection.execute(sa.select(LEARNER.c.revision, LEARNER.c.left_out, LEARNER.c.announced)).first()
        if row is None or row.revision != self._revision:
            self.learner = None
            self.left_out = {} if row is None else json.loads(row.left_out)
            self._revision = -1 if row is None else row.revision
            self.announced = row is not None and row.announced
            if row is not None:
                try:
                    self.learner = from_bytes(connection.scalars(sa.select(LEARNER.c.state)).one())
                except StateRefused:  # another version of this code wrote it: the lessons are still there
                    self.learner = None
        if self.learner is None or self.learner.attributes != self._attributes(agreement):
            self._begin(connection, agreement)

    def _attributes(self, agreement: Agreement) -> tuple[str, ...]:
        return tuple(name for name in traits_of(agreement) if name not in self.left_out) or ("country",)

    def _begin(self, connection: sa.Connection, agreement: Agreement) -> None:
        self.learner, self.announced = Learner(self._attributes(agreement)), False
        connection.execute(sa.update(LESSONS).values(scored=False, learned=False, features=None, contributions=None))
        self._keep(connection)

    def _keep(self, connection: sa.Connection) -> None:
        connection.execute(sa.delete(LEARNER))
        values = {
            "id": 1,
            "revision": self._revision + 1,
            "left_out": json.dumps(self.left_out, sort_keys=True),
            "announced": self.announced,
            "state": to_bytes(self._the_learner()),
        }
        connection.execute(sa.insert(LEARNER), [values])
        self._revision += 1

    def _the_learner(self) -> Learner:
        if self.learner is None:
            raise RuntimeError("nothing has been studied yet")
        return self.learner

    def forget_what_was_read(self) -> None:
        """After a transaction that did not go through, what is at hand is not what the database has."""
        self._revision, self.learner = -2, None


def _due(connection: sa.Connection, before_ms: int, settles_seconds: float) -> list[tuple[int, bool, Any]]:
    """(when, whether it is an outcome, lesson): the earliest, in the order of time."""
    settles_ms = int(settles_seconds * 1000)
    to_score = connection.execute(
        sa.select(LESSONS.c.lesson_id, LESSONS.c.traits, LESSONS.c.scored_at_ms)
        .where(LESSONS.c.scored.is_(False), LESSONS.c.scored_at_ms < before_ms)
        .order_by(LESSONS.c.scored_at_ms, LESSONS.c.lesson_id)
        .limit(LESSONS_AT_ONCE)
    ).all()
    to_learn = connection.execute(
        sa.select(LESSONS.c.lesson_id, LESSONS.c.features, LESSONS.c.won, LESSONS.c.ended_at_ms)
        .where(LESSONS.c.learned.is_(False), LESSONS.c.ended_at_ms < before_ms - settles_ms)
        .order_by(LESSONS.c.ended_at_ms, LESSONS.c.lesson_id)
        .limit(LESSONS_AT_ONCE)
    ).all()
    moments: list[tuple[int, bool, Any]] = [(row.scored_at_ms, False, row) for row in to_score]
    moments += [(row.ended_at_ms + settles_ms, True, row) for row in to_learn]
    moments.sort(key=lambda moment: (moment[0], moment[1], moment[2].lesson_id))
    return moments[:LESSONS_AT_ONCE]


def _latest(most: int) -> sa.Select[Any]:
    return (
        sa.select(LESSONS)
        .where(LESSONS.c.learned)
        .order_by(LESSONS.c.ended_at_ms.desc(), LESSONS.c.lesson_id)
        .limit(most)
    )


def _traits(raw: bytes) -> dict[str, Value]:
    traits: dict[str, Value] = msgspec.msgpack.decode(raw, type=dict[str, bool | int | float | str])
    return traits


def _chance(log_odds: float) -> float:
    return float(1.0 / (1.0 + np.exp(-log_odds)))


_ANSWERED = (
    sa.update(LESSONS)
    .where(LESSONS.c.lesson_id == sa.bindparam("of"))
    .values(
        scored=True, features=sa.bindparam("new_features"), contributions=sa.bindparam("new_contributions"),
        log_odds=sa.bindparam("new_log_odds"), recent_rate=sa.bindparam("new_recent_rate"),
    )
)  # fmt: skip
_LEARNED = sa.update(LESSONS).where(LESSONS.c.lesson_id == sa.bindparam("of")).values(learned=True)
