import pytest
from PIL import Image
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
    first = run("import", photos, "--out", tmp_path / "set", "--license", "CC-BY-4.0")
    assert first.exit_code == 0, first.output
    assert "4 files found: 3 added, 0 there before, 1 left out." in first.stdout
    assert "1 left out: no picture" in first.stdout
    again = run("import", photos, "--out", tmp_path / "set", "--license", "CC-BY-4.0")
    assert "4 files found: 0 added, 3 there before, 1 left out." in again.stdout
    told = run("describe", tmp_path / "set").stdout
    assert "3 pictures in 3 groups" in told
    assert "source: my-photos 3" in told and "rash: eczema 3" in told and "tone estimated: 3" in told


def test_a_licence_has_to_be_said(photos, tmp_path):
    result = run("import", photos, "--out", tmp_path / "set")
    assert result.exit_code == 2 and "give --license, for instance" in result.stderr
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["import", "absent", "--out", "OUT", "--license", "x"], "absent is not there"),
        (["import", "PHOTOS", "--out", "OUT", "--source", "isic2017"], "is no ISIC 2017"),
        (["import", "PHOTOS", "--out", "OUT", "--source", "isic2021"], "'isic2021' is no form of download; known are auto, dermnet"),
        (["import", "EMPTY", "--out", "OUT"], "is empty; expected the unpacked download of one of dermnet"),
        (["import", "PHOTOS", "--out", "OUT", "--license", "x", "--group", "("], "is no regular expression"),
        (["import", "PHOTOS", "--out", "OUT", "--license", "x", "--shares", "1", "1", "1"], "sum to 1"),
        (["describe", "absent"], "has no metadata.jsonl"),
        (["phantoms", "--out", "OUT", "--count", "1", "--rash", "measles"], "no phantoms of rash measles"),
    ],
)
def test_errors_are_one_sentence(arguments, said, photos, tmp_path):
    (tmp_path / "empty").mkdir()
    places = {"OUT": str(tmp_path / "set"), "PHOTOS": str(photos), "EMPTY": str(tmp_path / "empty")}
    result = run(*(places.get(argument, argument) for argument in arguments))
    assert result.exit_code == 1
    assert said in result.stderr
    assert "Traceback" not in result.output and result.stderr.count("\n") <= 2


def test_a_broken_manifest_is_not_overwritten(photos, tmp_path):
    out = tmp_path / "set"
    out.mkdir()
    (out / "metadata.jsonl").write_text("not json\n")
    result = run("import", photos, "--out", out, "--license", "x")
    assert result.exit_code == 1 and "line 1" in result.stderr
    assert (out / "metadata.jsonl").read_text() == "not json\n"


def test_the_help_names_every_form():
    from data.cli import FORMS
    from data.sources import forms

    assert FORMS.split(", ") == list(forms.FORMS)


def test_a_download_is_recognised_and_said(tmp_path):
    from tests.data.downloads import isic2016

    result = run("import", isic2016(tmp_path / "ISIC"), "--out", tmp_path / "set")
    assert result.exit_code == 0, result.output
    assert f"Reading {tmp_path / 'ISIC'} as isic2016, licence CC0-1.0" in result.stdout


def test_labels_of_nothing_that_can_be_used_are_one_sentence(tmp_path):
    save(tmp_path / "photos" / "1.jpg", 1)
    result = run("import", tmp_path / "photos", "--out", tmp_path / "set", "--license", "x")
    assert result.exit_code == 1 and "none of 1 files can be used, for instance" in result.stderr and "no label" in result.stderr
    assert not (tmp_path / "set").exists()


def test_describe_says_what_was_left_out_and_draws_a_sheet(photos, tmp_path):
    run("import", photos, "--out", tmp_path / "set", "--license", "CC-BY-4.0")
    told = run("describe", tmp_path / "set", "--sheet", tmp_path / "sheet.png", "--each", "2")
    assert told.exit_code == 0, told.output
    assert "left out: my-photos: no picture 1" in told.stdout
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 2 * 192 and sheet.convert("L").getextrema()[0] < 100
    assert run("describe", tmp_path / "set", "--sheet", tmp_path / "sheet.xyz").exit_code == 1
