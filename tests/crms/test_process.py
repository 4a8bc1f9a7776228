"""`python pipelines/run.py all`, as somebody calls it: one failing CRM stops no other, and there is one table."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.sandbox.handle import start

pytestmark = pytest.mark.slow
CRMS = [
    "brivity", "brivity_core", "external", "follow_up_boss", "hubspot", "kvcore", "mri_vault", "salesforce",
    "topproducer", "vaultre", "zoho",
]  # fmt: skip


def test_all_crms_in_one_run_of_which_one_fails(tmp_path: Path, project_root: Path) -> None:
    own = {k: v for k, v in os.environ.items() if not k.startswith(tuple(crm.upper() for crm in CRMS))}
    with start(tmp_path / "sandbox", CRMS, size=30) as sandbox:
        sandbox.admin("POST", "topproducer/faults", {"kind": "error", "path": "*"})
        command = [sys.executable, "pipelines/run.py", "all", "--push", "apply", "--data-dir", str(tmp_path)]
        done = subprocess.run(
            command, cwd=project_root, env=own, capture_output=True, text=True, timeout=300, check=False
        )
        written = sandbox.admin("GET", "calls")
    assert done.returncode == 3, done.stdout[-3000:] + done.stderr[-3000:]
    lines = done.stdout.splitlines()
    assert len([line for line in lines if line.startswith("run ") and "owner=sandbox" in line]) == 1, "one table"
    for stage in ("extract", "push"):
        seen = {line.split()[1] for line in lines if line.startswith(f"{stage} ")}
        assert "topproducer" not in seen
    read = {line.split()[1] for line in lines if line.startswith("extract ")}
    assert read == {*CRMS, "salesforce_leads"} - {"topproducer"}
    assert [line for line in lines if line.startswith("[Top Producer]")]
    assert any(line.startswith("publish ") for line in lines), "what came is published"
    pushed = {line.split()[1] for line in lines if line.startswith("push ")}
    assert len(pushed) >= 5
    assert not [c for crm in CRMS for c in written[crm] if c["status"] == 429], "no limit was run into"
