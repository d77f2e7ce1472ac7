"""The proof of the sample agreements and of changed copies: each finding with the lead that shows it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.agreement import Agreement, Facts, Finding, load, load_roster
from schemas.agreement.proof import prove
from services.console.lead_file import LeadFile, known_at

SAMPLES = Path(__file__).parents[3] / "deploy" / "agreements"
AT = datetime(2026, 3, 2, 9, tzinfo=UTC)


def text_of(name: str) -> str:
    return (SAMPLES / f"{name}.yaml").read_text()


def changed(old: str, new: str, name: str = "default") -> str:
    assert old in text_of(name)
    return text_of(name).replace(old, new, 1)


def found(findings: tuple[Finding, ...], code: str) -> Finding:
    return next(f for f in findings if f.code == code)


def lead_of(finding: Finding, agreement: Agreement) -> Facts:
    """The example, read as `leadloop score` reads it."""
    file = LeadFile.model_validate(json.loads(finding.example))
    return known_at(file, agreement, file.at or AT)


@pytest.mark.parametrize("name", ["default", "demo", "school", "software"])
def test_the_samples_prove_clean_with_their_rosters(name: str) -> None:
    proof = prove(text_of(name), AT, text_of(f"{name}-roster"))
    assert proof.complete
    assert [f for f in proof.findings if f.severity != "info"] == []


def test_a_rule_behind_a_wider_one_never_fires_and_is_told_with_a_lead_that_the_wider_one_takes() -> None:
    text = changed(
        "  - {id: student, verdict: disq",
        "  - {id: any-student, verdict: disqualified, when: {attribute: seniority, present: true}, because: is known}\n"
        "  - {id: vice, verdict: qualified, when: {attribute: seniority, equals: vp}, because: decides}\n"
        "  - {id: student, verdict: disq",
    )
    proof, agreement = prove(text, AT), load(text, 1)
    vice, student = (f for f in proof.findings if f.code == "never_reached")
    assert (vice.severity, vice.path, student.severity) == ("error", "definition[2]", "warning")
    assert "the rule any-student takes every lead that it means, so nobody gets qualified by it" in vice.message
    assert agreement.standing(lead_of(vice, agreement)).rule.id == "any-student"
    assert not proof.ok


def test_the_lead_of_a_split_that_never_fires_is_one_of_its_share() -> None:
    text = changed(
        "  - {id: everyone, role: sdr",
        "  - {id: few, role: sdr, pool: inbound, percent: 3, when: {attribute: employees, at_least: 2000}, because: so}\n"
        "  - {id: everyone, role: sdr",
    )
    finding, agreement = found(prove(text, AT).findings, "never_reached"), load(text, 1)
    few = next(rule for rule in agreement.routing if rule.id == "few")
    lead = LeadFile.model_validate(json.loads(finding.example)).lead_id
    assert finding.path == "routing[2]"
    assert lead is not None
    assert few.takes(lead).holds


def test_a_condition_that_no_lead_meets_is_told_with_the_parts_that_exclude_each_other() -> None:
    text = changed(
        "when: {attribute: employees, at_least: 1000}",
        "when: {all: [{attribute: industry, equals: x}, {attribute: employees, at_least: 1000}, "
        "{attribute: employees, at_most: 9}]}",
    )
    finding = found(prove(text, AT).findings, "never_holds")
    assert finding.path == "routing[1].when"
    assert "(employees is at least 1000) and (employees is at most 9) together" in finding.message


def test_a_scoring_rule_that_never_gives_points_is_told() -> None:
    text = changed("when: {attribute: budget, at_least: 10000}", "when: {attribute: budget, at_most: -1}")
    assert found(prove(text, AT).findings, "never_holds").path == "scoring.fit[3].when"


def test_leads_that_no_rule_covers_are_told_beside_the_missing_last_rule() -> None:
    text = changed("  - {id: rest, verdict: nurtured, because: not ready yet}\n", "")
    findings = prove(text, AT).findings
    assert found(findings, "uncovered").example == "{}"
    assert found(findings, "missing_last_rule").severity == "error"


def test_a_threshold_is_out_of_reach_although_each_rule_alone_would_reach_further() -> None:
    """Nobody both decides and is a student, prices and papers exclude each other: 140 at most, not 155."""
    text = changed("{score: {at_least: 50}}", "{score: {at_least: 150}}")
    finding, agreement = found(prove(text, AT).findings, "out_of_reach"), load(text, 1)
    assert finding.path == "definition[2].when.score.at_least"
    standing = agreement.standing(lead_of(finding, agreement))
    assert f"at most {standing.score}" in finding.message
    assert standing.score == 145


def test_fading_and_caps_bound_what_a_lead_can_reach() -> None:
    """The prices count 12, 6, 3 and 1.5, reading 25 together, webinars 10, 5 and 2.5; all of it just now."""
    text = changed("{points_of_engagement: {at_least: 20}}", "{points_of_engagement: {at_least: 200}}", "software")
    finding, agreement = found(prove(text, AT).findings, "out_of_reach"), load(text_of("software"), 1)
    best = agreement.standing(lead_of(finding, agreement))
    assert f"at most {best.engagement}" in finding.message
    assert best.engagement == 20 + 10 + 22.5 + 25 + 17.5 + 30


def test_a_grade_that_every_lead_earns_is_told() -> None:
    finding = found(prove(changed("C: 10}", "C: -40}"), AT).findings, "grade_always_reached")
    assert (finding.severity, finding.path) == ("warning", "scoring.grades.letters.C")


def test_an_overlap_with_another_outcome_is_worth_knowing_and_no_fault() -> None:
    proof = prove(text_of("default"), AT)
    finding = next(f for f in proof.findings if f.code == "overlap" and f.path == "definition[1]")
    assert finding.severity == "info"
    assert "student (disqualified) overlaps with hand-raiser (qualified)" in finding.message
    assert load(text_of("default"), 1).standing(lead_of(finding, load(text_of("default"), 1))).rule.id == "hand-raiser"


def test_an_agreement_by_which_nobody_is_qualified_gives_no_rep_a_reason_to_give() -> None:
    text = changed("verdict: qualified", "verdict: nurtured").replace("verdict: qualified", "verdict: nurtured")
    codes = {f.code for f in prove(text, AT).findings}
    assert {"nobody_qualifies", "reason_not_given"} <= codes


def test_a_reason_to_hand_over_needs_a_second_role() -> None:
    text = text_of("school").replace("for: [reject, hand_over, reassign], then: reroute", "for: [hand_over]")
    finding = found(prove(text, AT).findings, "reason_not_given")
    assert "other_course" in finding.message


def test_streams_that_nobody_enters_or_that_nothing_wakes_are_told() -> None:
    spam = "title: Spam, for: [suppress], then: "
    nobody = changed(f"{spam}stay", f"{spam}{{recycle: {{after: 9d, stream: spam}}}}")
    assert "spam" in found(prove(nobody, AT).findings, "track_not_entered").message
    once = changed("cycles_at_most: 3", "cycles_at_most: 1")
    assert "nobody enters the streams budget, later" in found(prove(once, AT).findings, "track_not_entered").message
    assert found(prove(text_of("default"), AT).findings, "track_asleep").path == "recycling.otherwise"


def test_a_clock_whose_calendar_never_opens_for_so_long_is_never_due() -> None:
    """Ten years of open time, a quarter of an hour a week."""
    text = changed("holidays: {country: DE, subdivision: BE}\n", "\n").replace(
        '{mon-thu: ["09:00-17:30"], fri: ["09:00-16:00"]}', '{fri: ["09:00-09:15"]}'
    )
    never = text.replace("within: 4h\n    calendar: always", "within: 3660d\n    calendar: office")
    finding = found(prove(never, AT).findings, "clock_never_due")
    assert (finding.severity, finding.path) == ("error", "clocks[0].within")
    late = text.replace("within: 4h\n    calendar: always", "within: 40h\n    calendar: office")
    assert "last longer than a year" in found(prove(late, AT).findings, "clock_too_long").message


def test_a_clock_that_runs_only_while_nobody_works_cannot_be_met() -> None:
    text = changed("    within: 4h\n    calendar: always", "    within: 4h\n    calendar: night").replace(
        "calendars:\n", 'calendars:\n  night: {zone: Europe/Berlin, open: {sat: ["01:00-05:00"]}}\n', 1
    )
    roster = text_of("default-roster").replace("calendar: always", "calendar: office")
    assert found(prove(text, AT, roster).findings, "clock_unmeetable").path == "clocks[0].calendar"


def test_a_pool_with_nobody_at_some_hour_is_told_with_a_lead_that_waits_then() -> None:
    text, roster_text = text_of("default"), text_of("default-roster").replace("calendar: always", "calendar: office")
    agreement = load(text, 1)
    finding = next(f for f in prove(text, AT, roster_text).findings if f.path == "pools.large-accounts")
    assert (finding.code, finding.severity) == ("pool_unstaffed", "info")
    assert "Mon 17:30 to Tue 09:00" in finding.message
    at = LeadFile.model_validate(json.loads(finding.example)).at
    assert at is not None
    assert agreement.choose_pool("sdr", lead_of(finding, agreement)).pool == "large-accounts"
    reps = [rep for rep in load_roster(roster_text, agreement).reps if "large-accounts" in rep.pools]
    assert not any(agreement.calendar(rep.calendar).is_open(at) for rep in reps)


def test_a_pool_that_somebody_serves_at_every_hour_is_not_told() -> None:
    assert not [f for f in prove(text_of("default"), AT, text_of("default-roster")).findings if "pools" in f.path]


def test_a_break_that_all_take_at_once_leaves_the_pool_alone() -> None:
    roster = text_of("default-roster").replace("calendar: always}", 'calendar: always, breaks: {mon: "12:00-12:30"}}')
    finding = found(prove(text_of("default"), AT, roster).findings, "pool_unstaffed")
    assert "at work Mon 12:00 to Mon 12:30 (UTC)" in finding.message


def test_a_split_takes_some_leads_and_is_shown_by_the_id_of_one() -> None:
    text = changed(
        "  - {id: everyone, role: sdr",
        "  - {id: half, role: sdr, pool: large-accounts, percent: 50, because: half of them}\n  - {id: everyone, role: sdr",
    )
    assert prove(text, AT).ok
    twice = text.replace("  - {id: half", "  - {id: all, role: sdr, pool: inbound, because: all of them}\n  - {id: half")
    finding = next(f for f in prove(twice, AT).findings if f.code == "never_reached" and "half" in f.message)
    assert "the rule all takes every lead that it means" in finding.message


def test_a_person_in_two_teams_is_told_with_the_line_of_the_roster() -> None:
    text = text_of("software")
    roster = text_of("software-roster") + "  - {id: anna, team: care, role: sdr, pools: {customers: 1}}\n"
    finding = found(prove(text, AT, roster).roster, "two_teams")
    assert finding.line == len(roster.splitlines())
    agreement = load(text, 1)
    assert agreement.choose_pool("sdr", lead_of(finding, agreement)).pool == "customers"


def test_what_cannot_be_read_is_told_as_the_check_tells_it() -> None:
    for text in ("name: x", "- a", "a: &a [*a]", "x" * 600_000, ""):
        proof = prove(text, AT, text_of("default-roster"))
        assert not proof.complete
        assert not proof.ok


_PROVES = """
import sys
from datetime import UTC, datetime
from schemas.agreement.proof import prove
print(prove(open(sys.argv[1]).read(), datetime(2026, 3, 2, 9, tzinfo=UTC)))
"""


def test_the_same_agreement_is_proven_in_the_same_words_by_every_process() -> None:
    command = [sys.executable, "-c", _PROVES, str(SAMPLES / "software.yaml")]
    said = {
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONHASHSEED": seed}).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1


def test_progress_is_told_up_to_the_end() -> None:
    told: list[tuple[int, int]] = []
    prove(text_of("default"), AT, progress=lambda done, of: told.append((done, of)))
    assert told[-1][0] == told[-1][1] == max(done for done, _ in told)
    assert sorted(told) == told
