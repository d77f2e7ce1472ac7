"""The check of an agreement: every mistake at once, with line and remedy; and `load`, which takes what passes."""

from __future__ import annotations

from datetime import datetime

from pydantic import ValidationError

from schemas.agreement.agreement import Agreement
from schemas.agreement.explaining import explain_all
from schemas.agreement.findings import AgreementRefused, Finding
from schemas.agreement.meaning import Meaning
from schemas.agreement.reading import Document, read
from schemas.agreement.terms import Terms

DEFAULT_FILE = "deploy/agreements/default.yaml"


def check(text: str) -> list[Finding]:
    """Everything that is wrong or doubtful in an agreement, by line. No errors: `load` takes it."""
    return examine(text)[2]


def load(text: str, version: int, since: datetime | None = None) -> Agreement:
    """The agreement that `text` is. since: from when on it is in force. Raises AgreementRefused with all findings."""
    terms, _, findings = examine(text)
    if terms is None or any(f.severity == "error" for f in findings):
        raise AgreementRefused(findings)
    return Agreement(version, terms, since)


def examine(text: str) -> tuple[Terms | None, Document, list[Finding]]:
    """What `text` says, if it has the shape of an agreement; where each piece stands; and what is wrong with it."""
    document = read(text)
    if document.data is None or not isinstance(document.data, dict):
        return None, document, document.findings or [not_a_mapping("an agreement", "name: default")]
    findings = list(document.findings)
    terms = _validate(document, findings)
    findings += Meaning(document).findings()
    return terms, document, sorted(set(findings), key=lambda f: (f.line, f.path, f.code))


def not_a_mapping(what: str, example: str) -> Finding:
    """The finding for a file that is a list or a single word."""
    return Finding(
        "error",
        "wrong_type",
        "",
        1,
        f"the file is no list of sections: {what} has named sections.",
        f"Start from {DEFAULT_FILE}.",
        example,
    )


def _validate(document: Document, findings: list[Finding]) -> Terms | None:
    try:
        return Terms.model_validate(document.data)
    except ValidationError as error:
        findings += explain_all(Terms, error, document)
        return None
