"""A run with nothing new, the sandbox already up, beside a bare `import dlt, duckdb`: whole processes, in turns.

python bench/rest.py [--times 7]
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pipelines.sandbox.handle import start  # noqa: E402 - the project need not be installed


def seconds(command: list[str]) -> float:
    """Wall time of one process."""
    started = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    """Prints both medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=7)
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as folder, start(Path(folder) / "sandbox", ["brivity"]):
        run = [sys.executable, "pipelines/run.py", "brivity", "--data-dir", folder]
        bare = [sys.executable, "-c", "import dlt, duckdb"]
        for _ in range(4):  # until there is nothing left to do
            seconds(run)
        pairs = [(seconds(run), seconds(bare)) for _ in range(times)]
    ours, floor = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"run with nothing new {ours:.2f} s, import dlt, duckdb {floor:.2f} s, ratio {ours / floor:.2f}")


if __name__ == "__main__":
    main()
