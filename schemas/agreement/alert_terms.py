"""Whom an agreement tells of late leads, and what becomes of them: channels with their hours, rotas, alerts, escalation paths."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from schemas.agreement.clock_terms import Share
from schemas.agreement.conditions import Part
from schemas.agreement.durations import Length, PositiveLength
from schemas.agreement.message_terms import Manner
from schemas.events.alerting import AlertKind
from schemas.ids import CalendarId, ClockName, RecipientId, RepId, RuleId, TeamId
from schemas.vocabulary import Because

THE_REP = RecipientId("rep")
"""In `to` of a step: whoever has the lead, at his address in the tools file."""


class Rota(Part):
    """Who is on duty: one after the other, each for `every`, from the wall-clock time `since` in `zone` on.

    The wall clock counts, so a shift that changes at 09:00 does so on both sides of a change to summer time.
    """

    people: Annotated[tuple[RepId, ...], Field(min_length=1, max_length=100)]
    since: datetime
    zone: Annotated[str, Field(max_length=64)] = "UTC"
    every: PositiveLength = timedelta(days=7)

    @field_validator("zone")
    @classmethod
    def _zone_exists(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            raise PydanticCustomError("bad_zone", "there is no time zone {zone}", {"zone": repr(zone)[:80]}) from None
        return zone

    @field_validator("since")
    @classmethod
    def _on_the_wall_clock(cls, since: datetime) -> datetime:
        if since.tzinfo is not None:
            raise PydanticCustomError("bad_since", "since is on the wall clock of zone: write it without an offset")
        return since

    def on_duty(self, at: datetime) -> RepId:
        """Who is on duty at an aware instant."""
        local = at.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)
        return self.people[(local - self.since) // self.every % len(self.people)]


class Channel(Manner):
    """Where alerts go: an apprise URL, or who is on `duty`. `${NAME}` in a URL is taken from the environment by the sender.

    next: where a message goes that could not be delivered here after
    `tries_for` (none: about two hours). hours: outside of this calendar nothing is delivered; what comes then goes to
    `out_of_hours`, or waits for the opening.
    """

    url: Annotated[str, Field(min_length=1, max_length=2000)] | None = None
    duty: Rota | None = None
    title: Because = Because("")
    next: RecipientId | None = None
    tries_for: PositiveLength | None = None
    hours: CalendarId | None = None
    out_of_hours: RecipientId | None = None

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Channel:
        if (self.url is None) == (self.duty is None):
            raise PydanticCustomError("bad_channel", "a channel has either a url or a duty")
        if self.out_of_hours is not None and self.hours is None:
            raise PydanticCustomError("bad_channel", "out_of_hours means nothing without hours")
        return self


class Alert(Part):
    """Tell these channels when this happens; with `clocks` or `teams` only for those."""

    on: AlertKind
    to: Annotated[tuple[RecipientId, ...], Field(min_length=1)]
    clocks: tuple[ClockName, ...] = ()
    teams: tuple[TeamId, ...] = ()


class StepDoes(StrEnum):
    """What a step does with the lead. `offer_to_team`: it is taken from the rep, and whoever of its pool claims it first
    has it; `reassign`: it is taken from the rep and dealt to another one."""

    OFFER_TO_TEAM = "offer_to_team"
    REASSIGN = "reassign"


class Step(Part):
    """A step of an escalation path: whom to tell, or what to do with the lead, and so long after what.

    on: the clock's warning (at `share`; none: its first) or its breach. after: so much time later, open time of
    `calendar` if one is named: then a step out of hours waits. to: channels, or `rep`. do: only after a breach.
    """

    on: Literal["warned", "breached"]
    share: Share | None = None
    after: Length = timedelta()
    calendar: CalendarId | None = None
    to: tuple[RecipientId, ...] = ()
    do: StepDoes | None = None

    @model_validator(mode="after")
    def _means_something(self) -> Step:
        if self.on == "breached" and self.share is not None:
            raise PydanticCustomError("bad_step", "only a warning has a share")
        if self.on == "warned" and self.do is not None:
            raise PydanticCustomError("bad_step", "a lead is taken from its rep only after a breach")
        if self.do is None and not self.to:
            raise PydanticCustomError("bad_step", "a step tells somebody (to) or does something (do)")
        return self


class Escalation(Part):
    """What follows while a lead stays unworked, of these clocks and teams (none: of all). It stops when the lead is worked."""

    id: RuleId
    clocks: tuple[ClockName, ...] = ()
    teams: tuple[TeamId, ...] = ()
    steps: Annotated[tuple[Step, ...], Field(max_length=20)]

    def concerns(self, clock: str, team: str) -> bool:
        """Whether it is this clock's path, for leads of this team."""
        return (not self.clocks or clock in self.clocks) and (not self.teams or team in self.teams)


class Forecasting(Part):
    """Tell these channels of a running clock that will be breached with a probability of `at_least`, once its deadline is `within`
    so long; with `clocks` or `teams` only of those."""

    at_least: Share
    within: PositiveLength = timedelta(hours=4)
    to: Annotated[tuple[RecipientId, ...], Field(min_length=1)]
    clocks: tuple[ClockName, ...] = ()
    teams: tuple[TeamId, ...] = ()

    def concerns(self, clock: str, team: str) -> bool:
        """Whether it is about this clock, for leads of this team."""
        return (not self.clocks or clock in self.clocks) and (not self.teams or team in self.teams)


__all__ = ["THE_REP", "Alert", "Channel", "Escalation", "Forecasting", "Rota", "Step", "StepDoes"]
