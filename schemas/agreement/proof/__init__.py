"""Proof of an agreement before it goes live: statically, over all possible leads, with an example for each finding.

One module a question; `QUESTIONS` lists them. A question takes a `Case` and yields findings, each with a lead that the
real engine was shown. What a section needs besides goes into `space.py` (what leads are told apart by), `points.py`
(the score) and `encoding.py` (conditions).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from schemas.agreement.agreement import Agreement
from schemas.agreement.checking import examine
from schemas.agreement.findings import Finding
from schemas.agreement.proof.case import Case, Step
from schemas.agreement.proof.clocks import unmeetable
from schemas.agreement.proof.covering import uncovered
from schemas.agreement.proof.firing import never_fire
from schemas.agreement.proof.overlaps import overlaps
from schemas.agreement.proof.reasons import not_given
from schemas.agreement.proof.staffing import two_teams, unstaffed
from schemas.agreement.proof.thresholds import thresholds
from schemas.agreement.proof.tracks import asleep
from schemas.agreement.roster import Roster, examine_roster

Progress = Callable[[int, int], None]
"""Called with how many steps of how many are done."""
Question = Callable[[Case, Step], Iterator[Finding]]


def _plain(question: Callable[[Case], Iterator[Finding]]) -> Question:
    return lambda case, step: question(case)


QUICK: tuple[Question, ...] = (never_fire, _plain(uncovered), thresholds, _plain(unmeetable), _plain(not_given))
"""What `leadloop agreement check` asks too."""
QUESTIONS: tuple[Question, ...] = (*QUICK, overlaps, _plain(asleep), _plain(unstaffed))
DOES_NOT_MATTER = frozenset(
    {"missing_last_rule", "out_of_reach", "bad_consequence", "clock_never_runs", "unknown_stage", "unknown_channel"}
)
"""Errors of the check that leave no doubt about what the rules mean."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a check and a proof found, by line; in the agreement and in the roster."""

    agreement: tuple[Finding, ...]
    roster: tuple[Finding, ...]
    complete: bool
    """Whether the rules could be asked at all; not if the file is too broken to know what they mean."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        return (*self.agreement, *self.roster)

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return all(finding.severity != "error" for finding in self.findings)


def prove(
    text: str, at: datetime, roster: str | None = None, progress: Progress | None = None, quick: bool = False
) -> Proof:
    """Everything that is wrong, doubtful or worth knowing in an agreement, examples judged at `at`."""
    terms, document, checked = examine(text)
    provable = all(f.severity != "error" or f.code in DOES_NOT_MATTER for f in checked)
    if terms is None or not provable:
        return Proof(tuple(checked), _roster_alone(roster), False)
    agreement = Agreement(1, terms)
    read, in_roster = (None, []) if roster is None else examine_roster(roster, agreement)
    broken = any(f.severity == "error" and f.code != "two_teams" for f in in_roster)
    case = Case(document, agreement, at, None if broken else read)
    proven = list(_asked(case, QUICK if quick else QUESTIONS, progress))
    told = {(f.code, f.path) for f in proven}
    kept = [f for f in checked if (f.code, f.path) not in told]
    in_roster = [f for f in two_teams(case, in_roster) if case.roster is None or f.code != "empty_pool"]
    return Proof(_by_line([*kept, *proven]), _by_line(in_roster), True)


def _asked(case: Case, questions: Sequence[Question], progress: Progress | None) -> Iterator[Finding]:
    done, total = 0, steps(case, questions)

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(min(done, total), total)

    for question in questions:
        yield from question(case, step)
    if progress is not None:
        progress(total, total)


def steps(case: Case, questions: Sequence[Question]) -> int:
    """How many rules the questions ask."""
    in_lists = sum(len(rules.rules) for rules in case.lists)
    compared = sum(len(rules.rules) for rules in case.lists if rules.outcomes_differ)
    return in_lists * 2 + len(case.agreement.scoring_rules) + (compared if overlaps in questions else 0)


def _roster_alone(roster: str | None) -> tuple[Finding, ...]:
    return () if roster is None else _by_line(examine_roster(roster, None)[1])


def _by_line(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda f: (f.line, f.path, f.code)))


__all__ = ["QUESTIONS", "QUICK", "Case", "Proof", "Question", "Roster", "prove"]
