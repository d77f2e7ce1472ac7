"""Who was looked at for a lead, and why he was or was not taken: the reasons that a decision carries."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import islice

from schemas.agreement import PoolMode, sentence
from schemas.ids import PoolId, RepId
from schemas.vocabulary import Because, Candidate
from services.routing.team.ability import fits, why_not
from services.routing.team.choosing import Ranked, virtual_with
from services.routing.team.fairness import lag
from services.routing.team.sitting import Sitting
from services.routing.team.state import OFF, Rep, Wait

CANDIDATES_AT_MOST = 20
"""So many are listed, those first who were nearest to being taken: a sentence on each of a thousand helps nobody."""
FEW_OF_MANY = 8
"""So many where more are able than can be listed."""
COUNTED_AT_MOST = 50
"""So many who cannot take a lead are counted by their reasons."""


def listed_of(s: Sitting, pool: PoolId) -> int:
    """How many able members are listed."""
    return CANDIDATES_AT_MOST if sum(s.turn(pool).weights.values()) <= CANDIDATES_AT_MOST else FEW_OF_MANY


def candidates(s: Sitting, wait: Wait, ranked: Sequence[Ranked], taken: RepId | None) -> tuple[Candidate, ...]:
    """The pool's members, the one taken first, then the others in the order of their turns (`ranked`: as far as they
    were looked at), then who is not able now."""
    reasons = _Reasons(s, wait, taken)
    out = [reasons.of_taken()] if taken is not None else []
    out += [reasons.of_able(rep_id, rep) for _, rep_id, rep in ranked if rep_id != taken]
    for _, name in islice(s.parts.in_order(OFF, f"{wait.pool}/"), max(0, listed_of(s, wait.pool) - len(out))):
        rep = s.rep(RepId(name))
        if rep is not None and name != taken:
            out.append(reasons.of_unable(RepId(name), rep))
    return tuple(out[:CANDIDATES_AT_MOST])


@lru_cache(maxsize=65_536)
def vetted(text: str) -> Because:
    """The sentence in the shape of a Because; most are said again and again."""
    return sentence(text)


@lru_cache(maxsize=65_536)
def _harmless(rep_id: RepId) -> bool:
    """Whether a sentence with this id in it, between words of our own, can be said as it is."""
    return str(sentence(rep_id)) == str(rep_id)


@lru_cache(maxsize=65_536)
def _candidate(rep_id: RepId, taken: bool, text: str) -> Candidate:
    """From values of our own: vetting twenty of them anew would cost more than choosing."""
    return Candidate.model_construct(rep_id=rep_id, taken=taken, because=vetted(text))


class _Reasons:
    """Why each member was not taken for one lead."""

    def __init__(self, s: Sitting, wait: Wait, taken: RepId | None) -> None:
        self.s, self.wait, self.taken = s, wait, taken
        self.fewest = s.terms(wait.pool).mode is PoolMode.FEWEST_OPEN
        self.virtual = virtual_with(s, wait.pool, wait.excluded)
        self.winner = s.rep(taken) if taken is not None else None
        self.winners_lag = lag(self.winner, wait.pool, self.virtual) if self.winner is not None and not self.fewest else 0.0

    def of_taken(self) -> Candidate:
        """Why he who takes it does."""
        if self.taken is None or self.winner is None:
            raise ValueError("nobody was taken")
        if self.fewest:
            return _candidate(self.taken, True, f"holds the fewest leads: {self.winner.open}")
        return _candidate(self.taken, True, f"is due first, with a shortfall of {self.winners_lag:.2f} leads")

    def of_unable(self, rep_id: RepId, rep: Rep) -> Candidate:
        """Why he cannot take anything now."""
        wait = self.wait
        because = why_not(rep_id, rep, self.s.hours, wait.excluded, wait.grade, wait.skills)
        return _candidate(rep_id, False, because or "could not take it when it was looked at")

    def of_able(self, rep_id: RepId, rep: Rep) -> Candidate:
        """Why he, who could take a lead, does not take this one."""
        wait = self.wait
        if not fits(rep_id, rep, self.s.hours, wait.excluded, wait.grade, wait.skills):
            because = why_not(rep_id, rep, self.s.hours, wait.excluded, wait.grade, wait.skills)
            return _candidate(rep_id, False, because or "cannot take this one")
        if self.taken is None or self.winner is None:
            return _candidate(rep_id, False, "could take it")
        text = self._behind(rep, self.taken, self.winner)
        if not _harmless(self.taken):
            return _candidate(rep_id, False, text)
        return Candidate.model_construct(rep_id=rep_id, taken=False, because=Because(text))

    def _behind(self, rep: Rep, taken: RepId, winner: Rep) -> str:
        if self.fewest:
            return f"holds {rep.open} leads, {taken} {winner.open}"
        own = lag(rep, self.wait.pool, self.virtual)
        if own < self.winners_lag:
            return f"has a smaller shortfall than {taken}, by {self.winners_lag - own:.2f} leads"
        if own == self.winners_lag:
            more = "holds more leads" if rep.open > winner.open else "comes later by name"
            return f"has the same shortfall as {taken} and {more}"
        return f"is due later than {taken}: a smaller weight makes a shortfall of {own:.2f} less urgent"


def nobody(s: Sitting, wait: Wait) -> Because:
    """Why nobody of the pool can take the lead, in one sentence."""
    pool: PoolId = wait.pool
    able = s.turn(pool).weights
    off = list(islice(s.parts.in_order(OFF, f"{pool}/"), COUNTED_AT_MOST + 1))
    listed = [(RepId(i), rep) for _, i in off[:COUNTED_AT_MOST] if (rep := s.rep(RepId(i))) is not None]
    if not able and not listed:
        return vetted(f"the pool {pool} has no members")
    barred = sum(i in wait.excluded for i, _ in listed)
    counts: dict[str, int] = {"had it before in this cycle": barred} if barred else {}
    for rep_id, rep in listed:
        if rep_id not in wait.excluded:
            kind = _kind(s, rep)
            counts[kind] = counts.get(kind, 0) + 1
    willing = sum(able.values())
    if willing:
        counts["able, but not for this lead"] = willing
    total = f"{len(listed) + willing}" if len(off) <= COUNTED_AT_MOST else f"more than {len(listed) + willing}"
    said = ", ".join(f"{n} {what}" for what, n in counts.items())
    return vetted(f"nobody of the {total} in {pool} can take it now: {said}")


def _kind(s: Sitting, rep: Rep) -> str:
    """The kind of reason for which he is not able, for counting."""
    said = why_not(RepId(""), rep, s.hours, ()) or ""
    if said.startswith(("holds", "has had")):
        return "at the cap"
    return "idle" if said.startswith("was given") else "away or closed"
