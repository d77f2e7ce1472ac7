"""Who was looked at for a lead, and why he was or was not taken: the reasons that a decision carries."""

from __future__ import annotations

from schemas.ids import PoolId, RepId
from schemas.vocabulary import Because, Candidate
from services.routing.team.ability import Hours, at_work, why_not
from services.routing.team.fairness import due_at, later_by
from services.routing.team.state import Rep

CANDIDATES_AT_MOST = 20
"""So many are listed, those first who were nearest to being taken: a sentence on each of a thousand helps nobody."""


def candidates(
    members: dict[RepId, Rep],
    pool: PoolId,
    virtual: int,
    hours: Hours,
    excluded: tuple[RepId, ...],
    taken: RepId | None,
) -> tuple[Candidate, ...]:
    """The pool's members in the order of their turns, the one taken first; `members` as they were before he took it."""
    sayings: list[tuple[int, int, RepId, str]] = []
    for rep_id, rep in members.items():
        due = due_at(rep, pool, virtual)
        because = why_not(rep_id, rep, hours, excluded)
        if rep_id == taken:
            sayings.append((0, due, rep_id, "has the greatest shortfall against his weighted share"))
        elif because is not None:
            sayings.append((2, due, rep_id, because))
        elif taken is not None:
            sayings.append((1, due, rep_id, _behind(rep, taken, members[taken], pool, virtual)))
    sayings.sort()
    return tuple(
        Candidate(rep_id=rep_id, taken=rep_id == taken, because=Because(because))
        for _, _, rep_id, because in sayings[:CANDIDATES_AT_MOST]
    )


def _behind(rep: Rep, taken: RepId, other: Rep, pool: PoolId, virtual: int) -> str:
    leads = later_by(rep, other, pool, virtual)
    if leads > 0:
        return f"his shortfall is lower than that of {taken} by {leads:.2f} leads"
    if rep.open > other.open:
        return f"has the same shortfall as {taken} and holds more leads"
    return f"has the same shortfall as {taken} and as many leads, and comes later by name"


def nobody(members: dict[RepId, Rep], pool: PoolId, hours: Hours, excluded: tuple[RepId, ...]) -> Because:
    """Why nobody of the pool can take the lead, in one sentence."""
    if not members:
        return Because(f"the pool {pool} has no members")
    barred = sum(rep_id in excluded for rep_id in members)
    others = {rep_id: rep for rep_id, rep in members.items() if rep_id not in excluded}
    away = sum(not at_work(rep, hours) for rep in others.values())
    counts = [(barred, "had it before in this cycle"), (away, "away or closed"), (len(others) - away, "at the cap")]
    return Because(
        f"nobody of the {len(members)} in {pool} can take it now: "
        + ", ".join(f"{n} {what}" for n, what in counts if n)
    )
