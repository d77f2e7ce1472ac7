"""The life of an agreement: only what both departments signed, exactly so, ever comes into force."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from schemas.agreement.approvals import OBJECTION
from schemas.agreement.life import Course, NoAgreement
from schemas.agreement.signing import sign, succession
from schemas.events.console import AgreementApproved, ApproverRegistered
from schemas.ids import PublicKey, digest
from schemas.vocabulary import Because
from services.console.first_agreement import DEFAULT
from tests.approvers import MARKETING, SALES, Signer, key_of, proposes, publishes
from tests.builders import MONDAY

FIRST = DEFAULT.read_text(encoding="utf-8")
SECOND = FIRST.replace("within: 4h", "within: 2h")
THIRD = FIRST.replace("within: 4h", "within: 1h")
SOON = MONDAY + timedelta(minutes=1)


@pytest.fixture
def course() -> Course:
    """The first agreement is in force, both keys are registered, the second is proposed."""
    course = Course()
    for event in (publishes(FIRST, 1, None), MARKETING.registers(), SALES.registers(), proposes(SECOND, 2)):
        assert course.take(event, MONDAY) is None
    return course


def version_at(course: Course, at: datetime) -> int:
    return course.publication(at).agreement.version


def test_nothing_is_in_force_before_the_first() -> None:
    with pytest.raises(NoAgreement):
        Course().publication(MONDAY)


def test_a_version_that_both_approved_is_in_force_from_its_instant_on(course: Course) -> None:
    for event in (MARKETING.approves(SECOND, 2), SALES.approves(SECOND, 2), publishes(SECOND, 2, SOON)):
        assert course.take(event, MONDAY) is None

    assert version_at(course, SOON - timedelta(microseconds=1)) == 1
    assert version_at(course, SOON) == 2
    assert [(line.version, line.until) for line in course.lines()] == [(1, SOON), (2, None)]
    assert {d: a.by for d, a in course.publication(SOON).approvals.items()} == {"marketing": "mira", "sales": "mira"}


@pytest.mark.parametrize(
    ("signers", "missing"),
    [((), "marketing and sales have"), ((MARKETING,), "sales has"), ((SALES,), "marketing has")],
)
def test_a_version_without_both_approvals_is_void(course: Course, signers: tuple[Signer, ...], missing: str) -> None:
    for signer in signers:
        course.take(signer.approves(SECOND, 2), MONDAY)

    void = course.take(publishes(SECOND, 2, SOON), MONDAY)

    assert void is not None
    assert void.because.startswith(missing)
    assert version_at(course, SOON) == 1


def forged_by_another_key() -> AgreementApproved:
    return Signer("sales", key_of("somebody")).approves(SECOND, 2)


def forged_with_the_right_key_named() -> AgreementApproved:
    return forged_by_another_key().model_copy(update={"key": SALES.public})


def for_another_content() -> AgreementApproved:
    return SALES.approves(THIRD, 2).model_copy(update={"content": digest(SECOND.encode())})


def for_another_version() -> AgreementApproved:
    return SALES.approves(SECOND, 3).model_copy(update={"agreement_version": 2})


def of_the_other_department() -> AgreementApproved:
    return MARKETING.approves(SECOND, 2).model_copy(update={"department": "sales"})


def for_another_agreement() -> AgreementApproved:
    return SALES.approves(SECOND, 2, name="other").model_copy(update={"name": "default"})


def without_a_signature() -> AgreementApproved:
    return SALES.approves(SECOND, 2).model_copy(update={"signature": None, "key": None})


@pytest.mark.parametrize(
    "forge",
    [
        forged_by_another_key,
        forged_with_the_right_key_named,
        for_another_content,
        for_another_version,
        of_the_other_department,
        for_another_agreement,
        without_a_signature,
    ],
)
def test_a_forged_approval_is_void_and_so_is_what_rests_on_it(course: Course, forge: object) -> None:
    assert callable(forge)
    course.take(MARKETING.approves(SECOND, 2), MONDAY)

    assert course.take(forge(), MONDAY) is not None
    assert course.take(publishes(SECOND, 2, SOON), MONDAY) is not None
    assert version_at(course, SOON) == 1


def test_approvals_of_a_proposal_do_not_serve_another_text_under_its_number(course: Course) -> None:
    for signer in (MARKETING, SALES):
        course.take(signer.approves(SECOND, 2), MONDAY)

    assert course.take(publishes(THIRD, 2, SOON), MONDAY) is not None
    swapped = publishes(SECOND, 2, SOON).model_copy(update={"text": THIRD})
    assert course.take(swapped, MONDAY) is not None
    assert version_at(course, SOON) == 1


@pytest.mark.parametrize(
    ("version", "after", "why"),
    [(2, timedelta(seconds=9), "10 seconds"), (1, timedelta(minutes=1), "newer or the same")],
)
def test_too_soon_and_too_old_is_void(course: Course, version: int, after: timedelta, why: str) -> None:
    for signer in (MARKETING, SALES):
        course.take(signer.approves(SECOND, version), MONDAY)

    void = course.take(publishes(SECOND, version, MONDAY + after), MONDAY)

    assert void is not None
    assert why in void.because


def test_versions_do_not_overlap(course: Course) -> None:
    for text, version in ((SECOND, 2), (THIRD, 3)):
        for signer in (MARKETING, SALES):
            course.take(signer.approves(text, version), MONDAY)
    course.take(publishes(SECOND, 2, SOON), MONDAY)

    void = course.take(publishes(THIRD, 3, SOON), MONDAY)

    assert void is not None
    assert "version 2 comes into force" in void.because


def test_a_number_is_proposed_once(course: Course) -> None:
    assert course.take(proposes(THIRD, 2), MONDAY) is not None
    assert course.next_version() == 3
    assert [p.version for p in course.open_proposals()] == [2]


# ------------------------------------------------------------------ keys

HEIR = Signer("sales", key_of("sales, later"))


def test_a_key_is_replaced_only_by_the_one_before(course: Course) -> None:
    assert course.take(HEIR.registers(), MONDAY) is not None
    forged = ApproverRegistered(
        department="sales",
        key=HEIR.public,
        signature=sign(succession("sales", SALES.public, HEIR.public), HEIR.private),
    )
    assert course.take(forged, MONDAY) is not None
    assert course.approvals.key_of("sales", MONDAY) == SALES.public

    assert course.take(SALES.hands_over_to(HEIR), MONDAY) is None
    assert course.approvals.key_of("sales", MONDAY) == HEIR.public


def test_what_a_replaced_key_approved_counts_no_longer(course: Course) -> None:
    for signer in (MARKETING, SALES):
        course.take(signer.approves(SECOND, 2), MONDAY)
    course.take(SALES.hands_over_to(HEIR), MONDAY)

    assert course.take(publishes(SECOND, 2, SOON), MONDAY) is not None
    assert course.take(HEIR.approves(SECOND, 2), MONDAY) is None
    assert course.take(publishes(SECOND, 2, SOON), MONDAY) is None


def lost(key: PublicKey) -> ApproverRegistered:
    return ApproverRegistered(department="sales", key=key, because=Because("the disk with the key is broken"))


def test_a_lost_key_is_replaced_after_a_week_with_a_sentence(course: Course) -> None:
    assert course.take(lost(HEIR.public), MONDAY) is None

    assert course.approvals.key_of("sales", MONDAY + OBJECTION - timedelta(seconds=1)) == SALES.public
    assert course.approvals.key_of("sales", MONDAY + OBJECTION) == HEIR.public


def test_who_still_has_the_key_can_object_in_that_week(course: Course) -> None:
    course.take(lost(HEIR.public), MONDAY)

    assert course.take(SALES.hands_over_to(SALES), MONDAY + timedelta(days=6)) is None

    assert course.approvals.key_of("sales", MONDAY + 2 * OBJECTION) == SALES.public


def test_one_key_is_not_both_departments(course: Course) -> None:
    void = course.take(MARKETING.hands_over_to(Signer("marketing", SALES.private)), MONDAY)

    assert void is not None
    assert "other department" in void.because
