"""Clocks as an agreement writes them: promises with a deadline, what pauses and meets them, and when to give a lead up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from schemas.agreement.conditions import Condition, Part
from schemas.agreement.durations import Length, PositiveLength
from schemas.ids import CalendarId, ClockName, TeamId
from schemas.vocabulary import Because, LifecycleStage, Reason, Slug


class ActionWord(StrEnum):
    """The actions by which a clock can be met."""

    ACCEPTED = "accepted"
    ATTEMPTED = "attempted"
    CONNECTED = "connected"
    MEETING = "meeting"
    NOTED = "noted"
    NEXT_STEP = "next_step"
    OPPORTUNITY = "opportunity"
    HANDED_OVER = "handed_over"
    REJECTED = "rejected"
    RETURNED = "returned"
    WON = "won"
    LOST = "lost"


class ClockStart(StrEnum):
    """What starts a clock. `stage`: the lead is in one of the clock's lifecycle stages; `next_step`: the time that a rep has
    set for his next step; `last_action`: the assignment, and then every action anew."""

    ASSIGNED = "assigned"
    ACCEPTED = "accepted"
    STAGE = "stage"
    NEXT_STEP = "next_step"
    LAST_ACTION = "last_action"


class BreachAnswer(StrEnum):
    REASSIGN = "reassign"
    ALERT = "alert"


Share = Annotated[float, Field(gt=0, lt=1)]


class FollowUp(Part):
    """The next attempt of a cadence: within so much time after the one before, by one of these channels (none: any)."""

    within: PositiveLength
    channels: tuple[Slug, ...] = ()


class Wait(Part):
    """What pauses a clock, and until when.

    on: `next_step`: until it is due; `meeting`: until the meeting that was booked; `attempted`: with one of these
    dispositions, until the prospect writes again. at_most: never longer.
    """

    on: Literal["next_step", "meeting", "attempted"]
    dispositions: tuple[Slug, ...] = ()
    at_most: PositiveLength | None = None

    @model_validator(mode="after")
    def _ends(self) -> Wait:
        if self.on == "attempted" and (not self.dispositions or self.at_most is None):
            raise PydanticCustomError(
                "endless_pause", "a pause after an attempt needs the dispositions that begin it and at_most"
            )
        if self.on != "attempted" and self.dispositions:
            raise PydanticCustomError("endless_pause", "only an attempt has dispositions")
        return self


class Clock(Part):
    """A promise with a deadline, for every assignment.

    calendar_of: it runs by the hours of the rep (without his breaks and his leave) or of his team instead; where he, or
    it, has no calendar, by `calendar`. teams, when: only for these assignments, as they are when it starts. channels:
    only attempts by these meet it. then: further attempts, each from the one before on. stages: for starts_on stage.
    """

    id: ClockName
    title: Because = Because("")
    teams: tuple[TeamId, ...] = ()
    when: Condition | None = None
    starts_on: ClockStart = ClockStart.ASSIGNED
    stages: tuple[LifecycleStage, ...] = ()
    met_by: Annotated[tuple[ActionWord, ...], Field(min_length=1)]
    within: PositiveLength
    channels: tuple[Slug, ...] = ()
    then: Annotated[tuple[FollowUp, ...], Field(max_length=50)] = ()
    calendar: CalendarId
    calendar_of: Literal["rep", "team"] | None = None
    pauses: tuple[Wait, ...] = ()
    warn_at: tuple[Share, ...] = ()
    on_breach: BreachAnswer = BreachAnswer.ALERT

    @field_validator("warn_at")
    @classmethod
    def _sorted(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(sorted(set(value)))

    @model_validator(mode="after")
    def _has_its_stages(self) -> Clock:
        if (self.starts_on is ClockStart.STAGE) != bool(self.stages):
            raise PydanticCustomError("bad_stages", "stages are named exactly for starts_on: stage")
        return self

    def step(self, number: int) -> FollowUp:
        """Its own promise (0), and those of the attempts that follow; beyond the last one, the last."""
        steps = (FollowUp(within=self.within, channels=self.channels), *self.then)
        return steps[min(number, len(steps) - 1)]


class GivingUp(Part):
    """At least so many attempts, on so many channels, in a cycle before a lead is given up for one of these reasons.

    by_itself_after: if nothing happens for so long after the last of them, and the person was never reached, the lead
    comes back to marketing by itself, for the first of the reasons.
    """

    attempts: Annotated[int, Field(ge=1, le=100)]
    channels: Annotated[int, Field(ge=1, le=20)] = 1
    reasons: Annotated[tuple[Reason, ...], Field(min_length=1)]
    by_itself_after: PositiveLength | None = None

    @model_validator(mode="after")
    def _possible(self) -> GivingUp:
        if self.channels > self.attempts:
            raise PydanticCustomError("bad_giving_up", "more channels than attempts cannot be asked for")
        return self

    def enough(self, channels: Sequence[str]) -> bool:
        """Whether attempts by these channels, one after the other, are as many as it asks for."""
        return len(channels) >= self.attempts and len(set(channels)) >= self.channels


class LateAnswer(StrEnum):
    """What follows when a breach that would take the lead away was detected late."""

    GRACE = "grace"
    ALERT = "alert"
    REASSIGN = "reassign"


class Lateness(Part):
    """What an outage means for clocks that fell due meanwhile.

    after: detected later than this counts as detected late. answer: `grace`: the rep keeps the lead and gets as much
    open time as the breach was late, at least `grace` and at most the clock's own time; `alert`: he keeps it;
    `reassign`: he loses it at once.
    """

    after: Length = timedelta(seconds=5)
    answer: LateAnswer = LateAnswer.GRACE
    grace: PositiveLength = timedelta(minutes=15)
