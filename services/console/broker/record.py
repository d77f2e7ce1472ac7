"""Which broker holds the records of a data folder: once chosen, a folder keeps its broker."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from services.console.datafolder import DataFolderUnusable, make_folder, write_whole

Kind = Literal["external", "docker", "embedded"]


@dataclass(frozen=True)
class BrokerRecord:
    """The broker of a data folder, as `kafka/broker.json` says it."""

    kind: Kind
    port: int | None = None
    cluster_id: str | None = None
    """None until the broker's storage has been laid out for the first time."""


def load(data_dir: Path) -> BrokerRecord | None:
    """The broker that this folder has, or None for a new one; raises DataFolderUnusable when the file is damaged."""
    file = _file(data_dir)
    try:
        return BrokerRecord(**json.loads(file.read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, OSError) as fault:
        raise DataFolderUnusable(
            f"{file} is damaged ({fault}); restore it from a backup or choose another folder with --data"
        ) from fault


def save(data_dir: Path, record: BrokerRecord) -> None:
    """Write down the broker of this folder; raises DataFolderUnusable."""
    make_folder(_file(data_dir).parent)
    write_whole(_file(data_dir), json.dumps(asdict(record)).encode())


def _file(data_dir: Path) -> Path:
    return data_dir / "kafka" / "broker.json"
