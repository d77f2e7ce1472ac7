"""The operations' tools file: where each rep is reached, and how CRMs are. It needs no signatures, and is read anew when it changes.

```yaml
reps:
  anna: "mailto://${SMTP_USER}:${SMTP_PASSWORD}@example.com?to=anna@example.com"
  ben: "slack://${SLACK_TOKEN}/#ben-leads"
other_reps: "mailto://mail.example.com:25?from=leads@example.com&to={rep}@example.com"
crms: {…}        # services/alerting/crm/terms.py
```
Addresses are apprise's; `${NAME}` is taken from the environment of the alerting service.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.agreement.reading import read
from schemas.agreement.tools import ToolName
from schemas.ids import RepId
from services.alerting.crm.terms import CrmTerms
from services.alerting.faults import ChannelUnusable
from services.runtime.settings import Settings

Address = Annotated[str, Field(min_length=1, max_length=2000)]


class ToolsFile(BaseModel):
    """What the file says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reps: dict[RepId, Address] = {}
    other_reps: Address | None = None
    """For reps who are not named; `{rep}` in it is the rep's id."""
    crms: dict[ToolName, CrmTerms] = {}

    def address_of(self, rep: RepId) -> str:
        """Where a rep is told. Raises ChannelUnusable."""
        address = self.reps.get(rep)
        if address is None and self.other_reps is not None:
            address = self.other_reps.replace("{rep}", quote(rep, safe=""))
        if address is None:
            raise ChannelUnusable(f"the tools file has no address of {rep}: add it under reps, or other_reps for all")
        return address


class ToolsFileReader:
    """Reads the file when it has changed."""

    def __init__(self, settings: Settings) -> None:
        self._path = settings.tools_file or settings.data_dir / "tools.yaml"
        self._read: tuple[tuple[int, int], ToolsFile] | None = None

    def now(self) -> ToolsFile:
        """What it says now. Raises ChannelUnusable naming the line or field that is wrong."""
        try:
            found = self._path.stat()
            version = (found.st_mtime_ns, found.st_size)
            if self._read is None or self._read[0] != version:
                self._read = (version, parse(self._path))
        except OSError as error:
            raise ChannelUnusable(
                f"the tools file {self._path.name} cannot be read ({error.strerror}): it belongs into the data folder, "
                "or where LEADLOOP_TOOLS_FILE says"
            ) from error
        return self._read[1]


def parse(path: Path) -> ToolsFile:
    """The file's content. Raises ChannelUnusable and OSError."""
    document = read(path.read_text(encoding="utf-8"))
    wrong = [f"line {f.line}: {f.message}" for f in document.findings if f.severity == "error"]
    if not wrong:
        try:
            return ToolsFile.model_validate(document.data if document.data is not None else {})
        except ValidationError as error:
            first = error.errors()[0]
            place = tuple(step for step in first["loc"] if isinstance(step, str | int))
            wrong = [f"line {document.line(place)}: {'.'.join(map(str, place))}: {first['msg'].lower()}"]
    raise ChannelUnusable(f"the tools file {path.name} does not hold, {wrong[0]}")
