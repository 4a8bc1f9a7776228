"""`python pipelines/run.py brivity`: the same as `crosswalk run brivity`."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from pipelines.cli import main

    main(["run", *sys.argv[1:]])
