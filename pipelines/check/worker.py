"""The process in which Great Expectations runs: `python -m pipelines.check.worker`.

It reads one request (a line of JSON) from standard input at a time, and answers with one line. What Great Expectations
prints goes nowhere. It ends with its parent, whose end closes standard input.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from typing import Any


def main() -> None:
    """Answers requests until standard input ends."""
    answers = _take_standard_output()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    _answer({"path": "", "spill": "", "expectations": []})  # imports before the first request comes
    for line in sys.stdin:
        answers.write(json.dumps(_answer(json.loads(line)), default=str) + "\n")
        answers.flush()
    os._exit(0)  # DuckDB's bindings complain at an orderly end of what Great Expectations leaves open


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    try:
        from pipelines.check.evaluate import evaluate

        return {"results": evaluate(**request)}
    except Exception as problem:  # noqa: BLE001 - told to the parent, which raises it
        return {"problem": f"{type(problem).__name__}: {problem}"}


def _take_standard_output() -> Any:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return answers


if __name__ == "__main__":
    main()
