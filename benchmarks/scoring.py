"""One score of 60 rules over 40 engagements, with its verdict and contributions, beside Python ifs written by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import process_time_ns
from typing import Any

from benchmarks.by_hand import DAY, by_hand
from benchmarks.figures import Figure
from schemas.agreement import Agreement, Facts, Seen, load

TARGET_US = 150
TARGET_RATIO = 4
_TIMES, _ROUNDS = 200, 9
_NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
_NOW_MS = round(_NOW.timestamp() * 1000)
_KINDS = (
    "page_viewed",
    "pricing_viewed",
    "mail_opened",
    "mail_clicked",
    "content_downloaded",
    "webinar_attended",
    "trial_started",
    "docs_viewed",
    "video_watched",
    "event_visited",
)
ATTRIBUTES: dict[str, Any] = {
    "employees": 320,
    "revenue": "25000000",
    "budget": "22000.50",
    "industry": "logistics",
    "seniority": "vp",
    "department": "sales",
    "tool": "spreadsheets and mail",
    "growth": 12,
    "founded": 2004,
    "partner": True,
    "sites": 3,
}
"""As scoring knows them: decimals as text."""


def agreement() -> Agreement:
    """The 60 rules."""
    return load((Path(__file__).parent / "scoring_rules.yaml").read_text(encoding="utf-8"), 1)


def lead() -> Facts:
    """A lead that was seen 40 times, each kind at four different times."""
    seen = {
        kind: tuple(Seen(_NOW_MS - (1 + i) * (3 + 4 * number) * DAY // 2, 100 - i, 1) for i in range(4))
        for number, kind in enumerate(_KINDS)
    }
    return Facts(now=_NOW, attributes=ATTRIBUTES, country="DE", engagements=seen)


async def measure() -> list[Figure]:
    """CPU time of one score by our rules and by hand, and their ratio. Raises ValueError if they differ."""
    rules, facts = agreement(), lead()
    plain = {**ATTRIBUTES, "revenue": float(ATTRIBUTES["revenue"]), "budget": float(ATTRIBUTES["budget"])}

    def ours() -> tuple[Any, ...]:
        standing = rules.standing(facts)
        return standing.rule.verdict, rules.score_of(standing)

    def theirs() -> tuple[Any, ...]:
        return by_hand(plain, facts.engagements, _NOW_MS)

    (verdict, score), (number, word, _) = ours(), theirs()
    if verdict != word or abs(float(score.score) - number) > 1e-4:
        raise ValueError(f"the rules give {score.score} ({verdict}), and by hand it is {number} ({word})")
    pairs = [(_microseconds(ours), _microseconds(theirs)) for _ in range(_ROUNDS)]
    us, by_hand_us = (min(pair[i] for pair in pairs) for i in (0, 1))
    return [
        Figure("a score with its contributions", us, "µs", f"at most {TARGET_US}"),
        Figure("the same by ifs written by hand", by_hand_us, "µs", ""),
        Figure("ratio", us / by_hand_us, "times", f"at most {TARGET_RATIO}"),
    ]


def _microseconds(work: Callable[[], object]) -> float:
    begin = process_time_ns()
    for _ in range(_TIMES):
        work()
    return (process_time_ns() - begin) / _TIMES / 1000
