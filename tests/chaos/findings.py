"""What an audit found: sentences by the point that they are about, and what was looked at."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

SHOWN_OF_A_POINT = 8


@dataclass
class Findings:
    """What is wrong, and what was looked at."""

    wrong: dict[str, list[str]] = field(default_factory=dict)
    """Point of the audit -> a sentence for each thing that is wrong there."""
    counts: Counter[str] = field(default_factory=Counter)

    def expect(self, point: str, holds: bool, sentence: str) -> None:
        """Note `sentence` unless it holds."""
        if not holds:
            self.wrong.setdefault(point, []).append(sentence)

    def report(self) -> str:
        """The first findings of each point, then the figures."""
        lines: list[str] = []
        for point, sentences in self.wrong.items():
            lines.append(f"{point}: {len(sentences)} wrong")
            lines += [f"  {sentence}" for sentence in sentences[:SHOWN_OF_A_POINT]]
        return "\n".join([*lines, *(f"{name}: {number}" for name, number in sorted(self.counts.items()))])
