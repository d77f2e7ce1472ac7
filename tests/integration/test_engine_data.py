"""Faults of the data on a real Kafka: kept whole, the rest goes on; too many stop the processor; what comes twice is
dropped."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiokafka.structs import ConsumerRecord

from schemas.events.intake import EngagementObserved
from schemas.events.runtime import DeadLettered
from schemas.topics import DEAD_LETTERS, LEADS, TEAMS
from schemas.wire import decode, encode
from services.runtime.dead_letters import Letter, open_sealed, replay
from services.runtime.topics import partition_of
from tests.engine.audit import header, in_effect, state_faults, states_in, tally_faults, type_of
from tests.engine.fixtures import installation
from tests.engine.installation import Installation, Worker, headers_of, lead
from tests.engine.tally import POISON

__all__ = ["installation"]
pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]

SCORING = (LEADS, "scoring")


def opened(installation: Installation, record: ConsumerRecord) -> Letter:
    event = decode(header(record, "ce_type"), record.value)
    assert isinstance(event, DeadLettered)
    return open_sealed(event.sealed, installation.settings.dead_letter_key)


async def test_a_record_that_cannot_be_processed_is_kept_whole_and_the_rest_goes_on(
    installation: Installation, tmp_path: Path
) -> None:
    async with Worker(installation, "scoring", log_file=tmp_path / "worker.log").supervised() as worker:
        await installation.engage_all(range(60), leads=5)
        await installation.engage_all(range(60, 63), leads=5, kind=POISON)
        of = lead(0)
        event = EngagementObserved(lead_id=of, kind="page_viewed", occurred_at=datetime.now(UTC))
        place = partition_of(of, installation.settings.partitions)
        good = headers_of(event, "in.garbage", of)
        garbage = [
            (of.encode(), b"\xff\x00 no JSON", good),
            (of.encode(), None, good),
            (None, encode(event), good),
            (b"with\0nul", encode(event), good),
            (b"\xff\xfe", encode(event), good),
            (of.encode(), encode(event), [(n, v) for n, v in good if n != "ce_id"]),
            (of.encode(), encode(event), [("ce_time", b"\xff") if n == "ce_time" else (n, v) for n, v in good]),
            (of.encode(), encode(event), [*good, ("ce_replayof", b"x"), ("ce_replayeffect", b"nonsense")]),
        ]
        unread = [
            (b"k", b"what is this", []),
            (None, b"", [("ce_type", b"\xff")]),
            (of.encode(), b"{}", [("ce_type", b"leadloop.Unknown.v9")]),
        ]
        for key, value, headers in [*garbage, *unread]:
            await installation.write(LEADS, place, key, value, headers)
        await installation.engage_all(range(63, 90), leads=5)
        await installation.worked(SCORING)
        letters = await installation.log(DEAD_LETTERS)
        inside = [opened(installation, record) for record in letters]
        assert len({(letter.partition, letter.offset) for letter in inside}) == len(letters) == 3 + len(garbage)
        log = {(r.partition, r.offset): r for r in await installation.log(LEADS)}
        for letter in inside:
            record = log[letter.partition, letter.offset]
            assert (letter.key, letter.value, letter.headers, letter.topic) == (
                record.key,
                record.value,
                list(record.headers),
                "leads",
            )
            assert letter.stack
        assert worker.process.poll() is None
        answers = [json.loads(r.value) for records in in_effect(log.values(), "LeadScored").values() for r in records]
        assert sum(a["contributions"][0]["rule"] == "engagement" for a in answers) == 87


async def test_a_replayed_dead_letter_counts_at_its_new_place(installation: Installation, tmp_path: Path) -> None:
    async with Worker(installation, "scoring", "routing.lead", log_file=tmp_path / "worker.log").supervised():
        await installation.engage_all(range(1), leads=1, kind=POISON)
        await installation.worked(SCORING)
        (record,) = await installation.log(DEAD_LETTERS)
        letter = opened(installation, record)
        key, value, headers = replay(letter, header(record, "ce_id"), "scoring")
        mended = json.dumps(json.loads(value or b"") | {"kind": "page_viewed"}).encode()
        await installation.write(LEADS, letter.partition, key, mended, headers)
        await installation.worked(SCORING)
        (answer,) = in_effect(await installation.log(LEADS), "LeadScored")[lead(0).encode()]
        assert json.loads(answer.value)["score"] == "1"
        assert ("ce_replayof", str(header(record, "ce_id")).encode()) in headers
        assert "ce_cause" not in dict(headers)


async def test_a_dead_letter_of_another_installation_is_refused(installation: Installation, tmp_path: Path) -> None:
    async with Worker(installation, "scoring", log_file=tmp_path / "worker.log").supervised():
        await installation.engage_all(range(1), leads=1, kind=POISON)
        await installation.worked(SCORING)
    (record,) = await installation.log(DEAD_LETTERS)
    event = decode(header(record, "ce_type"), record.value)
    assert isinstance(event, DeadLettered)
    with pytest.raises(ValueError, match="another installation's secret"):
        open_sealed(event.sealed, b"another key" + b"." * 21)


async def test_a_processor_that_buries_too_large_a_share_stops_and_says_so(
    installation: Installation, tmp_path: Path
) -> None:
    worker = Worker(installation, "scoring", log_file=tmp_path / "worker.log")
    async with worker.supervised():
        await installation.engage_all(range(100), leads=5)
        await installation.worked(SCORING)
        await installation.engage_all(range(100, 180), leads=5, kind=POISON)
        assert await worker.ended() == 78
        assert "are tolerated" in worker.said()
        committed, ends = await installation.positions(*SCORING)
        assert committed != ends, "the records that could not be processed must not be acknowledged"


async def test_what_comes_twice_is_dropped(installation: Installation, tmp_path: Path) -> None:
    async with Worker(
        installation, "scoring", "routing.lead", "routing.team", log_file=tmp_path / "worker.log"
    ).supervised():
        await installation.engage_all(range(50), leads=4)
        await installation.engage_all(range(50), leads=4)
        await installation.worked(SCORING, (LEADS, "routing.lead"), (TEAMS, "routing.team"))
        said_again = [r for r in await installation.log(LEADS) if type_of(r) == "LeadScored"]
        for r in said_again:  # as another owner would, by the same bytes
            await installation.write(LEADS, r.partition, r.key, r.value, list(r.headers))
        await installation.worked(SCORING, (LEADS, "routing.lead"), (TEAMS, "routing.team"))
        leads = await installation.log(LEADS)
        assert tally_faults(leads) == []
        assert state_faults(leads, states_in(await installation.changelog("scoring"))) == []
        passed_on = Counter(json.loads(r.value)["lead_id"] for r in await installation.log(TEAMS))
        assert passed_on == {key.decode(): len(records) for key, records in in_effect(leads, "LeadScored").items()}
