"""Everything said once more: a recording is reproduced to the byte over changes of agreement, and whatever differs is named."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from msgspec.structs import replace

from schemas.topics import ALERTS, LEADS, TEAMS
from schemas.wire import Record
from services.console.backtest.again import Again, Compared, SaidAgain, compare
from services.recycling.processor import RECYCLING
from services.routing.processors import LEAD, TEAM
from services.runtime.replay import Replay
from services.scoring.processor import SCORING
from services.sla.processor import SLA
from tests.unit.backtest.test_whatif import busy

ALL = (SCORING, LEAD, TEAM, SLA, RECYCLING)
Change = Callable[[list[Record]], Iterable[Record]]


def as_a_namespace_says_it(records: Iterable[Record]) -> list[Record]:
    """The log of a replay, signed as the services of the installation `house` sign."""
    def signed(name: str, value: bytes) -> bytes:
        return value.replace(b"/leadloop/", b"/leadloop/house/") if name == "ce_source" else value

    return [replace(r, headers=tuple((n, signed(n, v)) for n, v in r.headers)) for r in records]


def again(made: Replay, folder: Path, *, change: Change = lambda records: records, at_hand: int = 20) -> tuple[Again, Compared]:
    together = Again()
    files = []
    logs = {topic.name: as_a_namespace_says_it(made.records(topic)) for topic in (LEADS, TEAMS, ALERTS)}
    logs["leads"] = list(change(logs["leads"]))
    for topic, log in logs.items():
        files.append(folder / f"{topic}.sqlite")
        with SaidAgain(
            ALL, made.agreements, topic=topic, namespace="house", incarnation="replay",
            ends={name: (len(records),) for name, records in logs.items()}, file=files[-1], at_hand=at_hand,
        ) as said_again:  # fmt: skip
            for record in log:
                said_again.take(record)
        together.take(said_again.counted)
    return together, compare(files, folder / "together.db")


def ours(record: Record) -> bool:
    return (record.header("ce_id") or b"").startswith(b"scoring.")


def test_a_recording_over_two_changes_of_agreement_is_reproduced_to_the_byte(tmp_path: Path) -> None:
    counted, compared = again(busy(3), tmp_path)

    assert compared.identical, compared
    assert compared.same == counted.said.total() == counted.recorded.total()
    assert {"scoring", "routing.lead", "routing.team", "sla"} <= counted.said.keys()
    assert compared.same > 500


def test_a_changed_byte_a_lost_event_and_an_invented_one_are_named(tmp_path: Path) -> None:
    made = busy(3)
    victims: dict[str, str] = {}

    def tamper(log: list[Record]) -> Iterable[Record]:
        mine = [r for r in log if ours(r)]
        changed, lost, copied = mine[4], mine[-1], mine[7]
        victims.update(
            changed=(changed.header("ce_id") or b"").decode(), lost=(lost.header("ce_id") or b"").decode()
        )
        for record in log:
            if record is changed:
                yield replace(record, value=(record.value or b"").replace(b"tests", b"other"))
            elif record is not lost:
                yield record
        invented = tuple((n, b"scoring.replay.0.3.9" if n == "ce_id" else v) for n, v in copied.headers)
        yield replace(copied, offset=len(log) + 1, headers=invented)

    _, compared = again(made, tmp_path, change=tamper)

    assert compared.other == (1, (victims["changed"],))
    assert compared.lost == (1, (victims["lost"],))
    assert compared.extra == (1, ("scoring.replay.0.3.9",))


def test_an_event_that_another_owner_said_once_more_is_no_difference(tmp_path: Path) -> None:
    made = busy(3)

    def repeat(log: list[Record]) -> Iterable[Record]:
        yield from log
        yield replace(next(r for r in log if ours(r)), offset=len(log) + 1)

    _, compared = again(made, tmp_path, change=repeat)

    assert compared.identical, compared
