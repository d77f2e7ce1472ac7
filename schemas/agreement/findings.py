"""What is wrong with an agreement or a roster, said so that its author can mend it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake (`error`), doubt (`warning`) or thing worth knowing (`info`): where it is, what is wrong, and what to do about it."""

    severity: Severity
    code: str
    """A stable word for this kind of mistake, such as `unknown_key`."""
    path: str
    """Where in the document, such as `clocks[0].within`."""
    line: int
    """The line in the file, from 1."""
    message: str
    remedy: str
    example: str = ""

    def __str__(self) -> str:
        example = f" For example: {self.example}" if self.example else ""
        return f"line {self.line}, {self.path or 'the file'}: {self.message} {self.remedy}{example}"


class AgreementRefused(ValueError):
    """The document has errors; `findings` has all of them."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        errors = [f for f in self.findings if f.severity == "error"]
        super().__init__("\n".join(str(f) for f in errors))
