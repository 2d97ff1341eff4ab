"""Takes the README's screenshots from the real page, with whatever checkpoint ``SCRIPT2SKIN_MODEL`` names.

python -m docs.screenshots           # needs Debian's chromium; writes docs/chat-*.png
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from assistant.settings import settings
from tests.browser import Server, browser, say, settle

HERE = Path(__file__).parent
#: name → (width, height, sentences with the number of images on the page after each)
SHOTS: dict[str, tuple[int, int, list[tuple[str, int]]]] = {
    "chat-welcome": (1440, 900, []),
    "chat-desktop": (
        1440,
        1560,
        [("Generate a few images of eczema at the back of the neck on fair skin", 3), ("now on black skin", 6)],
    ),
    "chat-tones": (1440, 1300, [("Show psoriasis on the elbow in every skin tone", 6)]),
    "chat-phone": (390, 844, [("Two pictures of severe acne on the back, brown skin", 2)]),
}


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        server = Server({"home": home, "model": settings().model, "seed": 4})
        try:
            with browser() as window:
                for name, (width, height, turns) in SHOTS.items():
                    page = window.new_page(viewport={"width": width, "height": height}, color_scheme="light")
                    page.goto(server.url)
                    page.get_by_test_id("stChatInputTextArea").wait_for()
                    for sentence, images in turns:
                        say(page, sentence)
                        settle(page, images, timeout=900_000)
                    page.mouse.move(width / 2, 5)
                    page.wait_for_timeout(1500)
                    page.screenshot(path=HERE / f"{name}.png")
                    page.close()
        finally:
            server.stop()


if __name__ == "__main__":
    sys.exit(main())
