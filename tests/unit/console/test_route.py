"""`leadloop route`: where a lead would go; histories off line; every line that means nothing in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.agreement import load
from services.console import main
from services.console.simulation.decisions import document
from services.console.simulation.lines import BadLine, History
from services.console.simulation.running import agreement_of, simulated
from tests.unit.routing.house import TEXT

DEFAULT = Path(main.__file__).parents[2] / "deploy" / "agreements" / "default.yaml"


def at(minute: int, second: int = 0) -> str:
    return f"2026-03-02T{9 + minute // 60:02d}:{minute % 60:02d}:{second:02d}Z"


def line(minute: int, kind: str, **more: Any) -> bytes:
    return json.dumps({"at": at(minute), "type": kind, **more}).encode()


def run(*lines: bytes, text: str = TEXT, until: Any = None, clocks: bool = False) -> list[dict[str, Any]]:
    """What is answered."""
    agreement = load(text, 1)
    history = History(agreement)
    happenings = list(history.read(lines))
    simulation = simulated(agreement, happenings, clocks=clocks, until=until, progress=lambda done: None)
    return [document(decision, history.names.of) for decision in simulation.decisions()]


def short(answers: list[dict[str, Any]]) -> list[tuple[str, str, str | None]]:
    return [(a["type"], a["lead"], a["rep"]) for a in answers]


@pytest.fixture
def leadloop(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    def command(*words: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["leadloop", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main.main()
        said = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return end.value.code, said.out, said.err

    return command


# ------------------------------------------------------------------ histories


def test_a_lead_goes_to_who_joined_with_the_rule_and_everybody_elses_reason() -> None:
    (answer,) = run(line(0, "join", rep="ana", weight=2), line(0, "join", rep="bob"), line(1, "lead", lead="l1"))

    assert (answer["type"], answer["at"], answer["lead"], answer["rep"]) == ("assignment", at(1), "l1", "ana")
    assert (answer["pool"], answer["team"], answer["rule"]) == ("inbound", "sales", "everyone")
    assert [p["rule"] for p in answer["passed_over"]] == ["big"]
    assert [(c["rep"], c["taken"]) for c in answer["candidates"]] == [("ana", True), ("bob", False)]
    assert "smaller shortfall" in answer["candidates"][1]["because"]


def test_attributes_choose_the_pool_and_the_grade() -> None:
    answers = run(
        line(0, "join", rep="ana"),
        line(1, "lead", lead="small"),
        line(2, "lead", lead="large", attributes={"employees": 2000}),
    )

    assert [(a["pool"], a["grade"]) for a in answers] == [("inbound", "D4"), ("large", "A4")]


def test_a_rejected_lead_goes_on_and_never_back_in_this_cycle() -> None:
    answers = run(
        line(0, "join", rep="ana"), line(0, "join", rep="bob"), line(1, "lead", lead="l1"),
        line(2, "reject", lead="l1"), line(3, "reject", lead="l1"), line(4, "join", rep="cem"),
    )  # fmt: skip

    assert short(answers) == [
        ("assignment", "l1", "ana"), ("assignment", "l1", "bob"), ("wait", "l1", None), ("assignment", "l1", "cem"),
    ]  # fmt: skip
    assert answers[2]["reason"] == "nobody_available"


def test_a_cap_is_freed_by_a_close_and_the_longest_waiting_of_the_best_grade_is_next() -> None:
    answers = run(
        line(0, "join", rep="ana", pools={"inbound": 1}, open_leads_cap=1),
        line(1, "lead", lead="first"),
        line(2, "lead", lead="second"),
        line(3, "lead", lead="third"),
        line(4, "lead", lead="better", attributes={"employees": 60}),
        line(5, "close", lead="first"),
        line(6, "close", lead="better", outcome="won"),
    )

    assert short(answers) == [
        ("assignment", "first", "ana"), ("wait", "second", None), ("wait", "third", None), ("wait", "better", None),
        ("assignment", "better", "ana"), ("assignment", "second", "ana"),
    ]  # fmt: skip


def test_leads_of_one_instant_wait_in_the_order_of_the_file() -> None:
    names = [f"l{n}" for n in range(40)]
    answers = run(*(line(0, "lead", lead=name) for name in names), line(0, "join", rep="ana"))

    assert [a["lead"] for a in answers if a["type"] == "assignment"] == names


def test_who_leaves_loses_his_leads_to_others_with_the_reason() -> None:
    answers = run(
        line(0, "join", rep="ana"), line(1, "lead", lead="l1"), line(2, "join", rep="bob"), line(3, "leave", rep="ana"),
    )  # fmt: skip

    assert short(answers) == [("assignment", "l1", "ana"), ("withdrawal", "l1", "ana"), ("assignment", "l1", "bob")]
    assert answers[1]["reason"] == "rep_gone"


def test_who_is_away_gets_nothing_until_he_is_back_or_the_time_has_come() -> None:
    answers = run(
        line(0, "join", rep="ana"), line(1, "away", rep="ana"), line(2, "lead", lead="l1"), line(3, "back", rep="ana"),
        line(4, "away", rep="ana", until=at(10)), line(5, "lead", lead="l2"), line(20, "lead", lead="l3"),
    )  # fmt: skip

    assert [(a["type"], a["lead"], a["at"]) for a in answers] == [
        ("wait", "l1", at(2)), ("assignment", "l1", at(3)), ("wait", "l2", at(5)), ("assignment", "l2", at(10)),
        ("assignment", "l3", at(20)),
    ]  # fmt: skip


def test_a_changed_weight_counts_from_then_on() -> None:
    joins = [line(0, "join", rep="ana"), line(0, "join", rep="bob"), line(1, "weight", rep="ana", weight=3)]
    answers = run(*joins, *(line(2 + n, "lead", lead=f"l{n}") for n in range(8)))

    assert [a["rep"] for a in answers].count("ana") == 6


def test_an_offer_that_nothing_is_done_with_is_withdrawn_by_its_pool() -> None:
    text = TEXT.replace("inbound: {team: sales}", "inbound: {team: sales, accept_within: 15m}")
    answers = run(
        line(0, "join", rep="ana", pool="inbound"), line(1, "lead", lead="l1"), line(2, "join", rep="bob", pool="inbound"),
        line(10, "lead", lead="l2"), line(11, "accept", lead="l2"), line(60, "lead", lead="l3"), text=text,
    )  # fmt: skip

    assert ("withdrawal", "l1", "ana") in short(answers)
    assert ("assignment", "l1", "bob") in short(answers)
    assert ("withdrawal", "l2", "bob") not in short(answers)


def test_a_lead_that_comes_again_after_it_was_lost_begins_a_new_cycle() -> None:
    answers = run(
        line(0, "join", rep="ana"), line(1, "lead", lead="l1"), line(2, "reject", lead="l1"), line(3, "close", lead="l1"),
        line(4, "lead", lead="l1"),
    )  # fmt: skip

    assert [(a["type"], a["cycle"]) for a in answers] == [("assignment", 1), ("wait", 1), ("assignment", 2)]


def test_clocks_take_leads_from_who_is_late_only_when_asked_for() -> None:
    text = TEXT.replace(
        "clocks: []", "clocks: [{id: first, starts_on: assigned, met_by: [accepted], within: 1h, calendar: always, on_breach: reassign}]"
    )
    lines = line(0, "join", rep="ana"), line(1, "lead", lead="l1"), line(2, "join", rep="bob"), line(300, "lead", lead="l2")

    assert all(a["type"] == "assignment" for a in run(*lines, text=text))
    assert ("withdrawal", "l1", "ana") in short(run(*lines, text=text, clocks=True))


def test_names_that_no_id_can_hold_are_given_back_as_they_came() -> None:
    answers = run(
        line(0, "join", rep="Ana K."), line(0, "join", rep="ana-k"), line(1, "lead", lead="Lead №1"), line(2, "lead", lead=17)
    )

    assert [(a["lead"], a["rep"]) for a in answers] == [("Lead №1", "Ana K."), ("17", "ana-k")]


def test_who_names_nothing_joins_the_team_of_the_rule_that_always_holds() -> None:
    agreement = agreement_of(DEFAULT.with_name("demo.yaml"))
    (first, *_) = list(History(agreement).read([line(0, "join", rep="ana")]))
    last = [rule for rule in agreement.rules_for("sdr") if rule.always][-1]

    assert first.event.team_id == agreement.pools[last.pool].team  # type: ignore[union-attr]


# ------------------------------------------------------------------ what means nothing

JOIN = line(0, "join", rep="ana")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([JOIN, line(1, "away", rep="bob")], "line 2: no rep 'bob' has joined"),
        ([JOIN, line(1, "close", lead="l1")], "line 2: no lead 'l1' has come"),
        ([line(0, "join", rep="ana", pool="inbuond")], "line 1: the agreement has no pool 'inbuond' (did you mean inbound?)"),
        ([line(0, "join", rep="ana", team="ops")], "line 1: the agreement has no team 'ops': it has sales, closers"),
        ([line(0, "join", rep="ana", pools=["inbound", "closing"])], "of 2 teams, and a rep belongs to one"),
        ([JOIN, line(1, "weight", rep="ana", weight=0)], "line 2: weight is 0: it is a whole number from 1 to 1000"),
        ([line(0, "join", rep="ana", weight=-2)], "line 1: weight is -2"),
        ([line(0, "join", rep="ana", weight=0.5)], "line 1: weight is 0.5"),
        ([line(5, "join", rep="ana"), line(4, "lead", lead="l1")], "line 2: at goes back"),
        ([b"{'at': 1}"], "line 1: it is no JSON"),
        ([b'{"type": "lead", "lead": "\xff"}'], "line 1: it is no UTF-8 text"),
        ([b"[1, 2]"], "line 1: it is [1,2], no object"),
        ([b'{"at": "2026-03-02T09:00:00Z", "type": "laed"}'], "did you mean lead?"),
        ([b'{"type": "lead", "lead": "l1"}'], "line 1: at is missing"),
        ([b'{"at": "2026-03-02T09:00:00", "type": "lead", "lead": "l1"}'], "names no time zone"),
        ([b'{"at": "yesterday", "type": "lead", "lead": "l1"}'], "'yesterday', no instant"),
        ([b'{"at": "9999-12-31T23:59:59Z", "type": "lead", "lead": "l1"}'], "between 1970 and 2200"),
        ([line(0, "lead")], "line 1: lead is missing"),
        ([line(0, "lead", lead={"a": 1})], 'line 1: lead is {"a":1}'),
        ([line(0, "lead", lead="l1", attributes=[1])], "attributes is [1]: write an object"),
        ([line(0, "join", rep="ana", calendar="offce")], "has no calendar 'offce' (did you mean office?)"),
        ([line(0, "join", rep="ana", open_leads_cap=-1)], "open_leads_cap"),
        ([b'{"a":' * 5000], "line 1: it is no JSON"),
    ],
)
def test_a_line_that_means_nothing_is_told_with_its_number_and_the_remedy(lines: list[bytes], said: str) -> None:
    with pytest.raises(BadLine) as refused:
        list(History(load(TEXT, 1)).read(lines))

    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_no_rule_sees_is_told_once_and_changes_nothing() -> None:
    history = History(load(TEXT, 1))
    list(history.read([line(n, "lead", lead=f"l{n}", attributes={"colour": "red", "employees": "many"}, x=1) for n in range(3)]))

    assert len(history.warnings) == 3
    assert all(warning.startswith("line 1: ") for warning in history.warnings.values())


def test_blank_lines_and_a_byte_order_mark_are_nothing() -> None:
    assert short(run(b"\xef\xbb\xbf" + JOIN, b"", b"   ", line(1, "lead", lead="l1"))) == [("assignment", "l1", "ana")]


# ------------------------------------------------------------------ the commands


def test_simulate_answers_json_lines_and_says_on_stderr_what_had_no_effect(leadloop, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "events.jsonl"
    lines = [JOIN, line(0, "join", rep="bob"), line(1, "lead", lead="l1"), line(2, "reject", lead="l1", rep="bob")]
    file.write_bytes(b"\n".join(lines))
    code, answer, complaint = leadloop("route", "simulate", "--agreement", DEFAULT, "--events", file, "--json")

    assert code == 0
    assert [json.loads(told)["rep"] for told in answer.splitlines()] == ["ana"]
    assert complaint == "leadloop: line 4: ana has the lead, so bob cannot reject it\n"


def test_simulate_says_nothing_and_exits_2_if_any_line_is_bad(leadloop, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join([JOIN, line(1, "lead", lead="l1"), b"oops"]))
    code, answer, complaint = leadloop("route", "simulate", "--agreement", DEFAULT, "--events", file, "--json")

    assert (code, answer) == (2, "")
    assert complaint.startswith("leadloop: line 3: it is no JSON")
    assert complaint.count("\n") == 1


def test_a_roster_brings_its_reps_and_the_table_shows_their_shares(leadloop, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(line(n, "lead", lead=f"l{n}") for n in range(5)))
    roster = DEFAULT.with_name("default-roster.yaml")
    code, answer, _ = leadloop("route", "simulate", "--agreement", DEFAULT, "--events", file, "--roster", roster)

    assert code == 0
    assert "5 assignments, 0 waits, 0 withdrawals" in answer
    assert any(row.split()[0] == "anna" and " 2.00 " in row for row in answer.splitlines() if "inbound" in row and "anna" in row[:5])


def test_a_preview_says_the_verdict_the_pool_and_why_not_the_others(leadloop, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    lead = tmp_path / "lead.json"
    lead.write_text(json.dumps({"attributes": {"topic": "demo", "employees": 20}}))
    code, answer, _ = leadloop("route", "--agreement", DEFAULT, "--lead", lead, "--at", at(0), "--json")
    told = json.loads(answer)

    assert code == 0
    assert (told["verdict"], told["pool"], told["rule"], told["rep"]) == ("qualified", "inbound", "everyone", "anna")
    assert [p["rule"] for p in told["passed_over"]] == ["large"]
    assert {c["rep"] for c in told["candidates"]} == {"anna", "ben", "clara"}


def test_a_preview_of_a_lead_that_is_not_qualified_says_so(leadloop, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    lead = tmp_path / "lead.json"
    lead.write_text("{}")
    agreement = tmp_path / "alone.yaml"
    agreement.write_text(DEFAULT.read_text())
    code, answer, _ = leadloop("route", "--agreement", agreement, "--lead", lead, "--json")
    told = json.loads(answer)

    assert code == 0
    assert (told["verdict"], told["routed"], told["outcome"], told["rep"]) == ("nurtured", False, "wait", None)
    assert any("not qualified" in remark for remark in told["remarks"])
    assert any("--roster" in remark for remark in told["remarks"])


@pytest.mark.parametrize("words", [(), ("--agreement", DEFAULT), ("--lead", "x", "simulate")])
def test_route_without_what_it_needs_is_wrong_usage(leadloop, words) -> None:  # type: ignore[no-untyped-def]
    code, answer, complaint = leadloop("route", *words)

    assert (code, answer) == (2, "")
    assert complaint.count("\n") == 1
