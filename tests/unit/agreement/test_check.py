"""The check of agreements and rosters: every mistake is named with its line and a remedy, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.agreement import AgreementRefused, Finding, check, check_roster, load, load_roster

HERE = Path(__file__).parent
SAMPLES = HERE.parents[2] / "deploy" / "agreements"
DEFAULT = (SAMPLES / "default.yaml").read_text()
ROSTER = (SAMPLES / "default-roster.yaml").read_text()


def found(findings: list[Finding]) -> set[tuple[str, int]]:
    return {(f.code, f.line) for f in findings if f.severity == "error"}


def changed(old: str, new: str) -> str:
    assert old in DEFAULT
    return DEFAULT.replace(old, new)


def line_of(text: str, part: str) -> int:
    return next(i for i, line in enumerate(text.splitlines(), 1) if part in line)


def test_the_default_agreement_and_its_roster_have_nothing_wrong() -> None:
    assert check(DEFAULT) == []
    agreement = load(DEFAULT, 1)
    assert check_roster(ROSTER, agreement) == []
    assert {m.id for m in load_roster(ROSTER, agreement).reps} == {"anna", "ben", "clara", "dario", "eva"}
    assert all(clock.calendar == "always" for clock in agreement.clocks)


def test_an_agreement_with_many_mistakes_is_told_all_of_them_at_once() -> None:
    findings = check((HERE / "ten_mistakes.yaml").read_text())
    assert found(findings) == {
        ("unknown_key", 4),
        ("unknown_attribute", 9),
        ("duplicate_id", 10),
        ("bad_number", 10),
        ("unknown_engagement", 12),
        ("bad_duration", 12),
        ("bad_value", 14),
        ("unknown_choice", 14),
        ("missing_last_rule", 15),
        ("out_of_reach", 15),
        ("unknown_team", 18),
        ("unknown_pool", 21),
        ("bad_zone", 23),
        ("bad_time_span", 23),
        ("never_open", 24),
        ("unknown_calendar", 26),
        ("bad_value", 26),
        ("bad_duration", 26),
        ("unknown_engagement", 28),
        ("bad_consequence", 29),
        ("unknown_channel", 31),
        ("bad_value", 32),
        ("empty", 32),
        ("duplicate_key", 34),
    }
    assert all(f.message.endswith(".") and f.remedy and f.path for f in findings)


def test_a_refused_agreement_carries_its_findings_and_says_them() -> None:
    with pytest.raises(
        AgreementRefused, match=r"line 26, clocks\[0\].calendar: there is no calendar 'ofice'. Did you mean office\?"
    ) as refused:
        load((HERE / "ten_mistakes.yaml").read_text(), 1)
    assert len(refused.value.findings) >= 10


@pytest.mark.parametrize(
    ("old", "new", "code", "says"),
    [
        ("points: 25, when", "ponts: 25, when", "unknown_key", "Did you mean points?"),
        ("minimum: 0, title: Number", "minimun: 0, title: Number", "unknown_key", "Did you mean minimum?"),
        ("cycles_at_most: 3", "cycles_at_most: three", "wrong_type", "whole number"),
        ("cycles_at_most: 3", "cycles_at_mots: 3", "unknown_key", "Did you mean cycles_at_most?"),
        ("within: 4h", "within: soon", "bad_duration", "number with a unit"),
        ("within: 4h", "within: 0h", "bad_duration", "no time at all"),
        (
            "calendar: always\n    warn_at: [0.5",
            "calendar: allways\n    warn_at: [0.5",
            "unknown_calendar",
            "Did you mean always?",
        ),
        ("zone: Europe/Berlin", "zone: Berlin", "bad_zone", "IANA"),
        ('fri: ["09:00-16:00"]', 'fri: ["09:00-25:00"]', "bad_time_span", "no clock shows"),
        ('fri: ["09:00-16:00"]', 'fri: ["16:00-09:00"]', "bad_time_span", "16:00-09:00 ends before it starts"),
        ('fri: ["09:00-16:00"]', 'fri: ["09:00-13:00", "12:30-16:00"]', "bad_time_span", "09:00-13:00 and 12:30-16:00 overlap"),
        ('fri: ["09:00-16:00"]', 'fri: ["09:00-16:00"], thu: ["09:00-10:00"]', "bad_weekday", "thu is there twice"),
        ('fri: ["09:00-16:00"]', 'fry: ["09:00-16:00"]', "bad_weekday", "mon, tue"),
        ('{mon-thu: ["09:00-17:30"], fri: ["09:00-16:00"]}', "{}", "never_open", "never opens"),
        ("subdivision: BE", "subdivision: XX", "unknown_country", "no subdivision"),
        (
            "mode: fair, title: Large accounts",
            "mode: claims, title: Large accounts",
            "bad_value",
            "Did you mean claim?",
        ),
        ("to: [managers]}\n  - {on: clock_b", "to: [bosses]}\n  - {on: clock_b", "unknown_channel", "channels"),
        ("  - {id: rest, verdict: nurtured, because: not ready yet}\n", "", "missing_last_rule", "Add a last rule"),
        (
            "  - {id: closers, role: ae, pool: closing, because: every handed-over lead goes to closing}\n",
            "",
            "missing_last_rule",
            "role ae",
        ),
        ("score: {at_least: 50}", "score: {at_least: 500}", "out_of_reach", "at most 155"),
        (
            "{attribute: employees, at_least: 50}",
            "{atribute: employees, at_least: 50}",
            "unknown_condition",
            "Did you mean attribute?",
        ),
        ("{attribute: employees, at_least: 50}", "{attribute: employees}", "no_test", "compared"),
        ("{attribute: employees, at_least: 50}", "{attribute: industry, at_least: 50}", "wrong_test", "no number"),
        ("{attribute: employees, at_least: 50}", "{score: {at_least: 5}}", "not_known_here", "definition"),
        (
            "employees: {type: integer,",
            "employees: {type: integer, personal: true,",
            "personal_attribute",
            "no rule may ask",
        ),
        ("id: has-budget, points: 10", "id: decides, points: 10", "duplicate_id", "first on line"),
        ("  cycles_at_most: 3\n", "  cycles_at_most: 3\n  cycles_at_most: 4\n", "duplicate_key", "Keep one"),
        ("  cycles_at_most: 3\n", "\tcycles_at_most: 3\n", "tab", "Indent with blanks"),
        ("recycling:\n", "recycling: [\n", "yaml_syntax", "no YAML"),
        ("title: Sales managers}", "title: me@example.org}", "bad_text", "without @"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_remedy(old: str, new: str, code: str, says: str) -> None:
    text = changed(old, new)
    mistakes = [f for f in check(text) if f.code == code and says in f"{f.message} {f.remedy}"]
    assert mistakes, [str(f) for f in check(text)]
    assert mistakes[0].severity == "error"
    changed_lines = [
        i for i, (a, b) in enumerate(zip(DEFAULT.splitlines(), text.splitlines(), strict=False), 1) if a != b
    ]
    assert abs(mistakes[0].line - changed_lines[0]) <= 30


@pytest.mark.parametrize("text", ["", "  \n", "# only a comment\n"])
def test_an_empty_file_is_said_to_be_empty(text: str) -> None:
    assert [f.code for f in check(text)] == ["empty_file"]


@pytest.mark.parametrize("section", ["definition", "teams", "pools", "routing", "reasons"])
def test_a_missing_section_is_named(section: str) -> None:
    lines = DEFAULT.splitlines()
    start = lines.index(f"{section}:")
    end = next((i for i in range(start + 1, len(lines)) if lines[i] and lines[i][0] not in " #"), len(lines))
    findings = check("\n".join(lines[:start] + lines[end:]))
    assert (section, "missing_section") in {(f.path, f.code) for f in findings}


@pytest.mark.parametrize(
    "text",
    [
        "- a\n",
        "hello",
        "a: &a [*a]\n",
        "[" * 3000,
        "? [a]\n: b\n",
        "\x00",
        "name: !!python/object:os.system x\n",
        "clocks: hi\nteams: [1]\nscoring: {fit: 3}\nrouting: [3, [x]]\nalerts: {a: {to: 3}}\n",
    ],
)
def test_garbage_is_refused_with_findings_and_never_with_a_crash(text: str) -> None:
    findings = check(text)
    assert any(f.severity == "error" for f in findings)
    with pytest.raises(AgreementRefused):
        load(text, 1)


def test_a_pool_that_no_rule_leads_to_is_only_doubtful() -> None:
    text = changed("  closing: {team", "  spare: {team: sales, role: sdr}\n  closing: {team")
    findings = check(text)
    assert [(f.severity, f.code, f.path) for f in findings] == [("warning", "pool_without_leads", "pools.spare")]
    assert load(text, 2).version == 2


@pytest.mark.parametrize("calendar", ['{open: {mon-fri: ["09:00-17:00"]}}', '{open: always, closed: ["2026-12-24"]}'])
def test_a_calendar_that_goes_by_a_wall_clock_and_does_not_say_whose_is_only_doubtful(calendar: str) -> None:
    text = changed("\ncalendars:\n", f"\ncalendars:\n  shift: {calendar}\n")
    (finding,) = check(text)
    assert (finding.severity, finding.code, finding.path) == ("warning", "no_zone", "calendars.shift")
    assert text.splitlines()[finding.line - 1].startswith("  shift:")
    assert load(text, 2).version == 2
    assert check(text.replace("shift: {", "shift: {zone: UTC, ")) == []


def test_around_the_clock_needs_no_zone() -> None:
    assert check(changed("\ncalendars:\n", "\ncalendars:\n  nights: {open: always}\n")) == []


def test_a_roster_with_mistakes_is_told_all_of_them() -> None:
    text = """reps:
  - {id: anna, team: sales, pools: {inbound: 1}}
  - {id: anna, team: support, pools: {inbound: 1}}
  - {id: ben, team: sales, pools: {inbond: 1}, calender: always}
  - {id: ben, team: sales, pools: {closing: 1}}
  - {id: Clara, team: sales, pools: {inbound: 0}, calendar: nights}
"""
    assert found(check_roster(text, load(DEFAULT, 1))) == {
        ("two_teams", 3),
        ("unknown_team", 3),
        ("wrong_team", 3),
        ("unknown_pool", 4),
        ("unknown_key", 4),
        ("duplicate_id", 5),
        ("wrong_role", 5),
        ("bad_text", 6),
        ("bad_value", 6),
        ("unknown_calendar", 6),
    }


def test_a_roster_that_leaves_a_pool_empty_is_doubtful() -> None:
    findings = check_roster(
        "reps: [{id: anna, team: sales, pools: {inbound: 1, large-accounts: 1}}]\n", load(DEFAULT, 1)
    )
    assert [(f.severity, f.code) for f in findings] == [("warning", "empty_pool")]


@pytest.mark.parametrize(
    ("old", "new", "code", "part"),
    [
        ('_URL}", title: Sales managers}', '_URL}", next: phones}', "unknown_channel", "managers:"),
        ('_URL}", title: Sales managers}', '_URL}", hours: offices}', "unknown_calendar", "managers:"),
        ('_URL}", title: Sales managers}', '_URL}", next: managers}', "channel_circle", "managers:"),
        ("alerts:\n", "escalations: [{id: e, clocks: [reply], steps: [{on: breached, to: [rep]}]}]\nalerts:\n", "unknown_clock", "escal"),
        ("alerts:\n", "escalations: [{id: e, steps: [{on: breached, to: [boss]}]}]\nalerts:\n", "unknown_channel", "escal"),
        ("alerts:\n", "escalations: [{id: e, steps: [{on: warned, share: 0.7, to: [rep]}]}]\nalerts:\n", "step_never_comes", "escal"),
        ("alerts:\n", "escalations: [{id: e, steps: [{on: breached, share: 0.5, to: [rep]}]}]\nalerts:\n", "bad_step", "escal"),
        ("alerts:\n", "escalations: [{id: e, steps: [{on: breached}]}]\nalerts:\n", "bad_step", "escal"),
        ("alerts:\n", "escalations: [{id: e, steps: [{on: warned, do: reassign}]}]\nalerts:\n", "bad_step", "escal"),
        ("alerts:\n", "escalations: [{id: e, steps: []}]\nalerts:\n", "path_without_steps", "escal"),
        ('url: "${LEADLOOP_MANAGERS_URL}", ', "", "bad_channel", "managers:"),
    ],
)
def test_mistakes_of_channels_and_escalations_are_named_with_line_and_remedy(old: str, new: str, code: str, part: str) -> None:
    text = changed(old, new)
    [finding] = [f for f in check(text) if f.severity == "error"]

    assert (finding.code, finding.line) == (code, line_of(text, part))
    assert finding.remedy


def test_a_step_after_a_breach_that_takes_the_lead_away_is_warned_of() -> None:
    step = "escalations: [{id: e, clocks: [first-response], steps: [{on: breached, after: 1h, to: [rep]}]}]\nalerts:\n"
    [finding] = check(changed("alerts:\n", step))

    assert (finding.severity, finding.code) == ("warning", "step_never_comes")


@pytest.mark.parametrize(
    ("steps", "code", "says"),
    [
        ("{on: breached, do: reassign}, {on: breached, after: 1h, to: [managers]}", "step_never_comes", "0s after the breach"),
        (
            "{on: breached, after: 1h, do: offer_to_team}, {on: breached, after: 2h, to: [rep]}, {on: breached, after: 3h, do: reassign}",
            "step_never_comes",
            "1h after the breach the step do: offer_to_team takes the lead",
        ),
        (
            "{on: breached, after: 1h, do: reassign}, {on: breached, after: 1h, do: offer_to_team}",
            "step_never_comes",
            "1h after the breach the step do: reassign takes the lead",
        ),
        ("{on: breached, after: 1h, do: offer_to_team}", "offer_without_end", "nobody of the pool inbound claims it"),
        ("{on: breached, after: 1h, do: offer_to_team}, {on: breached, after: 3h, do: reassign}", None, ""),
    ],
)
def test_steps_that_take_the_lead_away_are_looked_at_in_their_order(steps: str, code: str | None, says: str) -> None:
    text = changed("on_breach: reassign", "on_breach: alert")
    text = text.replace("alerts:\n", f"escalations: [{{id: e, steps: [{steps}]}}]\nalerts:\n")
    found = [f for f in check(text) if f.line == line_of(text, "escalations")]

    assert [(f.severity, f.code) for f in found] == ([] if code is None else [("warning", code)])
    assert all(says in f.message and f.remedy for f in found)


def test_offering_a_lead_that_the_breach_itself_takes_away_is_warned_of() -> None:
    step = "escalations: [{id: e, clocks: [first-response], steps: [{on: breached, do: reassign}]}]\nalerts:\n"
    [finding] = check(changed("alerts:\n", step))

    assert (finding.severity, finding.code) == ("warning", "step_never_comes")
