"""What the learner costs and is worth on a bank's recorded campaigns: rows per second on one core, and its figures by delay."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.figures import Figure
from services.scoring.learning.evaluation import Plan, evaluate
from services.scoring.learning.history import read_history

BANK = Path(__file__).resolve().parents[1] / "tests" / "data" / "bank-additional-full.csv.gz"
ROWS, TRAINED, TESTED = 41_188, 27_972, 8_239
BARS = {0: (0.785, 0.620, 0.02), 500: (0.755, 0.560, 0.04), 2000: (0.740, 0.550, 0.08)}
"""ROC-AUC and PR-AUC at least, calibration error at most, when outcomes come so many rows late."""


async def measure() -> list[Figure]:
    """Read the history once, then run the learner over it for each delay. Time is the processor's, of this process."""
    begun = time.process_time()
    history = read_history(BANK, "y", "yes", exclude=["duration"], shift=[("campaign", -1.0)])
    reading = time.process_time() - begun
    figures = [Figure("reading the history", ROWS / reading, "rows/s")]
    for delay, (roc, pr, ece) in BARS.items():
        begun = time.process_time()
        found = evaluate(history, Plan(TRAINED / ROWS, TESTED / ROWS, delay))
        spent = reading + time.process_time() - begun
        late = f"outcomes {delay:,} rows late"
        figures += [
            Figure(f"scored and learned, {late}", (TRAINED + TESTED) / spent, "rows/s", "at least 5,000"),
            Figure(f"ROC-AUC, {late}", 100 * found.metrics.roc_auc, "%", f"at least {100 * roc:g}"),
            Figure(f"PR-AUC, {late}", 100 * found.metrics.pr_auc, "%", f"at least {100 * pr:g}"),
            Figure(f"calibration error, {late}", 100 * found.metrics.ece, "%", f"at most {100 * ece:g}"),
        ]
    return figures
