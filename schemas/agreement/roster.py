"""The roster: who is in which team and pool, with weights, caps and hours. Operations' own; it needs no signatures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from schemas.agreement.agreement import Agreement
from schemas.agreement.calendars import WEEKDAYS, OpenSpan, Week
from schemas.agreement.explaining import explain_all, suggestion
from schemas.agreement.findings import AgreementRefused, Finding
from schemas.agreement.part import Part, as_list
from schemas.agreement.reading import Document, Path, at, read, spell
from schemas.agreement.working_hours import free_spans
from schemas.ids import CalendarId, PoolId, RepId, RoleId, TeamId, ZoneName
from schemas.presence import Break, Cap, Leave
from schemas.vocabulary import Grade, Slug


def _grades(value: Any) -> Any:
    named = [str(v) for v in as_list(value)]
    return tuple(dict.fromkeys(g for n in named for g in ([f"{n}{i}" for i in range(1, 5)] if n in _LETTERS else [n])))


_LETTERS = ("A", "B", "C", "D")


def read_breaks(value: Any) -> Any:
    """Breaks as a roster writes them, a week of spans, as a list; a list stays as it is."""
    if not isinstance(value, dict):
        return value
    week: dict[str, tuple[OpenSpan, ...]] = TypeAdapter(Week).validate_python(value)
    days: dict[tuple[int, int], list[int]] = {}
    for day, spans in week.items():
        for span in spans:
            days.setdefault((span.start, span.end), []).append(WEEKDAYS.index(day))
    return [{"days": sorted(on), "start": start, "end": end} for (start, end), on in sorted(days.items())]


class MemberCap(Cap, Part):
    """A cap as a roster writes it; `grades: [A]` are A1 to A4."""

    grades: Annotated[tuple[Grade, ...], BeforeValidator(_grades)] = ()


class MemberLeave(Leave, Part): ...


class Member(Part):
    """One rep."""

    id: RepId
    team: TeamId
    role: RoleId = RoleId("sdr")
    pools: Annotated[Mapping[PoolId, Annotated[int, Field(ge=1, le=1000)]], Field(min_length=1)]
    """Weight per pool."""
    open_leads_cap: Annotated[int, Field(ge=0, le=100_000)] | None = None
    """How many leads he may hold at once; none: no cap."""
    calendar: CalendarId | None = None
    """His working hours, a calendar of the agreement; none: around the clock."""
    caps: Annotated[tuple[MemberCap, ...], Field(max_length=20)] = ()
    """How many leads he may be given in a length of time, or hold at once of some grades."""
    zone: ZoneName | None = None
    """Where his days begin; none: the zone of his calendar, else UTC."""
    breaks: Annotated[tuple[Break, ...], BeforeValidator(read_breaks), Field(max_length=20)] = ()
    """Lunch and the like: {mon-fri: "12:00-13:00"}."""
    leave: Annotated[tuple[MemberLeave, ...], Field(max_length=100)] = ()
    """Days off: {first: 2026-08-03, last: 2026-08-14}."""
    skills: Annotated[tuple[Slug, ...], Field(max_length=100)] = ()
    """Languages, products and whatever else the pools of mode skill ask for."""

    @field_validator("breaks")
    @classmethod
    def _sometimes_there(cls, breaks: tuple[Break, ...]) -> tuple[Break, ...]:
        said = tuple((b.days, b.start, b.end) for b in breaks)
        if said and not any(free_spans(said, day) for day in range(7)):
            raise PydanticCustomError("bad_breaks", "the breaks leave no time of the week")
        return breaks

    @field_validator("zone")
    @classmethod
    def _zone_exists(cls, zone: ZoneName | None) -> ZoneName | None:
        if zone is not None and zone not in available_timezones():
            raise PydanticCustomError("bad_zone", "{zone} is no time zone", {"zone": repr(str(zone))[:80]})
        return zone

    def said(self) -> dict[str, Any]:
        """What RepJoined and RepChanged say of him."""
        plain = self.model_dump(exclude={"id", "team", "caps", "leave", "breaks"})
        shared: dict[str, Any] = {
            "caps": tuple(Cap(**cap.model_dump()) for cap in self.caps),
            "leave": tuple(Leave(**leave.model_dump()) for leave in self.leave),
            "breaks": self.breaks,
        }
        return {"team_id": self.team, "rep_id": self.id, **plain, "pools": dict(self.pools), **shared}


class Roster(Part):
    reps: tuple[Member, ...]

    def member(self, rep: str) -> Member | None:
        """The rep of that id, if he is there."""
        return next((m for m in self.reps if m.id == rep), None)


def check_roster(text: str, agreement: Agreement | None = None) -> list[Finding]:
    """Everything that is wrong in a roster, by line; with an agreement also against its teams, pools and calendars."""
    return examine_roster(text, agreement)[1]


def load_roster(text: str, agreement: Agreement | None = None) -> Roster:
    """The roster that `text` is. Raises AgreementRefused with all findings."""
    roster, findings = examine_roster(text, agreement)
    if roster is None or any(f.severity == "error" for f in findings):
        raise AgreementRefused(findings)
    return roster


def examine_roster(text: str, agreement: Agreement | None) -> tuple[Roster | None, list[Finding]]:
    """The roster, if it has the shape of one, and what is wrong with it."""
    document = read(text)
    if not isinstance(document.data, dict):
        example = "reps: [{id: anna, team: sales, role: sdr, pools: {inbound: 1}}]"
        shape = Finding(
            "error", "wrong_type", "", 1, "the file has no section reps.", "List the reps under reps.", example
        )
        return None, document.findings or [shape]
    findings = list(document.findings)
    roster = None
    try:
        roster = Roster.model_validate(document.data)
    except ValidationError as error:
        findings += explain_all(Roster, error, document)
    findings += _Reps(document, agreement).findings()
    return roster, sorted(set(findings), key=lambda f: (f.line, f.path, f.code))


class _Reps:
    """Walks the reps of a document that may be broken anywhere."""

    def __init__(self, document: Document, agreement: Agreement | None) -> None:
        self.document = document
        self.agreement = agreement
        self.found: list[Finding] = []

    def findings(self) -> list[Finding]:
        reps = at(self.document.data, ("reps",))
        first: dict[str, tuple[Path, Any]] = {}
        for i, rep in enumerate(reps if isinstance(reps, list) else ()):
            if not isinstance(rep, dict):
                continue
            path: Path = ("reps", i)
            name = rep.get("id")
            if isinstance(name, str):
                self._once(name, rep, path, first)
            if self.agreement is not None:
                self._fits(rep, path, self.agreement)
        if self.agreement is not None and isinstance(reps, list):
            self._pools_have_members(reps, self.agreement)
        return self.found

    def _say(
        self, code: str, path: Path, message: str, remedy: str, example: str = "", severity: Any = "error"
    ) -> None:
        self.found.append(Finding(severity, code, spell(path), self.document.line(path), message, remedy, example))

    def _once(self, name: str, rep: dict[str, Any], path: Path, first: dict[str, tuple[Path, Any]]) -> None:
        if name not in first:
            first[name] = (path, rep.get("team"))
            return
        line, team = self.document.line(first[name][0]), first[name][1]
        if team != rep.get("team"):
            self._say(
                "two_teams",
                (*path, "team"),
                f"{name} is in two teams: in {team} since line {line}.",
                "A rep belongs to one team; keep one entry.",
            )
        else:
            self._say(
                "duplicate_id",
                (*path, "id"),
                f"{name} is there twice, first on line {line}.",
                "Keep one entry with all his pools.",
            )

    def _known(self, what: str, name: Any, known: list[str], path: Path) -> bool:
        if not isinstance(name, str) or name in known:
            return isinstance(name, str)
        meant = suggestion(name, known)
        remedy = f"Did you mean {meant}?" if meant else f"The agreement has {', '.join(known[:12]) or 'none'}."
        self._say(f"unknown_{what}", path, f"the agreement has no {what} {name!r}.", remedy, meant or "")
        return False

    def _fits(self, rep: dict[str, Any], path: Path, agreement: Agreement) -> None:
        self._known("team", rep.get("team"), list(agreement.teams), (*path, "team"))
        if rep.get("calendar") is not None:
            self._known("calendar", rep["calendar"], [*agreement.terms.calendars], (*path, "calendar"))
        pools = rep.get("pools")
        for name in pools if isinstance(pools, dict) else ():
            where = (*path, "pools", name)
            if not self._known("pool", name, list(agreement.pools), where):
                continue
            pool = agreement.pools[PoolId(name)]
            if pool.team != rep.get("team"):
                self._say(
                    "wrong_team",
                    where,
                    f"the pool {name} is of team {pool.team}, not of {rep.get('team')}.",
                    "Name pools of the rep's own team.",
                )
            elif pool.role != rep.get("role", "sdr"):
                self._say(
                    "wrong_role",
                    where,
                    f"the pool {name} takes role {pool.role}, not {rep.get('role', 'sdr')}.",
                    "Correct the role or the pool.",
                )

    def _pools_have_members(self, reps: list[Any], agreement: Agreement) -> None:
        staffed = {
            name
            for rep in reps
            if isinstance(rep, dict) and isinstance(rep.get("pools"), dict)
            for name in rep["pools"]
        }
        for pool in agreement.pools:
            if pool not in staffed:
                self._say(
                    "empty_pool",
                    ("reps",),
                    f"nobody is in the pool {pool}, so its leads wait.",
                    "Put a rep into it.",
                    severity="warning",
                )
