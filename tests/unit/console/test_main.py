"""The command: its answers, its refusals in one sentence, its exit codes."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from services.console import house, main
from services.console.environment import default_folder
from services.console.installation import Installation
from services.console.terminal import Refused
from services.console.wanted_ports import ports_for
from services.runtime.main import SERVICES

SAMPLES = Path(main.__file__).parents[2] / "deploy" / "agreements"


@pytest.fixture
def leadloop(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """Run the command in this process: its exit code, what it answered and what it complained about."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["leadloop", *words])
        with pytest.raises(SystemExit) as end:
            main.main()
        said = capsys.readouterr()
        code = end.value.code
        assert isinstance(code, int)
        return code, said.out, said.err

    return run


@pytest.mark.parametrize(
    "words",
    [
        ("up", "--colour"),
        ("up", "--ports", "many"),
        ("up", "--scale", "scoring"),
        ("explain",),
        ("dead-letters", "replay"),
        ("run", "sales"),
        ("nonsense",),
    ],
)
def test_wrong_usage_is_told_in_one_sentence_and_exits_2(leadloop, words) -> None:  # type: ignore[no-untyped-def]
    code, answer, complaint = leadloop(*words)
    assert (code, answer) == (2, "")
    assert complaint.startswith("leadloop: ")
    assert complaint.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ("audit",),
        ("status",),
        ("topics",),
        ("explain", "a@b.example"),
        ("roster", "show"),
        ("agreement", "show"),
        ("dead-letters", "list"),
        ("scale", "scoring=2"),
    ],
)
def test_where_there_is_no_installation_each_command_says_how_to_start_one(leadloop, words, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "none"
    code, answer, complaint = leadloop(*words, "--data", str(folder))
    assert (code, answer) == (1, "")
    assert complaint == f"leadloop: there is no installation in {folder}; start one: leadloop up --data {folder}\n"


def test_where_the_installation_does_not_run_status_says_so(leadloop, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    Installation.open(tmp_path)
    code, answer, _ = leadloop("status", "--json", "--data", str(tmp_path))
    told = json.loads(answer)
    assert (code, told["ready"]) == (1, False)
    assert {worker["name"] for worker in told["workers"]} == set(SERVICES)


def test_every_command_has_help(leadloop) -> None:  # type: ignore[no-untyped-def]
    for words in (
        ["up"],
        ["demo"],
        ["audit"],
        ["explain"],
        ["agreement", "check"],
        ["agreement", "prove"],
        ["dead-letters", "replay"],
        ["roster", "apply"],
        ["scale"],
    ):
        code, answer, _ = leadloop(*words, "--help")
        assert code == 0
        assert "Usage: leadloop " + " ".join(words) in answer


@pytest.mark.parametrize("sample", ["default.yaml", "demo.yaml"])
def test_the_samples_hold(leadloop, sample: str) -> None:  # type: ignore[no-untyped-def]
    code, answer, _ = leadloop("agreement", "check", str(SAMPLES / sample), "--json")
    assert (code, json.loads(answer)["findings"]) == (0, [])


def test_a_wrong_agreement_is_told_by_line_and_exits_1(leadloop, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "mine.yaml"
    file.write_text((SAMPLES / "default.yaml").read_text().replace("pool: closing", "pool: nowhere"))
    code, answer, _ = leadloop("agreement", "check", str(file), "--json")
    findings = json.loads(answer)["findings"]
    assert code == 1
    assert any("nowhere" in finding["message"] and finding["line"] > 1 and finding["remedy"] for finding in findings)


def test_a_proof_is_told_with_leads_that_show_it_and_exits_by_what_it_found(leadloop, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    sample, roster = str(SAMPLES / "school.yaml"), str(SAMPLES / "school-roster.yaml")
    code, answer, _ = leadloop("agreement", "prove", sample, "--roster", roster, "--json")
    told = json.loads(answer)
    assert (code, told["ok"]) == (0, True)
    assert {"overlap", "pool_unstaffed"} <= {finding["code"] for finding in told["findings"]}
    keys = {"severity", "code", "path", "line", "message", "remedy", "example", "file"}
    assert all(finding.keys() == keys for finding in told["findings"])
    file = tmp_path / "mine.yaml"
    file.write_text((SAMPLES / "school.yaml").read_text().replace("{score: {at_least: 45}}", "{score: {at_least: 450}}"))
    code, answer, _ = leadloop("agreement", "prove", str(file), "--json")
    finding = next(f for f in json.loads(answer)["findings"] if f["code"] == "out_of_reach")
    lead = tmp_path / "lead.json"
    lead.write_text(finding["example"])
    _, scored, _ = leadloop("score", "--agreement", sample, "--lead", str(lead), "--json")
    assert code == 1
    assert f"at most {float(json.loads(scored)['score']):g}" in finding["message"]


def test_a_file_that_is_not_there_is_wrong_usage_and_one_that_is_no_text_is_a_finding(leadloop, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for command in ("check", "prove"):
        code, _, complaint = leadloop("agreement", command, str(tmp_path / "none.yaml"), "--json")
        assert (code, "cannot be read" in complaint) == (2, True)
        file = tmp_path / "bytes.yaml"
        file.write_bytes(b"name: x\n\xff\xfe")
        code, answer, _ = leadloop("agreement", command, str(file), "--json")
        assert (code, json.loads(answer)["findings"][0]["code"], json.loads(answer)["findings"][0]["line"]) == (1, "not_utf8", 2)


def test_a_new_agreement_file_is_a_copy_that_holds_and_overwrites_nothing(leadloop, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "mine.yaml"
    assert leadloop("agreement", "new", str(file))[0] == 0
    assert leadloop("agreement", "check", str(file))[0] == 0
    code, _, complaint = leadloop("agreement", "new", str(file))
    assert (code, complaint) == (1, f"leadloop: {file} is there already; name another file\n")


def test_an_agreement_that_does_not_hold_starts_nothing(leadloop, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\n")
    code, _, complaint = leadloop("up", "--data", str(tmp_path / "data"), "--agreement", str(file))
    assert code == 1
    assert complaint.splitlines()[-1].startswith(f"leadloop: the agreement {file} does not hold (line 1")
    assert not (tmp_path / "data" / "kafka").exists()


def test_ports_are_kept_for_the_next_start(tmp_path: Path) -> None:
    installation = Installation.open(tmp_path)
    chosen = ports_for(installation, "auto")
    assert len(set(chosen.values())) == 3
    assert ports_for(installation.with_ports(chosen), None) == chosen


def test_a_taken_port_is_told_with_its_remedy(tmp_path: Path) -> None:
    installation = Installation.open(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with pytest.raises(
            Refused,
            match=rf"^port {taken} of 127\.0\.0\.1, where the desk .* is taken by another program; .*--ports auto$",
        ):
            ports_for(installation.with_ports({"intake": 1_025, "desk": taken, "feedback": 1_026}), None)


def test_a_service_with_a_door_is_not_scaled() -> None:
    assert house.names_of("scoring", 3) == ["scoring", "scoring-2", "scoring-3"]
    with pytest.raises(Refused, match="desk has one door"):
        house.names_of("desk", 2)


def test_the_data_folder_is_found_where_the_person_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_folder({"XDG_DATA_HOME": "/x"}) == Path("/x/leadloop")
    Installation.open(tmp_path / "leadloop-data")
    assert default_folder({"XDG_DATA_HOME": "/x"}) == tmp_path / "leadloop-data"
    assert default_folder({"LEADLOOP_DATA_DIR": "/y"}) == Path("/y")
