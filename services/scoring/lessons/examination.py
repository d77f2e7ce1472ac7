"""What a pupil may claim: its answers so far, leaks among what it looks at, and what is published of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from schemas.agreement import Agreement
from schemas.agreement.facts import sentence
from schemas.events.scoring import ModelPublished
from schemas.ids import AgreementName
from schemas.learning.published import NamedLeak
from schemas.vocabulary import Slug
from services.scoring.learning.leaks import Leak
from services.scoring.learning.publishing import as_decimal, card_of, figures_of, next_publication, strongest
from services.scoring.learning.track_record import WINDOW, Verdict, judge
from services.scoring.lessons.study import Pupil

NAME = AgreementName("winning")


@dataclass(frozen=True, slots=True)
class Examined:
    """What is to be published, with an instant that whoever sends it still sets; and whether the pupil began anew by it."""

    event: ModelPublished
    began_anew: bool


def examine(
    pupil: Pupil, connection: sa.Connection, agreement: Agreement, last: ModelPublished | None, *, at_rest: bool
) -> Examined | None:
    """What is to be published now; None if it is not time for it. In one transaction, in the writer thread.

    last: the newest publication; at_rest: everything there is has been learned. Leaks are looked for before anything that
    learned is published: with one, the pupil begins anew without it, and what is published says that the rules alone count.
    """
    learner = pupil.learner
    anew = learner is not None and at_rest and learner.known > 0 and not pupil.announced
    if learner is None or not (anew or learner.known >= next_publication(0 if last is None else last.outcomes)):
        return None
    answers, sizes = pupil.answers(connection), pupil.sizes(connection)
    verdict = judge(answers, enough=agreement.terms.learning.at_least)
    leaks = pupil.find_leaks(connection) if verdict.learned else []
    if leaks:
        pupil.leave_out(connection, leaks, agreement)
        verdict = _withdrawn(leaks)
    pupil.forget(connection)
    event = ModelPublished(
        name=NAME,
        model_version=1 if last is None else last.model_version + 1,
        effective_at=datetime(1970, 1, 1, tzinfo=UTC),
        weights=strongest(learner.attributes, sizes),
        outcomes=learner.known,
        wins=round(learner.won),
        learned=verdict.learned,
        better=verdict.better_than_champion,
        better_by=as_decimal(verdict.lead),
        because=sentence(verdict.because),
        figures=figures_of(answers[-WINDOW:]),
        leaks=tuple(
            NamedLeak(attribute=Slug(name), because=sentence(because))
            for name, because in sorted(pupil.left_out.items())
        ),
        card=card_of(learner) if verdict.learned else None,
    )
    return Examined(event, began_anew=bool(leaks))


def _withdrawn(leaks: Sequence[Leak]) -> Verdict:
    names = ", ".join(leak.attribute for leak in leaks)
    said = f"{names} cannot have been known beforehand: everything is learned anew without; until then the rules alone count"
    return Verdict(learned=False, better_than_champion=False, because=said)
