"""What becomes of leads that come back, in words."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.agreement.durations import say_duration
from schemas.agreement.facts import say
from schemas.agreement.listing import any_of, times
from schemas.agreement.rest_terms import End, NextRep, Recycling, Rest

_NEXT = {
    NextRep.ANY: "may be given to anybody then",
    NextRep.ANOTHER: "is not given to the rep who had it last then",
    NextRep.SAME: "is given to the rep who had it last then",
}
_ENDS = {End.RETIRE: "is retired", End.SUPPRESS: "is suppressed"}


def waking_words(rest: Rest) -> Iterator[str]:
    """What wakes a lead before its date, one thing after the other; a new submission always does."""
    for waking in rest.wakes_on:
        yield str(waking)
    if rest.wakes_from_score is not None:
        yield f"a score of at least {say(rest.wakes_from_score)}"
    for campaign in rest.wakes_on_campaigns:
        yield f"the campaign {campaign}"


def next_rep_words(rest: Rest) -> str:
    """Who may get the lead when it comes back; follows on `the lead`."""
    return _NEXT[rest.next_rep]


def end_words(rest: Rest) -> str:
    """How often it rests for this, and what follows."""
    end = "" if rest.finally_ is None else f", and {_ENDS[rest.finally_]} in the end"
    return f"lets a lead rest {times(rest.at_most)} at most{end}" if rest.at_most is not None else f"lets a lead rest as often as it has cycles{end}"


def rest_in_words(rest: Rest) -> str:
    """How long a lead waits, what wakes it, who may get it then, and how often."""
    words = f"waits {say_duration(rest.after)} in the stream {rest.stream}"
    wakes = list(waking_words(rest))
    if wakes:
        words += f", woken earlier by {any_of(wakes)}"
    if rest.next_rep is not NextRep.ANY:
        words += f"; it {_NEXT[rest.next_rep]}"
    if rest.at_most is not None:
        words += f"; it does so at most {times(rest.at_most)}"
    if rest.finally_ is not None:
        words += f"; in the end it {_ENDS[rest.finally_]}"
    return words


def spread_words(recycling: Recycling) -> str:
    """How leads wake that do so on one date."""
    hours = "" if recycling.calendar is None else f" of the calendar {recycling.calendar}"
    return f"do so over {say_duration(recycling.spread)}{hours}" if recycling.spread else f"do so at once{hours}"


def unworked_words(recycling: Recycling) -> str:
    """When a lead that nobody works comes back."""
    terms = recycling.unworked
    if terms is None:
        return "a lead that nobody works is offered on and on"
    return f"a lead that was taken away from {terms.taken_away} reps unworked comes back to marketing for {terms.reason}"
