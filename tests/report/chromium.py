"""A page opened in headless Chromium, and what it did, over the DevTools protocol.

The protocol is spoken over two pipes, messages separated by NUL, so that no further
package is needed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from select import select
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
EXECUTABLE = next(filter(None, map(shutil.which, NAMES)), None)
_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # which root may not have
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)


@dataclass
class Visit:
    """What happened on the page.

    Attributes
    ----------
    requests : list of str
        Addresses asked for, without the page itself and data inside it.
    errors : list of str
        Messages on the console, uncaught exceptions, and refusals by policy.
    dialogs : list of str
        Texts of alerts.
    answers : dict of str -> object
        What the expressions evaluated to.
    """

    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)


def visit(page: Path, expressions: tuple[str, ...], width: int = 1000) -> Visit:
    """Open a page, wait until it has loaded, and evaluate expressions on it."""
    ((_, found),) = visits([page.resolve().as_uri()], expressions, width)
    return found


def visits(
    addresses: Iterable[str],
    expressions: tuple[str, ...],
    width: int,
    late: float = 0.5,
) -> Iterator[tuple[str, Visit]]:
    """Open pages one after the other in one browser.

    Parameters
    ----------
    addresses : iterable of str
    expressions : tuple of str
        What is evaluated on each.
    width : int
        Of the window, in pixels.
    late : float, default=0.5
        Seconds to wait for what scripts still do after loading.
    """
    with tempfile.TemporaryDirectory() as profile:
        browser = _Browser(Path(profile))
        try:
            for address in addresses:
                yield address, _visit(browser, address, expressions, width, late)
        finally:
            browser.close()


def _visit(
    browser: _Browser,
    address: str,
    expressions: tuple[str, ...],
    width: int,
    late: float,
) -> Visit:
    browser.session, browser.events = None, []
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    session = browser.call("Target.attachToTarget", targetId=target, flatten=True)
    browser.session = session["sessionId"]
    for domain in ("Page", "Network", "Runtime", "Log"):
        browser.call(f"{domain}.enable")
    browser.call(
        "Emulation.setDeviceMetricsOverride",
        width=width, height=900, deviceScaleFactor=1, mobile=False,
    )  # fmt: skip
    browser.call("Page.navigate", url=address)
    browser.wait_for("Page.loadEventFired")
    found = Visit()
    for expression in expressions:
        answer = browser.call(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
        )
        found.answers[expression] = answer["result"].get("value")
    browser.drain(late)  # late scripts and requests
    for event in browser.events:
        _record(found, event, address)
    browser.session = None
    browser.call("Target.closeTarget", targetId=target)
    return found


def _record(found: Visit, event: dict, address: str) -> None:
    params = event.get("params", {})
    match event["method"]:
        case "Network.requestWillBeSent":
            url = params["request"]["url"]
            if url != address and not url.startswith("data:"):
                found.requests.append(url)
        case "Runtime.consoleAPICalled":
            found.errors.append(f"console.{params['type']}: {params['args']}")
        case "Runtime.exceptionThrown":
            found.errors.append(params["exceptionDetails"]["text"])
        case "Log.entryAdded":
            found.errors.append(params["entry"]["text"])
        case "Page.javascriptDialogOpening":
            found.dialogs.append(params["message"])


class _Browser:
    """A Chromium that reads commands from one pipe and answers on another."""

    def __init__(self, profile: Path) -> None:
        assert EXECUTABLE is not None
        read_commands, self._write = os.pipe()
        self._read, write_answers = os.pipe()
        # Chromium reads from descriptor 3 and writes to 4.
        start = 'exec "$0" "$@" 3<&"$SKFME_IN" 4>&"$SKFME_OUT"'
        self._process = subprocess.Popen(
            ["bash", "-c", start, EXECUTABLE, *_FLAGS, f"--user-data-dir={profile}"],
            pass_fds=(read_commands, write_answers),
            env={
                **os.environ,
                "SKFME_IN": str(read_commands),
                "SKFME_OUT": str(write_answers),
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(read_commands)
        os.close(write_answers)
        self.session: str | None = None
        self.events: list[dict] = []
        self._buffer = b""
        self._last = 0

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": params}
        if self.session is not None:
            message["sessionId"] = self.session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + 60
        while True:
            answer = self._next(deadline)
            if answer.get("id") == self._last:
                assert "error" not in answer, answer["error"]
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, method: str) -> None:
        """Read events until one of a kind has come."""
        deadline = time.monotonic() + 60
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self._next(deadline))

    def drain(self, seconds: float) -> None:
        """Read what still comes within some seconds."""
        deadline = time.monotonic() + seconds
        try:
            while True:
                self.events.append(self._next(deadline))
        except TimeoutError:
            return

    def _next(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select([self._read], [], [], left)[0]:
                raise TimeoutError("Chromium did not answer.")
            chunk = os.read(self._read, 1 << 16)
            if not chunk:
                raise RuntimeError("Chromium ended early.")
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def close(self) -> None:
        """End the browser, and wait until its profile is let go."""
        os.close(self._write)
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._read)
