"""The service's log file is rotated: it never grows past its size, and so many old ones stay."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.connections.errors import SettingsError
from pipelines.service import logs
from pipelines.service.settings import from_environment


@pytest.fixture(autouse=True)
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A root logger of the test's own."""
    own = logging.RootLogger(logging.WARNING)
    monkeypatch.setattr(logging, "root", own)
    monkeypatch.setattr(logging.getLogger("crosswalk.service"), "parent", own)
    yield
    for handler in own.handlers:
        handler.close()


def test_a_log_is_rotated_and_old_ones_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "BYTES", 1_000)
    monkeypatch.setattr(logs, "KEPT", 2)
    path = tmp_path / "of" / "crosswalk.log"
    logging.root.handlers.clear()  # pytest's own, which would keep others from being set up
    logs.set_up(from_environment({"LOG_FILE": str(path)}))
    for number in range(100):
        logging.getLogger("crosswalk.service").warning("line %d", number)
    found = sorted(file.name for file in path.parent.iterdir())
    assert found == ["crosswalk.log", "crosswalk.log.1", "crosswalk.log.2"]
    assert all(file.stat().st_size <= 1_000 for file in path.parent.iterdir())
    assert "line 99" in path.read_text()


def test_a_file_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="LOG_FILE"):
        logs.set_up(from_environment({"LOG_FILE": str(tmp_path / "file" / "log")}))
