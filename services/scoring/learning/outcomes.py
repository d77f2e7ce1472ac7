"""What became of a lead, as far as it says something of the lead: won, lost, or turned down because it did not fit.

"Not now" and "cannot be reached" say nothing of whether a lead was worth it; a bad lead does. Which reason means which is said by
the agreement (`about: fit`, `about: timing`).
"""

from __future__ import annotations

from schemas.agreement import Agreement, ReasonAbout
from schemas.base import Event
from schemas.events.desk import LeadLost, LeadRejected, LeadReturned, LeadWon

OUTCOMES: tuple[type[Event], ...] = (LeadWon, LeadLost, LeadRejected, LeadReturned)


def outcome_of(event: Event, agreement: Agreement) -> bool | None:
    """True for won; False for lost (but "not now"), or turned down for a reason about fit; None for what is no outcome."""
    match event:
        case LeadWon():
            return True
        case LeadLost():
            terms = agreement.reason(event.reason)
            return None if terms is not None and terms.about is ReasonAbout.TIMING else False
        case LeadRejected() | LeadReturned():
            terms = agreement.reason(event.reason)
            return False if terms is not None and terms.about is ReasonAbout.FIT else None
    return None
