"""Coverage: what is counted, phantoms that are no longer there among them, and what the chat says of it."""

from collections import Counter

import pytest
from typer.testing import CliRunner

from assistant import Conversation
from assistant.coverage import FEW, Coverage, notice
from assistant.schema import ImageRequest
from data import coverage
from data.cli import app
from data.manifest import Row, read, write
from generation import find
from generation.errors import CheckpointError


def row(number, split="train", **labels):
    labels = {"rash": "eczema", "area": "elbow", "tone": "fair", "source": "photos", **labels}
    return Row(**labels, file_name=f"{labels['source']}/{number}.jpg", text="x", license="CC0-1.0", group=f"{number}", split=split)


ROWS = [
    *(row(i) for i in range(FEW)),
    row(20, split="validation"),
    row(21, tone="black"),
    row(22, tone=None),
    row(23, area=None, rash="mole"),
    row(24, source="phantom"),
]


def test_training_pictures_are_counted_by_source_and_what_is_not_stated_stands_behind_nothing():
    found = coverage.coverage(coverage.counted(ROWS))
    assert found.images("eczema", "elbow", "fair") == FEW + 1, "both sources, no validation"
    assert found.images("eczema", "elbow", "black") == 1
    assert found.images("mole", "elbow", "fair") == found.images("acne", "elbow", "fair") == 0
    assert sum(found.cells().values()) == len(ROWS) - 1
    assert Coverage.model_validate_json(coverage.text(found)) == found
    assert (found + found).images("eczema", "elbow", "fair") == 2 * (FEW + 1)


def test_phantoms_are_counted_without_being_drawn():
    from data.phantom.make import plan

    cells = coverage.planned("--count 40 --seed 3 --typical 3 --rash eczema --rash acne --area face --area 'back of the neck' --variety 0.2")
    jobs = [job.row() for job in plan(40, 3, ["eczema", "acne"], ["face", "back of the neck"], ["very fair", "fair", "medium", "olive", "brown", "black"], 3)]
    wanted = Counter((r.source, r.rash, r.area, r.tone) for r in jobs if r.split == "train")
    assert cells == wanted and 30 < sum(cells.values()) <= 40
    with pytest.raises(ValueError, match="no options of"):
        coverage.planned("--rash measles")
    with pytest.raises(ValueError, match="no options of"):
        coverage.planned("--nonsense 3")


def request(area="elbow", tone="fair", rash="eczema"):
    return ImageRequest(count=2, rash=rash, area=area, tone=tone, seed=1, severity="severe")


def test_the_notice_is_on_where_pictures_are_few_and_off_elsewhere():
    found = coverage.coverage(coverage.counted(ROWS))
    assert notice([request()], found) == ""
    assert notice([request(tone="black")], None) == ""
    assert notice([request(tone="black")], found) == (
        "Few training pictures show eczema on the elbow on black skin (1): look at such an image with care."
    )
    assert "(none)" in notice([request(area="knee")], found)
    assert notice([request(tone="black")], found, before=[request(tone="black")]) == "", "said once"
    many = [request(area=area) for area in ("knee", "chin", "nose", "hand")]
    assert "and 2 more of these combinations" in notice(many, found)


def test_the_chat_says_it_once_and_asks_for_no_more_than_a_look():
    talk = Conversation(seed=1, coverage=coverage.coverage(coverage.counted(ROWS)))
    assert "Few training" not in talk.say("eczema on the elbow on fair skin").reply
    assert "on black skin (1)" in talk.say("now on black skin").reply
    assert "Few training" not in talk.say("more severe").reply
    assert "Few training" not in talk.say("what does eczema look like?").reply
    assert "Few training" not in Conversation(seed=1).say("eczema on the elbow on black skin").reply


@pytest.mark.parametrize("kept", [True, False])
def test_the_command_line_says_it_too(tmp_path, tiny_model, kept):
    import shutil

    import script2skin

    model = shutil.copytree(tiny_model, tmp_path / "model")
    if kept:
        (model / "coverage.json").write_text(coverage.text(coverage.coverage(coverage.counted(ROWS))))
    said = CliRunner().invoke(
        script2skin.app, ["generate", "one image of eczema on the elbow on black skin", "--out", str(tmp_path / "out"), "--model", str(model), "--steps", "2", "--seed", "1"]
    )
    assert said.exit_code == 0, said.output
    assert ("Few training pictures show eczema on the elbow on black skin (1)" in said.output) == kept


def test_a_derived_model_has_its_own_pictures_and_those_of_its_base(tmp_path, tiny_model):
    import shutil

    from generation import Card, write_card
    from tests.generation.test_lora import save_adapter

    base, final = shutil.copytree(tiny_model, tmp_path / "base"), tmp_path / "final"
    save_adapter(base, final / "lora")
    write_card(final, Card(base=str(base), lora="lora"))
    assert find(final).coverage is None
    one = coverage.text(coverage.coverage(coverage.counted(ROWS)))
    (base / "coverage.json").write_text(one)
    assert find(final).coverage.images("eczema", "elbow", "fair") == FEW + 1
    (final / "coverage.json").write_text(one)
    assert find(final).coverage.images("eczema", "elbow", "fair") == 2 * (FEW + 1)
    (final / "coverage.json").write_text("{}")
    with pytest.raises(CheckpointError, match="not a valid count of training pictures"):
        _ = find(final).coverage


def test_the_embedded_count_covers_the_vocabulary_and_holds_no_row_that_is_empty():
    checkpoint = find("embedded")
    known, found = checkpoint.card.trained, checkpoint.coverage
    counts = [found.images(r, a, t) for r in known.rash for a in known.area for t in known.tone]
    assert min(counts) > 0
    assert sum(count < FEW for count in counts) < 0.05 * len(counts), "a notice is the exception"
    assert not found.exact and "seed" in found.note
    assert found.counts["isic2017"].keys() == {"melanoma", "mole", "seborrheic keratosis"}


def test_the_command(tmp_path):
    (tmp_path / "set").mkdir()
    write(tmp_path / "set", ROWS)
    assert read(tmp_path / "set")
    out, sheet = tmp_path / "coverage.json", tmp_path / "coverage.png"
    told = CliRunner().invoke(app, ["coverage", str(tmp_path / "set"), "--planned", "--count 12 --rash acne --area face", "--out", str(out), "--sheet", str(sheet)])
    assert told.exit_code == 0, told.output
    assert f"photos {FEW + 3}, phantom " in told.output or "phantom" in told.output
    assert "2 of them name no site or no tone" in told.output
    found = Coverage.model_validate_json(out.read_text())
    assert not found.exact and "--count 12 --rash acne" in found.note and found.images("eczema", "elbow", "fair") == FEW + 1
    assert sheet.stat().st_size > 5000
    assert CliRunner().invoke(app, ["coverage"]).exit_code == 2
    assert "has no metadata.jsonl" in CliRunner().invoke(app, ["coverage", str(tmp_path)]).output
