"""The score: which rules hold at an instant, what their points have faded to, and the entries that add up to it.

Points are reckoned as whole millionths, so that sums are exact; what fades is rounded once for each rule.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from itertools import accumulate, repeat
from operator import mul
from typing import Literal, NamedTuple, cast

from schemas.agreement.compiling import Asked, compiled
from schemas.agreement.durations import say_duration
from schemas.agreement.facts import Facts, Seen, sentence
from schemas.agreement.fading import counted_and_left, rounded, share_left
from schemas.agreement.terms import CountedRule, Grades, Group, Scoring, ScoringRule
from schemas.vocabulary import Because, Contribution, Grade, Slug

MILLION = 1_000_000
PartName = Literal["fit", "engagement"]
_MS = timedelta(milliseconds=1)


def millionths(points: Decimal) -> int:
    """Points as whole millionths."""
    return int(points.scaleb(6).to_integral_value())


def points(number: int) -> Decimal:
    """Millionths as points, without zeros at the end."""
    whole, rest = divmod(number, MILLION)
    if not rest:
        return Decimal(whole)
    exact = number * _MILLIONTH
    return exact if rest % 10 else exact.normalize()


_MILLIONTH = Decimal("0.000001")


def milliseconds(facts: Facts) -> int:
    """The instant of the facts in ms since 1970."""
    return round(facts.now.timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Plain:
    """A rule that holds or does not."""

    place: int
    asked: Asked
    number: int
    group: int
    """Place of its group, or -1."""
    said: Contribution
    line: str


class Counting:
    """A rule that counts each time, made ready."""

    __slots__ = (
        "asked",
        "faded",
        "group",
        "half_life",
        "kind",
        "line",
        "place",
        "rule",
        "sums",
        "weights",
        "wholes",
        "window",
    )

    def __init__(self, place: int, rule: CountedRule, group: int) -> None:
        self.place, self.rule, self.group = place, rule, group
        self.asked = None if rule.when is None else compiled(rule.when)
        self.kind = str(rule.each)
        factors = accumulate(repeat(rule.each_further, rule.times_at_most - 1), mul, initial=Decimal(1))
        self.weights = tuple(millionths(rule.points * factor) for factor in factors)
        """What the newest time is worth, the one before it, …"""
        self.sums = tuple(accumulate(self.weights))
        """What the newest, the two newest, … are worth together without fading."""
        self.half_life = 0 if rule.half_life is None else rule.half_life // _MS
        """In ms; 0: no fading."""
        self.window = None if rule.within is None else rule.within // _MS
        self.wholes = tuple(
            _entry("engagement", rule.id, whole, _times(rule.because, times))
            for times, whole in enumerate(self.sums, 1)
        )
        self.faded = None if rule.half_life is None else _words(rule.id, _faded(rule.because, rule.half_life))
        self.line = _short(f"{rule.id} {self.weights} {say_duration(rule.half_life or timedelta())} {rule.because}")

    def count(self, facts: Facts, now_ms: int) -> Counted | None:
        """The times that count at an instant, and what they are worth; None if there are none."""
        seen: Sequence[Seen] | None = facts.engagements.get(self.kind)
        if not seen or (self.asked is not None and not self.asked(facts, now_ms)):
            return None
        oldest = _EVER if self.window is None else now_ms - self.window
        count, left = counted_and_left(seen, self.weights, oldest, now_ms, self.half_life)
        return Counted(self, count, self.sums[count - 1], left) if count else None

    def times(self, facts: Facts, now_ms: int) -> list[tuple[int, int]]:
        """The times that count at an instant, newest first: when, and what each is worth before it fades."""
        oldest = _EVER if self.window is None else now_ms - self.window
        out: list[tuple[int, int]] = []
        for at_ms, _, quantity in facts.engagements.get(self.kind, ()):
            if at_ms <= oldest:
                break
            out += [(at_ms, weight) for weight in self.weights[len(out) : len(out) + quantity]]
        return out

    def left(self, times: Sequence[tuple[int, int]], now_ms: int) -> int:
        """What these times are worth at an instant, if they fade."""
        half_life, total = self.half_life, 0
        for at_ms, weight in times:
            total += weight * share_left(now_ms - at_ms, half_life)
        return rounded(total)

    def said(self, counted: Counted) -> tuple[Contribution, ...]:
        """One entry for what the times are worth, and one for what has faded of it; none if nothing is left."""
        if not counted.left:
            return ()
        whole, faded = self.wholes[counted.number - 1], counted.left - counted.whole
        return (whole, _with_points(self.faded, faded)) if faded and self.faded is not None else (whole,)


class Counted(NamedTuple):
    """A counting rule at one instant."""

    counting: Counting
    number: int
    """How many times count."""
    whole: int
    """Without fading."""
    left: int


class Reckoned(NamedTuple):
    """The score at an instant in millionths, with what it was made of."""

    fit: int
    engagement: int
    held: tuple[int, ...]
    """Places of the plain rules that hold."""
    counted: tuple[Counted, ...]
    totals: tuple[int, ...]
    """By group, before its cap."""


class Plan:
    """The scoring rules of one agreement, made ready once."""

    def __init__(self, scoring: Scoring) -> None:
        groups = {g.id: i for i, g in enumerate(scoring.groups)}
        self.groups: tuple[Group, ...] = scoring.groups
        self.caps = tuple(millionths(g.at_most) for g in scoring.groups)
        self._group_is_fit = tuple(g.part == "fit" for g in scoring.groups)
        self._no_totals = (0,) * len(groups)
        plain: list[Plain] = []
        counting: list[Counting] = []
        self._parts: list[str] = []
        for part, rule in rules_of(scoring):
            place, group = len(self._parts), groups.get(rule.group, -1) if rule.group is not None else -1
            self._parts.append(part)
            if isinstance(rule, CountedRule):
                counting.append(Counting(place, rule, group))
            else:
                plain.append(_plain(place, part, rule, group))
        self.plain, self.counting = tuple(plain), tuple(counting)
        self._lines = {p.place: p.line for p in plain}
        self._said = {p.place: (p.said,) for p in plain}
        self._nobody: dict[int, tuple[Contribution, ...]] = dict.fromkeys(range(len(self._parts)), ())
        self._fit_rules = tuple((p.place, p.asked, p.number, p.group) for p in plain if self._parts[p.place] == "fit")
        self._rules = tuple((p.place, p.asked, p.number, p.group) for p in plain if self._parts[p.place] != "fit")
        self.letters, self.numbers = _steps(scoring.grades, "CBA"), _steps(scoring.grades, "321")
        self.grade_steps: Mapping[PartName, tuple[int, ...]] = {"fit": self.letters[0], "engagement": self.numbers[0]}

    def reckon(self, facts: Facts, now_ms: int) -> Reckoned:
        """The score of these facts at their instant."""
        totals = list(self._no_totals)
        fit, held = self._sum(self._fit_rules, facts, now_ms, totals)
        engagement, more = self._sum(self._rules, facts, now_ms, totals)
        counted: list[Counted] = []
        for c in self.counting:
            each = c.count(facts, now_ms)
            if each is None:
                continue
            counted.append(each)
            if c.group < 0:
                engagement += each.left
            else:
                totals[c.group] += each.left
        if totals:
            for total, cap, is_fit in zip(totals, self.caps, self._group_is_fit, strict=True):
                if is_fit:
                    fit += total if total < cap else cap
                else:
                    engagement += total if total < cap else cap
        return Reckoned(fit, engagement, (*held, *more), tuple(counted), tuple(totals))

    @staticmethod
    def _sum(
        rules: tuple[tuple[int, Asked, int, int], ...], facts: Facts, now_ms: int, totals: list[int]
    ) -> tuple[int, list[int]]:
        total, held = 0, []
        for place, asked, number, group in rules:
            if asked(facts, now_ms):
                held.append(place)
                if group < 0:
                    total += number
                else:
                    totals[group] += number
        return total, held

    def grade(self, fit: int, engagement: int) -> Grade:
        """The letter that the fit earns with the number that the engagement earns."""
        letter = self.letters[1][bisect_right(self.letters[0], fit)]
        return cast(Grade, letter + self.numbers[1][bisect_right(self.numbers[0], engagement)])

    # ------------------------------------------------------------------ what is said of it

    def contributions(self, reckoned: Reckoned) -> tuple[Contribution, ...]:
        """The entries, which add up to the score exactly: rules in their order, then what caps take away."""
        if not reckoned.counted and not self.caps:
            return tuple([self._said[place][0] for place in reckoned.held])
        by_place = dict(self._nobody)
        for place in reckoned.held:
            by_place[place] = self._said[place]
        for c in reckoned.counted:
            by_place[c[0].place] = c[0].said(c)
        entries = [entry for said in by_place.values() for entry in said]
        if self.caps:
            entries += [self._capped(i, total) for i, total in enumerate(reckoned.totals) if total > self.caps[i]]
        return tuple(entries)

    def _capped(self, place: int, total: int) -> Contribution:
        group = self.groups[place]
        return _entry(group.part, group.id, self.caps[place] - total, group.because)

    def digest(self, reckoned: Reckoned, grade: Grade, stage: str | None) -> str:
        """Short, and the same exactly if the grade, the stage and all contributions are the same."""
        lines: list[str] = [grade]
        lines += [self._lines[place] for place in reckoned.held]
        lines += [f"{c[0].line} {c[1]} {c[3]}" for c in reckoned.counted if c[3]]
        if self.caps:
            lines += [
                f"{group.id} {cap - total} {group.because}"
                for group, total, cap in zip(self.groups, reckoned.totals, self.caps, strict=True)
                if total > cap
            ]
        if stage is not None:
            lines.append(stage)
        return _short("\n".join(lines))


def rules_of(scoring: Scoring) -> Iterator[tuple[PartName, ScoringRule | CountedRule]]:
    """Every scoring rule with its part, fit first."""
    for fit in scoring.fit:
        yield "fit", fit
    for engagement in scoring.engagement:
        yield "engagement", engagement


def _plain(place: int, part: PartName, rule: ScoringRule, group: int) -> Plain:
    said = Contribution.model_validate({"part": part, "rule": rule.id, "points": rule.points, "because": rule.because})
    line = _short(f"{part} {rule.id} {rule.points.normalize():f} {rule.because}")
    return Plain(place, compiled(rule.when), millionths(rule.points), group, said, line)


def _steps(grades: Grades, names: str) -> tuple[tuple[int, ...], str]:
    """From which points on a letter or number is earned, rising, and the names below, between and above them."""
    said: dict[str, Decimal] = {**grades.letters, **grades.numbers}  # type: ignore[dict-item]
    known = [(millionths(said[n]), n) for n in names if n in said]
    return tuple(at for at, _ in known), ("D" if "A" in names else "4") + "".join(n for _, n in known)


def _short(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _times(because: Because, times: int) -> Because:
    return because if times == 1 else sentence(f"{because} ({times} times)")


def _faded(because: Because, half_life: timedelta) -> Because:
    return sentence(f"faded since, by half every {say_duration(half_life)}: {because}")


def _entry(part: PartName, rule: str, number: int, because: Because) -> Contribution:
    return Contribution.model_construct(part=part, rule=Slug(rule), points=points(number), because=because)


def _words(rule: str, because: Because) -> dict[str, object]:
    return {"part": "engagement", "rule": Slug(rule), "points": None, "because": because}


def _with_points(words: dict[str, object], number: int) -> Contribution:
    """An entry as `model_construct` makes it, in a third of the time: a score has dozens of them."""
    entry = _new(Contribution)
    said = words.copy()
    said["points"] = points(number)
    _set(entry, "__dict__", said)
    _set(entry, "__pydantic_fields_set__", _FIELDS)
    _set(entry, "__pydantic_extra__", None)
    _set(entry, "__pydantic_private__", None)
    return entry


_new, _set = Contribution.__new__, object.__setattr__
_FIELDS = set(Contribution.model_fields)
_EVER = -(1 << 62)
