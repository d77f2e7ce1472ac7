"""The words of a message, and the addresses that it goes to."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.events.alerting import AlertReleased
from schemas.ids import AlertId, AssignmentId, LeadId, RecipientId
from services.alerting.delivery import Channel, _with_id
from services.alerting.faults import ChannelUnusable, expand
from services.alerting.message import Writer
from services.alerting.processors import RECIPIENT
from services.runtime.settings import Settings
from tests.unit.alerting.test_when import alert
from tests.unit.alerting.world import Log, agreement


def _settings(desk_url: str = "") -> Settings:
    return Settings(bootstrap_servers="", secret=b"s" * 32, token="t", data_dir=Path(), desk_url=desk_url)


def _released(number: int = 1) -> AlertReleased:
    [released] = Log(RECIPIENT).append(alert(1))
    return released.model_copy(
        update={"lines": released.lines * number, "alert_id": AlertId("alert.1" if number == 1 else "digest.1")}
    )


def test_a_message_says_what_happened_why_and_where_to_look() -> None:
    message = Writer(_settings("http://desk.example:1234/")).write(_released(), agreement())

    assert message.subject == "leadloop: a clock is running out, lead 4f5e2ad2"
    assert message.body == (
        "A clock is running out: lead 4f5e2ad2-6b0f-5c0e-9d53-0a6f0f3c2b11\n"
        "  Why: half of the clock has passed\n"
        "  Rep: mira\n"
        "  Clock: first-response\n"
        "  Deadline: 2026-03-02 09:00:00 UTC\n"
        "  Happened: 2026-03-02 09:00:00 UTC\n"
        "  Open it: http://desk.example:1234/manager?lead=4f5e2ad2-6b0f-5c0e-9d53-0a6f0f3c2b11\n"
        "\n"
        "This message is alert.1; if it comes twice, it is the same one.\n"
    )


def test_a_digest_counts_and_shows_the_first_fifty() -> None:
    message = Writer(_settings()).write(_released(60), agreement())

    assert message.subject == "leadloop: 60 alerts (60 × a clock is running out)"
    assert message.body.count("lead 4f5e2ad2-6b0f") == 50
    assert "and 10 more" in message.body
    assert "Open it" not in message.body


def test_the_message_id_is_the_same_at_every_attempt() -> None:
    writer = Writer(_settings())

    assert writer.write(_released(), agreement()).message_id == writer.write(_released(), agreement()).message_id == "<alert.1@leadloop>"


def test_a_mail_has_exactly_one_message_id_and_it_is_ours() -> None:
    mail = "Subject: s\nMessage-ID: <made@up\n folded>\nTo: x\n\nMessage-ID: in the text stays\n"

    assert (
        _with_id(mail, "<a@leadloop>")
        == "Subject: s\nTo: x\nMessage-ID: <a@leadloop>\n\nMessage-ID: in the text stays\n"
    )


def test_variables_come_from_the_environment() -> None:
    assert expand("json://${HOST}:${PORT}/x", {"HOST": "localhost", "PORT": "1"}) == "json://localhost:1/x"


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(ChannelUnusable, match="the environment variable NOWHERE is not set"):
        expand("${NOWHERE}", {})


def test_an_address_that_nobody_understands_is_refused_without_being_quoted() -> None:
    with pytest.raises(ChannelUnusable) as refused:
        Channel.at("nonsense://secret-token")

    assert "secret-token" not in str(refused.value)


_BRIEF = {
    "title: Sales managers}": "title: Sales managers, template: brief}",
    "alerts:\n": "templates:\n  brief:\n    subject: '{{ count }} late'\n    personal: [name]\n"
    "    body: '{% for line in lines %}{{ line.person.name }}: {{ line.open }}{% endfor %}'\n\nalerts:\n",
}


def test_the_agreements_words_are_used_with_what_it_allows_of_the_person() -> None:
    people = {LeadId("4f5e2ad2-6b0f-5c0e-9d53-0a6f0f3c2b11"): {"name": "Ada\nLovelace", "email": "ada@example.com"}}
    message = Writer(_settings("http://desk.example")).write(_released(), agreement(**_BRIEF), people)

    assert message.subject == "1 late"
    assert message.body == (
        "Ada Lovelace: http://desk.example/manager?lead=4f5e2ad2-6b0f-5c0e-9d53-0a6f0f3c2b11\n\n"
        "This message is alert.1; if it comes twice, it is the same one.\n"
    )


def test_a_person_who_is_not_known_any_more_is_left_out() -> None:
    assert Writer(_settings()).write(_released(), agreement(**_BRIEF)).body.startswith(":\n")


def test_an_alert_is_not_lost_for_its_wording() -> None:
    terms = agreement(**_BRIEF)
    template = terms.templates["brief"].model_copy(update={"body": "{{ nobody.knows }}"})
    broken = replace(terms, terms=terms.terms.model_copy(update={"templates": {"brief": template}}))

    assert Writer(_settings()).write(_released(), broken).subject == "leadloop: a clock is running out, lead 4f5e2ad2"


def test_a_rep_gets_the_links_that_answer_while_accepting_is_what_the_clock_waits_for() -> None:
    released = _released()
    line = released.lines[0].model_copy(update={"assignment_id": AssignmentId("request.1")})
    to_rep = released.model_copy(update={"recipient": RecipientId("rep.mira"), "lines": (line,)})
    body = Writer(_settings("http://desk.example")).write(to_rep, agreement()).body

    assert "Work it: http://desk.example/rep/mira" in body
    assert re.search(r"Accept: http://desk.example/answer/\S+/accept", body)
    assert "Accept" not in Writer(_settings("http://desk.example")).write(released, agreement()).body
