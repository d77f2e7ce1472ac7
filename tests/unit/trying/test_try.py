"""A CRM's export, whatever its columns are called: what is counted, what is refused, and what is said about it."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from services.console.first_agreement import DEFAULT, choose
from services.console.main import app
from services.console.terminal import Refused
from services.console.trying.judging import judge, judge_each
from services.console.trying.leads import Lead, Submission
from services.console.trying.page import page
from services.console.trying.words import Standing, standing_of

SALESFORCE = """Lead ID,First Name,Title,Email,Lead Source,Lead Status,Created Date,No. of Employees,Country,Converted
00Q1,Ann,CEO,ann@acme.test,Web Demo,Closed - Converted,3/25/2026 9:00 AM,"1,200",United States,1
00Q2,Bob,Student,bob@beta.test,Webinar,Open - Not Contacted,3/26/2026 10:00 PM,20,DE,0
00Q3,Cy,VP Sales,cy@gam.test,Webinar,Working - Contacted,3/26/2026 11:00 AM,600,DE,0
00Q4,Di,Manager,di@del.test,Trade Show,Closed - Not Converted,3/27/2026 11:00 AM,60,DE,0
00Q4,Di,Manager,di@del.test,Trade Show,Closed - Not Converted,3/27/2026 11:00 AM,60,DE,0
"""
SALESFORCE_ACTIVITIES = """Lead ID;Date;Type;Status
00Q1;3/25/2026 9:04 AM;Call;Completed
00Q1;3/25/2026 9:01 AM;Call;Not Started
00Q3;3/25/2026 9:04 AM;Call;Completed
00Q3;3/26/2026 3:04 PM;Email;Completed
00Q3;3/26/2026 4:04 PM;Pricing page viewed;
00Q9;3/26/2026 3:04 PM;Email;Completed
"""
HUBSPOT = """Record ID,Email,Job Title,Create Date,Original Source,Lead Status,Lifecycle Stage,Number of Employees,Time of First Outreach
1,a@x.test,Director,2026-03-01 08:00,Organic Search,OPEN_DEAL,Opportunity,51-200,2026-03-01 08:30
2,b@x.test,Developer,2026-03-01 09:00,Paid Search,UNQUALIFIED,Lead,1-10,2026-03-02 09:00
3,c@x.test,Intern,2026-03-02 10:00,Paid Search,NEW,Lead,,
"""
PIPEDRIVE = """Lead - Title,Lead - Source,Person - Email,Lead - Lead created time,Lead - Label,Deal - Won time
A,Contact form,a@x.test,2026-03-01 08:00:00,Accepted,2026-03-20 10:00:00
B,Import,b@x.test,2026-03-02 08:00:00,,
"""
SUITECRM = """ID,Name,Email Address,Status,Lead Source,Date Created,Account Name
u-1,A,a@x.test,Assigned,Web Site,25.03.2026 09:00,Acme
u-2,B,b@x.test,Dead,Web Site,26.03.2026 09:00,Acme
"""


def tried(tmp_path: Path, leads: str | bytes, activities: str | None = None, *words: str) -> dict[str, Any]:
    """The answer of the command, as JSON."""
    result = CliRunner().invoke(app, ["try", *_files(tmp_path, leads, activities), "--json", *words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return json.loads(result.stdout)


def _files(folder: Path, leads: str | bytes, activities: str | None) -> list[str]:
    file = folder / "leads.csv"
    file.write_bytes(leads.encode() if isinstance(leads, str) else leads)
    if activities is None:
        return [str(file)]
    more = folder / "activities.csv"
    more.write_text(activities, encoding="utf-8")
    return [str(file), "--activities", str(more)]


def read_as(answer: dict[str, Any]) -> dict[str, str]:
    return {c["column"]: "+".join(c["meanings"]) for c in answer["columns"]}


def test_salesforce_with_activities(tmp_path: Path) -> None:
    answer = tried(tmp_path, SALESFORCE, SALESFORCE_ACTIVITIES)
    assert read_as(answer)["Lead Source"] == "source.channel+attributes.topic"
    assert (answer["rows"], answer["leads"], answer["repeated_rows"]) == (5, 4, 1)
    assert answer["unworked"]["leads"] == 1
    speed = answer["speed_to_lead"]
    assert speed["median_seconds"] == 240
    assert speed["p90_seconds"] == (4 * 60 + 4) * 60
    assert [one["leads"] for one in speed["within"]] == [1, 1, 2]
    assert (answer["acceptance"]["leads"], answer["acceptance"]["of"]) == (1, 2)
    assert answer["activities"]["before_lead"] == 1
    assert answer["activities"]["of_no_lead"] == 1
    assert answer["activities"]["engagements"] == 1
    rules = {rule["rule"]: rule["leads"] for rule in answer["agreement"]["rules"]}
    assert rules == {"hand-raiser": 1, "student": 1, "score": 1, "rest": 1}
    assert {p["pool"]: p["leads"] for p in answer["agreement"]["pools"]} == {"inbound": 1, "large-accounts": 1}


def test_hubspot(tmp_path: Path) -> None:
    answer = tried(tmp_path, HUBSPOT)
    assert read_as(answer)["Time of First Outreach"] == "first_response_at"
    assert answer["unworked"]["leads"] == 1
    assert answer["speed_to_lead"]["median_seconds"] == 1800
    assert answer["conversion"]["leads"] == 1


def test_pipedrive_and_suitecrm(tmp_path: Path) -> None:
    answer = tried(tmp_path, PIPEDRIVE)
    assert read_as(answer)["Person - Email"] == "email"
    assert read_as(answer)["Lead - Lead created time"] == "submitted_at"
    assert answer["conversion"]["won"] == 1
    assert answer["unworked"]["leads"] == 1
    suite = tried(tmp_path, SUITECRM)
    assert read_as(suite)["Date Created"] == "submitted_at"
    assert suite["unworked"]["leads"] == 1
    assert suite["speed_to_lead"] is None


def test_what_is_guessed_can_be_changed(tmp_path: Path) -> None:
    leads = "Key,Origin,Came,State\n1,Fair,2026-03-01,Parked\n2,Fair,2026-03-02,Parked\n"
    answer = tried(
        tmp_path, leads, None, "--map", "Key=lead_id", "--map", "Origin=source.channel", "--map", "Came=submitted_at",
        "--map", "State=status", "--status", "Parked=rejected",
    )  # fmt: skip
    assert answer["acceptance"]["rejected"] == 2
    assert [row["source"] for row in answer["conversion"]["by_source"]] == ["Fair"]


def test_nobody_can_be_told_from_the_report(tmp_path: Path) -> None:
    leads = SALESFORCE.replace("Trade Show", "told by jo@private.test")
    answer = tried(tmp_path, leads, SALESFORCE_ACTIVITIES)
    for text in (json.dumps(answer), page(answer)):
        for personal in ("ann@acme.test", "jo@private.test", "00Q1", "Bob"):
            assert personal not in text
    assert "http" not in page(answer).replace("http-equiv", "")


def test_columns_of_free_text_are_not_told_word_by_word(tmp_path: Path) -> None:
    names = [f"Person{chr(97 + n)}" for n in range(20)]
    leads = "Id,Status,Lead Source\n" + "".join(f"{n},ask {name},via {name}\n" for n, name in enumerate(names))
    activities = "Lead ID,Date,Type\n" + "".join(f"{n},2026-03-01,told {name}\n" for n, name in enumerate(names))
    answer = tried(tmp_path, leads, activities)
    assert "Person" not in json.dumps(answer)
    assert answer["statuses"] == [{"called": "(others)", "read_as": "unknown", "rows": 20}]


def test_text_from_the_file_is_escaped_in_the_page(tmp_path: Path) -> None:
    answer = tried(tmp_path, SALESFORCE.replace("Trade Show", "<script>alert(1)</script>"), SALESFORCE_ACTIVITIES)
    assert "<script" not in page(answer)
    assert "&lt;script&gt;" in page(answer)


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"", "empty"),
        (b"Email,Status\n", "no rows"),
        (b"a@x.test,New\nb@x.test,Old\n", "line 1"),
        (b"Id\n1\n2\n", "holds one column only"),
        (b"Id,Status\n1,New\n2,B\xfcro\n", "line 3 is no utf-8"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_place_and_remedy(tmp_path: Path, raw: bytes, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        tried(tmp_path, raw)


def test_a_column_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no column 'Nope'"):
        tried(tmp_path, HUBSPOT, None, "--map", "Nope=email")
    with pytest.raises(Refused, match="meanings are"):
        tried(tmp_path, HUBSPOT, None, "--map", "Email=nonsense")
    with pytest.raises(Refused, match="whose activity it is"):
        tried(tmp_path, HUBSPOT, "When,What\n2026-03-01,Call\n")


def test_mixed_dates_are_read_with_the_day_first_and_said(tmp_path: Path) -> None:
    answer = tried(tmp_path, "Id,Created Date,Status\n1,25/03/2026,New\n2,03/26/2026,New\n3,04/03/2026,New\n4,soon,New\n")
    assert any("mixes date formats" in remark and "line 2" in remark for remark in answer["remarks"])
    assert answer["as_of"] == "2026-03-26T00:00:00+00:00"
    assert answer["problems"]["in_all"] == 1
    assert "line 5" in answer["problems"]["listed"][0]
    either = tried(tmp_path, "Id,Created Date,Status\n1,04/03/2026,New\n")
    assert either["as_of"] == "2026-03-04T00:00:00+00:00"
    assert any("day first" in remark for remark in either["remarks"])


def test_a_broken_row_does_not_stop_the_others(tmp_path: Path) -> None:
    answer = tried(tmp_path, "Id,Status\n1,New\n2,New,too,many\n3,Qualified\n")
    assert answer["leads"] == 2
    assert "line 3" in answer["problems"]["listed"][0]


@pytest.mark.parametrize(
    ("status", "standing"),
    [
        ("Open - Not Contacted", Standing.UNTOUCHED), ("NEW", Standing.UNTOUCHED), ("Marketing Qualified Lead", Standing.UNTOUCHED),
        ("Working - Contacted", Standing.WORKING), ("ATTEMPTED_TO_CONTACT", Standing.WORKING), ("IN_PROGRESS", Standing.WORKING),
        ("Closed - Not Converted", Standing.REJECTED), ("Unqualified", Standing.REJECTED), ("BAD_TIMING", Standing.REJECTED),
        ("Qualified", Standing.ACCEPTED), ("Closed - Converted", Standing.CONVERTED), ("OPEN_DEAL", Standing.CONVERTED),
        ("Sales Qualified Lead", Standing.CONVERTED), ("Closed Won", Standing.WON), ("Customer", Standing.WON),
        ("Closed Lost", Standing.LOST), ("Blue", Standing.UNKNOWN),
    ],
)  # fmt: skip
def test_statuses(status: str, standing: Standing) -> None:
    assert standing_of(status) is standing


ROWS = st.lists(
    st.tuples(
        st.integers(0, 9), st.sampled_from(["Webinar", "Web Demo", "", "Fair"]),
        st.sampled_from(["New", "Working", "Unqualified", "Converted", ""]), st.integers(0, 400),
    ), min_size=1, max_size=25,
)  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(ROWS, st.lists(st.tuples(st.integers(0, 12), st.integers(0, 500), st.sampled_from(["Call", "Trial", "Note"])), max_size=15))
def test_counts_add_up(rows: list[tuple[int, str, str, int]], done: list[tuple[int, int, str]]) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    leads = "Lead ID,Lead Source,Status,Created Date\n" + "".join(
        f"{lead},{source},{status},{(at + timedelta(hours=hours)).isoformat()}\n" for lead, source, status, hours in rows
    )
    activities = "Lead ID,Date,Type\n" + "".join(
        f"{lead},{(at + timedelta(hours=hours)).isoformat()},{kind}\n" for lead, hours, kind in [*done, (99, 0, "Call")]
    )
    with tempfile.TemporaryDirectory() as folder:
        answer = tried(Path(folder), leads, activities)
    number = len({lead for lead, *_ in rows})
    assert answer["leads"] == number == answer["rows"] - answer["repeated_rows"]
    told = answer["agreement"]
    assert sum(v["leads"] for v in told["verdicts"]) + told["not_judged"] == number
    assert sum(rule["leads"] for rule in told["rules"]) == number
    qualified = next(v["leads"] for v in told["verdicts"] if v["verdict"] == "qualified")
    assert sum(pool["leads"] for pool in told["pools"]) == qualified
    assert sum(v["unworked"] for v in told["verdicts"]) == answer["unworked"]["leads"]
    sources = answer["conversion"]["by_source"]
    assert sum(s["of"] for s in sources) == number
    assert sum(s["converted"] for s in sources) == answer["conversion"]["leads"]
    accepted = answer["acceptance"]
    assert accepted["leads"] + accepted["rejected"] + accepted["undecided"] == number
    within = [one["leads"] for one in answer["speed_to_lead"]["within"]]
    assert within == sorted(within)
    assert within[-1] <= answer["speed_to_lead"]["answered"]["leads"]
    counted = answer["activities"]
    assert sum(counted[k] for k in ("touches", "engagements", "neither", "of_no_lead", "without_time")) == counted["rows"]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["demo", "pricing", "other"]), st.sampled_from([1, 60, 2000]), st.integers(0, 90)), max_size=12))
def test_judging_like_leads_once_changes_nothing(told: list[tuple[str, int, int]]) -> None:
    agreement, at = choose(DEFAULT).agreement, datetime(2026, 1, 1, tzinfo=UTC)
    leads = [
        Lead([Submission(n, at + timedelta(days=days), "", "", None, {"topic": topic, "employees": size, "industry": f"{n}"})])
        for n, (topic, size, days) in enumerate(told)
    ]
    end = at + timedelta(days=120)
    assert judge(leads, agreement, end, lambda _: None) == judge_each(leads, agreement, end)
