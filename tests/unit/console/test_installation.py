"""A data folder keeps who its installation is, and says in one sentence why it cannot be used."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.console.datafolder import DataFolderUnusable, demand_free_space
from services.console.installation import Installation

ROOT = Path(__file__).resolve().parents[3]


def test_a_second_opening_gives_the_same_installation(tmp_path: Path) -> None:
    first = Installation.open(tmp_path / "data")
    assert Installation.open(tmp_path / "data") == first
    assert Installation.find(tmp_path / "data") == first


def test_two_installations_share_no_secret(tmp_path: Path) -> None:
    one, other = Installation.open(tmp_path / "1"), Installation.open(tmp_path / "2")
    assert one.secret != other.secret
    assert one.token != other.token
    assert one.installation_id != other.installation_id


def test_the_file_with_the_secrets_is_the_owner_s_alone_and_they_are_not_shown(tmp_path: Path) -> None:
    installation = Installation.open(tmp_path / "data")
    assert (tmp_path / "data" / "installation.json").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert installation.token not in repr(installation)
    assert repr(installation.secret) not in repr(installation)


def test_all_who_open_a_new_folder_at_once_get_the_same_installation(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        opened = list(threads.map(lambda _: Installation.open(tmp_path / "data"), range(32)))
    assert {installation.token for installation in opened} == {opened[0].token}
    assert [path.name for path in (tmp_path / "data").iterdir() if path.name.startswith(".installation.json")] == []


def test_ports_are_kept(tmp_path: Path) -> None:
    Installation.open(tmp_path).with_ports({"intake": 20001, "desk": 20002})
    assert Installation.open(tmp_path).ports == {"intake": 20001, "desk": 20002}


def test_another_number_of_partitions_is_refused(tmp_path: Path) -> None:
    assert Installation.open(tmp_path, partitions=4).partitions == 4
    with pytest.raises(DataFolderUnusable, match=r"was started with 4 partitions and keeps them, not 8, because"):
        Installation.open(tmp_path, partitions=8)
    assert Installation.open(tmp_path).partitions == 4


def test_only_one_process_holds_an_installation_until_it_ends_even_by_kill(tmp_path: Path) -> None:
    script = (
        "import sys; from services.console.installation import Installation\n"
        "with Installation.open(sys.argv[1]).held(): print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    installation = Installation.open(tmp_path)
    with pytest.raises(DataFolderUnusable, match=rf"is already run by the process {holder.pid}; stop that one"):
        installation.held().__enter__()
    holder.kill()
    holder.wait(10)
    holder.stdin.close()
    holder.stdout.close()
    with installation.held():
        assert (tmp_path / "run" / "supervisor.lock").read_text() != str(holder.pid)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"{", r"installation\.json is damaged \(.*\); restore it from a backup"),
        (b"[]", r"installation\.json is damaged \(.*\); restore it from a backup"),
        (b'{"format": 1}', r"installation\.json is damaged \('installation_id'\); restore it from a backup"),
        (b"\xff\xfe", r"installation\.json is damaged \(.*\); restore it from a backup"),
        (b'{"format": 99}', r"was made by a newer leadloop \(format 99, this one reads 1\); use that leadloop"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_never_written_over(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    (tmp_path / "installation.json").write_bytes(content)
    with pytest.raises(DataFolderUnusable, match=sentence):
        Installation.open(tmp_path)
    assert (tmp_path / "installation.json").read_bytes() == content


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(DataFolderUnusable, match=rf"^{tmp_path}/data is a file, not a folder; choose another folder"):
        Installation.open(tmp_path / "data")


def test_a_folder_without_an_installation_is_named_with_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(DataFolderUnusable, match=rf"^there is no installation in {tmp_path}; start one: leadloop up"):
        Installation.find(tmp_path)


def test_a_disk_with_too_little_space_is_named_with_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(DataFolderUnusable, match=rf"^the disk of {tmp_path} is full \(\d+ MB left, 10995\d+ MB"):
        demand_free_space(tmp_path, least_bytes=2**60)


def test_services_are_told_the_same_in_every_start(tmp_path: Path) -> None:
    told = Installation.open(tmp_path).environment()
    assert told == Installation.open(tmp_path).environment()
    assert bytes.fromhex(told["LEADLOOP_SECRET"]) == bytes.fromhex(
        json.loads((tmp_path / "installation.json").read_bytes())["secret"]
    )
