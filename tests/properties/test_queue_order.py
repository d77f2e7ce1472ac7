"""The unassigned queue keeps its order whatever comes and goes: nobody is overtaken, nobody waits for nothing."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from schemas.events import routing
from schemas.ids import RepId
from schemas.topics import LEADS
from services.routing.processors import TEAM
from services.routing.team.ability import Hours, able
from services.routing.team.state import Wait
from tests.unit.routing.house import HOUR, SalesTeam, agreement

REPS = st.sampled_from(["ana", "bob", "cem"])
POOLS = st.sampled_from([{"inbound": 1}, {"large": 2}, {"inbound": 1, "large": 1}])
CAPS = st.sampled_from([0, 1, 2])
GRADES = st.sampled_from(["A1", "B2", "D4"])


class Queue(RuleBasedStateMachine):
    """A team to whom anything may happen."""

    def __init__(self) -> None:
        super().__init__()
        self.team = SalesTeam()
        self.asked = 0
        self.read = 0

    @rule(pool=st.sampled_from(["inbound", "large"]), grade=GRADES, excluded=st.sets(REPS, max_size=2))
    def a_lead_asks(self, pool: str, grade: str, excluded: set[str]) -> None:
        self.asked += 1
        self.team.asks(self.asked, pool=pool, grade=grade, excluded=tuple(sorted(excluded)))

    @rule(data=st.data())
    def a_lead_is_released(self, data: st.DataObject) -> None:
        if self.asked:
            self.team.releases(data.draw(st.integers(1, self.asked)))

    @rule(rep=REPS, cap=CAPS, pools=POOLS, calendar=st.sampled_from([None, "office"]))
    def a_rep_joins_or_changes(self, rep: str, cap: int, pools: dict[str, int], calendar: str | None) -> None:
        self.team.joins(rep, cap, pools=pools, calendar=calendar)

    @rule(rep=REPS)
    def a_rep_leaves(self, rep: str) -> None:
        self.team.leaves(rep)

    @rule(rep=REPS, returns=st.booleans())
    def a_rep_is_away(self, rep: str, returns: bool) -> None:
        self.team.is_away(rep, until=self.team.loop.now + HOUR if returns else None)

    @rule(rep=REPS)
    def a_rep_is_back(self, rep: str) -> None:
        self.team.is_back(rep)

    @rule(hours=st.integers(1, 30))
    def time_passes(self, hours: int) -> None:
        self.team.passes(hours * HOUR)

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        hours = Hours(agreement(), self.team.loop.now)
        for name, wait in self.waits().items():
            for rep_id, rep in dict(self.team.loop.parts(TEAM.name, "sales").get("rep", {})).items():
                could = able(rep, hours) and wait.pool in rep.pools and rep_id not in wait.excluded
                assert not could, f"{name} waits although {rep_id} could take it"

    @invariant()
    def nobody_was_overtaken(self) -> None:
        """No lead that waits now is before one that has just been assigned to a rep who could have taken it."""
        offset, self.read = self.read, self.team.loop.length(LEADS)
        for record in self.team.loop.records(LEADS)[offset:]:
            assert record.key is not None
            for read in self.team.loop.log(LEADS, record.key.decode()):
                if read.record.offset == record.offset and isinstance(read.event, routing.LeadAssigned):
                    self._first_of_its_pool(read.event)

    def _first_of_its_pool(self, event: routing.LeadAssigned) -> None:
        asked = self.request_of(event)
        for request, wait in self.waits().items():
            if wait.pool == event.pool_id and RepId(event.rep_id) not in wait.excluded:
                before = (wait.grade, wait.arrived_ms, wait.asked_at) < asked
                assert not before, f"{event.request_id} overtook {request}"

    def request_of(self, event: routing.LeadAssigned) -> tuple[str, int, int]:
        """The grade and time of arrival with which the assigned lead had asked, and where."""
        for read in self.team.loop.log(TEAM.log, "sales"):
            asked = read.event
            if isinstance(asked, routing.AssignmentRequested) and asked.request_id == event.request_id:
                return asked.grade, round(asked.arrived_at.timestamp() * 1000), read.record.offset
        raise LookupError(event.request_id)

    def waits(self) -> dict[str, Wait]:
        """Who waits."""
        return dict(self.team.loop.parts(TEAM.name, "sales").get("wait", {}))


Queue.TestCase.settings = settings(
    max_examples=60, stateful_step_count=15, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestQueue = Queue.TestCase
