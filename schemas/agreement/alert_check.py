"""The check of channels, alerts and escalation paths: names that exist, steps that can come, messages that do not go in circles."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from schemas.agreement.alert_terms import THE_REP
from schemas.agreement.durations import parse_duration, say_duration
from schemas.agreement.message_check import TemplateTerms
from schemas.agreement.reading import Path
from schemas.agreement.sheet import Sheet


class AlertTerms:
    """Goes through everything that says who is told."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet

    def check(self) -> None:
        """Say everything that is wrong with it."""
        TemplateTerms(self.sheet).check()
        for path, channel in self.sheet.entries("channels"):
            self.sheet.refer("calendars", "calendar", (*path, "hours"), channel.get("hours"))
            for key in ("next", "out_of_hours"):
                self.sheet.refer("channels", "channel", (*path, key), channel.get(key))
                self._ends(path, key)
        for path, alert in [*self.sheet.entries("alerts"), *self.sheet.entries("forecasts")]:
            self.sheet.refer_all("channels", "channel", (*path, "to"), alert.get("to"))
            self.sheet.refer_all("clocks", "clock", (*path, "clocks"), alert.get("clocks"))
            self.sheet.refer_all("teams", "team", (*path, "teams"), alert.get("teams"))
        self.sheet.unique([((*path, "id"), e.get("id")) for path, e in self.sheet.entries("escalations")])
        for path, escalation in self.sheet.entries("escalations"):
            self.sheet.refer_all("clocks", "clock", (*path, "clocks"), escalation.get("clocks"))
            self.sheet.refer_all("teams", "team", (*path, "teams"), escalation.get("teams"))
            if escalation.get("steps") == []:
                self.sheet.say(
                    "path_without_steps",
                    (*path, "steps"),
                    "the path has no steps.",
                    "Add one, or take the path away.",
                    "steps: [{on: breached, to: [rep]}]",
                )
            steps = list(self.sheet.entries(*path, "steps"))
            for place, step in steps:
                self._step(place, step, self._clocks_of(escalation))
                self._comes_before_it_is_taken(place, step, [other for _, other in steps])
                self._offer_ends(place, step, [other for _, other in steps], escalation)

    def _ends(self, path: Path, key: str) -> None:
        """A message that is handed from channel to channel must come to an end."""
        channels = {str(place[-1]): channel for place, channel in self.sheet.entries("channels")}
        passed, at = [str(path[-1])], channels[str(path[-1])].get(key)
        while isinstance(at, str) and at in channels and at not in passed:
            passed.append(at)
            at = channels[at].get(key)
        if at == passed[0]:
            self.sheet.say(
                "channel_circle",
                (*path, key),
                f"a message would go in a circle: {', '.join([*passed, passed[0]])}.",
                f"Take {key} away from one of them.",
            )

    def _clocks_of(self, escalation: dict[str, Any]) -> list[dict[str, Any]]:
        said = escalation.get("clocks")
        named = said if isinstance(said, list) and said else None
        return [clock for _, clock in self.sheet.entries("clocks") if named is None or clock.get("id") in named]

    def _step(self, path: Path, step: dict[str, Any], clocks: list[dict[str, Any]]) -> None:
        said = step.get("to")
        for i, name in enumerate(said if isinstance(said, list) else []):
            if name != THE_REP:
                self.sheet.refer("channels", "channel", (*path, "to", i), name)
        self.sheet.refer("calendars", "calendar", (*path, "calendar"), step.get("calendar"))
        if step.get("on") == "warned":
            self._warning_comes(path, step, clocks)
        elif step.get("on") == "breached" and (_length(step.get("after")) or step.get("do")):
            taken = [str(clock.get("id")) for clock in clocks if clock.get("on_breach") == "reassign"]
            if taken and len(taken) == len(clocks):
                self.sheet.say(
                    "step_never_comes",
                    (*path, "after"),
                    f"at the breach of {', '.join(taken)} the lead goes to another rep at once, so nothing follows later.",
                    "Take the step away, or let the clock say on_breach: alert.",
                    "on_breach: alert",
                    severity="warning",
                )

    def _comes_before_it_is_taken(self, path: Path, step: dict[str, Any], steps: list[dict[str, Any]]) -> None:
        """A step comes no more once an earlier one has taken the lead; but what is offered can still be given to somebody."""
        if step.get("on") != "breached":
            return
        ends = ("reassign",) if step.get("do") == "reassign" else ("reassign", "offer_to_team")
        for other in steps:
            if other is step or other.get("do") not in ends or other.get("calendar") != step.get("calendar"):
                continue
            mine, its = _length(step.get("after")), _length(other.get("after"))
            if its < mine or (its == mine and step.get("do") == "offer_to_team" and other.get("do") == "reassign"):
                self.sheet.say(
                    "step_never_comes",
                    (*path, "after") if "after" in step else path,
                    f"{say_duration(its)} after the breach the step do: {other['do']} takes the lead, and this one ends with it.",
                    "Let it come earlier, or in the path of the clocks that the next assignment starts.",
                    f"after: {say_duration(its)}" if "do" not in step else "do: reassign",
                    severity="warning",
                )
                return

    def _offer_ends(
        self, path: Path, step: dict[str, Any], steps: list[dict[str, Any]], escalation: dict[str, Any]
    ) -> None:
        """Somebody must have the lead in the end if nobody claims it."""
        if step.get("do") != "offer_to_team" or any(other.get("do") == "reassign" for other in steps):
            return
        teams = escalation.get("teams")
        for place, pool in self.sheet.entries("pools"):
            of_path = not isinstance(teams, list) or not teams or pool.get("team") in teams
            if of_path and "claim_within" not in pool and "overflow" not in pool:
                self.sheet.say(
                    "offer_without_end",
                    (*path, "do"),
                    f"nobody is given the lead if nobody of the pool {place[-1]} claims it.",
                    "Add a later step that gives it to somebody, or an overflow to the pool.",
                    "{on: breached, after: 4h, do: reassign}",
                    severity="warning",
                )
                return

    def _warning_comes(self, path: Path, step: dict[str, Any], clocks: list[dict[str, Any]]) -> None:
        shares = {share for clock in clocks if isinstance(clock.get("warn_at"), list) for share in clock["warn_at"]}
        wanted = step.get("share")
        if clocks and (not shares if wanted is None else wanted not in shares):
            what = "warns" if wanted is None else f"warns at {wanted}"
            first = next(iter(clocks)).get("id")
            self.sheet.say(
                "step_never_comes",
                (*path, "share" if wanted is not None else "on"),
                f"no clock of this path {what}, so the step never comes.",
                f"Name one of the shares in warn_at, or add it to warn_at of the clock {first}.",
                f"warn_at: [{wanted or 0.5}]",
            )


def _length(after: Any) -> timedelta:
    """What `after` says; nothing if it is missing, or wrong, which is somebody else's finding."""
    try:
        return parse_duration(after) if isinstance(after, str) else timedelta()
    except ValueError:
        return timedelta()
