"""The desk's doors over HTTP, as the house plan promises them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import APIRouter, Header, Query, Response
from fastapi import Request as HttpRequest

from schemas.agreement import AgreementRefused
from schemas.events.desk import RepAvailabilityChanged
from schemas.ids import LeadId, RepId
from schemas.topics import TEAMS
from services.desk import inbox
from services.desk.doing import Doing, Done, KeyUsedForAnotherBody, Unsayable
from services.desk.foresight import CLOCKS_DIFFER_BY, Place, Refused, Why
from services.desk.requests import ActionIn, AvailabilityIn, OutcomeIn, RosterIn
from services.desk.roster import changes, read_roster
from services.desk.telling import POOL
from services.runtime.agreements import AgreementReader
from services.runtime.appending import Appender
from services.runtime.http import Problem, ServerSent, event_stream, last_event_id, trace_of
from services.runtime.positions import NoVector, Vector
from services.runtime.projection import Changed, ProjectionRunner
from services.runtime.turns import OneAtATime

T = TypeVar("T")
Rep = Annotated[str, Query(description="the rep's id", min_length=1, max_length=64)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key", min_length=1, max_length=255, description="the same key and body again are the same"
    ),
]


def doors(appender: Appender, agreements: AgreementReader, runner: ProjectionRunner, doing: Doing) -> APIRouter:
    """Everything under /v1."""
    router = APIRouter(prefix="/v1")
    rosters = OneAtATime()

    async def known(rep: str) -> Place:
        """The rep in the roster. Raises Problem 404."""
        place = (await runner.read(inbox.roster)).get(RepId(rep))
        if place is None:
            await runner.read_to_end(topic=TEAMS)  # he may have joined a moment ago
            place = (await runner.read(inbox.roster)).get(RepId(rep))
        if place is None:
            raise Problem(404, "No such rep", f"The roster has no rep {rep[:64]!r}: GET /v1/roster lists everybody.")
        return place

    @router.get("/inbox", tags=["reps"], summary="What a rep has to work on")
    async def read_inbox(rep: Rep) -> Response:
        """Every assignment in effect, the most urgent first."""
        await known(rep)
        return _json(await runner.read(lambda connection: inbox.inbox(connection, rep)))

    @router.get("/notices", tags=["reps"], summary="What a rep was told lately")
    async def read_notices(rep: Rep) -> Response:
        """The newest first: assigned, withdrawn, ended, refused, clock_warned, clock_breached, claimable."""
        pools = (await known(rep)).pools
        told = await runner.read(lambda connection: inbox.notices(connection, rep, pools))
        return _json([{"type": t.kind, **t.body} for t in told])

    @router.get("/claimable", tags=["reps"], summary="What waits to be claimed by a rep")
    async def read_claimable(rep: Rep) -> Response:
        pools = (await known(rep)).pools
        return _json(await runner.read(lambda connection: inbox.waiting(connection, pools)))

    @router.get("/waiting", tags=["managers"], summary="The unassigned queue, in order")
    async def read_waiting() -> Response:
        return _json(await runner.read(inbox.waiting))

    @router.get("/assignments", tags=["managers"], summary="Who has what now")
    async def read_assignments() -> Response:
        return _json(await runner.read(inbox.held))

    @router.get("/events", tags=["reps"], summary="What happens to a rep's leads, as server-sent events")
    async def events(request: HttpRequest, rep: Rep) -> Response:
        """Resumable by Last-Event-ID; without it from now on."""
        place = await known(rep)
        since: Vector | None = None
        given = last_event_id(request)
        if given is not None:
            try:
                since = Vector.parse(given)
            except NoVector as error:
                raise Problem(400, "No such event id", f"{str(error)[:1].upper()}{str(error)[1:]}.") from error
        return event_stream(request, _told(runner, rep, place.pools, since))

    @router.post("/leads/{lead_id}/actions", status_code=202, tags=["reps"], summary="Record what a rep or manager did")
    async def act(request: HttpRequest, lead_id: LeadId, said: ActionIn, key: IdempotencyKey = None) -> Response:
        """202 means recorded. An ended assignment is answered by 409; the same closing action again by 202.

        Whoever loses a race in the log finds a `refused` among his notices and events; nothing was changed then.
        """
        _not_from_the_future(said.at)
        done = await _done(doing.act(lead_id, said, key=key, body=await request.body(), traceparent=trace_of(request)))
        return _json({**_answer(done), "assignment_id": said.assignment_id}, 202)

    @router.post("/outcomes", status_code=202, tags=["tools"], summary="Say what a CRM knows")
    async def outcome(request: HttpRequest, said: OutcomeIn, key: IdempotencyKey = None) -> Response:
        """Needs no assignment and is never refused because one ended.

        200 with `recorded: false`: it changes nothing here, and why.
        """
        _not_from_the_future(said.at)
        done = await _done(doing.outcome(said, key=key, body=await request.body(), traceparent=trace_of(request)))
        if isinstance(done, Unsayable):
            return _json({"recorded": False, "lead_id": done.lead_id, "because": done.because}, 200)
        return _json({"recorded": True, **_answer(done)}, 202)

    @router.put("/reps/{rep}/availability", tags=["reps"], summary="Say whether a rep takes leads now")
    async def availability(request: HttpRequest, rep: str, said: AvailabilityIn) -> Response:
        place = await known(rep)
        if said.until is not None and said.until <= datetime.now(UTC):
            raise _invalid("until", "until has passed already; say a time to come, or leave it out")
        event = RepAvailabilityChanged(
            team_id=place.team_id, rep_id=place.rep_id, available=said.available, until=said.until
        )
        done = await appender.append(event, traceparent=trace_of(request))
        await runner.wait_for(done.topic, done.partition, done.offset)
        return _json({"rep": rep, "available": said.available, "until": said.model_dump(mode="json")["until"]})

    @router.get("/roster", tags=["managers"], summary="Who is in which team and pool")
    async def read_roster_now() -> Response:
        return _json({"reps": await runner.read(inbox.reps)})

    @router.put("/roster", tags=["managers"], summary="Set the whole roster")
    async def put_roster(request: HttpRequest, said: RosterIn) -> Response:
        """Who is not in it leaves, and his leads are given to others. Answers what changed."""
        agreement = agreements.in_force(datetime.now(UTC))
        try:
            wanted, doubts = read_roster(said, agreement)
        except AgreementRefused as error:
            findings = [f for f in error.findings if f.severity == "error"]
            sentences = [
                {"field": f.path, "message": f"{f.path or 'The roster'}: {f.message} {f.remedy}".strip()}
                for f in findings
            ]
            raise Problem(
                422, "The roster does not fit the agreement", sentences[0]["message"], errors=sentences
            ) from error
        async with rosters.of("roster"):
            await runner.read_to_end(topic=TEAMS)
            events = changes(await runner.read(inbox.reps), wanted)
            done = await appender.append_all(events, traceparent=trace_of(request)) if events else []
            for one in done:
                await runner.wait_for(one.topic, one.partition, one.offset)
        names = {"RepJoined": "joined", "RepChanged": "changed", "RepLeft": "left"}
        changed: dict[str, list[str]] = {word: [] for word in names.values()}
        for event in events:
            changed[names[type(event).__name__]].append(str(event.rep_id))  # type: ignore[attr-defined]
        return _json(changed | {"reps": len(wanted.reps)} | ({"warnings": doubts} if doubts else {}))

    return router


# ------------------------------------------------------------------ answers


def _json(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


def _answer(done: Done) -> dict[str, Any]:
    return {"action_id": done.action_id, "lead_id": done.lead_id, "type": done.kind, "duplicate": done.duplicate}


def _invalid(field: str, message: str, **extra: Any) -> Problem:
    return Problem(
        422,
        "The request does not hold what it must",
        f"{message[:1].upper()}{message[1:]}.",
        errors=[{"field": field, "message": message}],
        **extra,
    )


def _not_from_the_future(at: datetime | None) -> None:
    if at is not None and at > datetime.now(UTC) + CLOCKS_DIFFER_BY:
        raise _invalid(
            "at",
            f"the field `at` is refused: {at.isoformat()} has not come yet; say when it happened, with its time zone",
        )


_TITLES = {
    Why.UNKNOWN: (404, "Not known here"),
    Why.ENDED: (409, "The assignment has ended"),
    Why.IMPOSSIBLE: (409, "Not possible now"),
}


async def _done(doing: Awaitable[T]) -> T:
    try:
        return await doing
    except Refused as error:
        if error.why is Why.INVALID:
            raise _invalid(error.field or "the body", error.because, **(error.more or {})) from error
        status, title = _TITLES[error.why]
        raise Problem(
            status, title, f"{error.because[:1].upper()}{error.because[1:]}.", **(error.more or {})
        ) from error
    except KeyUsedForAnotherBody as error:
        raise _invalid(
            "Idempotency-Key", "this Idempotency-Key came with another body before: use a new key for a new action"
        ) from error


# ------------------------------------------------------------------ the stream


async def _told(
    runner: ProjectionRunner, rep: str, pools: Iterable[str], since: Vector | None
) -> AsyncIterator[Sequence[ServerSent]]:
    """Batches of what the rep is told, with the id to resume after each. Who is new is first told where he is."""
    mine = (rep, *(POOL + pool for pool in pools))
    looked = False
    async for changed in runner.changes():
        upto = changed.vector
        if since is None:
            since = upto
            yield [ServerSent(str(since), "", b"")]
        elif since.incarnation != upto.incarnation or len(since.next) != len(upto.next):
            since = Vector.start(upto.incarnation, len(upto.next))
        if looked and changed.complete:
            batch, since = _news(changed, mine, since)
        else:
            batch, since = await _looked_up(runner, rep, pools, since)
            looked = True
        since = since.joined(upto)
        if batch or not changed.complete:
            yield batch


def _news(changed: Changed, mine: Iterable[str], since: Vector) -> tuple[list[ServerSent], Vector]:
    """What this commit tells me that I have not been told, and how far that is."""
    news = [one for to in mine for one in changed.told.get(to, ()) if not since.covers(one.partition, one.offset)]
    batch: list[ServerSent] = []
    for one in sorted(news, key=lambda one: (one.at_ms, one.partition, one.offset)):
        since = since.after(one.partition, one.offset)
        batch.append(ServerSent(str(since), one.kind, one.body))
    return batch, since


async def _looked_up(
    runner: ProjectionRunner, rep: str, pools: Iterable[str], since: Vector
) -> tuple[list[ServerSent], Vector]:
    """The same out of the database, for who comes back or was too slow."""
    batch: list[ServerSent] = []
    for one in await runner.read(partial(inbox.notices, rep=rep, pools=pools, since=since)):
        since = since.after(one.partition, one.offset)
        batch.append(ServerSent(str(since), one.kind, orjson.dumps({"type": one.kind, **one.body})))
    return batch, since
