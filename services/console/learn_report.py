"""The report of an evaluation: one HTML file that needs nothing else, with curves as SVG, for light and dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from services.scoring.learning.evaluation import Evaluation, Plan
from services.scoring.learning.metrics import Floats, calibration

Points = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 340, 260, 44, 40, 12, 12
_POINTS = 200
_STYLE = """
:root{color-scheme:light dark;--back:#f7f7f4;--card:#fff;--ink:#1d2430;--soft:#667085;--line:#e3e4df;--main:#1f6feb;--other:#b0b7c3;--good:#18794e;--bad:#b42318}
@media(prefers-color-scheme:dark){:root{--back:#101418;--card:#181e25;--ink:#e8ecf1;--soft:#97a3b4;--line:#2a323d;--main:#6aa8ff;--other:#5a6675;--good:#5bd19a;--bad:#ff8a80}}
*{box-sizing:border-box}body{margin:0;background:var(--back);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1120px;margin:0 auto;padding:32px 20px 48px}h1{font-size:26px;margin:0 0 4px;letter-spacing:-.01em}h2{font-size:15px;margin:0 0 8px}
p{margin:6px 0}.soft{color:var(--soft)}.row{display:grid;gap:14px;margin-top:18px}.figures{grid-template-columns:repeat(auto-fit,minmax(130px,1fr))}
.charts{grid-template-columns:repeat(auto-fit,minmax(320px,1fr))}.card{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:16px}
.figure b{display:block;font-size:24px;font-variant-numeric:tabular-nums}.figure span{color:var(--soft);font-size:13px}
.verdict{border-left:4px solid var(--good)}.verdict.no{border-left-color:var(--other)}.leak{border-left:4px solid var(--bad)}
svg{width:100%;height:auto;display:block}svg text{fill:var(--soft);font-size:11px}.grid{stroke:var(--line)}.ref{stroke:var(--other);stroke-dasharray:4 4;fill:none}
.curve{stroke:var(--main);stroke-width:2;fill:none;stroke-linejoin:round}.second{stroke:var(--other);stroke-width:2;fill:none}.dot{fill:var(--main)}.bar{fill:var(--main)}svg .name{fill:var(--ink)}
"""


def report(found: Evaluation, title: str, plan: Plan) -> str:
    """The whole document. Nothing in it is loaded from elsewhere; names from the data are escaped."""
    metrics = found.metrics
    figures = (
        ("ROC-AUC", f"{metrics.roc_auc:.3f}"),
        ("PR-AUC", f"{metrics.pr_auc:.3f}"),
        ("Calibration error", f"{metrics.ece:.3f}"),
        ("Brier score", f"{metrics.brier:.3f}"),
        ("Lift, best 10 %", f"{metrics.lift_10:.2f}×"),
        ("Lift, best 20 %", f"{metrics.lift_20:.2f}×"),
    )
    cards = "".join(f'<div class="card figure"><b>{value}</b><span>{name}</span></div>' for name, value in figures)
    leaks = "".join(
        f'<div class="card leak"><h2>Leak: {escape(k.attribute)}</h2><p>{escape(k.because)}</p></div>'
        for k in found.leaks
    )
    charts = "".join(f'<div class="card"><h2>{name}</h2>{chart}</div>' for name, chart in _charts(found))
    how = (
        f"{found.rows:,} rows; learned from the first {plan.train_share:.1%}, tested on the last {found.tested:,} "
        f"({metrics.wins:,} won), each scored before its outcome was known; outcomes come {plan.delay:,} rows later."
    )
    verdict = "verdict" if found.verdict.learned else "verdict no"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main><h1>What the learner is worth</h1>"
        f'<p class="soft">{escape(title)}. {how}</p><div class="row figures">{cards}</div>'
        f'<div class="row"><div class="card {verdict}"><h2>Verdict</h2><p>{escape(found.verdict.because)}</p></div>{leaks}</div>'
        f'<div class="row charts">{charts}</div></main></body></html>'
    )


def _charts(found: Evaluation) -> list[tuple[str, str]]:
    won, chance = found.won, found.chance
    charts = []
    if 0 < won.sum() < len(won):
        roc, precision, gain = _curves(won, chance)
        rate = float(won.mean())
        charts += [
            (
                "Won leads found against lost leads disturbed (ROC)",
                _plot([("curve", roc), ("ref", [(0, 0), (1, 1)])], "share of the lost", "share of the won"),
            ),
            (
                "Precision and recall",
                _plot(
                    [("curve", precision), ("ref", [(0, rate), (1, rate)])],
                    "share of the won that is found",
                    "of these, won",
                ),
            ),
            (
                "Wins found by working the best leads first",
                _plot([("curve", gain), ("ref", [(0, 0), (1, 1)])], "share of leads worked", "share of the won"),
            ),
        ]
    groups = [(said, was) for _, said, was in calibration(won, chance)]
    top = min(1.0, 1.1 * max(max(p) for p in groups) or 1.0)
    charts.append(
        (
            "Calibration, ten groups of equal size",
            _plot([("ref", [(0, 0), (top, top)]), ("curve", groups)], "said", "was won", (0, top), (0, top), dots=True),
        )
    )
    if len(found.series) > 1:
        at = [(float(i + 1), p) for i, p in enumerate(found.series)]
        auc = [(x, p.roc_auc) for x, p in at if math.isfinite(p.roc_auc)]
        rates = [(x, p.wins / p.rows) for x, p in at]
        drawn: list[tuple[str, Sequence[tuple[float, float]]]] = [
            ("second", rates),
            ("curve", auc),
            ("ref", [(1.0, 0.5), (float(len(at)), 0.5)]),
        ]
        charts.append(
            (
                "Over time: ROC-AUC (blue) and share won (grey)",
                _plot(drawn, "thousand outcomes", "", (1, float(len(at)))),
            )
        )
    charts.append(("Strongest attributes (mean effect on the log-odds)", _bars(found.strongest[:12])))
    return charts


def _curves(won: Floats, chance: Floats) -> tuple[Points, Points, Points]:
    order = np.argsort(-chance, kind="stable")
    last = np.append(np.diff(chance[order]) != 0, True)
    found, looked = np.cumsum(won[order])[last], np.flatnonzero(last) + 1.0
    wins, losses = float(won.sum()), float(len(won) - won.sum())
    roc = _thinned([0.0, *((looked - found) / losses)], [0.0, *(found / wins)])
    precision = _thinned((found / wins).tolist(), (found / looked).tolist())
    gain = _thinned([0.0, *(looked / len(won))], [0.0, *(found / wins)])
    return roc, precision, gain


def _thinned(xs: Sequence[float], ys: Sequence[float]) -> Points:
    keep = np.unique(np.linspace(0, len(xs) - 1, _POINTS).astype(int))
    return [(float(xs[i]), float(ys[i])) for i in keep]


def _plot(
    drawn: Sequence[tuple[str, Points]],
    x_title: str,
    y_title: str,
    xs: tuple[float, float] = (0.0, 1.0),
    ys: tuple[float, float] = (0.0, 1.0),
    *,
    dots: bool = False,
) -> str:
    def at(x: float, y: float) -> tuple[float, float]:
        across = (x - xs[0]) / ((xs[1] - xs[0]) or 1.0)
        up = (y - ys[0]) / ((ys[1] - ys[0]) or 1.0)
        return _LEFT + across * (_WIDTH - _LEFT - _RIGHT), _HEIGHT - _BOTTOM - up * (_HEIGHT - _BOTTOM - _TOP)

    parts = []
    for step in range(5):
        x, y = xs[0] + (xs[1] - xs[0]) * step / 4, ys[0] + (ys[1] - ys[0]) * step / 4
        (px, bottom), (left, py) = at(x, ys[0]), at(xs[0], y)
        parts.append(f'<line class="grid" x1="{left:.1f}" x2="{_WIDTH - _RIGHT}" y1="{py:.1f}" y2="{py:.1f}"/>')
        parts.append(f'<text x="{left - 6:.1f}" y="{py + 4:.1f}" text-anchor="end">{y:.2g}</text>')
        parts.append(f'<text x="{px:.1f}" y="{bottom + 15:.1f}" text-anchor="middle">{x:.3g}</text>')
    for kind, points in drawn:
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in (at(x, y) for x, y in points))
        parts.append(f'<polyline class="{kind}" points="{path}"/>')
        if dots and kind == "curve":
            parts += [
                f'<circle class="dot" r="3.5" cx="{px:.1f}" cy="{py:.1f}"/>' for px, py in (at(x, y) for x, y in points)
            ]
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(x_title)}</text>')
    parts.append(f'<text x="{_LEFT + 4}" y="{_TOP + 10}">{escape(y_title)}</text>')
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">{"".join(parts)}</svg>'


def _bars(strongest: Sequence[tuple[str, float]]) -> str:
    most = max((weight for _, weight in strongest), default=0.0) or 1.0
    parts = []
    for i, (name, weight) in enumerate(strongest):
        y = 8 + i * 21
        shown = name if len(name) <= 22 else f"{name[:21]}…"
        parts.append(f'<text class="name" x="128" y="{y + 12}" text-anchor="end">{escape(shown)}</text>')
        parts.append(f'<rect class="bar" x="136" y="{y + 2}" width="{160 * weight / most:.1f}" height="13" rx="3"/>')
        parts.append(f'<text x="{142 + 160 * weight / most:.1f}" y="{y + 13}">{weight:.2f}</text>')
    return f'<svg viewBox="0 0 {_WIDTH} {max(_HEIGHT, 16 + 21 * len(strongest))}" role="img">{"".join(parts)}</svg>'
