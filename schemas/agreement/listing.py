"""Several things in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.agreement.facts import say


def any_of(values: Sequence[object]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    words = [say(value) for value in values]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def all_of(values: Sequence[object]) -> str:
    """`a`, `a and b`, `a, b and c`; `nothing` for none."""
    words = [say(value) for value in values]
    if len(words) < 2:
        return words[0] if words else "nothing"
    return f"{', '.join(words[:-1])} and {words[-1]}"


def times(number: int) -> str:
    """`once`, `twice`, `3 times`."""
    return {1: "once", 2: "twice"}.get(number, f"{number} times")
