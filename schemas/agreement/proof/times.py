"""How often, and how long ago, a prospect was seen doing something: counted within each window that some rule asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import z3

EVER = 1 << 62
"""The window of whatever asks for no time, in ms."""
_HOUR = 3_600_000
_OLDEST = 60 * 24 * _HOUR


class Stretch(NamedTuple):
    """Between which ages, in ms, a time lies, both included."""

    newest: int
    oldest: int


class Kind:
    """One kind of engagement. `at_least(window, n)` is whether it was seen n times within the window."""

    def __init__(self, name: str, windows: Sequence[int], numbers: Sequence[int], longest_fading: int) -> None:
        self.name = name
        self.windows = (*sorted(w for w in set(windows) if w != EVER), EVER)
        self.numbers = tuple(sorted(set(numbers)))
        self._last = (self.windows[-2] if len(self.windows) > 1 else 0) + max(_OLDEST, 64 * longest_fading)
        self._said = {(w, n): z3.Bool(f"{name} {n} in {w}") for w in self.windows for n in self.numbers}

    def at_least(self, window: int, number: int) -> Any:
        return self._said[window, number]

    def constraints(self) -> Iterator[Any]:
        """Whoever was seen three times was seen twice, and whoever was seen this week was seen this month."""
        for window in self.windows:
            for fewer, more in pairwise(self.numbers):
                yield z3.Implies(self._said[window, more], self._said[window, fewer])
        for shorter, longer in pairwise(self.windows):
            yield from (z3.Implies(self._said[shorter, n], self._said[longer, n]) for n in self.numbers)

    def stretch(self, place: int) -> Stretch:
        """The ages in the window of that place that are in no shorter one."""
        newest = self.windows[place - 1] if place else 0
        return Stretch(newest, self._last if self.windows[place] == EVER else self.windows[place] - 1)

    def stretches(self, model: Any) -> tuple[Stretch, ...]:
        """Where each time lies, newest first, with no more times than a model asks for."""
        out: list[Stretch] = []
        for place, window in enumerate(self.windows):
            true = [n for n in self.numbers if z3.is_true(model.eval(self._said[window, n]))]
            out += [self.stretch(place)] * (max(true, default=0) - len(out))
        return tuple(out)
