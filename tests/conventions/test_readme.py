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
    environment = _environment(data)
    results = [(command, shown, _run(command, environment, data)) for command, shown in blocks("console")]
    return [*results, ("", "", str(data))]


def _environment(data: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("BRIVITY_", "DATABASE_URL"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "PATH": path, "CROSSWALK_DATA_DIR": str(data), "COLUMNS": "120"}


def _run(command: str, environment: dict[str, str], data: Path) -> str:
    done = subprocess.run(
        command, shell=True, cwd=ROOT, env=environment, text=True, timeout=600, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return done.stdout.replace(str(data), "data")


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


def rewrite(data: Path) -> None:
    """Puts what the program prints now into the README; read the difference before you keep it."""
    text = README.read_text()
    environment = _environment(data)
    for match in list(BLOCK.finditer(text)):
        shown = _run_block(match[2], environment, data) if match[1] == "console" else ""
        if match[1] == "console":
            text = text.replace(match[0], f"```console\n{shown}```\n", 1)
        else:
            with duckdb.connect(str((data / "sandbox" / "crm.duckdb").resolve()), read_only=True) as con:
                answer = "\n".join(line.rstrip() for line in str(con.sql(match[2])).strip().splitlines())
            text = text.replace(match[0], f"```sql\n{match[2]}```\n\n```text\n{answer}\n```\n", 1)
    README.write_text(re.sub(r"\n{3,}", "\n\n", text))


def _run_block(block: str, environment: dict[str, str], data: Path) -> str:
    shown = ""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command = part.partition("\n")[0]
        printed = _run(command, environment, data)
        shown += f"$ {command}\n" + "".join(f"{line.rstrip()}\n" for line in printed.strip().splitlines())
    return shown


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        rewrite(Path(folder) / "data")
