"""A headless Chromium, controlled by its debugging pipe, without driver, port or client library.

    with Browser() as browser:
        page = browser.open(path, width=390, dark=True)
        page.press("Tab")
        page.value("document.title")

`needs_browser` skips a test if there is no Chromium.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-extensions",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # no name leads anywhere, whatever a page asks for
    "--remote-debugging-pipe",
)
# Becomes the browser with the pipe's ends at 3 and 4, where it looks for them.
TURN = (
    sys.executable,
    "-ISc",
    "import os, sys; a, b, *argv = sys.argv[1:]; os.dup2(int(a), 3); os.dup2(int(b), 4); os.close(int(a)); "
    "os.close(int(b)); os.execv(argv[0], argv)",
)
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "ArrowUp": 38, "ArrowDown": 40}


def find_browser() -> str | None:
    """Where Chromium is: `$ELRBENCH_BROWSER`, or the first of its usual names on the path."""
    named = os.environ.get("ELRBENCH_BROWSER")
    return named or next((found for found in map(shutil.which, NAMES) if found), None)


needs_browser = pytest.mark.skipif(
    find_browser() is None, reason="no Chromium on the path: install Debian's package chromium, or set ELRBENCH_BROWSER"
)


class BrowserError(AssertionError):
    """What the browser or a page's script said."""


class Browser:
    """One process, with a profile that is gone when it ends. Pages are opened one after the other or side by side."""

    def __enter__(self) -> Browser:
        self._profile = tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True)
        ours_in, theirs_out = _pipe()
        theirs_in, ours_out = _pipe()

        executable = find_browser()
        assert executable
        self._process = subprocess.Popen(
            [*TURN, str(theirs_in), str(theirs_out), executable, *FLAGS, f"--user-data-dir={self._profile.name}"],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._in, self._out = os.fdopen(ours_in, "rb", 0), os.fdopen(ours_out, "wb", 0)
        self._buffer, self._number = b"", 0
        self.events: list[dict[str, Any]] = []
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.call("Browser.close")
        except BrowserError:
            self._process.kill()
        self._process.wait()
        self._in.close()
        self._out.close()
        self._profile.cleanup()

    def open(self, place: Path | str, *, width: int = 1280, height: int = 900, dark: bool = False) -> Page:
        """A page once it is loaded. place: a file, or any address. width: of the window, in CSS pixels."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session, target)
        for domain in ("Page", "Runtime", "Network", "Log"):
            page.call(f"{domain}.enable")
        page.call("Emulation.setFocusEmulationEnabled", enabled=True)
        page.resize(width, height)
        page.colours(dark)
        page.go(place)
        return page

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """A command of the DevTools protocol, and its result. Events that come before it are kept in `events`."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        try:
            self._out.write(json.dumps(message).encode() + b"\0")
        except BrokenPipeError as error:
            raise BrowserError(f"the browser is gone (exit {self._process.poll()})") from error
        while (answer := self._read()).get("id") != self._number:
            self.events.append(answer)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    def wait(self, session: str, method: str) -> dict[str, Any]:
        """The next event of that name, which may have come already."""
        seen = 0
        while True:
            for event in self.events[seen:]:
                seen += 1
                if event.get("sessionId") == session and event.get("method") == method:
                    return event
            self.events.append(self._read())

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            chunk = self._in.read(1 << 16)
            if not chunk:
                raise BrowserError(f"the browser is gone (exit {self._process.poll()})")
            self._buffer += chunk
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message


class Page:
    """One page of a `Browser`."""

    def __init__(self, browser: Browser, session: str, target: str) -> None:
        self._browser, self._session, self._target = browser, session, target

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """A command of the DevTools protocol."""
        return self._browser.call(method, self._session, **params)

    def go(self, place: Path | str) -> None:
        """Opens a file or an address, and waits until it is loaded."""
        self._browser.events = [event for event in self._browser.events if event.get("method") != "Page.loadEventFired"]
        failed = self.call("Page.navigate", url=place.resolve().as_uri() if isinstance(place, Path) else place)
        assert not failed.get("errorText"), failed
        self._browser.wait(self._session, "Page.loadEventFired")

    def resize(self, width: int, height: int = 900) -> None:
        """The window, in CSS pixels; below 600 it is a phone's."""
        phone = width < 600
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)

    def colours(self, dark: bool) -> None:
        """Which of the two the reader's system prefers."""
        feature = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[feature])

    def value(self, expression: str) -> Any:
        """Of a JavaScript expression, as JSON has it; a promise is awaited."""
        done = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in done:
            raise BrowserError(done["exceptionDetails"].get("exception", {}).get("description", str(done)))
        return done["result"].get("value")

    def press(self, key: str, times: int = 1) -> None:
        """A key of `KEYS`, or a letter, as from a keyboard."""
        for _ in range(times):
            code = KEYS.get(key, ord(key[0].upper()))
            text = {"Enter": "\r", "Tab": "", "Escape": "", "ArrowUp": "", "ArrowDown": ""}.get(key, key)
            down = {"text": text} if text else {}
            self.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **down)
            self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def type(self, text: str) -> None:
        """Into what has the focus."""
        self.call("Input.insertText", text=text)

    def screenshot(self, path: Path, *, whole: bool = True) -> Path:
        """A PNG of the whole page, or of what the window shows."""
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))
        return path

    @property
    def requests(self) -> list[str]:
        """Addresses that the page asked for, itself among them, in order."""
        return [event["params"]["request"]["url"] for event in self._of("Network.requestWillBeSent")]

    @property
    def complaints(self) -> list[str]:
        """Exceptions that no script caught, errors in the console, and what the browser logged as errors."""
        found = [
            event["params"]["exceptionDetails"].get("exception", {}).get("description", "an exception")
            for event in self._of("Runtime.exceptionThrown")
        ]
        found += [
            str([part.get("value") for part in event["params"]["args"]])
            for event in self._of("Runtime.consoleAPICalled")
            if event["params"]["type"] in ("error", "assert")
        ]
        logged = (event["params"]["entry"] for event in self._of("Log.entryAdded"))
        return found + [entry["text"] for entry in logged if entry["level"] == "error"]

    def close(self) -> None:
        """Ends the page."""
        self._browser.call("Target.closeTarget", targetId=self._target)

    def _of(self, method: str) -> list[dict[str, Any]]:
        self.value("0")  # what was sent before its answer has come by then
        every = self._browser.events
        return [event for event in every if event.get("sessionId") == self._session and event.get("method") == method]


def _pipe() -> tuple[int, int]:
    """Ends above those that the browser reads and writes."""
    ends = os.pipe()
    high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return high[0], high[1]
