"""The check of an agreement's clocks: names that exist, starts that something meets, pauses that end."""

from __future__ import annotations

from typing import Any

from schemas.agreement.questions import Questions
from schemas.agreement.reading import Path, at
from schemas.agreement.sheet import Sheet

_OF_ITSELF = {"accepted": ["accepted"], "next_step": ["next_step"]}
"""What starts a clock cannot be all that meets it."""


class ClockTerms:
    """Goes through the clocks, and through what they refer to."""

    def __init__(self, sheet: Sheet, questions: Questions) -> None:
        self.sheet = sheet
        self.questions = questions

    def check(self) -> None:
        """Say everything that is wrong with them."""
        for path, clock in self.sheet.entries("clocks"):
            self.sheet.refer("calendars", "calendar", (*path, "calendar"), clock.get("calendar"))
            self.sheet.refer_all("teams", "team", (*path, "teams"), clock.get("teams"))
            self.questions.ask(clock.get("when"), (*path, "when"), "routing")
            self._is_met(path, clock)
            self._follow_ups(path, clock)
            self._pauses(path, clock)
            self._hours(path, clock)
        giving_up = at(self.sheet.data, ("giving_up",))
        if isinstance(giving_up, dict):
            self.sheet.refer_all("reasons", "reason", ("giving_up", "reasons"), giving_up.get("reasons"))

    def _is_met(self, path: Path, clock: dict[str, Any]) -> None:
        if clock.get("met_by") == _OF_ITSELF.get(str(clock.get("starts_on"))):
            self.sheet.say(
                "clock_never_runs",
                (*path, "met_by"),
                "the clock starts on what meets it.",
                "Name actions that come after it.",
                "met_by: [connected, meeting]",
            )

    def _follow_ups(self, path: Path, clock: dict[str, Any]) -> None:
        """Further attempts, and channels, mean something only where attempts meet the clock."""
        met_by = clock.get("met_by")
        for key in ("then", "channels"):
            if clock.get(key) and isinstance(met_by, list) and "attempted" not in met_by:
                self.sheet.say(
                    "no_attempts",
                    (*path, key),
                    "attempts do not meet the clock, so this never counts.",
                    "Add attempted to met_by.",
                    "met_by: [attempted, connected]",
                )

    def _pauses(self, path: Path, clock: dict[str, Any]) -> None:
        waits = clock.get("pauses")
        for i, wait in enumerate(waits if isinstance(waits, list) else ()):
            if isinstance(wait, dict) and wait.get("on") == clock.get("starts_on") == "next_step":
                self.sheet.say(
                    "pauses_itself",
                    (*path, "pauses", i),
                    "the clock starts when the next step is due, so a next step cannot pause it.",
                    "Take the pause away.",
                )

    def _hours(self, path: Path, clock: dict[str, Any]) -> None:
        """A clock that goes by the team's hours needs teams that have some."""
        if clock.get("calendar_of") != "team":
            return
        named = [t for t in clock["teams"] if isinstance(t, str)] if isinstance(clock.get("teams"), list) else []
        for name in named or self.sheet.names("teams"):
            team = at(self.sheet.data, ("teams", name))
            if isinstance(team, dict) and "calendar" not in team:
                self.sheet.say(
                    "no_team_hours",
                    (*path, "calendar_of"),
                    f"the team {name} has no calendar, so for it the clock runs by {clock.get('calendar')}.",
                    f"Give teams.{name} a calendar, or take calendar_of away.",
                    f"{name}: {{calendar: {clock.get('calendar')}}}",
                    severity="warning",
                )
