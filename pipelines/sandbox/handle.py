"""Starting the sandbox as a child process, and finding one that runs. Imports nothing heavy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPResponse
from pathlib import Path
from types import TracebackType
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class SandboxError(RuntimeError):
    """The sandbox does not start, or refuses what it was asked."""


@dataclass(slots=True)
class SandboxHandle:
    """A running sandbox.

    Attributes:
        address: `http://127.0.0.1:<port>`.
        process: the child process; None where another process started the sandbox.
        stay: the open answer that keeps a sandbox of another process up for us, in the same case.
    """

    address: str
    seed: int
    size: int
    crms: dict[str, Any]
    process: subprocess.Popen[str] | None = field(default=None, repr=False)
    stay: HTTPResponse | None = field(default=None, repr=False)

    def url(self, crm: str) -> str:
        """Returns the address of one CRM, its mount included; `environment` has the base URL of its API."""
        return str(self._crm(crm)["url"])

    def environment(self, crm: str) -> dict[str, str]:
        """Returns the environment variables that make a connection use this CRM."""
        return dict(self._crm(crm)["environment"])

    def _crm(self, crm: str) -> dict[str, Any]:
        if crm not in self.crms:
            raise SandboxError(f"the sandbox at {self.address} has no CRM {crm!r}; it has {', '.join(self.crms)}")
        return dict(self.crms[crm])

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        """Calls an admin endpoint, e.g. `admin("POST", "brivity/faults", {"kind": "drop", "count": 1})`."""
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}/_sandbox/{path.lstrip('/')}", content, method=method)
        try:
            with _DIRECT.open(request, timeout=60) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as refused:
            raise SandboxError(
                f"{method} {path}: {refused.code} {refused.read().decode(errors='replace')}"
            ) from refused

    def stop(self) -> None:
        """Ends the sandbox if this handle started it, once nobody else uses it; what was written to it stays."""
        if self.stay is not None:
            self.stay.close()
        if self.process is None:
            return
        if self._has_guests():
            _close(self.process)  # it goes when the last guest has gone
            return
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        _close(self.process)

    def _has_guests(self) -> bool:
        try:
            return bool(self.admin("GET", "guests")["guests"])
        except OSError:
            return False  # it has ended already

    def __enter__(self) -> SandboxHandle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start(
    data_dir: Path | str, crms: Sequence[str] | None = None, *, seed: int | None = None, size: int | None = None,
    latency_ms: float = 0, enforce_limits: bool = False, port: int = 0,
) -> SandboxHandle:  # fmt: skip
    """Starts a sandbox on 127.0.0.1 as a child process that ends with this one; arguments as for `server.app`.

    Raises:
        SandboxError: it does not start (unknown CRM, another seed, folder in use); the text says why.
    """
    command = [sys.executable, "-m", "pipelines.sandbox", "--data-dir", str(data_dir), "--port", str(port)]
    command += ["--with-parent"] if threading.current_thread() is threading.main_thread() else ["--with-stdin"]
    command += ["--latency-ms", str(latency_ms), *(["--enforce-limits"] if enforce_limits else [])]
    command += [
        word for name, value in (("--seed", seed), ("--size", size)) if value is not None for word in (name, str(value))
    ]
    command += [word for crm in crms or () for word in ("--crm", crm)]
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    Path(data_dir).mkdir(parents=True, exist_ok=True)
    with (Path(data_dir) / "sandbox.log").open("a") as log:
        # a session of its own: ctrl-c in the terminal is for the parent, which still needs the sandbox to end well
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
    line = process.stdout.readline() if process.stdout else ""
    if line.startswith("{"):
        return _handle(json.loads(line), process)
    _close(process)
    code = process.wait()
    raise SandboxError(line.strip() or f"the sandbox ended with exit code {code}; see {log.name}")


def find(data_dir: Path | str) -> SandboxHandle | None:
    """Returns the sandbox that serves this folder now, whoever started it; None where none does."""
    try:
        noted = json.loads((Path(data_dir) / "sandbox.json").read_text())
        with _DIRECT.open(f"{noted['url']}/_sandbox/", timeout=5) as reply:
            found = json.load(reply)
    except (OSError, ValueError, KeyError):
        return None
    # another program may listen on the port by now, even another sandbox
    return _handle(found, None) if found.get("instance") == noted["instance"] else None


def use(data_dir: Path | str, crms: Sequence[str] | None = None, **settings: Any) -> SandboxHandle:
    """Returns the sandbox that serves this folder, starting one (arguments as for `start`) where none does."""
    for _ in range(3):
        if (found := find(data_dir)) and _stays(found):
            return found
        try:
            return start(data_dir, crms, **settings)
        except SandboxError as refused:
            if "another sandbox" not in str(refused):
                raise
            time.sleep(0.3)  # it has the folder and is about to write its address
    raise SandboxError(f"another sandbox holds {data_dir} and does not answer")


def _stays(handle: SandboxHandle) -> bool:
    """Makes the sandbox stay up as long as this process uses it, whatever becomes of the one that started it."""
    try:
        handle.stay = _DIRECT.open(f"{handle.address}/_sandbox/stay", timeout=5)
    except OSError:
        return False  # it ended just now
    return True


def _close(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()


def _handle(described: dict[str, Any], process: subprocess.Popen[str] | None) -> SandboxHandle:
    return SandboxHandle(described["url"], described["seed"], described["size"], described["crms"], process)
