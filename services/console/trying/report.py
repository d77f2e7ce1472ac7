"""What a tried export came to: counts only, nobody in it can be told from anybody else. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from schemas.agreement import Agreement, VerdictKind
from services.console.backtest.report import asked
from services.console.trying.columns import Meanings
from services.console.trying.judging import Judged
from services.console.trying.leads import Export, Lead, told
from services.console.trying.words import Activity, Standing
from services.feedback.audience import wilson

WITHIN = (("5 minutes", timedelta(minutes=5)), ("1 hour", timedelta(hours=1)), ("1 day", timedelta(days=1)))
_SOURCES_SHOWN = 15
_WORDS_SHOWN = 40
_NO_SOURCE, _OTHER_SOURCES = "(no source)", "(other sources)"
_ACCEPTED = frozenset({Standing.ACCEPTED, Standing.LOST, Standing.CONVERTED, Standing.WON})
_CONVERTED = frozenset({Standing.CONVERTED, Standing.WON})


def share(part: int, whole: int) -> dict[str, Any]:
    """So many of so many, with Wilson's 95 % interval; without a share if there is nothing to share."""
    low, high = wilson(part, whole)
    known = whole > 0
    return {
        "leads": part,
        "of": whole,
        "share": round(part / whole, 4) if known else None,
        "low": round(low, 4) if known else None,
        "high": round(high, 4) if known else None,
    }


def is_worked(lead: Lead) -> bool:
    """Whether anybody did anything for the lead, as far as the export says."""
    return bool(lead.touches or lead.touched or lead.first_response_at) or lead.standing >= Standing.WORKING


def response_of(lead: Lead) -> timedelta | None:
    """The time from the lead's first submission to the first touch of sales after it, if both are known."""
    created = lead.created_at
    answers = [at for at in (lead.first_response_at, *lead.touches[:1]) if at is not None]
    return min(answers) - created if created is not None and answers else None


def report(
    export: Export,
    judged: Sequence[Judged | None],
    agreement: Agreement,
    meanings: Meanings,
    activity_meanings: Meanings | None,
    as_of: datetime,
) -> dict[str, Any]:
    """The whole answer; judged: what the agreement says of each lead of the export, in its order."""
    leads = export.leads
    said = {meaning for several in meanings.values() for meaning in several}
    worked_known = activity_meanings is not None or bool(said & {"status", "stage", "first_response_at", "last_activity_at"})
    unworked = {id(lead) for lead in leads if not is_worked(lead)}
    outcome_known = bool(said & {"status", "stage", "converted", "won"})
    answer: dict[str, Any] = {
        "as_of": as_of.isoformat(),
        "rows": export.rows,
        "leads": len(leads),
        "repeated_rows": export.rows - len(leads),
        "columns": _columns(meanings),
        "activity_columns": _columns(activity_meanings) if activity_meanings is not None else None,
        "statuses": _words((told(text), standing.name.lower(), n) for (text, standing), n in export.statuses.items()),
        "activity_types": _words((told(kind), meant, n) for (kind, meant), n in export.kinds.items()),
        "activities": {
            name: export.activities[name]
            for name in ("rows", "touches", "engagements", "neither", "before_lead", "of_no_lead", "without_time")
        },
        "unworked": share(len(unworked), len(leads)) if worked_known else None,
        "speed_to_lead": _speed(export, said, activity_meanings is not None),
        "acceptance": _acceptance(leads) if outcome_known else None,
        "conversion": _conversion(leads, unworked, worked_known) if outcome_known else None,
        "agreement": _agreement(leads, judged, agreement, unworked if worked_known else None, outcome_known),
        "problems": {"listed": export.problems, "in_all": export.problems_in_all},
    }
    answer["remarks"] = _remarks(export, answer, agreement, said)
    return answer


def _columns(meanings: Meanings) -> list[dict[str, Any]]:
    return [{"column": told(column), "meanings": list(several)} for column, several in meanings.items()]


def _words(counted: Iterable[tuple[str, str, int]]) -> list[dict[str, Any]]:
    """Words of the file and what they were read as, the commonest first, the rare ones of a long list together."""
    together: Counter[tuple[str, str]] = Counter()
    for text, meant, number in counted:
        together[text, meant] += number
    order = sorted(together.items(), key=lambda item: (-item[1], item[0]))
    most = 0 if _free_text(len(order), together.total()) else _WORDS_SHOWN
    rest = Counter[str]()
    for (_, meant), number in order[most:]:
        rest[meant] += number
    shown = [{"called": text, "read_as": meant, "rows": number} for (text, meant), number in order[:most]]
    return shown + [{"called": "(others)", "read_as": meant, "rows": number} for meant, number in sorted(rest.items())]


def _free_text(different: int, cells: int) -> bool:
    """Whether a column reads like free text, in which people may be named, and not like a list of words."""
    return different > _SOURCES_SHOWN and different > cells / 2


def _speed(export: Export, said: set[str], with_activities: bool) -> dict[str, Any] | None:
    if not (with_activities or "first_response_at" in said) or "submitted_at" not in said:
        return None
    timed = [lead for lead in export.leads if lead.created_at is not None]
    seconds = sorted(took.total_seconds() for lead in timed if (took := response_of(lead)) is not None)
    shown = [(name, limit) for name, limit in WITHIN if not export.days_only or limit >= timedelta(days=1)]
    return {
        "answered": share(len(seconds), len(timed)),
        "median_seconds": _quantile(seconds, 0.5),
        "p90_seconds": _quantile(seconds, 0.9),
        "days_only": export.days_only,
        "within": [
            {"within": name, **share(sum(s <= limit.total_seconds() for s in seconds), len(timed))} for name, limit in shown
        ],
    }


def _quantile(ordered: Sequence[float], q: float) -> float | None:
    """The nearest rank: the smallest value that at least this share does not exceed."""
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)] if ordered else None


def _acceptance(leads: Sequence[Lead]) -> dict[str, Any]:
    accepted = sum(lead.standing in _ACCEPTED for lead in leads)
    rejected = sum(lead.standing is Standing.REJECTED for lead in leads)
    return {
        **share(accepted, accepted + rejected),
        "rejected": rejected,
        "undecided": len(leads) - accepted - rejected,
    }


def _conversion(leads: Sequence[Lead], unworked: set[int], worked_known: bool) -> dict[str, Any]:
    groups: dict[str, list[Lead]] = {}
    for lead in leads:
        groups.setdefault(told(lead.source) if lead.source else _NO_SOURCE, []).append(lead)
    order = sorted(groups, key=lambda name: (-len(groups[name]), name))
    free_text = _free_text(len(order), len(leads))
    shown = [] if free_text else order[:_SOURCES_SHOWN]
    rest = [lead for name in order if name not in set(shown) for lead in groups[name]]
    rows = [(name, groups[name]) for name in shown] + ([(_OTHER_SOURCES, rest)] if rest else [])
    return {
        **share(sum(lead.standing in _CONVERTED for lead in leads), len(leads)),
        "won": sum(lead.standing is Standing.WON for lead in leads),
        "sources": len(order),
        "free_text": free_text,
        "by_source": [
            {
                "source": name,
                **{"converted" if k == "leads" else k: v for k, v in share(_number(of, _is_converted), len(of)).items()},
                "unworked": sum(id(lead) in unworked for lead in of) if worked_known else None,
            }
            for name, of in rows
        ],
    }


def _is_converted(lead: Lead) -> bool:
    return lead.standing in _CONVERTED


def _number(leads: Iterable[Lead], holds: Callable[[Lead], bool]) -> int:
    return sum(map(holds, leads))


def _agreement(
    leads: Sequence[Lead],
    judged: Sequence[Judged | None],
    agreement: Agreement,
    unworked: set[int] | None,
    outcome_known: bool,
) -> dict[str, Any]:
    def group(wanted: Callable[[Judged], bool]) -> dict[str, Any]:
        of = [lead for lead, one in zip(leads, judged, strict=True) if one is not None and wanted(one)]
        return {
            **share(len(of), len(leads)),
            "unworked": sum(id(lead) in unworked for lead in of) if unworked is not None else None,
            "converted": _renamed(share(_number(of, _is_converted), len(of))) if outcome_known else None,
        }

    return {
        "name": str(agreement.name),
        "title": str(agreement.title),
        "verdicts": [{"verdict": v.value, **group(lambda one, v=v: one.verdict == v)} for v in VerdictKind],  # type: ignore[misc]
        "not_judged": sum(one is None or not one.verdict for one in judged),
        "rules": [
            {
                "rule": str(rule.id),
                "verdict": rule.verdict.value,
                "because": str(rule.because),
                **group(lambda one, r=str(rule.id): one.rule == r),  # type: ignore[misc]
            }
            for rule in agreement.definition
        ],
        "pools": [
            {"pool": pool, "leads": number}
            for pool, number in sorted(Counter(one.pool for one in judged if one is not None and one.pool).items())
        ],
        "grades": dict(sorted(Counter(one.grade for one in judged if one is not None and one.grade).items())),
    }


def _renamed(shared: Mapping[str, Any]) -> dict[str, Any]:
    return {"leads": shared["leads"], "share": shared["share"], "low": shared["low"], "high": shared["high"]}


def _remarks(export: Export, answer: Mapping[str, Any], agreement: Agreement, said: set[str]) -> list[str]:
    """What the figures cannot say, and what to do about it."""
    found = [*export.notes]
    done = export.activities
    if answer["unworked"] is None:
        found.append("Nothing in the files says what was done for a lead: add --activities FILE.csv or a column of statuses.")
    if answer["speed_to_lead"] is None:
        missing = "the time of creation" if "submitted_at" not in said else "the time of a first response or --activities"
        found.append(f"Speed to lead is not known: the files lack {missing}.")
    elif answer["speed_to_lead"]["days_only"]:
        found.append("Leads are dated by the day only, so speed is told in days: export the time as well for minutes.")
    if answer["acceptance"] is None:
        found.append("Acceptance and conversion are not known: no column holds a status or says who was converted.")
    for number, what in (
        (done["before_lead"], "from before their lead came, which count as no answer to it"),
        (done["of_no_lead"], "of no lead of the export, left out"),
        (done["without_time"], "without a time that can be read, left out"),
    ):
        if number:
            found.append(f"Activities {what}: {number:,}.")
    if answer["repeated_rows"]:
        found.append(f"Rows that name a person again: {answer['repeated_rows']:,}; one person is one lead, and each row a submission.")
    undated = sum(lead.created_at is None for lead in export.leads)
    if "submitted_at" in said and undated:
        found.append(f"Leads without a time of creation that can be read: {undated:,}; they are judged at the end and left out of speed.")
    unknown = sum(n for (_, standing), n in export.statuses.items() if standing is Standing.UNKNOWN)
    if unknown:
        found.append(f"Rows whose status was not understood: {unknown:,}; say what it means, as in --status 'Parked=rejected'.")
    neither = sorted({w["called"] or "(blank)" for w in answer["activity_types"] if w["read_as"] == Activity.NEITHER})
    if neither:
        found.append(f"Counted neither as work of sales nor as an engagement: {', '.join(neither[:8])}; --activity 'TYPE=touch' changes it.")
    for (column, name), number in sorted(export.unread.items()):
        found.append(f"Cells of {told(column)!r} that could not be read as {name} and were left out: {number:,}.")
    silent = sorted(name for name in asked(agreement) if f"attributes.{name}" not in said and not (name == "country" and "country" in said))
    if silent:
        found.append(f"The agreement asks for {', '.join(silent)}, and no column was read as that: its rules about it could not show what they do.")
    if not any(lead.engagements for lead in export.leads):
        found.append("No activity was read as something that a prospect did, so points for engagements are missing from the scores.")
    return found
