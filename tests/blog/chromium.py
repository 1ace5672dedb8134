"""Chromium without a screen, driven as a person drives it: by clicks and keys, over its DevTools pipe.

The protocol (chromedevtools.github.io/devtools-protocol) is JSON, each message ended by a NUL byte; the browser reads
file descriptor 3 and writes 4.
"""

from __future__ import annotations

import base64
import json
import os
import select
import signal
import subprocess
import time

SECONDS = 30.0
SIZE = {"width": 800, "height": 360}
FLAGS = [
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
    *("--remote-debugging-pipe", "about:blank"),
]


class Chromium:
    """One page of a browser, for the length of a `with`; its profile is kept in `folder`.

    login: user and password, typed in where they are asked for; `logins` counts that.
    """

    def __init__(self, folder, login=("", "")):
        self.folder, self.login, self.logins = folder, login, 0
        self._number, self._loads, self._came, self._answers, self._session = 0, 0, b"", {}, None

    def __enter__(self):
        theirs, self._out = os.pipe()
        self._in, theirs_too = os.pipe()
        place = f'exec "$@" 3<&{theirs} 4>&{theirs_too}'
        self._process = subprocess.Popen(
            ["bash", "-c", place, "bash", "chromium", f"--user-data-dir={self.folder}/profile", *FLAGS],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[theirs, theirs_too],
            start_new_session=True,
        )
        os.close(theirs)
        os.close(theirs_too)
        page = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        self._call("Page.enable")
        self._call("Emulation.setDeviceMetricsOverride", **SIZE, deviceScaleFactor=1, mobile=False)
        self._call("Fetch.enable", handleAuthRequests=True)
        return self

    def __exit__(self, *_):
        os.close(self._out)  # it ends when nobody tells it anything any more
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        os.close(self._in)

    # --- what a person does ---

    def open(self, url):
        """Type an address."""
        with self._loaded():
            self._call("Page.navigate", url=url)

    def click(self, element):
        """Click in the middle of what a CSS selector finds, or of the link with that text."""
        find = f"document.querySelector({json.dumps(element)})"
        if element[:1] == "=":
            find = f"[...document.links].find(link => link.textContent == {json.dumps(element[1:])})"
        box = self.run(
            f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])({find}.getBoundingClientRect())"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def follow(self, element):
        """Click, and wait until what that leads to is there."""
        with self._loaded():
            self.click(element)

    def type(self, text):
        """Type a text."""
        self._call("Input.insertText", text=text)

    def screenshot(self, path):
        """What is on the screen, as PNG."""
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"]))

    def run(self, script):
        """What a script's expression comes to, for a look at the page."""
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    # --- how it is told ---

    def _loaded(self):
        return _Loaded(self)

    def _send(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        return self._number

    def _call(self, method, **parameters):
        number = self._send(method, **parameters)
        self.wait(lambda: number in self._answers, method)
        answer = self._answers.pop(number)
        assert "error" not in answer, (method, answer)
        return answer["result"]

    def wait(self, until, what):
        """Read what the browser tells, until something is so."""
        end = time.monotonic() + SECONDS
        while not until():
            ready, _, _ = select.select([self._in], [], [], max(0, end - time.monotonic()))
            assert ready, f"{what}: nothing for {SECONDS} s"
            new = os.read(self._in, 1 << 20)
            assert new, "the browser has ended"
            *messages, self._came = (self._came + new).split(b"\0")
            for message in messages:
                self._take(json.loads(message))

    def _take(self, message):
        if "id" in message:
            self._answers[message["id"]] = message
            return
        request = message.get("params", {}).get("requestId")
        if message["method"] == "Page.loadEventFired":
            self._loads += 1
        elif message["method"] == "Fetch.requestPaused":
            self._send("Fetch.continueRequest", requestId=request)
        elif message["method"] == "Fetch.authRequired":
            self.logins += 1
            user, password = self.login
            answer = {"response": "ProvideCredentials", "username": user, "password": password}
            if self.logins > 2:  # it was not taken: a person gives up
                answer = {"response": "CancelAuth"}
            self._send("Fetch.continueWithAuth", requestId=request, authChallengeResponse=answer)


class _Loaded:
    """Waits at its end for a page that was asked for within."""

    def __init__(self, browser):
        self.browser, self.before = browser, browser._loads

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if not kind:
            self.browser.wait(lambda: self.browser._loads > self.before, "load")
