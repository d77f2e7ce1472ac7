"""Recycling streams that nobody enters, or in which nothing but its date wakes a lead."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.agreement.durations import say_duration
from schemas.agreement.findings import Finding
from schemas.agreement.proof.case import Case, Undecided
from schemas.agreement.proof.leads import Lead
from schemas.agreement.proof.reasons import ENDS
from schemas.agreement.proof.routes import qualified
from schemas.agreement.reading import Path
from schemas.agreement.rest_terms import Rest
from schemas.agreement.terms import Recycle


def asleep(case: Case) -> Iterator[Finding]:
    """One finding for each such stream, and one if the agreement lets nobody rest at all."""
    try:
        lead = qualified(case) or Lead()
    except Undecided:
        lead = Lead()
    resting = list(_rests(case))
    if case.agreement.recycling.cycles_at_most == 1 and len(resting) > 1:
        streams = ", ".join(dict.fromkeys(str(rest.stream) for _, rest, _ in resting))
        yield case.say(
            "warning",
            "track_not_entered",
            ("recycling", "cycles_at_most"),
            f"with one cycle every returned lead is retired, so nobody enters the streams {streams} and nothing wakes there.",
            "Allow more cycles, or let the reasons retire.",
            lead,
        )
        return
    for path, rest, entered in resting:
        if not entered:
            message = f"nobody enters the stream {rest.stream} by this reason: it is never given for a lead that ends."
            remedy = "Name reject, recycle or lose in for, or leave then out."
            yield case.say("warning", "track_not_entered", path, message, remedy, lead)
        elif not rest.wakes_early:
            yield case.say(
                "info",
                "track_asleep",
                path,
                f"nothing that a prospect does wakes a lead in the stream {rest.stream}: only its date, after "
                f"{say_duration(rest.after)}, or a new submission.",
                "Name engagements in wakes_on, or leave it, if that is meant.",
                lead,
            )


def _rests(case: Case) -> Iterator[tuple[Path, Rest, bool]]:
    """Every rest with its place, and whether a lead can come into it."""
    terms = case.agreement.terms
    unworked, giving_up = terms.recycling.unworked, terms.giving_up
    by_itself = {unworked.reason if unworked is not None else None, giving_up.reasons[0] if giving_up is not None else None}
    for place, reason in enumerate(terms.reasons):
        if isinstance(reason.then, Recycle):
            entered = bool(ENDS & set(reason.for_)) or reason.id in by_itself
            yield ("reasons", place, "then", "recycle"), reason.then.recycle, entered
    yield ("recycling", "otherwise"), case.agreement.recycling.otherwise, True
    if case.agreement.recycling.lost is not None:
        yield ("recycling", "lost"), case.agreement.recycling.lost, True
