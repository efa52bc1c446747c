"""A headless Chromium, driven over a pipe by the DevTools protocol.

``Browser()`` starts one with an empty profile; ``open`` gives a page to ask and to photograph.
Nothing but the standard library and a Chromium is needed: ``--remote-debugging-pipe`` speaks JSON
messages, each ended by a NUL, on the descriptors 3 and 4.
"""

from __future__ import annotations

import base64
import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe",
)  # fmt: skip
TIMEOUT = 30.0
KEYS = {"Enter": (13, "\r"), "ArrowLeft": (37, "")}

Message = dict[str, Any]


def find() -> str | None:
    """The path of an installed Chromium, or ``None``."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Browser:
    """A browser process. Events of all pages arrive in ``Page.events`` of the page they concern."""

    def __init__(self) -> None:
        executable = find()
        assert executable is not None
        self._profile = tempfile.mkdtemp(prefix="chromium-")
        from_us, self._write = os.pipe()
        self._read, to_us = os.pipe()
        command = [executable, *FLAGS, f"--user-data-dir={self._profile}", "about:blank"]
        # The descriptors that we pass may themselves be 3 and 4, so a shell puts them in place.
        shell = f'exec 8<&{from_us} 9>&{to_us} && exec 3<&8 4>&9 8<&- 9>&- && exec "$@"'
        self._process = subprocess.Popen(
            ["bash", "-c", shell, "bash", *command],
            pass_fds=(from_us, to_us),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": self._profile},
        )
        os.close(from_us)
        os.close(to_us)
        self._last = 0
        self._answers: queue.Queue[Message] = queue.Queue()
        self._pages: dict[str, Page] = {}
        self._reader = threading.Thread(target=self._receive, daemon=True)
        self._reader.start()

    def close(self) -> None:
        try:
            self.call("Browser.close")
            self._process.wait(TIMEOUT)
        finally:
            self._process.kill()
            self._process.wait()
            self._reader.join()
            os.close(self._write)
            os.close(self._read)
            shutil.rmtree(self._profile, ignore_errors=True)  # helpers may still write there

    def open(self, url: str, **how: Any) -> Page:
        """A new page at ``url``; ``how`` is what :class:`Page` takes."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, target, session)
        page.go(url, **how)
        return page

    def call(self, method: str, session: str | None = None, **params: Any) -> Message:
        """One command and its answer. One thread only: answers come in the order of commands."""
        self._last += 1
        message: Message = {"id": self._last, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        answer = self._answers.get(timeout=TIMEOUT)
        while answer["id"] < self._last:  # to a command that nobody waited for any longer
            answer = self._answers.get(timeout=TIMEOUT)
        assert "error" not in answer, (method, answer["error"])
        result: Message = answer["result"]
        return result

    def _receive(self) -> None:
        buffer = b""
        while data := os.read(self._read, 65536):
            *messages, buffer = (buffer + data).split(b"\0")
            for text in messages:
                message = json.loads(text)
                if "id" in message:
                    self._answers.put(message)
                elif message.get("sessionId") in self._pages:
                    self._pages[message["sessionId"]].events.append(message)


class Page:
    """One tab."""

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self.events: list[Message] = []
        self._browser = browser
        self._target = target
        self._session = session

    def call(self, method: str, **params: Any) -> Message:
        return self._browser.call(method, self._session, **params)

    def go(
        self,
        url: str,
        *,
        width: int = 1280,
        height: int = 900,
        scheme: str = "light",
        script: str = "",
    ) -> None:
        """Load ``url``; ``script`` runs in it before its own scripts do."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.resize(width, height)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)
        if script:
            self.call("Page.addScriptToEvaluateOnNewDocument", source=script)
        self.call("Page.navigate", url=url)

    def resize(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression; promises are awaited."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, condition: str, timeout: float = TIMEOUT) -> None:
        """Wait until the JavaScript ``condition`` holds, looked at before every frame."""
        held = self.evaluate(  # in a block, as its names are to be forgotten
            "{" + f"const end = performance.now() + {1000 * timeout};"
            f"const holds = () => {{ try {{ return {condition} }} catch {{ return false }} }};"
            "new Promise(done => { const look = () => holds() ? done(true)"
            " : performance.now() > end ? done(false) : requestAnimationFrame(look); look() }) }"
        )
        assert held, f"never held: {condition}\n{self.text()}"

    def text(self) -> str:
        return str(self.evaluate("document.body.innerText"))

    def key(self, key: str) -> None:
        """Press and release one of ``KEYS``."""
        code, text = KEYS[key]
        self.call("Page.bringToFront")  # a page in the background takes no keys
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                text=text,
                windowsVirtualKeyCode=code,
            )

    def point_at(self, selector: str, fraction: float) -> None:
        """Move the pointer to an element, ``fraction`` of its width from its left."""
        self.call("Page.bringToFront")
        self.evaluate(f"document.querySelector('{selector}').scrollIntoView({{block: 'nearest'}})")
        x, y, width, height = self.evaluate(
            f"(box => [box.x, box.y, box.width, box.height])"
            f"(document.querySelector('{selector}').getBoundingClientRect())"
        )
        self.call(
            "Input.dispatchMouseEvent", type="mouseMoved", x=x + width * fraction, y=y + height / 2
        )

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=whole,
                         **({"clip": clip} if whole else {}))  # fmt: skip
        path.write_bytes(base64.b64decode(shot["data"]))

    def errors(self) -> list[str]:
        """Uncaught exceptions and what the console was told of errors and warnings."""
        found = []
        for event in list(self.events):
            params = event["params"]
            if event["method"] == "Runtime.exceptionThrown":
                found.append(json.dumps(params["exceptionDetails"]))
            elif event["method"] == "Runtime.consoleAPICalled":
                if params["type"] in ("error", "warning", "assert"):
                    found.append(json.dumps(params["args"]))
            elif event["method"] == "Log.entryAdded" and params["entry"]["level"] != "info":
                found.append(json.dumps(params["entry"]))
        return found

    def requested(self) -> list[str]:
        """Every address that the page asked for."""
        return [
            event["params"]["request"]["url"]
            for event in list(self.events)
            if event["method"] == "Network.requestWillBeSent"
        ]

    def close(self) -> None:
        self._browser.call("Target.closeTarget", targetId=self._target)
