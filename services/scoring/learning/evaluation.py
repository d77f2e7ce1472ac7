"""The learner over a recorded history, in order: nothing is used before its time, and leaks are found before anything is learned from them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from services.scoring.learning.cells import Value
from services.scoring.learning.history import History, HistoryRefused
from services.scoring.learning.leaks import Evidence, Leak, find_leaks
from services.scoring.learning.learner import HORIZONS, Features, Floats, Learner
from services.scoring.learning.metrics import Metrics, measure
from services.scoring.learning.track_record import Judged, TrackRecord, Verdict, judge

_ROUNDS = 4
_WARM_UP = 0.1

Progress = Callable[[int, int], None]
"""Told how many rows of how many are done."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Which rows are learned from, which are tested, and how late outcomes come (in rows)."""

    train_share: float
    test_share: float
    delay: int = 0

    def __post_init__(self) -> None:
        for name, share in (("train", self.train_share), ("test", self.test_share)):
            if not 0.0 < share < 1.0:
                raise HistoryRefused(f"the {name} share is {share:g}; give a number between 0 and 1")
        if self.train_share + self.test_share > 1.0 + 1e-9:
            raise HistoryRefused(
                f"the shares {self.train_share:g} and {self.test_share:g} sum to more than 1; test rows would be trained on"
            )
        if self.delay < 0:
            raise HistoryRefused(f"the delay is {self.delay}; an outcome cannot be known before its lead")

    def split(self, rows: int) -> tuple[int, int]:
        """Where training ends, and where the test begins."""
        end, begin = round(self.train_share * rows), rows - round(self.test_share * rows)
        if end < 1 or begin >= rows:
            raise HistoryRefused(f"{rows:,} rows are too few for these shares; give more rows or larger shares")
        return end, max(begin, end)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came out. `metrics` are of the test rows, each scored before its outcome was known."""

    rows: int
    tested: int
    metrics: Metrics
    verdict: Verdict
    leaks: tuple[Leak, ...]
    left_out: tuple[str, ...]
    series: tuple[Metrics, ...]
    strongest: tuple[tuple[str, float], ...]
    """Attributes by the mean size of what they contributed to the test rows' log-odds."""
    won: Floats
    chance: Floats


def evaluate(
    history: History, plan: Plan, *, keep_leaks: bool = False, progress: Progress = lambda done, of: None
) -> Evaluation:
    """Learn from the first rows, test on the last ones while still learning. Raises HistoryRefused.

    Leaks are looked for in the training rows. A model must not use them, so they are left out of what is learned and measured
    unless `keep_leaks`.
    """
    end, begin = plan.split(len(history.won))
    leaks: list[Leak] = []
    used = history
    whole = run = _Run(used, plan, end, begin, progress)
    run.train()
    for _ in range(_ROUNDS):
        found = find_leaks(run.evidence())
        leaks += found
        if not found or len(found) == len(used.attributes):
            break
        used = used.without([leak.attribute for leak in found])
        run = _Run(used, plan, end, begin, progress)
        run.train()
    chosen = whole if keep_leaks else run
    chosen.test()
    return chosen.evaluation(tuple(leaks), tuple(a for a in history.attributes if a not in chosen.history.attributes))


class _Run:
    """One pass over a history: training rows, then test rows; what lies between is never looked at."""

    def __init__(self, history: History, plan: Plan, end: int, begin: int, progress: Progress) -> None:
        self.history, self.delay, self.end, self.begin = history, plan.delay, end, begin
        self.learner = Learner(history.attributes)
        self.record = TrackRecord()
        self._tested: list[Judged] = []
        self._waiting: deque[tuple[int, Features, Judged]] = deque()
        self._progress, self._all = progress, end + len(history.won) - begin
        width = len(history.attributes)
        self._skipped = int(_WARM_UP * end)
        self._rates = np.zeros((end, width))
        self._numbers = np.zeros((end, width))
        self._contributions = np.zeros((end, width))
        self._log_odds = np.zeros(end)
        self._weight = np.zeros(width)
        self._chance = np.zeros(len(history.won) - begin)

    def train(self) -> None:
        """Score and learn the training rows."""
        rates = slice(1 + len(HORIZONS), 1 + len(HORIZONS) + len(self.history.attributes))
        for row in range(self.end):
            scored = self._score(row)
            self._rates[row] = scored[0].dense[rates]
            self._numbers[row] = scored[0].numbers
            self._contributions[row] = scored[1][2:]
            self._log_odds[row] = scored[2]

    def test(self) -> None:
        """Score the test rows, learning on as outcomes become known."""
        for row in range(self.begin, len(self.history.won)):
            _, contributions, log_odds = self._score(row)
            self._tested.append(self._waiting[-1][2])
            self._weight += np.abs(contributions[2:])
            self._chance[row - self.begin] = 1.0 / (1.0 + math.exp(-log_odds))

    def _score(self, row: int) -> tuple[Features, Floats, float]:
        while self._waiting and self._waiting[0][0] + self.delay < row:
            known, features, judged = self._waiting.popleft()
            self.learner.learn(features, self.history.won[known])
            self.record.add(judged)
        values: list[Value] = self.history.rows[row]
        scored = self.learner.score_values(values)
        champion = None if self.history.champion is None else self.history.champion[row]
        self._waiting.append(
            (row, scored.features, Judged(scored.probability, scored.recent_rate, self.history.won[row], champion))
        )
        done = row + 1 if row < self.end else self.end + row + 1 - self.begin
        if done % 200 == 0 or done == self._all:
            self._progress(done, self._all)
        return scored.features, scored.contributions, scored.log_odds

    def evidence(self) -> Evidence:
        """What the training rows showed, without the first of them, when nothing was known yet."""
        rows = slice(self._skipped, self.end)
        return Evidence(
            self.history.attributes, np.array(self.history.won[rows], dtype=np.float64), self._rates[rows], self._numbers[rows],
            self._contributions[rows], self._log_odds[rows], self.history.rows[rows],
        )  # fmt: skip

    def evaluation(self, leaks: tuple[Leak, ...], left_out: tuple[str, ...]) -> Evaluation:
        """The figures of the test rows, whether or not their outcomes came in time to be learned from."""
        for _, _, judged in self._waiting:
            self.record.add(judged)
        won = np.array(self.history.won[self.begin :], dtype=np.float64)
        weight = self._weight / len(won)
        order = np.argsort(-weight, kind="stable")
        return Evaluation(
            len(self.history.won), len(won), measure(won, self._chance), judge(self._tested), leaks, left_out, tuple(self.record.series),
            tuple((self.history.attributes[i], float(weight[i])) for i in order), won, self._chance,
        )  # fmt: skip
