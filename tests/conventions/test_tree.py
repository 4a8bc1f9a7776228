"""The conventions of the tree: each test walks the project and names the file that breaks one."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PIPELINES = ROOT / "pipelines"
STAGES = ["extract", "staging", "unify", "check", "publish", "push"]
MAY_NOT_IMPORT = {
    "mapping": [*STAGES, "connections", "state", "wire", "warehouse", "commands", "sandbox", "service"],
    "connections": [*STAGES, "state", "wire", "warehouse", "commands", "sandbox", "service"],
    "state": [*STAGES, "wire", "warehouse", "commands", "sandbox", "service"],
    "wire": [*STAGES, "warehouse", "commands", "sandbox", "service"],
    "warehouse": [*STAGES, "wire", "commands", "sandbox", "service"],
    "extract": ["staging", "unify", "check", "publish", "push", "warehouse", "commands", "sandbox", "service"],
    "staging": ["extract", "unify", "check", "publish", "push", "wire", "commands", "sandbox", "service"],
    "unify": ["extract", "check", "publish", "push", "wire", "commands", "sandbox", "service"],
    "check": ["extract", "staging", "unify", "push", "wire", "commands", "sandbox", "service"],
    "publish": ["extract", "staging", "unify", "check", "push", "wire", "commands", "sandbox", "service"],
    "push": ["extract", "check", "publish", "commands", "sandbox", "service"],
    "sandbox": [*STAGES, "mapping", "connections", "state", "wire", "warehouse", "commands", "service"],
}
VENDORS = "brivity|top_?producer|vaultre|mri_?vault|follow_?up_?boss|kvcore|hubspot|salesforce|zoho|pipedrive"


def tracked_files() -> list[Path]:
    """Files that git has, or would take."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [ROOT / line for line in listed if (ROOT / line).is_file()]


def python_files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*.py") if "__pycache__" not in p.parts)


def imported_modules(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("folder", sorted(MAY_NOT_IMPORT))
def test_no_stage_imports_a_later_one(folder: str) -> None:
    broken = []
    for path in python_files(PIPELINES / folder):
        for name in imported_modules(path):
            parts = name.split(".")
            if parts[0] == "pipelines" and len(parts) > 1 and parts[1] in MAY_NOT_IMPORT[folder]:
                broken.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not broken, "\n".join(broken)


def test_names_beside_run_py_shadow_nothing() -> None:
    """`python pipelines/run.py` puts pipelines/ first on the import path."""
    installed = set(importlib.metadata.packages_distributions()) | set(sys.stdlib_module_names)
    modules = [p.stem for p in PIPELINES.glob("*.py") if p.stem not in ("__init__", "__main__")]
    folders = [p.name for p in PIPELINES.iterdir() if p.is_dir() and p.name != "__pycache__"]
    assert not (set(modules) | set(folders)) & installed
    assert not set(modules) & set(folders)


def test_no_vendor_is_named_in_the_engine() -> None:
    """A vendor's name stands in mappings and sandboxes, and in comments and docstrings that cite it, nowhere else."""
    broken = []
    for path in python_files(PIPELINES):
        if "sandbox" in path.parts:
            continue
        tree = ast.parse(path.read_text())
        docstrings = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            texts = [getattr(node, key, None) for key in ("id", "attr", "name", "arg")]
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                texts.append(node.value)
            broken += [
                f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', '?')} {text[:60]}"
                for text in texts
                if isinstance(text, str) and re.search(VENDORS, text, re.IGNORECASE) and not ALLOWED.search(text)
            ]
    assert not broken, "\n".join(broken)


ALLOWED = re.compile(r"python pipelines/run\.py|crosswalk |such as ", re.IGNORECASE)


def test_files_and_functions_are_short() -> None:
    """A file is one idea; a function does one thing."""
    broken = []
    for path in python_files(PIPELINES):
        if "migrations" in path.parts:  # a migration is a list, and stays as it was
            continue
        text = path.read_text()
        if text.count("\n") > 300:
            broken.append(f"{path.relative_to(ROOT)}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno
                if length > 60:
                    broken.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {length} lines")
    assert not broken, "\n".join(broken)


def test_public_functions_say_what_they_do() -> None:
    broken = []
    for path in python_files(PIPELINES):
        tree = ast.parse(path.read_text())
        if path.name != "__init__.py" and not ast.get_docstring(tree):
            broken.append(f"{path.relative_to(ROOT)}: module docstring")
        for node in tree.body:
            is_public = isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_"
            if is_public and not ast.get_docstring(node):  # type: ignore[arg-type]
                broken.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")  # type: ignore[attr-defined]
    assert not broken, "\n".join(broken)


def test_nothing_unfinished_and_nothing_mocked() -> None:
    """What is landed is what users get."""
    marks = re.compile(
        r"NotImplemented" r"Error|\bTO" r"DO\b|\bFIX" r"ME\b|\bXX" r"X\b|unittest\.mo" r"ck|Magic" r"Mock"
    )
    broken = [
        str(path.relative_to(ROOT))
        for path in tracked_files()
        if path.suffix in (".py", ".sql", ".yml", ".md") and marks.search(path.read_text())
    ]
    assert not broken, "\n".join(broken)


def test_every_test_can_fail() -> None:
    """Each test asserts something, itself or in a helper beside it."""
    broken = []
    for path in python_files(ROOT / "tests"):
        tree = ast.parse(path.read_text())
        functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
        helpers = {f.name for f in functions if any(isinstance(n, ast.Assert) for n in ast.walk(f))}
        for function in functions:
            calls = {ast.unparse(n.func) for n in ast.walk(function) if isinstance(n, ast.Call)}
            asserts = function.name in helpers or any(re.search(r"raises|check|verify|assert|expect", c) for c in calls)
            if function.name.startswith("test_") and not asserts and not calls & helpers:
                broken.append(f"{path.relative_to(ROOT)}:{function.lineno} {function.name}")
    assert not broken, "\n".join(broken)


def test_no_lock_file_and_no_registry_host() -> None:
    hosts = re.compile(r"https?://(pypi|files\.pythonhosted|registry\.npmjs|deb\.debian)\b", re.IGNORECASE)
    names = {"uv.lock", "poetry.lock", "package-lock.json"}
    broken = [
        str(path.relative_to(ROOT))
        for path in tracked_files()
        if path.name in names or (path.stat().st_size < 2_000_000 and hosts.search(path.read_text(errors="ignore")))
    ]
    assert not broken, "\n".join(broken)


def test_each_dependency_is_pinned_and_has_a_reason() -> None:
    pinned = {"crosswalk"} | {  # our own extra, within another
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    block = (ROOT / "pyproject.toml").read_text().split("[project.scripts]")[0]
    wanted = re.findall(r'^\s+"([A-Za-z0-9_.-]+)[^"]*",\s*(#.*)?$', block, re.MULTILINE)
    missing = [name for name, _ in wanted if name.lower().replace("_", "-") not in pinned]
    assert not missing, f"not in constraints.txt: {missing}"
    assert not [name for name, reason in wanted if not reason], "a dependency without a reason"


def test_what_every_run_imports_is_light() -> None:
    """Arrow and what comes with it are a tenth of a run with nothing new, which needs none of it."""
    modules = "pipelines.cli, pipelines.commands.running, pipelines.extract.run, pipelines.state.runs"
    program = f"import sys, {modules}; print([name for name in ('pyarrow', 'numpy', 'pandas') if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, text=True) == "[]\n"
