"""What a shadow keeps of itself, and what is no shadow."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.console import main
from services.console.simulation.shadowing import Shadow, file_of, keep, kept
from services.console.terminal import Refused

BEGAN = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.mark.parametrize("until", [None, datetime(2026, 3, 5, 9, tzinfo=UTC)])
def test_a_shadow_is_found_again_as_it_was_kept(tmp_path: Path, until: datetime | None) -> None:
    file = file_of(tmp_path, "autumn")
    assert kept(file) is None
    shadow = Shadow("autumn", "name: x\n", BEGAN, until)
    keep(file, shadow)

    assert kept(file) == shadow


@pytest.mark.parametrize("content", ["", "{", "[]", '{"name": "x"}', '{"name": "x", "text": "", "since": "soon", "until": null}'])
def test_a_damaged_file_is_named_with_the_remedy(tmp_path: Path, content: str) -> None:
    file = tmp_path / "autumn.json"
    file.write_text(content)

    with pytest.raises(Refused, match=r"is damaged .*: remove it"):
        kept(file)


@pytest.mark.parametrize("words", [("--for", "soon"), ("--every", "0s"), ("--name", "../x"), ("--since",)])
def test_wrong_usage_is_told_before_anybody_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr("sys.argv", ["leadloop", "route", "shadow", "--data", str(tmp_path), *words])
    with pytest.raises(SystemExit) as end:
        main.main()

    assert end.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
