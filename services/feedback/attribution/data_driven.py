"""The model that learns from all journeys together, also of those who were not won, for those who have the volume.

Markov removal effect: Anderl, Becker, von Wangenheim, Schumann, "Mapping the customer journey" (International Journal
of Research in Marketing 33, 2016): journeys are walks from a start to won or to nothing; a campaign is worth the share of
wins that would be lost if every walk ended there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from services.feedback.attribution.journeys import Dimension, Journey


def removal_effects(journeys: Sequence[Journey], dimension: Dimension) -> dict[str, float]:
    """By name: the share of wins (0 to 1) that would be lost without it. Empty if nobody who was touched was won.

    The walks that win and pass through a state i are those that ever come to i and win from there on. With the
    fundamental matrix N = (I - Q)^-1 (Kemeny, Snell, "Finite Markov Chains", 1960) the chance ever to come from the start
    to i is N[start, i] / N[i, i], so one inversion answers for all of them.
    """
    walks = [([t.of(dimension) for t in j.touches], j.win is not None) for j in journeys if j.touches]
    names = sorted({name for walk, _ in walks for name in walk})
    number = {name: i + 1 for i, name in enumerate(names)}
    between = np.zeros((len(names) + 1, len(names) + 1))  # 0 is the start
    winning = np.zeros(len(names) + 1)
    leaving = np.zeros(len(names) + 1)
    for walk, won in walks:
        here = 0
        for name in walk:
            between[here, number[name]] += 1
            leaving[here] += 1
            here = number[name]
        winning[here] += won
        leaving[here] += 1
    if not winning.any():
        return {}
    per = leaving[:, np.newaxis]
    fundamental = np.linalg.inv(np.eye(len(names) + 1) - between / per)
    wins_from = fundamental @ (winning / leaving)
    ever = fundamental[0, 1:] / np.diagonal(fundamental)[1:]
    effects = np.clip(ever * wins_from[1:] / wins_from[0], 0.0, 1.0)
    return dict(zip(names, effects.tolist(), strict=True))


def markov(journeys: Sequence[Journey], dimension: Dimension) -> dict[str, float]:
    """By name: its share of all revenue, in proportion to its removal effect; they sum to 1. Empty without wins."""
    effects = removal_effects(journeys, dimension)
    total = sum(effects.values())
    return {name: effect / total for name, effect in effects.items()} if total else {}
