"""A headless Chromium spoken to over its debugging pipe (file descriptors 3 and 4, messages end in a zero byte).

Enough of the DevTools protocol to open a page, listen to what it asks and says, measure it and print it; no package
is needed for it. https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--remote-debugging-pipe",
)  # fmt: skip


def find_chromium() -> str | None:
    """Where Chromium is on this machine, or None."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


class Browser:
    """One tab of a running Chromium. ``events`` holds everything it has said unasked, in order."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._rest = b""
        self._session: str | None = None
        self._count = 0
        self.events: list[dict[str, Any]] = []

    def open_tab(self) -> None:
        """Make the tab and listen to its network, its console and its log."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command's answer."""
        self._count += 1
        message: dict[str, Any] = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read(30)
            if answer.get("id") == self._count:
                assert "error" not in answer, answer["error"]
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def navigate(self, url: str) -> None:
        """Open a page and wait until it is loaded."""
        self.events.clear()
        self.call("Page.navigate", url=url)
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._read(30))

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def resize(self, width: int, height: int, mobile: bool = False) -> None:
        """Show the page in a window of this size."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)

    def pdf(self, width_in: float, height_in: float) -> bytes:
        """The page printed, as PDF."""
        answer = self.call("Page.printToPDF", paperWidth=width_in, paperHeight=height_in, printBackground=False)
        return base64.b64decode(answer["data"])

    def screenshot(self, path: Path) -> None:
        """The whole page as PNG."""
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(answer["data"]))

    def _read(self, seconds: float) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"Chromium said nothing for {seconds:g} s"
            got = os.read(self._from, 1 << 16)
            assert got, "Chromium ended"
            self._rest += got
        message, self._rest = self._rest.split(b"\0", 1)
        found: dict[str, Any] = json.loads(message)
        return found


@contextmanager
def browser(chromium: str, profile: Path) -> Iterator[Browser]:
    """A running Chromium with one tab and an empty profile; it ends with the block."""
    in_read, in_write = os.pipe()
    out_read, out_write = os.pipe()
    # The child must find its ends at 3 and 4. A shell moves them there, whatever numbers they have here.
    script = f'exec 3<&{in_read} 4>&{out_write}; exec "$@"'
    process = subprocess.Popen(
        ["bash", "-c", script, "bash", chromium, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        pass_fds=(in_read, out_write),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(in_read)
    os.close(out_write)
    try:
        tab = Browser(in_write, out_read)
        tab.open_tab()
        yield tab
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        os.close(in_write)
        os.close(out_read)
