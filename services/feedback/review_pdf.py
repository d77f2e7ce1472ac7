"""A campaign's review on paper: the same numbers and sentences as the page, with the funnel drawn (fpdf2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from fpdf import FPDF
from fpdf.enums import TableBordersLayout, XPos, YPos

from services.feedback.review_page import (
    COST_HEAD,
    NO_ADVICE,
    REACH_HEAD,
    REASON_HEAD,
    STAGE_HEAD,
    cost_rows,
    lead_in,
    reach_rows,
    reason_rows,
    stage_rows,
)

_FOLDERS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path("/Library/Fonts"), Path.home() / ".fonts")
_FONTS = (
    ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"),
    ("NotoSans-Regular.ttf", "NotoSans-Bold.ttf"),
    ("LiberationSans-Regular.ttf", "LiberationSans-Bold.ttf"),
)
_GREEN, _TRACK, _SOFT, _INK = (31, 106, 85), (222, 219, 210), (93, 103, 99), (28, 33, 31)
_TITLES = {"keep": (31, 106, 85), "stop": (163, 38, 27), "try": (122, 82, 0)}


def as_pdf(answer: Mapping[str, Any]) -> bytes:
    """The sheet as a PDF of A4 pages. The same answer gives the same bytes under the same fonts.

    Letters of all scripts need one of the fonts above on the machine; without it, what Western European letters cannot
    say is printed as `?`, and the foot of the sheet says so.
    """
    sheet = _Sheet(answer["name"])
    sheet.pdf.set_creation_date(datetime.fromisoformat(answer["read_at"]))
    sheet.heading(answer["name"], 16)
    sheet.text(lead_in(answer), soft=True)
    for what, colour in _TITLES.items():
        sheet.heading(what.capitalize(), 12, colour)
        for one in answer[what]:
            sheet.text(f"• {one['sentence']}")
            sheet.text(f"   Rule: {one['rule']}.", soft=True)
        if not answer[what]:
            sheet.text(NO_ADVICE[what])
    sheet.heading("What it brought", 12)
    for stage in answer["stages"]:
        sheet.bar(f"{stage['stage'].capitalize()}: {stage['leads']:,}", stage["leads"] / (answer["stages"][0]["leads"] or 1))
    sheet.table(STAGE_HEAD, stage_rows(answer))
    sheet.heading("What it cost", 12)
    sheet.table(COST_HEAD, cost_rows(answer))
    sheet.heading("What sales said", 12)
    if answer["turned_down"]:
        sheet.table(REASON_HEAD, reason_rows(answer))
    else:
        sheet.text("No lead was turned down.")
    sheet.heading("Whom it reached, against whom it should have", 12)
    for one in answer["reach"]["numbers"]:
        sheet.bar(f"{one['reached']:,} of {one['wanted']:,} {one['of']}", one["reached"] / max(one["wanted"], 1))
    if answer["reach"]["dimensions"]:
        sheet.table(REACH_HEAD, reach_rows(answer["reach"]))
    for sentence in answer["reach"]["remarks"]:
        sheet.text(f"• {sentence}")
    sheet.heading("How to read this", 12)
    for sentence in answer["remarks"]:
        sheet.text(f"• {sentence}")
    return sheet.bytes()


class _Sheet:
    """A page that is filled from above."""

    def __init__(self, title: str) -> None:
        self.pdf = FPDF(format="A4")
        self._lost = False
        self._family, self._unicode = self._font()
        self.pdf.set_title(self._said(title))
        self.pdf.set_lang("en")
        self.pdf.set_margin(15)
        self.pdf.set_auto_page_break(True, 15)
        self.pdf.add_page()

    def _font(self) -> tuple[str, bool]:
        for plain, bold in _FONTS:
            for folder in _FOLDERS:
                found = next(folder.rglob(plain), None) if folder.is_dir() else None
                if found is not None and (found.parent / bold).is_file():
                    self.pdf.add_font("sheet", "", found)
                    self.pdf.add_font("sheet", "B", found.parent / bold)
                    return "sheet", True
        return "helvetica", False

    def _said(self, text: str) -> str:
        """What the font can say."""
        if self._unicode:
            return text
        plain = text.replace("–", "-").replace("“", '"').replace("”", '"').replace("•", "-")
        said = plain.encode("latin-1", "replace").decode("latin-1")
        self._lost |= said != plain
        return said

    def heading(self, text: str, size: int, colour: tuple[int, int, int] = _INK) -> None:
        self.pdf.ln(2)
        self.pdf.set_font(self._family, "B", size)
        self.pdf.set_text_color(*colour)
        self.pdf.multi_cell(0, size * 0.5, self._said(text), new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def text(self, text: str, *, soft: bool = False) -> None:
        self.pdf.set_font(self._family, "", 8 if soft else 9)
        self.pdf.set_text_color(*(_SOFT if soft else _INK))
        self.pdf.multi_cell(0, 4.5, self._said(text), new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def bar(self, label: str, share: float) -> None:
        if self.pdf.will_page_break(6):
            self.pdf.add_page()
        self.pdf.set_font(self._family, "", 9)
        self.pdf.set_text_color(*_INK)
        self.pdf.cell(50, 5, self._said(label))
        x, y, width = self.pdf.get_x(), self.pdf.get_y() + 1, self.pdf.epw - 50
        for colour, part in ((_TRACK, 1.0), (_GREEN, min(max(share, 0.0), 1.0))):
            self.pdf.set_fill_color(*colour)
            if part:
                self.pdf.rect(x, y, width * part, 3, style="F")
        self.pdf.ln(5.5)

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self.pdf.ln(1)
        self.pdf.set_font(self._family, "", 8)
        self.pdf.set_text_color(*_INK)
        self.pdf.set_draw_color(*_TRACK)
        self.pdf.set_fill_color(255, 255, 255)  # else a table is filled with the colour of the last bar
        with self.pdf.table(borders_layout=TableBordersLayout.HORIZONTAL_LINES, line_height=4.5, padding=0.5) as table:
            for cells in (head, *rows):
                row = table.row()
                for cell in cells:
                    row.cell(self._said(cell))

    def bytes(self) -> bytes:
        if self._lost:
            self.text("Some letters could not be printed: install the DejaVu or Noto fonts where feedback runs.", soft=True)
        return bytes(self.pdf.output())
