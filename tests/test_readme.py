"""What the README shows is what happens."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assistant import Conversation
from generation import find
from script2skin import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(name: str) -> list[str]:
    """Lines of the fenced block below the comment ``<!-- name: … -->``."""
    return re.search(rf"<!-- {name}:[^>]*-->\n```text\n(.*?)```", README, re.S)[1].splitlines()


def consoles() -> list[tuple[str, str]]:
    """Every ``$ command`` of the README with the output that stands below it."""
    text = "".join(re.findall(r"^```console\n(.*?)^```", README, re.M | re.S))
    return [tuple(part.split("\n", 1)) for part in text.split("$ ")[1:]]


@pytest.mark.parametrize("model", [None, "embedded"])
@pytest.mark.parametrize("sentence", block("examples"))
def test_an_example_sentence_is_drawn(sentence, model):
    turn = Conversation(seed=1, trained=find(model).card.trained if model else None).say(sentence)
    assert turn.act == "generate", turn.reply
    assert turn.requests
    assert not turn.ignored
    assert not turn.assumed, "an example says all that is needed"


def test_examples_ask_for_what_they_say():
    asked = {s: [(r.count, r.rash, r.area, r.tone, r.severity) for r in Conversation(seed=1).say(s).requests] for s in block("examples")}
    tones = ["very fair", "fair", "medium", "olive", "brown", "black"]
    assert list(asked.values()) == [
        [(3, "eczema", "back of the neck", "fair", None)],
        [(1, "psoriasis", "elbow", tone, None) for tone in tones],
        [(2, "acne", "back", "brown", "severe")],
        [(1, "urticaria", "thigh", tone, None) for tone in ("fair", "olive")],
        [(6, "tinea", "foot", "black", None)],
        [(3, rash, "back of the hand", "brown", None) for rash in ("vitiligo", "tinea")],
        [(1, "urticaria", "back", "olive", "mild")],
    ]


def test_the_conversation_goes_as_it_reads():
    conversation = Conversation(seed=1)
    turns = [conversation.say(line) for line in block("conversation")]
    assert [turn.act for turn in turns] == ["generate"] * 5 + ["undo", "generate", "answer"]
    first, black, severe, more, olive = [turn.requests[0] for turn in turns[:5]]
    assert black == first.model_copy(update={"tone": "black", "matched": "fair"}), "the same pictures: only the tone changes"
    assert severe.severity == "severe"
    assert (more.count, olive.count) == (2, 1)
    assert not set(more.image_seeds()) & set(severe.image_seeds())
    assert (olive.tone, olive.seed) == ("olive", more.image_seeds()[1])
    assert [request.rash for request in turns[6].requests] == ["eczema", "psoriasis"]


@pytest.mark.parametrize(("command", "output"), consoles())
def test_console_output_is_true(command, output):
    program, *arguments = shlex.split(command)
    assert program == "script2skin"
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, result.output) == (0, output)


def test_commands_take_the_options_shown():
    """Each script2skin line is understood up to the point where it would start to work."""
    lines = re.findall(r"^script2skin (?:\"[^\"]*\"|[^#\n\"])*", "\n".join(re.findall(r"^```sh\n(.*?)^```", README, re.M | re.S)), re.M)
    assert len(lines) >= 5
    for line in lines:
        arguments = shlex.split(line)[1:]
        help_ = CliRunner().invoke(app, [*takewhile_word(arguments), "--help"])
        assert help_.exit_code == 0, line
        for option in (a for a in arguments if a.startswith("--")):
            assert option in help_.output, f"{line}: no {option}"


def takewhile_word(arguments: list[str]) -> list[str]:
    """The subcommand: one word, or two for a room's own commands."""
    return arguments[:2] if arguments[0] in ("data", "train", "evaluate") else arguments[:1]


def test_files_it_points_at_exist():
    links = re.findall(r"\]\(([^):#]+)\)", README)
    folders = re.findall(r"`((?:assistant|generation|training|data|tests|docs)/[\w/.]*)`", README)
    assert links
    assert not [path for path in {*links, *folders} if not (ROOT / path).exists()]


def test_sentences_of_the_page_are_from_here():
    page = (ROOT / "streamlit_app.py").read_text(encoding="utf-8")
    shown = re.search(r"^FIRST_SENTENCES = \((.*?)^\)", page, re.M | re.S)
    if shown is None:
        pytest.skip("the page takes its first sentences from elsewhere")
    assert set(re.findall(r'"([^"]+)"', shown[1])) <= set(block("examples"))
