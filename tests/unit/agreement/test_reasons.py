"""Reasons and rests: what contradicts itself is refused with line and remedy, and what is agreed is said in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from schemas.agreement import Terms, check
from schemas.agreement.difference import difference
from schemas.agreement.wording import reason_in_words
from tests.builders import TERMS, agreement

SOFTWARE = (Path(__file__).parents[3] / "deploy" / "agreements" / "software.yaml").read_text()


@pytest.mark.parametrize(
    ("old", "new", "code", "severity", "says"),
    [
        ("at_least: 5, within: 14d}", "at_least: 5, within: 14}", "bad_duration", "error", "unit"),
        ("{engagement: page_viewed, at_least: 5", "{engagement: page_view, at_least: 5", "unknown_engagement", "error", "Did you mean page_viewed?"),
        ("{engagement: page_viewed, at_least: 5", "{engagement: page_viewed, at_lest: 5", "unknown_key", "error", "Did you mean at_least?"),
        ("at_least: 2, within: 14d}, trial_started", "at_least: 2, within: 14d}, pricing_viewed", "wakes_twice", "error", "Keep one"),
        ("wakes_from_score: 80", "wakes_from_score: 800", "out_of_reach", "error", "at most"),
        ("next_rep: another, at_most: 2", "next_rep: another, at_most: 4", "rests_too_often", "error", "3 times and not 4"),
        ("next_rep: another, at_most: 2", "next_rep: anther, at_most: 2", "bad_value", "error", "Did you mean another?"),
        ("  calendar: berlin\n  otherwise", "  calendar: berln\n  otherwise", "unknown_calendar", "error", "Did you mean berlin?"),
        ("taken_away: 3, reason: nobody_had_time", "taken_away: 3, reason: nobody", "unknown_reason", "error", "there is no reason"),
        ("taken_away: 3, reason: nobody_had_time", "taken_away: 3, reason: no_time", "bad_consequence", "error", "nobody has it then"),
        ("taken_away: 3, reason: nobody_had_time", "taken_away: 3, reason: no_timeline", "nobody_to_go_back_to", "error", "next_rep"),
        ("reasons: [no_answer], by_itself", "reasons: [no_time], by_itself", "bad_consequence", "error", "cannot be reached"),
        ("title: Not now, about: timing", "title: Not now, about: fit", "bad_but_waited_for", "warning", "Retire it"),
        ("title: Wants no more contact, for", "title: Wants no more contact, about: timing, for", "not_now_but_never", "error", "Let it rest"),
        ("id: no_fit, title: No fit, about: fit", "id: no_fit, title: No fit, about: timing", "not_now_but_never", "warning", "Let it rest"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_named_with_line_and_remedy(old: str, new: str, code: str, severity: str, says: str) -> None:
    assert old in SOFTWARE
    text = SOFTWARE.replace(old, new, 1)
    line = next(i for i, (a, b) in enumerate(zip(SOFTWARE.splitlines(), text.splitlines(), strict=True), 1) if a != b)
    found = [f for f in check(text) if f.code == code]
    assert [(f.severity, f.line) for f in found] == [(severity, line)], check(text)
    assert says in f"{found[0].message} {found[0].remedy}"


def test_an_agreement_of_before_that_only_newer_words_contradict_is_still_read() -> None:
    """What is in force must stay readable: timing that retires is a doubt and no mistake."""
    old = SOFTWARE.replace("id: no_fit, title: No fit, about: fit", "id: no_fit, title: No fit, about: timing")
    assert [f for f in check(old) if f.severity == "error"] == []


def reason(**rest: Any) -> Any:
    then = {"recycle": {"after": "60d", "stream": "later", **rest}}
    return agreement(reasons=[{**TERMS["reasons"][0], "then": then}, *TERMS["reasons"][1:]])


def test_a_rest_is_said_in_words() -> None:
    said = reason(
        wakes_on=["pricing_viewed", {"engagement": "mail_clicked", "at_least": 3, "within": "14d"}],
        wakes_from_score=60,
        wakes_on_campaigns=["new-year"],
        next_rep="another",
        at_most=2,
        **{"finally": "suppress"},
    )
    assert reason_in_words(said.reasons["no_budget"]) == (
        "to reject, recycle or lose: the lead waits 60d in the stream later, woken earlier by pricing_viewed, "
        "3 × mail_clicked within 14d, a score of at least 60 or the campaign new-year; it is not given to the rep who had "
        "it last then; it does so at most twice; in the end it is suppressed"
    )


def test_what_differs_between_two_versions_is_said_in_words() -> None:
    before = reason()
    after = Terms.model_validate(
        {
            **TERMS,
            "reasons": [
                {
                    **TERMS["reasons"][0],
                    "then": {"recycle": {"after": "60d", "stream": "later", "next_rep": "same", "at_most": 1, "wakes_from_score": 60}},
                },
                *TERMS["reasons"][1:],
            ],
            "recycling": {
                "cycles_at_most": 3, "spread": "6h", "calendar": "always", "finally": "suppress",
                "unworked": {"taken_away": 3, "reason": "bad_data"}, "lost": {"after": "180d", "stream": "won-back"},
            },
            "giving_up": {"attempts": 4, "reasons": ["no_budget"], "by_itself_after": "2d"},
        }
    )  # fmt: skip
    sentences = difference(before, type(before)(2, after)).sentences
    assert "the reason no_budget is ended early by a score of at least 60, too" in sentences
    assert "the reason no_budget is given to the rep who had it last then" in sentences
    assert "the reason no_budget lets a lead rest once at most" in sentences
    assert "leads that wake on one date do so over 6h of the calendar always" in sentences
    assert "a lead that was taken away from 3 reps unworked comes back to marketing for bad_data" in sentences
    assert "a deal lost for another reason or none waits 180d in the stream won-back" in sentences
    assert "a lead that has had all its cycles is suppressed" in sentences
