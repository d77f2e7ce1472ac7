"""How points fade: 2^(-age / half-life) in whole numbers, so that every machine and every replay reckons the same.

The fraction of a half-life is taken to 48 bits and the power read from four tables of 4,096 numbers with 64 bits after
the point. So the share is right to 14 digits, exactly 1/2, 1/4 … after whole half-lives, and never depends on a
processor's floating point.
"""

from __future__ import annotations

from math import isqrt

BITS = 64
WHOLE = 1 << BITS
"""A share of 1."""
_STEP = 12
_ENTRIES = 1 << _STEP
_MASK = _ENTRIES - 1
_FRACTION = 4 * _STEP
_GUARD = 192
_HALF = WHOLE >> 1
FADED_AFTER = 60
"""So many half-lives leave less than a millionth of any number of points."""


def _tables() -> tuple[tuple[int, ...], ...]:
    """For each twelve bits of the fraction: 2^(-i / 4096^n) for every i, in 64 bits after the point."""
    root, tables = 1 << (_GUARD - 1), []
    for _ in range(4):
        for _ in range(_STEP):
            root = isqrt(root << _GUARD)
        power, table = 1 << _GUARD, []
        for _ in range(_ENTRIES):
            table.append((power + (1 << (_GUARD - BITS - 1))) >> (_GUARD - BITS))
            power = power * root >> _GUARD
        tables.append(tuple(table))
    return tuple(tables)


_FIRST, _SECOND, _THIRD, _FOURTH = _tables()


def share_left(age_ms: int, half_life_ms: int) -> int:
    """What is left of a number of points after `age_ms`, in 2^64ths; all of it at an age of zero or less."""
    if age_ms <= 0:
        return WHOLE
    halves, rest = divmod(age_ms, half_life_ms)
    if halves >= FADED_AFTER:
        return 0
    if not rest:
        return WHOLE >> halves
    fraction = (rest << _FRACTION) // half_life_ms
    share = _FIRST[fraction >> 36] * _SECOND[(fraction >> 24) & _MASK] >> BITS
    share = share * _THIRD[(fraction >> 12) & _MASK] >> BITS
    return share * _FOURTH[fraction & _MASK] >> BITS + halves


def rounded(weighted: int) -> int:
    """Points times shares as whole points again, halves away from zero."""
    return (weighted + _HALF) >> BITS if weighted >= 0 else -((_HALF - weighted) >> BITS)
