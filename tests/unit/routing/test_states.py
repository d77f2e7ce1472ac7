"""What routing remembers survives being written down."""

from __future__ import annotations

from typing import Any

import msgspec

from schemas.events import routing
from schemas.ids import RepId, from_plain, to_plain
from services.routing.processors import LEAD, TEAM
from services.runtime.protocol import Processor
from tests.unit.routing.house import HOUR, MONDAY, SalesTeam
from tests.unit.routing.test_lead import ONE, Sales


def written_and_read(value: Any, as_type: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value, enc_hook=to_plain), type=as_type, dec_hook=from_plain)


def survives(processor: Processor[Any], head: Any, parts: Any) -> None:
    assert written_and_read(head, processor.state) == head
    for kind, named in parts.items():
        for part in named.values():
            assert written_and_read(part, processor.parts[kind]) == part


def test_a_team_s_state_survives_being_written_down() -> None:
    team = SalesTeam()
    team.joins("ana", cap=1, calendar="office")
    team.joins("bob", cap=0)
    team.is_away("bob", until=MONDAY + HOUR)
    for n in range(3):
        team.asks(n, excluded=("bob",))
    team.asks(3, ask=routing.Directed(rep_id=RepId("bob")))
    team.releases(3)
    team.owns("acme", owners=("ana",), domains=("acme.example",))
    parts = team.loop.parts(TEAM.name, "sales")
    assert {kind for kind, named in parts.items() if named} == set(TEAM.parts)
    survives(TEAM, team.loop.state(TEAM.name, "sales"), parts)


def test_a_lead_s_state_survives_being_written_down() -> None:
    sales = Sales("ana", attributes={"employees": 20, "topic": "demo"})
    state = sales.loop.state(LEAD.name, ONE)
    assert state.told
    assert state.known.attributes == {"employees": 20, "topic": "demo"}
    survives(LEAD, state, {})
