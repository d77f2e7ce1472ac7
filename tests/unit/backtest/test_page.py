"""The report of a backtest as a page: it needs nothing from outside, escapes what comes from outside, and shows each lead."""

from __future__ import annotations

import re
from typing import Any

from schemas.topics import LEADS
from services.console.backtest.page import page
from services.console.backtest.report import document
from services.console.backtest.tally import Tally
from services.console.backtest.whatif import Rehearsal
from services.runtime.replay import AgreementsInMemory
from services.scoring.processor import SCORING
from tests.unit.backtest.test_whatif import recorded, score_from, submits, who


def answer() -> dict[str, Any]:
    made = recorded()
    submits(made, 1, attributes={"employees": 80}, source={"campaign": "rock & roll"})
    proposed = score_from(25)
    rehearsal = Rehearsal(SCORING, AgreementsInMemory.only(proposed), since=None, tally=Tally())
    for record in made.records(LEADS):
        rehearsal.take(record)
    return document(rehearsal.end(made.now), proposed, since=None, until=made.now, replaced="<tests>", seconds=0.1)


def test_the_page_shows_the_lead_that_changes_and_escapes_every_text() -> None:
    shown = page(answer())

    assert who(1) in shown
    assert "rock &amp; roll" in shown
    assert "&lt;tests&gt;" in shown
    assert "<tests>" not in shown
    assert 'data-is="more"' in shown


def test_the_page_asks_no_other_place_for_anything() -> None:
    shown = page(answer())

    assert not re.findall(r"(?:src|href)=[\"'](?!#)", shown)
    assert "://" not in shown
    assert not re.search(r"@import|url\(", shown)


def test_the_page_says_what_a_backtest_cannot_know() -> None:
    assert "Verdicts are compared on the recorded inputs" in page(answer())
