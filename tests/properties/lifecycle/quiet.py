"""What must be so when everybody has stopped and everything said has arrived."""

from __future__ import annotations

from schemas.events.routing import QueueReason
from schemas.ids import PoolId, RepId
from schemas.lifecycle import Life, State
from services.routing.processors import LEAD, TEAM
from services.routing.team.ability import Hours, able
from services.routing.team.state import PLACE, REP, WAIT
from services.sla.processor import SLA
from services.sla.state import Hand, Watch
from tests.properties.lifecycle.agreements import agreement
from tests.properties.lifecycle.moves import TEAM_A, TEAM_S
from tests.properties.lifecycle.world import Bad, World


def check_quiet(w: World) -> None:
    """Raises Bad for the first invariant that does not hold."""
    for lead in w.leads:
        _lead(w, lead, w.life(lead))
    places = {
        (request, place.lead, place.rep) for team in (TEAM_S, TEAM_A) for request, place in w.parts(team, PLACE).items()
    }
    held = {(s.offer, k, s.rep) for k in w.leads if (s := w.life(k)).held}
    if places != held:
        raise Bad(f"I2 places differ from assignments in effect: {sorted(map(str, places ^ held))}")
    for team in (TEAM_S, TEAM_A):
        _counts(w, team)
        _queue(w, team)
    waits = [
        (request, wait.lead, team, wait.pool)
        for team in (TEAM_S, TEAM_A)
        for request, wait in w.parts(team, WAIT).items()
    ]
    open_ = [(s.offer, k, s.team, s.pool) for k in w.leads if (s := w.life(k)).state is State.OPEN]
    if sorted(waits) != sorted(open_, key=str):
        raise Bad(f"I3 queue entries differ from open requests: {waits} {open_}")
    for event_id in sorted(w.answered_202):
        if (event_id in w.in_effect) is (event_id in w.refused):
            raise Bad("I4 an action or claim neither in effect nor refused, or both")


def _lead(w: World, lead: str, s: Life) -> None:
    if s.held and s.team is not None and s.rep is not None:
        rep = w.parts(s.team, REP).get(s.rep)
        if rep is None or rep.left:
            raise Bad("I3 assigned to a rep who has left")
        _watched(w.state(SLA.name, lead), s)
        _offered(w, lead, s)
        _escalates(w, lead, s)
    if s.state is State.OPEN and s.queued is None:
        raise Bad("I3 open request without an answer")
    if s.state in (State.NEW, State.UNROUTED, State.RETURNED):
        raise Bad(f"I3 stuck in {s.state}")
    if s.state in (State.RECYCLED, State.RETIRED, State.LOST) and s.submitted > s.ended:
        raise Bad("I3 a submission came and the lead sleeps")


def _offered(w: World, lead: str, s: Life) -> None:
    """An offer that nothing was done with stands no longer than it may."""
    offered = w.state(LEAD.name, lead).offered
    untouched = s.state is State.ASSIGNED and s.last_action == s.epoch
    if not untouched or offered is None or offered.request != s.offer:
        return
    if offered.by_ms is None or offered.by_ms <= w.clock.timestamp() * 1000:
        raise Bad("I3 offered, untouched, beyond its time")


def _escalates(w: World, lead: str, s: Life) -> None:
    """After a breach that nobody has answered the steps that take the lead away are still to come, where there are some."""
    moves = w.state(LEAD.name, lead).moves
    broken = [c for c in w.state(SLA.name, lead).clocks if c.hand is Hand.BREACHED and c.met_by is None]
    if any(move.due_ms <= w.clock.timestamp() * 1000 for move in moves):
        raise Bad("I3 escalated, untouched, beyond its time")
    if w.flavour == "paths" and broken and not moves and s.state is State.ASSIGNED:
        raise Bad("I3 broken, unworked, and nothing follows")


def _watched(watch: Watch, s: Life) -> None:
    """A breach that asked for the lead to be taken away has done so, or the clock runs again."""
    if s.state is State.WORKING:
        return
    if watch.assignment != s.offer or not watch.clocks:
        raise Bad("I3 assigned, unworked, and nobody watches")
    if any(c.hand is Hand.BREACHED and c.reassign and c.met_by is None for c in watch.clocks):
        raise Bad("I3 assigned, unworked, and no clock runs")


def _counts(w: World, team: str) -> None:
    places = w.parts(team, PLACE).values()
    for name, rep in w.parts(team, REP).items():
        if rep.open != sum(p.rep == name for p in places):
            raise Bad("I2 a rep's count of places is wrong")
    waits = w.parts(team, WAIT)
    _able(w, team)
    pools = w.state(TEAM.name, team).pools
    if {p: t.waiting for p, t in pools.items() if t.waiting} != _tally([x.pool for x in waits.values()]):
        raise Bad("I3 the count of waiting leads is wrong")


def _able(w: World, team: str) -> None:
    """The pools' sums of weights are those of the members who are able."""
    sums: dict[PoolId, int] = {}
    for rep in w.parts(team, REP).values():
        for pool in rep.pools if rep.able and not rep.left else ():
            sums[pool] = sums.get(pool, 0) + rep.weight(pool)
    known = {p: t.weight for p, t in w.state(TEAM.name, team).pools.items() if t.weights}
    if known != sums:
        raise Bad(f"I2 a pool's sum of weights is wrong: {known} {sums}")


def _tally(pools: list[PoolId]) -> dict[PoolId, int]:
    return {pool: pools.count(pool) for pool in pools}


def _queue(w: World, team: str) -> None:
    head = w.state(TEAM.name, team)
    known = agreement(max(head.version, w.logs[team].agreements.now_in_force), w.flavour)
    hours = Hours(known, w.clock)
    for wait in w.parts(team, WAIT).values():
        pool = known.pools.get(wait.pool)
        if pool is None or pool.team != team:
            raise Bad("I3 waits in a pool that is gone")
        if wait.until_ms is not None and wait.until_ms <= w.clock.timestamp() * 1000:
            raise Bad("I3 waits beyond its time")
        if wait.reason is QueueReason.NOBODY_AVAILABLE:
            for name, rep in w.parts(team, REP).items():
                if able(rep, hours) and wait.pool in rep.pools and RepId(name) not in wait.excluded:
                    raise Bad("I3 waits while a rep is free")
