import pytest
from typer.testing import CliRunner

from data.cli import app
from tests.data.pictures import save


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def photos(tmp_path):
    for number in range(3):
        save(tmp_path / "My Photos" / "eczema" / f"{number}.jpg", number)
    (tmp_path / "My Photos" / "eczema" / "notes.doc").write_text("")
    return tmp_path / "My Photos"


def test_folder_then_again_then_describe(photos, tmp_path):
    first = run("folder", photos, "--out", tmp_path / "set", "--license", "CC-BY-4.0")
    assert first.exit_code == 0, first.output
    assert "4 files found: 3 added, 0 there before, 1 left out." in first.stdout
    assert "1 left out: no picture" in first.stdout
    again = run("folder", photos, "--out", tmp_path / "set", "--license", "CC-BY-4.0")
    assert "4 files found: 0 added, 3 there before, 1 left out." in again.stdout
    told = run("describe", tmp_path / "set").stdout
    assert "3 pictures in 3 groups" in told
    assert "source: my-photos 3" in told and "rash: eczema 3" in told and "tone estimated: 3" in told


def test_a_licence_has_to_be_said(photos, tmp_path):
    result = run("folder", photos, "--out", tmp_path / "set")
    assert result.exit_code == 2 and "--license" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["folder", "absent", "--out", "OUT", "--license", "x"], "neither a folder of pictures nor a .jsonl file"),
        (["isic2017", "absent", "--out", "OUT"], "is no ISIC 2017"),
        (["folder", "PHOTOS", "--out", "OUT", "--license", "x", "--group", "("], "is no regular expression"),
        (["folder", "PHOTOS", "--out", "OUT", "--license", "x", "--shares", "1", "1", "1"], "sum to 1"),
        (["describe", "absent"], "has no metadata.jsonl"),
        (["phantoms", "--out", "OUT", "--count", "1", "--rash", "measles"], "no phantoms of rash measles"),
    ],
)
def test_errors_are_one_sentence(arguments, said, photos, tmp_path):
    places = {"OUT": str(tmp_path / "set"), "PHOTOS": str(photos)}
    result = run(*(places.get(argument, argument) for argument in arguments))
    assert result.exit_code == 1
    assert said in result.stderr
    assert "Traceback" not in result.output and result.stderr.count("\n") <= 2


def test_a_broken_manifest_is_not_overwritten(photos, tmp_path):
    out = tmp_path / "set"
    out.mkdir()
    (out / "metadata.jsonl").write_text("not json\n")
    result = run("folder", photos, "--out", out, "--license", "x")
    assert result.exit_code == 1 and "line 1" in result.stderr
    assert (out / "metadata.jsonl").read_text() == "not json\n"
