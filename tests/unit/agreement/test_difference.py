"""The difference of two agreements: sentences that people can approve by, and leads that the rules do judge otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.agreement import Agreement
from schemas.agreement.difference import Difference, difference
from schemas.agreement.kinds_of_leads import NOW
from services.console.lead_file import known_at, read_lead_file
from tests.builders import TERMS, agreement

SMALL_GERMAN = {
    "all": [{"country": {"in": ["DE"]}}, {"not": {"attribute": "employees", "at_least": 50}}],
}


def changed(**sections: Any) -> Difference:
    return difference(agreement(1), agreement(2, **sections))


def definition(*rules: dict[str, Any]) -> list[dict[str, Any]]:
    return [*rules, {"id": "rest", "verdict": "nurtured", "because": "not ready yet"}]


def test_the_same_agreement_differs_in_nothing() -> None:
    assert changed() == Difference((), ())


def test_points_are_told_by_their_rule() -> None:
    fit = [{**TERMS["scoring"]["fit"][0], "points": 20}]

    difference = changed(scoring={**TERMS["scoring"], "fit": fit})

    assert difference.sentences == ("the rule size gives 20 points instead of 25",)


def test_a_clock_and_a_reason_are_told_by_their_times() -> None:
    clocks = [{**TERMS["clocks"][0], "within": "2h"}, TERMS["clocks"][1]]
    rest = {"recycle": {"after": "60d", "stream": "budget", "wakes_on": ["pricing_viewed", "webinar_attended"]}}
    reasons = [{**TERMS["reasons"][0], "then": rest}, *TERMS["reasons"][1:]]

    assert changed(clocks=clocks, reasons=reasons).sentences == (
        "the clock first-response allows 2h instead of 4h",
        "the reason no_budget now waits 60d instead of 90d",
        "the reason no_budget is ended early by webinar_attended, too",
    )


def test_what_is_new_and_what_is_gone_is_told() -> None:
    pools = {**TERMS["pools"], "large": {"team": "sales"}}
    sentences = changed(pools=pools, engagements=["pricing_viewed", "mail_clicked"]).sentences

    assert "the pool large is new (fair, role sdr of team sales)" in sentences
    assert "the engagement webinar_attended counts no longer" in sentences


def test_leads_that_lose_their_verdict_are_named_by_what_they_have_in_common() -> None:
    before = agreement(
        1,
        definition=definition(
            {"id": "all", "verdict": "qualified", "when": {"attribute": "topic", "present": True}, "because": "asked"}
        ),
    )
    after = agreement(
        2,
        definition=definition(
            {"id": "small", "verdict": "nurtured", "when": SMALL_GERMAN, "because": "too small for Germany"},
            {"id": "all", "verdict": "qualified", "when": {"attribute": "topic", "present": True}, "because": "asked"},
        ),
    )

    [example] = difference(before, after).examples

    assert (
        example.says == "leads from DE and with fewer than 50 or unknown employees are no longer qualified but nurtured"
    )


def test_a_lead_that_needs_many_things_at_once_is_found() -> None:
    """The change shows only in leads whose points add up to the threshold: more than one rule has to hold."""
    difference = changed(
        definition=[
            *TERMS["definition"][:2],
            {
                "id": "score",
                "verdict": "qualified",
                "when": {"all": [{"score": {"at_least": 40}}, {"not": {"country": {"in": ["FR"]}}}]},
                "because": "enough",
            },
            TERMS["definition"][3],
        ]
    )

    assert any("from FR" in e.says and "no longer qualified but nurtured" in e.says for e in difference.examples)


def test_leads_that_go_elsewhere_are_named() -> None:
    pools = {**TERMS["pools"], "large": {"team": "sales"}}
    large = {"id": "large", "pool": "large", "when": {"attribute": "employees", "at_least": 500}, "because": "large"}

    difference = changed(pools=pools, routing=[TERMS["routing"][0], large, TERMS["routing"][1]])

    assert [e.says for e in difference.examples] == [
        "leads with at least 500 employees go to the pool large instead of inbound (role sdr)"
    ]


@pytest.mark.parametrize(
    "sections",
    [
        {"scoring": {**TERMS["scoring"], "fit": []}},
        {"definition": [TERMS["definition"][0], *TERMS["definition"][2:]]},
        {"scoring": {**TERMS["scoring"], "engagement": TERMS["scoring"]["engagement"][1:]}},
    ],
)
def test_every_example_is_a_lead_file_that_scoring_judges_as_told(sections: dict[str, Any], tmp_path: Path) -> None:
    before, after = agreement(1), agreement(2, **sections)
    examples = [e for e in difference(before, after).examples if "pool" not in e.says]

    assert examples
    for example in examples:
        file = tmp_path / "lead.json"
        file.write_text(example.lead_json())
        assert example.before.startswith(_verdict(before, file))
        assert example.after.startswith(_verdict(after, file))
        assert _verdict(before, file) != _verdict(after, file)


def _verdict(terms: Agreement, file: Path) -> str:
    return terms.standing(known_at(read_lead_file(file), terms, NOW)).rule.verdict.value


def test_the_document_is_json() -> None:
    document = changed(definition=TERMS["definition"][1:]).document()

    assert json.loads(json.dumps(document)) == document
    assert document["examples"]


def test_the_steps_of_an_escalation_are_told_with_what_they_do() -> None:
    steps = [
        {"on": "breached", "to": ["rep"]},
        {"on": "breached", "after": "1h", "calendar": "always", "do": "offer_to_team", "to": ["rep"]},
        {"on": "breached", "after": "3h", "do": "reassign"},
    ]

    said = changed(escalations=[{"id": "late", "steps": steps}]).sentences

    assert said == (
        "the escalation late is new (0s after breached: rep; 1h after breached in the hours of always: the lead is offered "
        "to the team, told to rep; 3h after breached: the lead goes to another rep)",
    )
