"""Dead letters: sealed so that the same letter gives the same bytes, and counted so that too many stop a processor."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from schemas.lifecycle import Effect
from schemas.wire import Record
from services.runtime.dead_letters import NotThisInstallation, Share, letter_of, open_sealed, replay, seal

KEY = b"k" * 32
RECORD = Record(
    "leads", 3, 77, datetime(2026, 5, 4, tzinfo=UTC), b"lead", b"\xff\x00", (("ce_type", b"x"), ("ce_cause", b"s|1|0"))
)


def failure() -> ValueError:
    try:
        raise ValueError("jane@example.com cannot be decided")
    except ValueError as error:
        return error


def test_a_letter_holds_the_record_and_the_error_and_is_the_same_at_a_replay() -> None:
    letter = letter_of(RECORD, failure(), Effect.EFFECT)
    sealed = seal(letter, KEY)
    assert b"jane" not in sealed
    assert seal(letter, KEY) == sealed
    opened = open_sealed(sealed, KEY)
    assert opened.record() == RECORD
    assert "jane@example.com" in opened.error
    assert "test_dead_letters.py" in opened.stack


def test_a_letter_opens_with_its_own_installation_s_secret_alone() -> None:
    sealed = seal(letter_of(RECORD, failure(), None), KEY)
    with pytest.raises(NotThisInstallation):
        open_sealed(sealed, b"x" * 32)
    with pytest.raises(NotThisInstallation):
        open_sealed(sealed[:-4] + b"AAAA", KEY)


def test_a_replayed_letter_is_for_one_processor_and_has_no_cause_position() -> None:
    _, value, headers = replay(letter_of(RECORD, failure(), Effect.VOID), "scoring.a.3.77.dead", "scoring")
    assert value == RECORD.value
    assert headers == [
        ("ce_type", b"x"),
        ("ce_for", b"scoring"),
        ("ce_replayof", b"scoring.a.3.77.dead"),
        ("ce_replayeffect", b"void"),
    ]


def test_a_few_dead_letters_never_stop_a_processor() -> None:
    share = Share(0.2)
    for _ in range(49):
        share.count(dead=True)
    assert not share.exceeded
    share.count(dead=True)
    assert share.exceeded


def test_the_share_is_of_the_last_thousand() -> None:
    share = Share(0.2)
    for _ in range(1000):
        share.count(dead=False)
    for _ in range(200):
        share.count(dead=True)
    assert not share.exceeded
    share.count(dead=True)
    assert share.exceeded
    for _ in range(1000):
        share.count(dead=False)
    assert (share.dead, share.exceeded) == (0, False)
