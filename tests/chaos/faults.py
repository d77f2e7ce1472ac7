"""What is done to the installation, as data: a fault is a row, not code."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

from services.runtime.main import SERVICES


class Deed(StrEnum):
    """What is done to whom."""

    KILL = "SIGKILL"
    TERMINATE = "SIGTERM"
    FREEZE = "SIGSTOP, and SIGCONT after the session has ended"
    ADD_WORKER = "one more worker joins"
    REMOVE_WORKER = "that worker is killed"
    KILL_BROKER = "SIGKILL of the broker"
    FREEZE_BROKER = "SIGSTOP of the broker, and SIGCONT after 90 s"
    KILL_NURSERY = "SIGKILL of the process in which services are born"
    KILL_ALL = "SIGKILL of everything, supervisor included, and a new start on the same data"


@dataclass(frozen=True)
class Fault:
    at: float
    """When, as a share of the run."""
    deed: Deed
    whom: str = ""


@dataclass(frozen=True)
class KilledStart:
    """A start that never came to its end."""

    after_seconds: float
    with_what_it_started: bool
    """Whether broker and services die with it, or are left to whoever starts next."""


PROCESSORS = ("scoring", "routing", "sla", "recycling", "alerting")

SHORT: tuple[Fault, ...] = (
    Fault(0.10, Deed.KILL, "routing"),
    Fault(0.18, Deed.ADD_WORKER, "routing"),
    Fault(0.26, Deed.KILL, "scoring"),
    Fault(0.34, Deed.KILL, "intake"),
    Fault(0.40, Deed.KILL, "sla"),
    Fault(0.46, Deed.REMOVE_WORKER, "routing"),
    Fault(0.54, Deed.KILL, "desk"),
    Fault(0.62, Deed.KILL, "feedback"),
    Fault(0.70, Deed.KILL, "recycling"),
    Fault(0.78, Deed.KILL, "alerting"),
    Fault(0.86, Deed.TERMINATE, "routing"),
)
"""Every service once, a rebalance, a graceful stop."""

UNDER_A_BROKEN_ENGINE: tuple[Fault, ...] = (
    Fault(0.30, Deed.KILL, "scoring"),
    Fault(0.45, Deed.KILL, "routing"),
    Fault(0.60, Deed.KILL, "sla"),
    Fault(0.75, Deed.KILL, "scoring"),
    Fault(0.90, Deed.KILL, "routing"),
)
"""Few kills in the midst of the load: a sound engine loses nothing under them."""

OUTAGES: tuple[Fault, ...] = (
    Fault(0.15, Deed.FREEZE, "routing"),
    Fault(0.25, Deed.FREEZE, "sla"),
    Fault(0.35, Deed.FREEZE_BROKER),
    Fault(0.60, Deed.KILL_ALL),
    Fault(0.61, Deed.KILL_ALL),
)
"""Sleep past the session, a broker away for 90 s, everything killed in the midst of a burst and again while it starts."""

KILLED_STARTS: tuple[KilledStart, ...] = (
    KilledStart(0.5, with_what_it_started=True),
    KilledStart(1.5, with_what_it_started=False),
    KilledStart(2.5, with_what_it_started=True),
    KilledStart(4.0, with_what_it_started=False),
    KilledStart(6.0, with_what_it_started=True),
    KilledStart(9.0, with_what_it_started=True),
)
"""The first starts of an installation, each cut off somewhere between the first file and "ready"."""

KILLS_OF_EACH = 3


def long(seed: int) -> tuple[Fault, ...]:
    """Every service killed three times at random instants, workers joining and leaving, frozen ones that wake up as
    strangers, the broker and the nursery killed once, and everything killed once."""
    chance = random.Random(seed)
    faults = [Fault(chance.uniform(0.05, 0.9), Deed.KILL, s) for s in SERVICES for _ in range(KILLS_OF_EACH)]
    faults += [Fault(chance.uniform(0.1, 0.5), Deed.ADD_WORKER, p) for p in ("routing", "scoring")]
    faults += [Fault(chance.uniform(0.55, 0.72), Deed.REMOVE_WORKER, p) for p in ("routing", "scoring")]
    faults += [Fault(chance.uniform(0.1, 0.8), Deed.FREEZE, chance.choice(PROCESSORS)) for _ in range(2)]
    faults += [Fault(chance.uniform(0.1, 0.9), Deed.TERMINATE, chance.choice(PROCESSORS)) for _ in range(2)]
    faults += [Fault(0.5, Deed.KILL_BROKER), Fault(0.65, Deed.KILL_NURSERY), Fault(0.75, Deed.KILL_ALL)]
    return tuple(sorted(faults, key=lambda f: f.at))
