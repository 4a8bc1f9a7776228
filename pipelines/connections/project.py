"""Where the project's folders are, also when the program is started from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pipelines
from pipelines.connections.errors import SettingsError


@dataclass(frozen=True)
class Project:
    """The folders of one project. `data_dir` need not exist yet."""

    root: Path
    data_dir: Path

    @property
    def mappings(self) -> Path:
        """One file for each CRM."""
        return self.root / "mappings"

    @property
    def schemas(self) -> Path:
        """One file for each canonical entity."""
        return self.root / "schemas"

    @property
    def config(self) -> Path:
        """Settings without secrets."""
        return self.root / ".dlt" / "config.toml"

    @property
    def secrets(self) -> Path:
        """Credentials that are not in the environment; never in git."""
        return self.root / ".dlt" / "secrets.toml"


def find_project(start: Path | None = None, data_dir: Path | None = None) -> Project:
    """The project around `start` (default: the current folder), or else the one this program was installed from.

    Args:
        start: a folder in the project.
        data_dir: where the owners' folders are; default `data/` of the project. Relative to the current folder.

    Raises:
        SettingsError: neither place has `mappings/` and `schemas/`.
    """
    here = (start or Path.cwd()).resolve()
    home = Path(pipelines.__file__).resolve().parent.parent
    for folder in (here, *here.parents, home):
        if (folder / "mappings").is_dir() and (folder / "schemas").is_dir():
            return Project(folder, data_dir.resolve() if data_dir else folder / "data")
    raise SettingsError(f"no folder with mappings/ and schemas/ at or above {here}; change to the project's folder")
