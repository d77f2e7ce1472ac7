"""A backtest's answer: the counts as one document, and the sentences that say what they mean and what they cannot mean. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from schemas.agreement import Agreement
from schemas.agreement.conditions import AttributeIs, parts_of
from services.console.backtest.tally import Changed, Groups, Row, Tally
from services.console.backtest.trial import Side, apart

HONESTLY = (
    "Verdicts are compared on the recorded inputs: submissions, engagements and what reps did are taken as they happened.",
    "What reps did, they did with the leads that were qualified then. A lead that is newly qualified here stays with nobody, "
    "and what was done with one that no longer is falls away; what would have become of either is not known.",
    "Team and pool of a lead as proposed are what the proposed routing rules choose; who would have had time for it is not played.",
)


def document(
    tally: Tally,
    agreement: Agreement,
    *,
    since: datetime | None,
    until: datetime,
    replaced: str,
    seconds: float,
) -> dict[str, Any]:
    """The answer as JSON says it. replaced: the agreement in force now, in words; seconds: what it took."""
    total = tally.total
    return {
        "agreement": {"name": str(agreement.name), "title": str(agreement.title), "instead_of": replaced},
        "since": since.isoformat() if since is not None else None,
        "until": until.isoformat(),
        "events": tally.events,
        "leads": tally.leads,
        "seconds": round(seconds, 1),
        "qualified": {
            "then": total.then,
            "now": total.now,
            "difference": total.now - total.then,
            "more": total.more,
            "fewer": total.fewer,
            "same": total.then - total.fewer,
            "earlier": tally.earlier,
            "later": tally.later,
        },
        "verdicts": {"then": dict(sorted(tally.then_verdicts.items())), "now": dict(sorted(tally.now_verdicts.items()))},
        "campaigns": _rows("campaign", tally.campaigns),
        "pools": _rows("pool", tally.pools),
        "teams": _rows("team", tally.teams),
        "why": [
            {"kind": kind, "rule_then": then, "rule_now": now, "leads": leads}
            for (kind, then, now), leads in sorted(tally.why.items(), key=lambda w: (-w[1], w[0]))
        ],
        "points": [
            {"kind": kind, "part": part, "rule": rule, "leads": leads, "points_on_average": f"{points / leads:.2f}"}
            for (kind, part, rule), (leads, points) in sorted(tally.points.items(), key=lambda p: (-p[1][0], p[0]))
        ],
        "changed": [_changed(one) for one in sorted(tally.changed, reverse=True)],
        "not_listed": max(0, total.more + total.fewer + tally.earlier + tally.later - len(tally.changed)),
        "not_judged": tally.not_judged,
        "undecodable": tally.undecodable,
        "remarks": [*HONESTLY, *_remarks(tally, agreement)],
    }


def headline(answer: Mapping[str, Any]) -> str:
    """The answer in one sentence."""
    q = answer["qualified"]
    if not answer["leads"]:
        return "No lead is recorded, so there is nothing to compare yet."
    if not q["more"] and not q["fewer"]:
        return f"The same {_leads(q['then'])} would be qualified: {q['earlier']} earlier, {q['later']} later."
    word = "more" if q["difference"] > 0 else "fewer"
    change = f"{abs(q['difference']):,} {word}" if q["difference"] else "as many"
    beside = "as" if change == "as many" else "than"
    moved = [f"{q['more']:,} that were not come in"] if q["more"] else []
    moved += [f"{q['fewer']:,} that were fall out"] if q["fewer"] else []
    return (
        f"{q['now']:,} of {_leads(answer['leads'])} would be qualified, {change} {beside} the {q['then']:,} that were: "
        f"{' and '.join(moved)}."
    )


def because(one: Mapping[str, Any]) -> str:
    """Why one lead changes, in one sentence."""
    then, now = one["then"], one["now"]
    if one["kind"] == "both":
        return f"qualified {_duration(one['shift_seconds'])} by {now['rule']}: {now['because']}"
    return (
        f"{then['verdict'] or 'not judged'} with {then['score']} points by {then['rule'] or 'no rule'}, here "
        f"{now['verdict'] or 'not judged'} with {now['score']} by {now['rule'] or 'no rule'}: {now['because']}"
    )


def _duration(seconds: int) -> str:
    word = "earlier" if seconds < 0 else "later"
    seconds = abs(seconds)
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            number = round(seconds / size)
            return f"{number} {unit}{'s' if number != 1 else ''} {word}"
    return f"{seconds} seconds {word}"


def _leads(number: int) -> str:
    return f"{number:,} lead{'' if number == 1 else 's'}"


def _rows(what: str, groups: Groups) -> list[dict[str, Any]]:
    def size(item: tuple[str, Row]) -> tuple[int, int, str]:
        name, row = item
        return -(row.more + row.fewer), -row.then, name

    return [
        {what: name, "then": row.then, "now": row.now, "difference": row.now - row.then, "more": row.more, "fewer": row.fewer}
        for name, row in sorted(groups.items(), key=size)
    ]


def _changed(one: Changed) -> dict[str, Any]:
    told = {
        "lead_id": one.lead_id,
        "kind": one.kind,
        "at": datetime.fromtimestamp(one.at_ms / 1000, UTC).isoformat(),
        "campaign": one.campaign,
        "pool": one.pool or None,
        "team": one.team or None,
        "shift_seconds": one.shift_ms // 1000,
        "then": _side(one.recorded),
        "now": _side(one.proposed),
        "contributions": [
            {"part": part, "rule": rule, "then": f"{before:f}", "now": f"{after:f}", "because": because}
            for part, rule, before, after, because in apart(one.recorded, one.proposed)
        ],
    }
    return {**told, "because": because(told)}


def _side(side: Side) -> dict[str, Any]:
    return {
        "verdict": side.verdict or None,
        "rule": side.rule or None,
        "because": side.because or None,
        "score": side.score,
        "grade": side.grade or None,
        "agreement_version": side.version or None,
    }


def _remarks(tally: Tally, agreement: Agreement) -> Iterator[str]:
    for name in sorted(asked(agreement)):
        named = tally.attributes[name]
        if tally.submissions and not named:
            yield (
                f"No recorded submission holds the attribute {name}, which the proposed agreement asks for: "
                "its rules about it could not show what they do."
            )
    if tally.not_judged:
        yield f"{tally.not_judged:,} records could not be judged under the proposed agreement; their leads stay as they were."
    if tally.undecodable:
        yield f"{tally.undecodable:,} records could not be read and were passed over, as the services pass them over."


def asked(agreement: Agreement) -> set[str]:
    """The attributes that scoring and definition ask for."""
    conditions = [rule.when for _, rule in agreement.scoring_rules if getattr(rule, "when", None) is not None]
    conditions += [rule.when for rule in agreement.definition if rule.when is not None]
    return {str(c.attribute) for when in conditions for c in parts_of(when) if isinstance(c, AttributeIs)}
