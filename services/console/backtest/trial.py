"""One lead under two agreements: what was said of it, what a new agreement says, and how the two differ. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from schemas.events.scoring import LeadScored, Verdict
from services.runtime.lead_log import UNREAD, LeadMemory

Kind = Literal["more", "fewer", "both", "neither"]
SAME_MOMENT_MS = 60_000
"""Verdicts that are less apart than this came at the same time: a timer in a log comes a moment after its deadline."""

Part = tuple[str, str, str, str]
"""A contribution: part, rule, points, because."""


class Side(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is said of a lead on one side: the last verdict and the last score."""

    verdict: str = ""
    rule: str = ""
    because: str = ""
    at_ms: int = 0
    """Of the verdict."""
    version: int = 0
    score: str = "0"
    grade: str = ""
    parts: tuple[Part, ...] = ()

    def scored(self, event: LeadScored) -> Side:
        """With another score."""
        return msgspec.structs.replace(
            self,
            score=f"{event.score:f}",
            grade=event.grade,
            parts=tuple((c.part, str(c.rule), f"{c.points:f}", str(c.because)) for c in event.contributions),
        )

    def judged(self, word: str, event: Verdict, at_ms: int) -> Side:
        """With another verdict, whose score it names."""
        return msgspec.structs.replace(
            self,
            verdict=word,
            rule=str(event.rule),
            because=str(event.because),
            at_ms=at_ms,
            version=event.agreement_version,
            score=f"{event.score:f}",
            grade=event.grade,
        )


class Qualified(msgspec.Struct, frozen=True, omit_defaults=True):
    """The first time that a side called the lead qualified, and what the other side said of it at that time."""

    side: Side
    other: Side
    pool: str = ""
    team: str = ""
    position: int = -1
    """Of the record that was judged."""


class Trial(msgspec.Struct, frozen=True, omit_defaults=True):
    """One lead."""

    memory: LeadMemory = UNREAD
    """Its life as recorded."""
    campaign: str = ""
    recorded: Side = Side()
    proposed: Side = Side()
    then: Qualified | None = None
    """As recorded."""
    now: Qualified | None = None
    """Under the proposed agreement."""

    @property
    def kind(self) -> Kind:
        """Whether the proposed agreement makes it a qualified lead more or fewer."""
        if self.then is not None:
            return "both" if self.now is not None else "fewer"
        return "more" if self.now is not None else "neither"

    @property
    def shift_ms(self) -> int:
        """How much later (or, below zero, earlier) it is qualified under the proposed agreement; zero if on one side only."""
        if self.then is None or self.now is None:
            return 0
        apart = self.now.side.at_ms - self.then.side.at_ms
        return apart if abs(apart) >= SAME_MOMENT_MS else 0

    def sides(self) -> tuple[Side, Side]:
        """What was recorded and what is proposed, at the instant at which the lead was first qualified on either side."""
        if self.then is not None and (self.now is None or self.then.side.at_ms <= self.now.side.at_ms):
            return self.then.side, self.then.other
        if self.now is not None:
            return self.now.other, self.now.side
        return self.recorded, self.proposed


def apart(recorded: Side, proposed: Side) -> list[tuple[str, str, Decimal, Decimal, str]]:
    """The contributions that differ: part, rule, points as recorded, points as proposed, because; the largest first."""
    before, after = _by_rule(recorded), _by_rule(proposed)
    differing = [
        (part, rule, before.get((part, rule), _NOTHING)[0], after.get((part, rule), _NOTHING)[0],
         (after.get((part, rule)) or before[part, rule])[1])
        for part, rule in dict.fromkeys((*after, *before))
        if before.get((part, rule), _NOTHING)[0] != after.get((part, rule), _NOTHING)[0]
    ]  # fmt: skip
    return sorted(differing, key=lambda d: (-abs(d[3] - d[2]), d[0], d[1]))


_NOTHING: tuple[Decimal, str] = (Decimal(0), "")


def _by_rule(side: Side) -> dict[tuple[str, str], tuple[Decimal, str]]:
    out: dict[tuple[str, str], tuple[Decimal, str]] = {}
    for part, rule, points, because in side.parts:
        before, said = out.get((part, rule), (Decimal(0), because))
        out[part, rule] = before + Decimal(points), said
    return out
