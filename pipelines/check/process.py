"""The other process: started early, so that Great Expectations is imported while staging runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipelines.check.expectations import Expectation

ROOT = Path(__file__).resolve().parents[2]
# What a process needs to run at all; credentials in the environment are none of its business (law L14).
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "CROSSWALK_MEMORY", "CROSSWALK_SPILL")
QUIET = {"GX_ANALYTICS_ENABLED": "false", "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}


class CheckProcessError(Exception):
    """The checks could not be made; which is not to say that they failed."""


class Worker:
    """A process with Great Expectations in it. Use it in a `with` block, or `close()` it."""

    def __init__(self) -> None:
        environment = {name: os.environ[name] for name in KEPT if name in os.environ} | QUIET
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "pipelines.check.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            text=True,
            encoding="utf-8",
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def evaluate(self, candidate: Path, spill: Path, expectations: Sequence[Expectation]) -> list[dict[str, Any]]:
        """The answers of `evaluate.evaluate`, in the order asked; waits for the import if it still goes on.

        Raises:
            CheckProcessError: the process ended, or could not open the file.
        """
        asked = [expectation.as_dict() for expectation in expectations]
        request = {"path": str(candidate.resolve()), "spill": str(spill.resolve()), "expectations": asked}
        answer = json.loads(self._exchange(json.dumps(request, default=str)))
        if "problem" in answer:
            raise CheckProcessError(f"the checks could not be made: {answer['problem']}")
        results: list[dict[str, Any]] = answer["results"]
        return results

    def _exchange(self, line: str) -> str:
        pipe_in, pipe_out = self._process.stdin, self._process.stdout
        answer = ""
        if pipe_in is not None and pipe_out is not None and self._process.poll() is None:
            try:
                pipe_in.write(line + "\n")
                pipe_in.flush()
                answer = pipe_out.readline()
            except BrokenPipeError:
                answer = ""
        if not answer:
            code = self._process.wait()
            raise CheckProcessError(f"the process of the checks ended with exit code {code}")
        return answer

    def close(self) -> None:
        """Ends the process, whatever it is at."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def start_worker() -> Worker:
    """Start the process and come back at once; it imports Great Expectations by itself (about 4 s of one core)."""
    return Worker()
