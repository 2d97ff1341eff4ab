import subprocess
import sys

import pytest
import yaml

from assistant.settings import settings
from assistant.vocabulary import VocabularyError, own


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRIPT2SKIN_HOME", str(tmp_path))
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


def said(home, *lines):
    """Act, conditions and reply of each line of a conversation in a process of its own, where the vocabulary is read anew."""
    code = (
        "import json, sys; from assistant import Conversation; c = Conversation(seed=1)\n"
        "for line in json.loads(sys.argv[1]):\n"
        "    turn = c.say(line); print(json.dumps([turn.act, [[r.rash, r.area, r.caption] for r in turn.requests], turn.reply]))"
    )
    import json

    done = subprocess.run([sys.executable, "-c", code, json.dumps(lines)], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_what_was_learnt_can_be_asked_for(home):
    assert own.add("purpura", "lower leg") and own.add("purpura", "lower leg") and own.add("vascular tumors", "face", "lesion")
    assert len(yaml.safe_load(own.path().read_text())) == 2
    turns = said(
        home, "three images of purpura on brown skin", "what does purpura look like?", "compare with eczema", "two vascular tumors on the chin, fair skin",
    )  # fmt: skip
    assert turns[0][:2] == ["generate", [["purpura", "lower leg", "purpura type of rash at the lower leg area on a brown skin"]]]
    assert turns[1][0] == "answer" and "there are no notes on it" in turns[1][2]
    assert [rash for rash, *_ in turns[2][1]] == ["purpura", "eczema"]
    assert turns[3][1][0][2] == "vascular tumors type of lesion at the chin area on a fair skin"


def test_without_a_file_nothing_is_new(home):
    assert own.read() == ()
    assert said(home, "purpura on the leg")[0][0] == "clarify"


@pytest.mark.parametrize("name", ["acne and rosacea", "eczema photos", "hand thing", "tumors with ulcers", "x", "a1", "black heads; drop"])
def test_names_that_mean_something_else_are_not_added(home, name):
    assert not own.add(name, "face") and not own.path().exists()


def test_a_known_condition_needs_no_entry(home):
    assert own.add("acne", "face") and not own.path().exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [("- name: purpura\n  typical_area: moon\n", "typical_area 'moon'"), ("- nam: purpura\n", "nam"), ("purpura\n", "no list"),
     ("- name: elbow\n  typical_area: face\n", "stands for")],
)  # fmt: skip
def test_a_wrong_file_is_named(home, text, told):
    own.path().write_text(text)
    with pytest.raises(VocabularyError) as error:
        own.read()
    assert "conditions.yaml" in str(error.value) and told in str(error.value)
