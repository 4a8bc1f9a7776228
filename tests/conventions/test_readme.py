"""What the README shows is what the program prints: its commands and its SQL are run, and the output compared.

Times, run ids and ports differ from run to run and are masked. The set-up and test lines are CI's (`.ci/run`).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
BLOCK = re.compile(r"^```(console|sql)\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", re.MULTILINE | re.DOTALL)


def masked(text: str) -> str:
    """Replaces what time and chance decide."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    text = re.sub(r"\d{8}T\d{6}[0-9a-zA-Z-]*", "<run>", text)
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:<port>", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(\+00(:00)?|Z)?", "<time>", text)
    text = re.sub(r"(?<![\w.])\d+\.\d+ ?s\b|seconds=\d+\.\d+|\"seconds\": \d+\.\d+", "<s>", text)
    text = re.sub(r"\b\d+ ms\b", "<ms>", text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def blocks(kind: str) -> list[tuple[str, str]]:
    """(what is run, what is shown) in the README's order."""
    found = []
    for match in BLOCK.finditer(README.read_text()):
        if match[1] != kind:
            continue
        if kind == "sql":
            found.append((match[2], match[3] or ""))
            continue
        for part in re.split(r"^\$ ", match[2], flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            found.append((command, shown))
    return found


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str, str]]:
    """Runs the README's commands one after the other on a fresh data folder: (command, shown, printed)."""
    data = tmp_path_factory.mktemp("readme") / "data"
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("BRIVITY_", "DATABASE_URL"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**kept, "PATH": path, "CROSSWALK_DATA_DIR": str(data), "COLUMNS": "120"}
    results = []
    for command, shown in blocks("console"):
        done = subprocess.run(
            command, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200, check=False
        )
        printed = (done.stdout + done.stderr).replace(str(data), "data")
        results.append((command, shown, printed))
    results.append(("", "", str(data)))
    return results


def test_commands_print_what_is_shown(outputs: list[tuple[str, str, str]]) -> None:
    wrong = [
        f"$ {command}\n--- README\n{masked(shown)}\n--- printed\n{masked(printed)}"
        for command, shown, printed in outputs[:-1]
        if masked(shown) != masked(printed)
    ]
    assert outputs[:-1], "the README shows no command"
    assert not wrong, "\n\n".join(wrong)


def test_questions_have_the_answers_shown(outputs: list[tuple[str, str, str]]) -> None:
    path = Path(outputs[-1][2]) / "sandbox" / "crm.duckdb"
    questions = blocks("sql")
    assert len(questions) >= 5
    wrong = []
    with duckdb.connect(str(path.resolve()), read_only=True) as con:
        con.execute("set timezone = 'UTC'")
        for sql, shown in questions:
            answer = str(con.sql(sql))
            if masked(answer) != masked(shown):
                wrong.append(f"{sql}\n--- README\n{masked(shown)}\n--- answered\n{masked(answer)}")
    assert not wrong, "\n\n".join(wrong)
