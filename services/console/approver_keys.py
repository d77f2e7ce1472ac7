"""`leadloop agreement keys`: each department makes its own key; the installation knows only the public half."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas.agreement.approvals import OBJECTION
from schemas.agreement.signing import public_key_of, sign, succession
from schemas.events.console import DEPARTMENTS, ApproverRegistered, Department
from schemas.ids import PublicKey, Signature
from schemas.vocabulary import Because
from services.console import first_agreement
from services.console.options import AsJson, Data, settings_by
from services.console.saying import By, person, speak
from services.console.terminal import Refused, out, say_json
from services.runtime.approving import KeyRefused, PassphraseMissing, key_file_of, new_key, read_key

PASSPHRASE = "LEADLOOP_KEY_PASSPHRASE"

app = typer.Typer(no_args_is_help=True, help="The keys by which marketing and sales approve.")

DepartmentName = Annotated[str, typer.Argument(help="marketing or sales")]


def department_of(word: str) -> Department:
    """The department that `word` names. Raises BadParameter."""
    for department in DEPARTMENTS:
        if word == department:
            return department
    raise typer.BadParameter(f"{word!r} is neither marketing nor sales")


def key_in(file: Path) -> Ed25519PrivateKey:
    """The private key of a key file, its passphrase asked for if it has one. Raises Refused."""
    try:
        pem = file.read_bytes()
    except OSError as refusal:
        raise Refused(f"{file} cannot be read ({refusal.strerror}); name the department's key file") from refusal
    given = os.environ.get(PASSPHRASE)
    try:
        try:
            return read_key(pem, given or None)
        except PassphraseMissing:
            return read_key(pem, typer.prompt(f"Passphrase of {file}", hide_input=True, err=True))
    except KeyRefused as refused:
        raise Refused(f"{file}: {refused}") from refused


@app.command("new")
def new(
    department: DepartmentName,
    data: Data = None,
    file: Annotated[Path | None, typer.Option(help="Where to write the private key; DEPARTMENT.key otherwise.")] = None,
    former: Annotated[
        Path | None, typer.Option("--former-key", help="The key file that this one replaces: it signs for it.")
    ] = None,
    because: Annotated[
        str | None, typer.Option(help="Why there is no former key (it is lost): the new one counts after a week.")
    ] = None,
    passphrase: Annotated[
        bool, typer.Option("--passphrase", help=f"Encrypt the key file; asked for, or from {PASSPHRASE}.")
    ] = False,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Make a key pair: the private half into a file that only its owner may read, the public half into the log.

    The department keeps the file; who has it can approve for the department.
    """
    whose = department_of(department)
    target = file or Path(f"{whose}.key")
    if target.exists():
        raise Refused(f"{target} is there already, and a key is never overwritten; name another file with --file")
    key, settings = new_key(), settings_by(data)
    course = asyncio.run(first_agreement.read(settings)).course
    now = datetime.now(UTC)
    event = ApproverRegistered(
        department=whose,
        key=public_key_of(key),
        signature=_signature(whose, course.approvals.key_of(whose, now), former, public_key_of(key)),
        because=_sentence(because),
        registered_by=person(by),
    )
    if (why := course.why_void(event, now)) is not None:
        raise Refused(f"{why}: see --former-key and --because")
    write_key_file(target, key_file_of(key, _passphrase() if passphrase else None))
    try:
        speak(settings, course, event)
    except Refused:
        target.unlink()
        raise
    waits = course.approvals.key_of(whose, now) is not None and event.signature is None
    counts = now + OBJECTION if waits else now
    if as_json:
        say_json({"department": whose, "key": event.key, "file": str(target), "counts_from": counts.isoformat()})
    elif waits:
        out().print(
            f"{target} is written; it counts for {whose} from {counts:%Y-%m-%d %H:%M} UTC on, if nobody objects"
        )
    else:
        out().print(f"{target} is written, and {whose} approves by it: keep the file, and let nobody else read it")


@app.command("list")
def listed(data: Data = None, as_json: AsJson = False) -> None:
    """The public keys by which the departments approve."""
    approvals, now = asyncio.run(first_agreement.read(settings_by(data))).course.approvals, datetime.now(UTC)
    keys = {department: approvals.key_of(department, now) for department in DEPARTMENTS}
    if as_json:
        say_json(keys)
        return
    for department, key in keys.items():
        out().print(f"{department}: {key or f'none; make one: leadloop agreement keys new {department}'}", markup=False)
        if (heir := approvals.heir_of(department, now)) is not None:
            out().print(
                f"    from {heir[1]:%Y-%m-%d %H:%M} UTC on {heir[0]}; to object: leadloop agreement keys new {department} "
                "--former-key FILE",
                markup=False,
            )


def _signature(whose: Department, now: PublicKey | None, former: Path | None, key: PublicKey) -> Signature | None:
    if former is None or now is None:
        return None
    return sign(succession(whose, now, key), key_in(former))


def _sentence(because: str | None) -> Because | None:
    try:
        return None if because is None else Because.parse(because)
    except ValueError as error:
        raise Refused(f"--because: {error}") from error


def _passphrase() -> str:
    given = os.environ.get(PASSPHRASE) or typer.prompt(
        "Passphrase", hide_input=True, confirmation_prompt=True, err=True
    )
    if len(given) < 8:
        raise Refused("a passphrase of fewer than 8 characters protects nothing; choose a longer one")
    return str(given)


def write_key_file(file: Path, content: bytes) -> None:
    """Write a private key where only its owner may read it. Raises Refused, also when the file is there already."""
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as there:
            there.write(content)
    except OSError as refusal:
        raise Refused(f"{file} cannot be written ({refusal.strerror}); name another file with --file") from refusal
