"""What a rep may be told of his turns: his share, what he was assigned, the shortfall between them, and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from schemas.agreement import Agreement, PoolMode
from schemas.ids import PoolId, RepId
from services.routing.team.ability import Hours, able, why_not
from services.routing.team.fairness import lag
from services.routing.team.state import REP, PoolTurn, Rep, TeamRouting


def standing(
    state: TeamRouting, parts: Mapping[str, Mapping[str, Any]], name: str, agreement: Agreement, now: datetime
) -> dict[str, Any] | None:
    """By pool; the pools that he is in no more last. None: the team has never had such a rep.

    `share` is `assigned` and `shortfall` together, in leads: what the pool owed him of the leads that it dealt while he
    could take one, less what was written off (`docs/decisions/0502-fair-shares.md`).
    """
    rep: Rep | None = parts.get(REP, {}).get(name)
    if rep is None:
        return None
    hours = Hours(agreement, now)
    can = able(rep, hours)
    because = "can take a lead now" if can else why_not(RepId(name), rep, hours, ()) or "cannot take a lead now"
    pools = dict.fromkeys((*rep.pools, *rep.dealt))
    return {
        "rep": name,
        "able": can,
        "because": because,
        "open_leads": rep.open,
        "in_the_team": not rep.left,
        "pools": [_in_pool(rep, pool, state.pools.get(pool) or PoolTurn(), agreement) for pool in pools],
    }


def _in_pool(rep: Rep, pool: PoolId, turn: PoolTurn, agreement: Agreement) -> dict[str, Any]:
    assigned, shortfall = rep.dealt.get(pool, 0), round(lag(rep, pool, turn.virtual) if pool in rep.turns else 0.0, 3) + 0.0
    since_ms = rep.since_ms.get(pool)
    since = None if since_ms is None else datetime.fromtimestamp(since_ms / 1000, UTC).isoformat().replace("+00:00", "Z")
    written_off = rep.written_off.get(pool, 0) / 1000
    weight = rep.weight(pool) / 100 if pool in rep.pools else 0.0
    return {
        "pool": pool,
        "weight": weight,
        "weight_of_the_able": turn.weight / 100,
        "share": round(assigned + shortfall, 3),
        "assigned": assigned,
        "shortfall": shortfall,
        "written_off": written_off,
        "since": since,
        "because": _because(rep, pool, turn, agreement, shortfall, written_off),
    }


def _because(
    rep: Rep, pool: PoolId, turn: PoolTurn, agreement: Agreement, shortfall: float, written_off: float
) -> str:
    if pool not in rep.pools:
        return "is in the pool no more; what he was dealt counts on if he comes back"
    terms = agreement.pools.get(pool)
    if terms is not None and terms.mode is PoolMode.FEWEST_OPEN:
        return f"the pool goes by who holds the fewest leads, then by turn; he holds {rep.open}"
    weight = rep.weight(pool) / 100
    share = f"has the weight {weight:g} of {turn.weight / 100:g} of those who can take a lead now"
    if not rep.able:
        share = f"has the weight {weight:g}, and neither gains nor loses while he can take nothing"
    if shortfall > 0:
        told = f"is owed {shortfall:g} of a lead"
    else:
        told = f"is {-shortfall:g} of a lead ahead of his share" if shortfall < 0 else "has exactly his share"
    factor = rep.factors.get(pool)
    success = f"; past success makes {factor} per cent of his weight count" if factor is not None else ""
    lost = f"; {written_off:g} was written off because others left with leads that they had early" if written_off else ""
    return f"{told}; {share}{success}{lost}"
