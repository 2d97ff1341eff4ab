"""Words that Markdown must show letter for letter. What Streamlit makes of them is seen in ``tests/test_browser.py``."""

from __future__ import annotations

from assistant.plain import cut, plain


def test_letters_and_scripts_stay_as_they_are():
    assert plain("eczema on the élbow 湿疹") == "eczema on the élbow 湿疹"


def test_marks_are_escaped_and_replacements_broken():
    assert plain("**b** <i> $x$ [l](u)") == r"\*\*b\*\* \<i\> \$x\$ \[l\]\(u\)"
    assert ":smile:" not in plain(":smile:").replace("\\", "")
    assert "http://" not in plain("http://x.y").replace("\\", "")
    assert "www." not in plain("WWW.x.y").replace("\\", "").lower()
    assert "@b" not in plain("a@b.c").replace("\\", "")


def test_lines_are_joined_and_long_words_cut():
    assert plain("a\n# b\tc") == r"a \# b c"
    assert cut("abcdef", 3) == "abc…"
    assert cut("abc", 3) == "abc"
