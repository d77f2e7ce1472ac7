"""A history as lines of JSON, read with care: what happens, or one sentence with the line and the remedy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, Final

import orjson
from pydantic import ValidationError

from schemas.agreement import Agreement, Member, Roster
from schemas.events.desk import RepAvailabilityChanged, RepChanged, RepJoined, RepLeft
from schemas.ids import PoolId, RepId, RoleId, TeamId
from schemas.lifecycle import FIRST_ROLE
from schemas.vocabulary import AttributeName, AttributeValue, NonPersonalText, Reason, Source
from services.console.simulation.happenings import Happening, LeadActed, LeadComes, TeamTold
from services.console.simulation.naming import Names
from services.console.terminal import BadInput

LINE_BYTES_AT_MOST = 1_000_000
_EARLIEST, _LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
TYPES: Final = ("lead", "close", "reject", "accept", "away", "back", "join", "leave", "weight")
_OF_A_MEMBER: Final = ("role", "calendar", "open_leads_cap", "caps", "zone", "breaks", "leave", "skills")
_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "lead": ("lead", "attributes", "country", "source"),
    "close": ("lead", "rep", "reason", "outcome"),
    "reject": ("lead", "rep", "reason"),
    "accept": ("lead", "rep"),
    "away": ("rep", "until"),
    "back": ("rep",),
    "join": ("rep", "weight", "pool", "pools", "team", "cap", *_OF_A_MEMBER),
    "leave": ("rep", "reason"),
    "weight": ("rep", "weight", "pool"),
}
"""What a line of each type may hold besides `at` and `type`."""


class BadLine(BadInput):
    """A line of a history that means nothing."""


class History:
    """Reads lines in their order, and knows who and what has been named so far."""

    def __init__(self, agreement: Agreement, roster: Roster | None = None) -> None:
        self.agreement = agreement
        self.names = Names()
        self.warnings: dict[str, str] = {}
        """What was not looked at, once for each kind of it, with the first line that it is on."""
        self._opening = tuple(roster.reps) if roster is not None else ()
        self._members: dict[RepId, Member] = {}
        self._gone: dict[RepId, Member] = {}
        self._leads: set[str] = set()
        self._at: datetime | None = None
        self._number = 0

    def read(self, lines: Iterable[bytes]) -> Iterator[Happening]:
        """What happens, in order; first of all the roster's reps join. Raises BadLine."""
        for number, raw in enumerate(lines, 1):
            self._number = number
            text = raw.removeprefix(b"\xef\xbb\xbf").strip() if number == 1 else raw.strip()
            if text:
                yield from self._happenings(self._object(text))

    # ------------------------------------------------------------------ one line

    def _happenings(self, said: Mapping[str, Any]) -> Iterator[Happening]:
        kind = said.get("type")
        if not isinstance(kind, str) or kind not in _FIELDS:
            raise self._bad(f"type is {_shown(kind)}: it is one of {', '.join(TYPES)}{_meant(kind, TYPES)}")
        at = self._time(said, "at")
        if at is None:
            raise self._bad('at is missing: say when it happens, such as "at": "2026-03-02T09:00:00Z"')
        if self._at is not None and at < self._at:
            raise self._bad(f"at goes back from {self._at.isoformat()} to {at.isoformat()}: sort the lines by at")
        if self._at is None:
            yield from (TeamTold(at, "the roster", self._joined(member)) for member in self._opening)
        self._at = at
        for name in said:
            if name not in ("at", "type", *_FIELDS[kind]):
                known = ("at", "type", *_FIELDS[kind])
                self._warn(f"{kind}.{name}", f"nobody knows {name[:60]!r} in a line of type {kind}{_meant(name, known)}; it is not looked at")
        yield from self._of_lead(kind, at, said) if "lead" in _FIELDS[kind] else self._of_rep(kind, at, said)

    def _of_lead(self, kind: str, at: datetime, said: Mapping[str, Any]) -> Iterator[Happening]:
        named = self._name(said, "lead")
        if kind == "lead":
            self._leads.add(named)
            yield LeadComes(
                at, self._place, self.names.lead(named), self._attributes(said), self._country(said), self._source(said)
            )
            return
        if named not in self._leads:
            raise self._bad(f'no lead {_shown(named)} has come by then: begin it with a line {{"type": "lead", "lead": {_shown(named)}}}')
        rep = self._rep(said) if said.get("rep") is not None else None
        outcome = said.get("outcome", "lost")
        if outcome not in ("won", "lost"):
            raise self._bad(f"outcome is {_shown(outcome)}: it is won or lost")
        yield LeadActed(
            at, self._place, self.names.lead(named), kind, rep, self._reason(said), outcome == "won"  # type: ignore[arg-type]
        )  # fmt: skip

    def _of_rep(self, kind: str, at: datetime, said: Mapping[str, Any]) -> Iterator[Happening]:
        if kind == "join":
            for event in self._joining(said):
                yield TeamTold(at, self._place, event)
            return
        rep = self._rep(said)
        if rep not in self._members:
            self._warn(f"left {kind}", f"{self.names.of(rep)} has left, so it changes nothing")
            return
        member = self._members[rep]
        yield TeamTold(at, self._place, self._about(kind, member, at, said))

    def _about(self, kind: str, member: Member, at: datetime, said: Mapping[str, Any]) -> Any:
        who = {"team_id": member.team, "rep_id": member.id}
        if kind == "leave":
            self._gone[member.id] = self._members.pop(member.id)
            return RepLeft.model_validate({**who, "reason": self._reason(said)})
        if kind == "weight":
            return RepChanged(**self._weighed(member, said).said())
        until = self._time(said, "until") if kind == "away" else None
        if until is not None and until <= at:
            raise self._bad(f"until is {until.isoformat()}, not after at: say a later instant, or leave it out")
        return RepAvailabilityChanged.model_validate({**who, "available": kind == "back", "until": until})

    # ------------------------------------------------------------------ reps

    def _joining(self, said: Mapping[str, Any]) -> Iterator[RepLeft | RepJoined]:
        named = self._name(said, "rep")
        rep = self.names.rep(named)
        before = self._members.get(rep)
        member = self._member(rep, before or self._gone.get(rep), said)
        if before is not None and before.team != member.team:
            yield RepLeft(team_id=before.team, rep_id=rep)
        yield self._joined(member)

    def _joined(self, member: Member) -> RepJoined:
        self.names.rep(member.id)
        self._members[member.id] = member
        return RepJoined(**member.said())

    def _member(self, rep: RepId, known: Member | None, said: Mapping[str, Any]) -> Member:
        """Whom a line of type join makes of him. What it does not say is as it was, else as `pools_for` has it."""
        given = {name: said[name] for name in _OF_A_MEMBER if said.get(name) is not None}
        if said.get("cap") is not None:
            given.setdefault("open_leads_cap", said["cap"])
        if known is not None:
            given = {**known.model_dump(include=set(_OF_A_MEMBER), exclude_none=True), **given}
        role = RoleId(str(given.get("role", FIRST_ROLE)))
        team, pools = self._pools(said, role, known)
        if pools and "role" not in given:
            given["role"] = self.agreement.pools[next(iter(pools))].role
        try:
            member = Member.model_validate({"id": str(rep), "team": team, "pools": pools, **given})
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(step) for step in fault["loc"])
            raise self._bad(f"{where}: {fault['msg'][:1].lower()}{fault['msg'][1:]}; write it as a roster does") from error
        if member.calendar is not None and member.calendar not in self.agreement.terms.calendars:
            calendars = [*self.agreement.terms.calendars]
            raise self._bad(f"the agreement has no calendar {_shown(member.calendar)}{_meant(member.calendar, calendars) or _has(calendars)}")
        for pool in member.pools:
            if self.agreement.pools[pool].role != member.role:
                raise self._bad(
                    f"the pool {pool} takes role {self.agreement.pools[pool].role}, not {member.role}: correct the role or the pool"
                )
        return member

    def _pools(self, said: Mapping[str, Any], role: RoleId, known: Member | None) -> tuple[TeamId, dict[PoolId, int]]:
        weight = self._weight(said) if said.get("weight") is not None else None
        team = self._team(said)
        if said.get("pools") is not None:
            pools = self._many_pools(said["pools"], weight or 1)
        elif said.get("pool") is not None:
            pools = {self._pool(said["pool"]): weight or 1}
        elif known is not None and team in (None, known.team):
            pools = {pool: weight or was for pool, was in known.pools.items()}
        else:
            pools = dict.fromkeys(pools_for(self.agreement, team, role), weight or 1)
        teams = {TeamId(self.agreement.pools[pool].team) for pool in pools}
        if team is not None and teams - {team}:
            other = next(p for p in pools if self.agreement.pools[p].team != team)
            raise self._bad(f"the pool {other} is of team {self.agreement.pools[other].team}, not of {team}: name pools of one team")
        if len(teams) != 1:
            raise self._bad(
                f"the pools {', '.join(pools)} are of {len(teams)} teams, and a rep belongs to one: name pools of one team"
                if teams else f"the team {team} has no pool for the role {role}: name the pools"
            )  # fmt: skip
        return teams.pop(), pools

    def _many_pools(self, value: Any, weight: int) -> dict[PoolId, int]:
        if isinstance(value, list) and value:
            return {self._pool(name): weight for name in value}
        if isinstance(value, dict) and value:
            return {self._pool(name): self._weight({"weight": w}) for name, w in value.items()}
        raise self._bad('pools names none: write {"inbound": 2} with the weight in each, or ["inbound"]')

    def _pool(self, name: Any) -> PoolId:
        if not isinstance(name, str) or name not in self.agreement.pools:
            known = [*self.agreement.pools]
            raise self._bad(f"the agreement has no pool {_shown(name)}{_meant(name, known) or _has(known)}")
        return PoolId(name)

    def _team(self, said: Mapping[str, Any]) -> TeamId | None:
        name = said.get("team")
        if name is None:
            return None
        if not isinstance(name, str) or name not in self.agreement.teams:
            known = [*self.agreement.teams]
            raise self._bad(f"the agreement has no team {_shown(name)}{_meant(name, known) or _has(known)}")
        return TeamId(name)

    def _weight(self, said: Mapping[str, Any]) -> int:
        weight = said.get("weight")
        if isinstance(weight, float) and weight.is_integer():
            weight = int(weight)
        if not isinstance(weight, int) or isinstance(weight, bool) or not 1 <= weight <= 1000:
            raise self._bad(f"weight is {_shown(weight)}: it is a whole number from 1 to 1000 (who gets nothing is away, or leaves)")
        return weight

    def _weighed(self, member: Member, said: Mapping[str, Any]) -> Member:
        weight = self._weight(said)
        if said.get("pool") is None:
            pools = dict.fromkeys(member.pools, weight)
        else:
            pool = self._pool(said["pool"])
            if pool not in member.pools:
                raise self._bad(f"{self.names.of(member.id)} is not in the pool {pool}: name one of {', '.join(member.pools)}")
            pools = {**member.pools, pool: weight}
        self._members[member.id] = member.model_copy(update={"pools": pools})
        return self._members[member.id]

    def _rep(self, said: Mapping[str, Any]) -> RepId:
        named = self._name(said, "rep")
        rep = self.names.known_rep(named)
        if rep is None or (rep not in self._members and rep not in self._gone):
            known = [self.names.of(r) for r in self._members]
            raise self._bad(
                f"no rep {_shown(named)} has joined by then{_meant(named, known)}: let him join first, or name a --roster that has him"
            )
        return rep

    # ------------------------------------------------------------------ values

    def _object(self, text: bytes) -> Mapping[str, Any]:
        if len(text) > LINE_BYTES_AT_MOST:
            raise self._bad(f"it has {len(text)} bytes, and a line has at most {LINE_BYTES_AT_MOST}: is the file one JSON object a line?")
        try:
            said = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise self._bad(self._no_json(text, error)) from error
        if not isinstance(said, dict):
            raise self._bad(f"it is {_shown(said)}, no object: write {{\"at\": …, \"type\": \"lead\", \"lead\": …}}")
        return said

    @staticmethod
    def _no_json(text: bytes, error: orjson.JSONDecodeError) -> str:
        try:
            text.decode()
        except UnicodeDecodeError as broken:
            return f"it is no UTF-8 text (byte {broken.start + 1}): save the file as UTF-8"
        why = str(error).split(":", maxsplit=1)[0]
        return f'it is no JSON ({why}): write one object a line, such as {{"at": …, "type": "lead", "lead": …}}'

    def _name(self, said: Mapping[str, Any], what: str) -> str:
        name = said.get(what)
        if isinstance(name, int) and not isinstance(name, bool):
            name = str(name)
        if not isinstance(name, str) or not name.strip() or len(name) > 200:
            raise self._bad(
                f"{what} is missing: name the {what}" if name is None
                else f"{what} is {_shown(name)}: it is a name of at most 200 characters"
            )  # fmt: skip
        return name

    def _time(self, said: Mapping[str, Any], what: str) -> datetime | None:
        text = said.get(what)
        if text is None:
            return None
        try:
            at = datetime.fromisoformat(text) if isinstance(text, str) else None
        except ValueError:
            at = None
        if at is None:
            raise self._bad(f"{what} is {_shown(text)}, no instant: write it as 2026-03-02T09:00:00Z")
        if at.tzinfo is None:
            raise self._bad(f"{what} is {_shown(text)} and names no time zone: end it with Z or +01:00")
        if not _EARLIEST < at < _LATEST:
            raise self._bad(f"{what} is {_shown(text)}: it lies between 1970 and 2200")
        at = at.astimezone(UTC)
        return at.replace(microsecond=at.microsecond // 1000 * 1000)  # a log's times are whole milliseconds

    def _attributes(self, said: Mapping[str, Any]) -> dict[AttributeName, AttributeValue]:
        told = said.get("attributes")
        if told is None:
            return {}
        if not isinstance(told, dict):
            raise self._bad(f'attributes is {_shown(told)}: write an object, such as {{"employees": 120}}')
        read: dict[AttributeName, AttributeValue] = {}
        for name, value in told.items():
            attribute = self.agreement.attributes.get(AttributeName(name))
            if attribute is None:
                self._warn(f"attribute {name}", f"the agreement knows no attribute {_shown(name)}, so no rule sees it")
            elif value is not None and value != "" and not attribute.personal:
                try:
                    spoken = attribute.read(value)
                except ValueError as error:
                    self._warn(f"value {name}", f"attributes.{name[:60]} is {_shown(value)}, so no rule sees it: {error}")
                else:
                    read[AttributeName(name)] = NonPersonalText(spoken) if isinstance(spoken, str) else spoken
        return read

    def _country(self, said: Mapping[str, Any]) -> str | None:
        country = said.get("country")
        if country is None:
            country = (said.get("attributes") or {}).get("country")
            return country if isinstance(country, str) and len(country) == 2 and country.isalpha() and country.isupper() else None
        if not isinstance(country, str) or len(country) != 2 or not country.isalpha():
            raise self._bad(f"country is {_shown(country)}: it takes two letters, such as DE")
        return country.upper()

    def _source(self, said: Mapping[str, Any]) -> Source:
        try:
            return Source.model_validate(said.get("source") or {})
        except ValidationError as error:
            raise self._bad(f'source is {_shown(said["source"])}: write {{"channel": "ads", "campaign": "spring"}}') from error

    def _reason(self, said: Mapping[str, Any]) -> Reason | None:
        reason = said.get("reason")
        if reason is None:
            return None
        try:
            return Reason.parse(reason if isinstance(reason, str) else "")
        except ValueError as error:
            raise self._bad(f"reason is {_shown(reason)}: it is a short word, such as one of the agreement's reasons") from error

    # ------------------------------------------------------------------ what is wrong

    @property
    def _place(self) -> str:
        return f"line {self._number}"

    def _bad(self, sentence: str) -> BadLine:
        return BadLine(f"{self._place}: {sentence}")

    def _warn(self, kind: str, sentence: str) -> None:
        self.warnings.setdefault(kind, f"{self._place}: {sentence}")


def pools_for(agreement: Agreement, team: TeamId | None, role: RoleId) -> list[PoolId]:
    """The pools of somebody of whom nothing is said: all of his team for his role. Without a team: that of the rule
    which always holds for his role, where every lead ends that no other rule takes."""
    if team is None:
        rules = agreement.rules_for(role) or agreement.rules_for(FIRST_ROLE) or agreement.routing
        last = next((r for r in reversed(rules) if r.always), rules[-1])
        team, role = TeamId(agreement.pools[last.pool].team), agreement.pools[last.pool].role
    found = [name for name, pool in agreement.pools.items() if pool.team == team]
    return [n for n in found if agreement.pools[n].role == role] or found[:1]


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return repr(value[:60])
    text = orjson.dumps(value, default=str).decode() if value is not None else "not there"
    return text if len(text) <= 60 else f"{text[:59]}…"


def _meant(word: Any, known: Iterable[Any]) -> str:
    close = get_close_matches(str(word), [str(k) for k in known], n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _has(known: Iterable[Any]) -> str:
    return f": it has {', '.join(str(k) for k in list(known)[:12]) or 'none'}"


