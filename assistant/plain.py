"""Words shown as they were typed: for labels, captions and notices, which Streamlit reads as Markdown."""

from __future__ import annotations

import re

#: Invisible and without width: it parts what Streamlit replaces *after* Markdown's backslashes are gone: emoji and
#: icon shortcodes (``:smile:``), and bare addresses (``http:``, ``www.``, ``a@b``), which become links.
WORD_JOINER = "\N{WORD JOINER}"


def plain(words: str, limit: int | None = None) -> str:
    """``words`` on one line, so that Markdown shows them letter for letter; cut at ``limit`` characters."""
    words = cut(" ".join(words.split()), limit)
    words = re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", words)
    words = re.sub(r"(\\[:@])(?=\S)", rf"\1{WORD_JOINER}", words)
    return re.sub(r"(?i)\b(www)(?=\\\.)", rf"\1{WORD_JOINER}", words)


def cut(words: str, limit: int | None) -> str:
    """``words`` cut at ``limit`` characters, with an ellipsis."""
    return words if limit is None or len(words) <= limit else words[:limit].rstrip() + "…"
