"""A real headless Chromium on a real server: for ``tests/test_browser.py`` and ``docs/screenshots.py``."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parent.parent
#: No sandbox, because tests may run as root; the rest keeps Chromium from calling its maker.
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield opened
        opened.close()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return found.getsockname()[1]


class Server:
    """``streamlit run streamlit_app.py`` on a port of its own, with the given settings."""

    def __init__(self, settings: Mapping[str, object]):
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        names = {f"SCRIPT2SKIN_{name.upper()}": str(value) for name, value in settings.items()}
        self._environment = {**os.environ, **names}
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "streamlit",
                "run",
                "streamlit_app.py",
                "--server.headless",
                "true",
                "--server.port",
                str(self.port),
            ],
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=1)
                return
            except OSError:
                if time.monotonic() > until or self._process.poll() is not None:
                    raise
                time.sleep(0.1)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)

    def restart(self, crash: bool = False) -> None:
        if crash:
            self._process.kill()
            self._process.wait()
        else:
            self.stop()
        self.start()


def say(page: Page, text: str) -> None:
    """Type a sentence and send it."""
    field = page.get_by_test_id("stChatInputTextArea")
    field.fill(text)
    field.press("Enter")


def settle(page: Page, images: int, timeout: float = 180_000) -> None:
    """Wait until that many images stand on the page and nothing is drawn any more."""
    from playwright.sync_api import expect

    expect(page.get_by_test_id("stImage")).to_have_count(images, timeout=timeout)
    expect(page.get_by_role("button", name="Stop")).to_have_count(0, timeout=timeout)
