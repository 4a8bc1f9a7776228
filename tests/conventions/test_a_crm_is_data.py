"""A CRM is a mapping and an emulator: nothing else of the project knows it by name, and it comes and goes as files."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.commands.registered import load_known
from pipelines.sandbox import registry

ROOT = Path(__file__).resolve().parents[2]
# Where a CRM is at home; and pages about it.
HOMES = ("mappings/", "pipelines/sandbox/crms/", "tests/", "docs/", "bench/", "README.md")
# What tests are run with (vendors' clients), and what is made from the mappings.
LISTS = {"pyproject.toml", "constraints.txt", ".dlt/example.secrets.toml"}
# The example of the issue and of help texts; what a contract names.
EXAMPLES = {
    "brivity": {
        ".ci/run", ".dlt/config.toml", "pipelines/run.py", "pipelines/sandbox/__init__.py",
        "pipelines/sandbox/handle.py", "pipelines/state/runs.py", "pipelines/service/unified/unified.yml",
    },
    "brivity_core": {"pipelines/sandbox/__init__.py"},
    "topproducer": {"pipelines/service/unified/unified.yml"},
    "hubspot": {"pipelines/sandbox/__init__.py"},
    "zoho": {"pipelines/unify/identity/vocabulary.yml"},  # a host of mailboxes
}  # fmt: skip
# A class or function that was added for a CRM cites its page: that line, and no other.
CITATION = re.compile(r"\bSources?: ")
NAMED = [name for name in registry.names() if name != "external"]  # a word of every day


def spelled(name: str) -> re.Pattern[str]:
    """The name in any spelling: in parts, in one, with blanks, dots or dashes between."""
    parts = {"topproducer": "top_producer", "kvcore": "kv_core", "hubspot": "hub_spot"}.get(name, name).split("_")
    return re.compile(r"[\W_]?".join(map(re.escape, parts)), re.IGNORECASE)


def texts() -> list[tuple[str, list[str]]]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True,
        check=True,
    ).stdout.splitlines()  # fmt: skip
    kept = [name for name in listed if not name.startswith(HOMES) and name not in LISTS and (ROOT / name).is_file()]
    return [(name, (ROOT / name).read_text(errors="ignore").splitlines()) for name in kept]


@pytest.mark.parametrize("crm", NAMED)
def test_nothing_else_names_it(crm: str) -> None:
    """Outside of mappings, emulators, tests and pages no line has its name, but for citations."""
    pattern, allowed = spelled(crm), EXAMPLES.get(crm, set())
    broken = [
        f"{name}:{number} {line.strip()[:80]}"
        for name, lines in texts()
        if name not in allowed
        for number, line in enumerate(lines, 1)
        if pattern.search(line) and not CITATION.search(line)
    ]
    assert not broken, "\n".join(broken)


def test_the_one_that_was_added_last_is_not_even_cited() -> None:
    pattern = spelled("follow_up_boss")
    assert not [name for name, lines in texts() if any(map(pattern.search, lines))]


def test_what_mappings_can_say_bears_no_vendors_name() -> None:
    """Logins, paginators, readers of answers and schemes of webhooks are usable by any mapping."""
    known = load_known()
    names = [*known.auths, *known.paginators, *known.readers, *known.webhook_schemes, *known.arguments]
    assert len(names) > 20
    assert not [name for name in names for crm in NAMED if spelled(crm).search(name)]


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, and not a line of one CRM."""
    copy = tmp_path_factory.mktemp("project")
    unwanted = shutil.ignore_patterns(
        "__pycache__", "follow_up_boss", "follow_up_boss.yml", "*.secrets.toml", "secrets.toml"
    )
    for folder in ("pipelines", "mappings", "schemas", ".dlt"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=unwanted)
    return copy


def crosswalk(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    own = {k: v for k, v in os.environ.items() if not k.startswith("FOLLOW_UP_BOSS_")} | {"PYTHONPATH": str(project)}
    command = [sys.executable, "-m", "pipelines", *words]
    return subprocess.run(command, cwd=project, env=own, capture_output=True, text=True, timeout=240, check=False)


@pytest.mark.slow
def test_adding_it_is_adding_its_files(without: Path) -> None:
    """The project works without it and does not know it; with its files, and nothing else, it reads and plans it."""
    before = crosswalk(without, "check")
    assert before.returncode == 0, before.stdout + before.stderr
    files = {Path("mappings/follow_up_boss.yml"), Path("pipelines/sandbox/crms/follow_up_boss")}
    for file in files:
        copied = shutil.copytree if (ROOT / file).is_dir() else shutil.copy
        copied(ROOT / file, without / file)
    after = crosswalk(without, "check")
    assert after.returncode == 0
    assert int(after.stdout.split()[0]) == int(before.stdout.split()[0]) + 1, "one mapping more"
    ran = crosswalk(without, "run", "follow_up_boss", "--data-dir", str(without / "data"))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    read = [line.split(":")[0].split() for line in ran.stdout.splitlines() if line.startswith("extract ")]
    assert read == [["extract", "follow_up_boss", entity] for entity in ("users", "contacts", "deals")]
