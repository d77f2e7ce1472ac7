"""How points fade: 2^(-age / half-life) in whole numbers, so that every machine and every replay reckons the same.

The fraction of a half-life is taken to 39 bits and the power read from three tables of 8,192 numbers with 60 bits after
the point. So the share is right to 11 digits, exactly 1/2, 1/4 … after whole half-lives, only falls as time passes, and
never depends on a processor's floating point.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isqrt

BITS = 60
WHOLE = 1 << BITS
"""A share of 1."""
_STEP = 13
_ENTRIES = 1 << _STEP
_MASK = _ENTRIES - 1
_FRACTION = 3 * _STEP
_GUARD = 160
_HALF = WHOLE >> 1
FADED_AFTER = 60
_GONE = FADED_AFTER << _FRACTION
"""So many half-lives leave less than a millionth of any number of points."""


def _tables() -> tuple[tuple[int, ...], ...]:
    """For each 13 bits of the fraction: 2^(-i / 8192^n) for every i."""
    root, tables = 1 << (_GUARD - 1), []
    for _ in range(3):
        for _ in range(_STEP):
            root = isqrt(root << _GUARD)
        power, table = 1 << _GUARD, []
        for _ in range(_ENTRIES):
            table.append((power + (1 << (_GUARD - BITS - 1))) >> (_GUARD - BITS))
            power = power * root >> _GUARD
        tables.append(tuple(table))
    return tuple(tables)


_FIRST, _SECOND, _THIRD = _tables()


def share_left(age_ms: int, half_life_ms: int) -> int:
    """What is left of a number of points after `age_ms`, in 2^60ths; all of it at an age of zero or less."""
    if age_ms <= 0:
        return WHOLE
    age = (age_ms << _FRACTION) // half_life_ms
    if age >= _GONE:
        return 0
    share = _FIRST[age >> 26 & _MASK] * _SECOND[age >> 13 & _MASK] >> BITS
    return share * _THIRD[age & _MASK] >> BITS + (age >> _FRACTION)


def counted_and_left(
    seen: Iterable[tuple[int, int, int]], weights: Sequence[int], oldest: int, now_ms: int, half_life_ms: int
) -> tuple[int, int]:
    """How many times count, and what they are worth at `now_ms`: `share_left` for each, without a call for each.

    seen: newest first (ms, anything, how often); weights: what the newest is worth, the one before it, …; older than
    `oldest`, or just as old, does not count. half_life_ms of 0: nothing fades.
    """
    count, total, most = 0, 0, len(weights)
    for at_ms, _, quantity in seen:
        if at_ms <= oldest:
            break
        if quantity == 1:
            weight = weights[count]
            count += 1
        else:
            weight = sum(weights[count : count + quantity])
            count = min(count + quantity, most)
        if half_life_ms:
            age = (now_ms - at_ms << _FRACTION) // half_life_ms
            if age <= 0:
                total += weight << BITS
            elif age < _GONE:
                share = _FIRST[age >> 26 & _MASK] * _SECOND[age >> 13 & _MASK] >> BITS
                total += weight * (share * _THIRD[age & _MASK] >> BITS + (age >> _FRACTION))
        else:
            total += weight
        if count == most:
            break
    return count, rounded(total) if half_life_ms else total


def rounded(weighted: int) -> int:
    """Points times shares as whole points again, halves away from zero."""
    return (weighted + _HALF) >> BITS if weighted >= 0 else -((_HALF - weighted) >> BITS)
