"""Who was looked at for a lead, and why he was or was not taken: the reasons that a decision carries."""

from __future__ import annotations

from functools import lru_cache

from schemas.agreement import sentence
from schemas.ids import PoolId, RepId
from schemas.vocabulary import Because, Candidate
from services.routing.team.ability import Hours, able, at_work, why_not
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
    ranked = sorted(
        (
            0 if rep_id == taken else 2 if rep_id in excluded or not able(rep, hours) else 1,
            due_at(rep, pool, virtual),
            rep_id,
        )
        for rep_id, rep in members.items()
    )
    return tuple(
        Candidate.model_construct(  # from values of our own: vetting twenty of them anew would cost more than choosing
            rep_id=rep_id,
            taken=rep_id == taken,
            because=_vetted(_because(rep_id, members, pool, virtual, hours, excluded, taken)),
        )
        for _, _, rep_id in ranked[:CANDIDATES_AT_MOST]
    )


@lru_cache(maxsize=4096)
def _vetted(text: str) -> Because:
    """The sentence in the shape of a Because; most are said again and again."""
    return sentence(text)


def _because(
    rep_id: RepId,
    members: dict[RepId, Rep],
    pool: PoolId,
    virtual: int,
    hours: Hours,
    excluded: tuple[RepId, ...],
    taken: RepId | None,
) -> str:
    if rep_id == taken:
        return "has the greatest shortfall against the weighted share"
    because = why_not(rep_id, members[rep_id], hours, excluded)
    if because is not None:
        return because
    return _behind(members[rep_id], taken, members[taken], pool, virtual) if taken is not None else "could take it"


def _behind(rep: Rep, taken: RepId, other: Rep, pool: PoolId, virtual: int) -> str:
    leads = later_by(rep, other, pool, virtual)
    if leads > 0:
        return f"has a smaller shortfall than {taken}, by {leads:.2f} leads"
    if rep.open > other.open:
        return f"has the same shortfall as {taken} and holds more leads"
    return f"has the same shortfall as {taken} and as many leads, and comes later by name"


def nobody(members: dict[RepId, Rep], pool: PoolId, hours: Hours, excluded: tuple[RepId, ...]) -> Because:
    """Why nobody of the pool can take the lead, in one sentence."""
    if not members:
        return _vetted(f"the pool {pool} has no members")
    barred = sum(rep_id in excluded for rep_id in members)
    others = {rep_id: rep for rep_id, rep in members.items() if rep_id not in excluded}
    away = sum(not at_work(rep, hours) for rep in others.values())
    counts = [(barred, "had it before in this cycle"), (away, "away or closed"), (len(others) - away, "at the cap")]
    return _vetted(
        f"nobody of the {len(members)} in {pool} can take it now: "
        + ", ".join(f"{n} {what}" for n, what in counts if n)
    )
