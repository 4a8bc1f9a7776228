"""`python -m pipelines.sandbox --data-dir D [--crm NAME ...]` serves the emulated CRMs until stopped."""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines.sandbox.guests import Guests

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str] | None = None) -> int:
    """Serves until stopped and returns the exit code."""
    options = _options(arguments)
    host_is_gone = threading.Event()
    if options.with_parent and sys.platform == "linux":
        signal.signal(signal.SIGUSR1, lambda *_: host_is_gone.set())
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGUSR1)
    if options.with_parent or options.with_stdin:
        threading.Thread(target=_hear_of_the_host, args=[host_is_gone], daemon=True).start()
    from pipelines.sandbox import server

    folder = Path(options.data_dir)
    try:
        with server.hold(folder):
            sandbox = server.app(
                folder,
                options.crm or None,
                seed=options.seed,
                size=options.size,
                latency_ms=options.latency_ms,
                enforce_limits=options.enforce_limits,
            )
            if options.with_parent or options.with_stdin:
                threading.Thread(target=_end_with_the_last, args=[sandbox.guests, host_is_gone], daemon=True).start()
            if sandbox.is_large():
                sandbox.fill()
            server.serve(sandbox, options.port, lambda found: _announce(found, folder, options))
    except (LookupError, ValueError, RuntimeError, OSError) as refused:
        print(refused, flush=True)
        return 2
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pipelines.sandbox", description="Emulated CRMs on 127.0.0.1.")
    parser.add_argument("--data-dir", required=True, help="folder that keeps what the CRMs hold")
    parser.add_argument("--port", type=int, default=0, help="0: the system picks one")
    parser.add_argument("--crm", action="append", help="only this CRM; may be given several times")
    parser.add_argument("--seed", type=int, help="of the world, default 7")
    parser.add_argument("--size", type=int, help="people in the world, default 300")
    parser.add_argument("--latency-ms", type=float, default=0, help="added to every call")
    parser.add_argument("--enforce-limits", action="store_true", help="the vendors' limits hold")
    parser.add_argument("--with-parent", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--with-stdin", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _hear_of_the_host(host_is_gone: threading.Event) -> None:
    """Waits for the other end of standard input to go: the parent's death, on every system.

    The kernel's own signal comes at the death of the *thread* that started us, so a parent that starts us from a thread
    relies on this alone; and this alone would fail where a forked sibling holds the pipe open.
    """
    sys.stdin.read()
    host_is_gone.set()


def _end_with_the_last(guests: Guests, host_is_gone: threading.Event) -> None:
    """Ends the process when neither its parent nor a guest needs it any more."""
    host_is_gone.wait()
    guests.wait_until_none()
    os._exit(0)


def _announce(found: dict[str, Any], folder: Path, options: argparse.Namespace) -> None:
    noted = {name: found[name] for name in ("url", "pid", "instance", "seed", "size")} | {"crms": list(found["crms"])}
    draft = folder / "sandbox.json.new"
    draft.write_text(json.dumps(noted))
    draft.replace(folder / "sandbox.json")
    if options.with_parent or options.with_stdin:
        print(json.dumps(found), flush=True)
        return
    for crm in found["crms"].values():
        print(*(f"export {name}={value}" for name, value in crm["environment"].items()), sep="\n")
    print(f"serving {', '.join(found['crms'])} at {found['url']} (ctrl-c ends it)", flush=True)


if __name__ == "__main__":
    sys.exit(main())
