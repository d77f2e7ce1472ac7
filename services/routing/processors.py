"""The two processors of routing, as the runtime, a replay and the tests host them."""

from __future__ import annotations

from schemas.ids import ProcessorName
from schemas.topics import LEADS, TEAMS
from services.routing.lead import decide as lead
from services.routing.lead.state import LeadRouting
from services.routing.lead.state import due as offer_due
from services.routing.team import decide as team
from services.routing.team.standing import standing
from services.routing.team.state import (
    ACCOUNT,
    OVER,
    PLACE,
    REP,
    WAIT,
    Account,
    Over,
    Place,
    Rep,
    TeamRouting,
    Wait,
    due,
    touched_by_agreement,
)
from services.runtime.protocol import Processor

LEAD: Processor[LeadRouting] = Processor(
    name=ProcessorName("routing.lead"),
    log=LEADS,
    state=LeadRouting,
    decide=lead.decide,
    listens=lead.LISTENS,
    follows_life=True,
    due=offer_due,
)

TEAM: Processor[TeamRouting] = Processor(
    name=ProcessorName("routing.team"),
    log=TEAMS,
    state=TeamRouting,
    decide=team.decide,
    listens=team.LISTENS,
    due=due,
    touched_by_agreement=touched_by_agreement,
    look=standing,
    parts={REP: Rep, PLACE: Place, WAIT: Wait, OVER: Over, ACCOUNT: Account},
)
