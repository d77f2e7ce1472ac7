"""Which agreement a decision is made under: the newest that is in force here or that an event has named.

The logs of a lead and of its team learn of a new agreement at slightly different times. If each used only its own, a
lead could be sent to a pool that the team knows to be gone, for ever; so whoever has heard of a newer version uses it.
"""

from __future__ import annotations

from schemas.agreement import Agreement
from services.runtime.protocol import Context


def newest_agreement(context: Context, heard_of: int) -> Agreement:
    """The agreement in force at `context.now`, or version `heard_of` if that is newer and published."""
    if heard_of <= context.agreement.version:
        return context.agreement
    return context.agreement_at(heard_of) or context.agreement
