"""The data folder of one installation: who it is, its secrets, its ports, and who is running it now."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from schemas.topics import DEFAULT_PARTITIONS
from services.console.datafolder import DataFolderUnusable, make_folder, refusals_explained, write_whole

FORMAT = 1
FILE = "installation.json"
NAMESPACE = "leadloop"


@dataclass(frozen=True)
class Installation:
    """What `installation.json` says. It holds secrets: it is readable by its owner only and is never logged."""

    folder: Path
    installation_id: uuid.UUID
    secret: bytes = field(repr=False)
    """32 random bytes, which the runtime derives from: the namespace of lead ids, the key of dead letters."""
    token: str = field(repr=False)
    """The bearer token of the doors."""
    namespace: str
    """What the names of topics and groups begin with."""
    partitions: int
    """Partitions of every keyed topic; fixed at the first start."""
    ports: Mapping[str, int]
    """The port of each HTTP service, by service, so that addresses survive a restart."""

    @classmethod
    def open(cls, folder: str | Path, *, namespace: str = NAMESPACE, partitions: int | None = None) -> Installation:
        """Load the installation in `folder`, or make one there; two processes that do so at once get the same one.

        `namespace` is used for a new installation only; a `partitions` other than the installation's is refused.
        Raises DataFolderUnusable with one sentence when the folder cannot be used.
        """
        folder = Path(folder).expanduser().absolute()
        make_folder(folder)
        file = folder / FILE
        with _locked(folder / ".installation.lock"):
            if not file.exists():
                _write(_new(folder, namespace, partitions or DEFAULT_PARTITIONS))
            installation = _read(folder)
        if partitions is not None and partitions != installation.partitions:
            raise DataFolderUnusable(
                f"{folder} was started with {installation.partitions} partitions and keeps them, not {partitions}, "
                "because each lead's order depends on it; leave the number out or choose another folder with --data"
            )
        return installation

    @classmethod
    def find(cls, folder: str | Path) -> Installation:
        """Load the installation in `folder` without making one; raises DataFolderUnusable when there is none."""
        folder = Path(folder).expanduser().absolute()
        if not (folder / FILE).exists():
            raise DataFolderUnusable(f"there is no installation in {folder}; start one: leadloop up --data {folder}")
        return _read(folder)

    @property
    def run_folder(self) -> Path:
        """Where the processes that run this installation are recorded."""
        return make_folder(self.folder / "run")

    @property
    def kafka_folder(self) -> Path:
        """Where the broker of this installation lives."""
        return self.folder / "kafka"

    def with_ports(self, ports: Mapping[str, int]) -> Installation:
        """The installation with these `ports`, kept for the next start; raises DataFolderUnusable."""
        changed = replace(self, ports=dict(ports))
        _write(changed)
        return changed

    def environment(self) -> dict[str, str]:
        """The `LEADLOOP_*` variables that every service of this installation is started with; they hold secrets."""
        return {
            "LEADLOOP_SECRET": self.secret.hex(),
            "LEADLOOP_TOKEN": self.token,
            "LEADLOOP_DATA_DIR": str(self.folder),
            "LEADLOOP_NAMESPACE": self.namespace,
            "LEADLOOP_PARTITIONS": str(self.partitions),
        }

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Be the one process that runs this installation; the lock ends with the process, however it ends.

        Raises DataFolderUnusable naming the holder when another process runs it.
        """
        path = self.run_folder / "supervisor.lock"
        with refusals_explained(path):
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip() or "unknown"
                raise DataFolderUnusable(
                    f"{self.folder} is already run by the process {holder}; stop that one "
                    "or choose another folder with --data"
                ) from None
            with refusals_explained(path):
                os.ftruncate(handle, 0)
                os.pwrite(handle, str(os.getpid()).encode(), 0)
            yield
        finally:
            os.close(handle)


def _new(folder: Path, namespace: str, partitions: int) -> Installation:
    return Installation(
        folder=folder,
        installation_id=uuid.uuid4(),
        secret=secrets.token_bytes(32),
        token=secrets.token_urlsafe(32),
        namespace=namespace,
        partitions=partitions,
        ports={},
    )


def _write(installation: Installation) -> None:
    document = {
        "format": FORMAT,
        "installation_id": str(installation.installation_id),
        "secret": installation.secret.hex(),
        "token": installation.token,
        "namespace": installation.namespace,
        "partitions": installation.partitions,
        "ports": dict(installation.ports),
    }
    write_whole(installation.folder / FILE, json.dumps(document, indent=2).encode() + b"\n")


def _read(folder: Path) -> Installation:
    file = folder / FILE
    with refusals_explained(file):
        content = file.read_bytes()
    try:
        document: dict[str, Any] = json.loads(content)
        version = document["format"]
        if version > FORMAT:
            raise DataFolderUnusable(
                f"{file} was made by a newer leadloop (format {version}, this one reads {FORMAT}); "
                "use that leadloop or choose another folder with --data"
            )
        return Installation(
            folder=folder,
            installation_id=uuid.UUID(document["installation_id"]),
            secret=bytes.fromhex(document["secret"]),
            token=str(document["token"]),
            namespace=str(document["namespace"]),
            partitions=int(document["partitions"]),
            ports={str(service): int(port) for service, port in document["ports"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        raise DataFolderUnusable(
            f"{file} is damaged ({fault}); restore it from a backup, since without its secrets the leads of this "
            "folder cannot be recognised, or choose another folder with --data"
        ) from fault


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with refusals_explained(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
