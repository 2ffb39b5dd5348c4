"""Headless Chromium, driven over its DevTools protocol: enough to use a page as a person does.

Every page gets a fresh profile. What the page complains about (exceptions, blocked scripts, failed requests)
is kept in `complaints`, so that a test can say that there was nothing.
"""

import base64
import contextlib
import itertools
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
]
PATIENCE_S = 40.0


class Browser:
    """One browser with one page; use as a context."""

    def __init__(self, *, language="en"):
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._process = subprocess.Popen(
            [
                PROGRAM,
                *FLAGS,
                f"--user-data-dir={self._profile.name}",
                f"--accept-lang={language}",
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._ids = itertools.count(1)
        self.complaints = []
        self._open = contextlib.ExitStack()
        self._line = self._open.enter_context(connect(self._address(), max_size=None))
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = None
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "DOM"):
            self._call(f"{domain}.enable")
        self.size(1280, 900)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ConnectionClosed):
            self._call("Browser.close")
        self._open.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._profile.cleanup()

    # What a person does.

    def open(self, url):
        """Go to a page and wait until it is there."""
        self._call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")

    def size(self, width, height, scale=1):
        """Of the window."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=False,
        )

    def colours(self, scheme):
        """What the system prefers: light or dark."""
        self._call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def click(self, selector):
        """On the first element that fits."""
        self.wait(f"document.querySelector({json.dumps(selector)})")
        self.js(f"document.querySelector({json.dumps(selector)}).click()")

    def type(self, selector, text):
        """Replace what a field holds, as typing would."""
        self.wait(f"document.querySelector({json.dumps(selector)})")
        self.js(
            f"(e => {{ e.focus(); e.select && e.select(); }})(document.querySelector({json.dumps(selector)}))"
        )
        if text:
            self._call("Input.insertText", text=text)
        else:
            for kind in ("keyDown", "keyUp"):
                self._call("Input.dispatchKeyEvent", type=kind, key="Delete", windowsVirtualKeyCode=46)

    def choose_file(self, selector, path):
        """In a file field."""
        root = self._call("DOM.getDocument")["root"]["nodeId"]
        node = self._call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self._call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    # What a person sees.

    def js(self, expression):
        """The value of an expression in the page."""
        told = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def text(self, selector):
        """Of the first element that fits; "" when there is none."""
        return self.js(f"(document.querySelector({json.dumps(selector)}) || {{}}).innerText || ''").strip()

    def wait(self, expression, timeout_s=PATIENCE_S):
        """Until an expression is true."""
        give_up = time.monotonic() + timeout_s
        # While a page is being replaced, half of it is missing.
        safely = f"(() => {{ try {{ return Boolean({expression}); }} catch {{ return false; }} }})()"
        while not self.js(safely):
            assert time.monotonic() < give_up, (
                f"{expression} did not come true on\n{self.text('body')[:2000]}"
            )
            time.sleep(0.1)

    def picture(self, path, *, whole=False):
        """A screenshot, PNG."""
        shot = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        Path(path).write_bytes(base64.b64decode(shot["data"]))

    # The protocol.

    def _address(self):
        note = Path(self._profile.name) / "DevToolsActivePort"
        give_up = time.monotonic() + PATIENCE_S
        while not (note.exists() and note.read_text().count("\n")):
            assert time.monotonic() < give_up, "chromium did not start"
            time.sleep(0.05)
        port, path = note.read_text().split()
        return f"ws://127.0.0.1:{port}{path}"

    def _call(self, method, **params):
        ident = next(self._ids)
        call = {"id": ident, "method": method, "params": params}
        if getattr(self, "_session", None):
            call["sessionId"] = self._session
        self._line.send(json.dumps(call))
        while True:
            message = json.loads(self._line.recv(timeout=PATIENCE_S))
            if message.get("id") == ident:
                assert "error" not in message, (method, message["error"])
                return message["result"]
            self._hear(message)

    def _hear(self, message):
        params = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(
                params["exceptionDetails"].get("exception", {}).get("description", "exception")
            )
        elif message.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.complaints.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
