"""The check of reasons and of recycling: names that exist, consequences that can follow, rests that do not contradict."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from schemas.agreement.facts import as_number
from schemas.agreement.reading import Path, at
from schemas.agreement.sheet import Sheet

_GOES_BACK = "Say recycle, retire or suppress."
_AN_EXAMPLE = "then: {recycle: {after: 90d, stream: nurture}}"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


class ReasonTerms:
    """Goes through the reasons, and through what leads come back for besides.

    What an older version let pass and only newer words contradict is an error; what older agreements may say is a warning,
    for an agreement in force must stay readable.
    """

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet

    def check(self) -> None:
        """Say everything that is wrong with them."""
        for path, reason in self.sheet.entries("reasons"):
            self._follows(path, reason)
            self._is_about(path, reason)
        for path, rest in self._rests():
            self._wakes(path, rest)
            self._how_often(path, rest)
        for use in ("reject", "recycle"):
            self._somebody_can(use)
        self.sheet.refer("calendars", "calendar", ("recycling", "calendar"), at(self.sheet.data, ("recycling", "calendar")))
        self._unworked()
        self._unreachable()

    def _follows(self, path: Path, reason: dict[str, Any]) -> None:
        uses, then = _list(reason.get("for")), reason.get("then", "stay")
        if "recycle" in uses and then in ("reroute", "stay"):
            message = f"a lead returned for this reason cannot {then}: nobody has it then."
            self.sheet.say("bad_consequence", (*path, "then"), message, _GOES_BACK, _AN_EXAMPLE)
        if "reject" in uses and then == "stay":
            message = "a rejected lead cannot stay: nobody has it then."
            self.sheet.say("bad_consequence", (*path, "then"), message, f"{_GOES_BACK[:-1]}, or reroute.", "then: reroute")

    def _is_about(self, path: Path, reason: dict[str, Any]) -> None:
        """Not now is not never, and a bad lead does not get better by waiting."""
        about, then = reason.get("about"), reason.get("then")
        if about == "timing" and then in ("retire", "suppress"):
            self.sheet.say(
                "not_now_but_never",
                (*path, "then"),
                f"the reason is about timing, so the lead may be worth it later, and yet it is to {then}.",
                "Let it rest, or say what else the reason is about.",
                _AN_EXAMPLE,
                severity="error" if then == "suppress" else "warning",
            )
        if about == "fit" and isinstance(then, dict):
            self.sheet.say(
                "bad_but_waited_for",
                (*path, "then"),
                "the reason is about fit, so the lead was not worth it, and yet it is waited for.",
                "Retire it, or say that the reason is about timing.",
                "then: retire",
                severity="warning",
            )

    def _rests(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        for path, reason in self.sheet.entries("reasons"):
            rest = at(reason, ("then", "recycle"))
            if isinstance(rest, dict):
                yield (*path, "then", "recycle"), rest
        for name in ("otherwise", "lost"):
            rest = at(self.sheet.data, ("recycling", name))
            if isinstance(rest, dict):
                yield ("recycling", name), rest

    def _wakes(self, path: Path, rest: dict[str, Any]) -> None:
        first: dict[str, int] = {}
        for i, waking in enumerate(_list(rest.get("wakes_on"))):
            often = isinstance(waking, dict)
            kind = waking.get("engagement") if isinstance(waking, dict) else waking
            place: Path = (*path, "wakes_on", i, "engagement") if often else (*path, "wakes_on", i)
            self.sheet.refer("engagements", "engagement", place, kind)
            if isinstance(kind, str) and kind in first and (often or isinstance(rest["wakes_on"][first[kind]], dict)):
                self.sheet.say(
                    "wakes_twice",
                    place,
                    f"{kind} is there twice, and the one that asks for fewer always comes first.",
                    "Keep one of the two.",
                )
            if isinstance(kind, str):
                first.setdefault(kind, i)
        floor, most = as_number(rest.get("wakes_from_score")), self.sheet.most(("fit", "engagement"))
        if floor is not None and floor > most:
            message = f"no lead can reach {floor}: the rules give at most {most}."
            self.sheet.say("out_of_reach", (*path, "wakes_from_score"), message, "Lower it, or add rules that give points.")

    def _how_often(self, path: Path, rest: dict[str, Any]) -> None:
        said, cycles = rest.get("at_most"), at(self.sheet.data, ("recycling", "cycles_at_most")) or 3
        if isinstance(said, int) and isinstance(cycles, int) and said >= cycles:
            self.sheet.say(
                "rests_too_often",
                (*path, "at_most"),
                f"a lead has at most {cycles} cycles, so it can rest {cycles - 1} times and not {said}.",
                "Lower it, or raise recycling.cycles_at_most.",
                f"at_most: {cycles - 1}" if cycles > 1 else f"cycles_at_most: {said + 1}",
            )

    def _somebody_can(self, use: str) -> None:
        if isinstance(self.sheet.data.get("reasons"), list) and not any(
            use in _list(r.get("for")) for _, r in self.sheet.entries("reasons")
        ):
            self.sheet.say(
                "no_reason",
                ("reasons",),
                f"no reason may be given to {use} a lead, so nobody can.",
                f"Add a reason for: [{use}].",
                severity="warning",
            )

    def _unworked(self) -> None:
        name, path = at(self.sheet.data, ("recycling", "unworked", "reason")), ("recycling", "unworked", "reason")
        self.sheet.refer("reasons", "reason", path, name)
        reason = self._reason(name)
        self._comes_back(path, name, reason, "nobody works")
        if at(reason, ("then", "recycle", "next_rep")) == "same":
            self.sheet.say(
                "nobody_to_go_back_to",
                path,
                f"a lead that nobody worked goes back to the rep who had it, by the reason {name}: there is none.",
                "Name a reason whose next_rep is any or another.",
            )

    def _unreachable(self) -> None:
        reasons = _list(at(self.sheet.data, ("giving_up", "reasons")))
        if reasons and at(self.sheet.data, ("giving_up", "by_itself_after")) is not None:
            self._comes_back(("giving_up", "reasons", 0), reasons[0], self._reason(reasons[0]), "cannot be reached")

    def _reason(self, name: Any) -> dict[str, Any]:
        return next((r for _, r in self.sheet.entries("reasons") if isinstance(name, str) and r.get("id") == name), {})

    def _comes_back(self, path: Path, name: Any, reason: dict[str, Any], which: str) -> None:
        """Nobody has it then, so the reason must say what becomes of it."""
        then = reason.get("then", "stay")
        if reason and then in ("reroute", "stay"):
            message = f"a lead that {which} comes back for {name}, which lets it {then}: nobody has it then."
            self.sheet.say("bad_consequence", path, message, "Name a reason that recycles, retires or suppresses.", _AN_EXAMPLE)
