"""Templates of messages: what is wrong with one is named with its line, and the worst one that holds is written in no time."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import pytest

from schemas.agreement import check, load
from schemas.agreement.message_terms import BODY_AT_MOST, Template
from schemas.agreement.message_words import sample_written
from schemas.agreement.templating import TemplateFailed, faults

DEFAULT = (Path(__file__).parents[3] / "deploy" / "agreements" / "default.yaml").read_text()


def with_template(body: str, *, subject: str = "late leads", personal: str = "") -> str:
    """The default agreement whose managers are told in these words."""
    text = DEFAULT.replace("title: Sales managers}", "title: Sales managers, template: brief}")
    indented = "\n".join(f"      {line}" for line in body.splitlines())
    return f'{text}\ntemplates:\n  brief:\n    subject: "{subject}"\n    personal: [{personal}]\n    body: |\n{indented}\n'


def wrong(text: str) -> list[tuple[int, str, str]]:
    return [(f.line, f.message, f.remedy) for f in check(text) if f.severity == "error"]


def test_a_template_that_holds_is_taken_and_written() -> None:
    body = (
        "{{ count }} late\n{% for line in lines if line.grade %}\n"
        '{{ loop.index }}. {{ line.person.name | upper }} ({{ line.because | truncate(20) }}), due {{ line.deadline | in_zone("Europe/Berlin") }}\n'
        "{% else %}\nnobody\n{% endfor %}\n{% if more > 0 %}and {{ more }} more{% elif count == 1 %}only one{% endif %}"
    )
    terms = load(with_template(body, subject="{{ counts[0].number }} x {{ counts[0].what }}", personal="name"), 1)
    template = terms.template_of("managers")
    assert template is not None

    subject, text = sample_written(template)
    assert subject == "1 x a clock ran out"
    assert text == "1 late\n1. ADA SAMPLE (the clock...), due 2026-03-02 10:30 CET\nonly one\n"
    assert sample_written(template, 60)[1].endswith("and 10 more\n")
    assert sample_written(template, sparse=True)[1] == "1 late\nnobody\nonly one\n"


@pytest.mark.parametrize(
    ("body", "line", "says", "remedy"),
    [
        ("fine\n{{ lines[0].repp }}", 2, "there is no 'repp' here", "Did you mean rep?"),
        ("{{ cont }}", 1, "there is no variable 'cont'", "Did you mean count?"),
        ("a\nb\n{% if count %}", 3, "this is no template", "Check the"),
        ("{% for line in lines %}{{ line.person.phone }}{% endfor %}", 1, "there is no 'phone' here", "List phone under personal"),
        ("{{ lines[0].person.mail }}", 1, "there is no 'mail' here", "Did you mean email?"),
        ("{{ line.rep }}", 1, "there is no variable 'line'", "Did you mean lines?"),
        ("{{ lines }}", 1, "cannot be shown as it is", "lines[0]"),
        ("{% for a in count %}{% endfor %}", 1, "goes over something that is no list", "{% for line in lines %}"),
        ("{% for a in lines %}{% for b in lines %}{% endfor %}{% endfor %}", 1, "inside of a loop", "one after the other"),
        ("{% set x = 1 %}", 1, "'assign' is not allowed", "Use text"),
        ("{% include 'x' %}", 1, "'include' is not allowed", "Use text"),
        ("{{ 'a' * 1000000000 }}", 1, "'mul' is not allowed", "Use values"),
        ("{{ lines[0].rep.upper() }}", 1, "'call' is not allowed", "Use values"),
        ("{{ count.__class__ }}", 1, "there is no '__class__' here", "Loop over"),
        ("{{ range(10) }}", 1, "'call' is not allowed", "Use values"),
        ("{{ count | uper }}", 1, "the filter uper is not allowed", "Did you mean upper?"),
        ('{{ lines[0].deadline | in_zone("Mars") }}', 1, "needs the name of a time zone", "Europe/Berlin"),
        ("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", 1, "nested too deeply", "plainer"),
        ("{{ " + "not " * 60 + "1 }}", 1, "nested too deeply", "plainer"),
    ],
)  # fmt: skip
def test_what_does_not_hold_is_refused_with_its_line_and_a_remedy(body: str, line: int, says: str, remedy: str) -> None:
    text = with_template(body, personal="email, name")
    begins = text.splitlines().index("    body: |") + 1
    [(at, message, how)] = wrong(text)
    assert at == begins + line
    assert says in message
    assert remedy in how


def test_a_template_that_nobody_wrote_is_not_named() -> None:
    [(_, message, _)] = wrong(DEFAULT.replace("title: Sales managers}", "title: Sales managers, template: brief}"))
    assert "there is no template 'brief'" in message


def test_a_comparison_that_makes_no_sense_is_found_by_writing_it() -> None:
    [(_, message, _)] = wrong(with_template("{% if lines[0].rep > 3 %}x{% endif %}"))
    assert "cannot be written for a sample lead" in message


def test_what_a_person_wrote_stays_in_its_line() -> None:
    template = Template(subject="{{ lines[0].person.name }}\nBcc: x@example.com", body="{{ lines[0].person.name }}", personal=("name",))  # type: ignore[arg-type]
    subject, _ = sample_written(template)
    assert "\n" not in subject


@pytest.mark.parametrize(
    "piece",
    ["{% for l in lines %}{{ l.because }}{% endfor %}", "{{ counts[0].what ~ counts[0].what }}", "{% for l in lines %}{% endfor %}"],
)
def test_the_worst_template_is_written_or_refused_in_no_time(piece: str) -> None:
    body = piece * (BODY_AT_MOST // len(piece))
    assert faults(body, ()) == []
    began = time.perf_counter()
    with suppress(TemplateFailed):  # it is longer than a message may be
        assert len(sample_written(Template(subject="s", body=body), 500)[1]) <= 100_001
    assert time.perf_counter() - began < 3.0


def test_what_is_too_long_is_not_written() -> None:
    body = "{% for l in lines %}{{ l.because }}{% endfor %}" * 100
    with pytest.raises(TemplateFailed, match="longer than 100,000 characters"):
        sample_written(Template(subject="s", body=body), 500)
