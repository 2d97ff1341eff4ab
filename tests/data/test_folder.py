import json
import re
import shutil

import pytest
from PIL import Image

from data import manifest, skipped
from data.importing import PART, Source, import_source
from data.sources import Item, Skipped, SourceError
from data.sources.folder import items
from tests.data.pictures import BROWN, save, skin

MINE = Source("mine", "CC-BY-4.0")


def bring(source, out, **options):
    report = import_source(items(source, options.pop("group", None)), options.pop("as_", MINE), out, **options)
    return report, manifest.read(out)


@pytest.fixture
def photos(tmp_path):
    """Six files: three pictures of two classes, a copy of one of them, a broken one and one that is no picture."""
    root = tmp_path / "photos"
    save(root / "Eczema Photos" / "1.jpg", 1)
    save(root / "Eczema Photos" / "2.PNG", 2, format="PNG")
    shutil.copy(root / "Eczema Photos" / "1.jpg", root / "Eczema Photos" / "1 (copy).jpg")
    save(root / "Vascular Tumors" / "3.jpg", 3, colour=BROWN)
    (root / "Vascular Tumors" / "4.jpg").write_bytes(b"<html>404</html>")
    (root / "Thumbs.db").write_bytes(b"")
    return root


def test_class_folders(photos, tmp_path):
    report, rows = bring(photos, tmp_path / "set")
    assert sorted((row.rash, row.original_label) for row in rows) == [
        ("eczema", "Eczema Photos"), ("eczema", "Eczema Photos"), ("vascular tumors", "Vascular Tumors"),
    ]  # fmt: skip
    assert {row.license for row in rows} == {"CC-BY-4.0"}
    dark = next(row for row in rows if row.rash == "vascular tumors")
    assert dark.tone in ("brown", "black") and dark.tone_estimated
    assert dark.text == f"vascular tumors type of rash on a {dark.tone} skin"
    assert (report.found, report.added, len(report.skipped)) == (6, 3, 3)


def test_every_file_is_accounted_for(photos, tmp_path):
    report, rows = bring(photos, tmp_path / "set")
    files = {path for path in photos.rglob("*") if path.is_file()}
    assert report.found == len(files) == len(rows) + len(report.skipped)
    assert {skip.path.name for skip in report.skipped} == {"1.jpg", "4.jpg", "Thumbs.db"}
    listed = [json.loads(line) for line in (tmp_path / "set" / skipped.FILE).read_text().splitlines()]
    assert [entry["path"] for entry in listed] == [str(skip.path) for skip in report.skipped]
    assert sorted(report.reasons()) == [("no picture", 1), ("not a picture that can be read", 1), ("same picture as another", 1)]


def test_a_caption_beside_goes_before_the_folder(tmp_path):
    root = tmp_path / "photos"
    save(root / "Eczema" / "1.jpg", 1)
    (root / "Eczema" / "1.txt").write_text("mild psoriasis at the elbow on brown skin\n")
    save(root / "Eczema" / "2.jpg", 2)
    (root / "Eczema" / "2.txt").write_text("a nice picture")
    save(root / "3.jpg", 3)
    (root / "stray.txt").write_text("psoriasis")
    report, (row,) = bring(root, tmp_path / "set")
    assert row.text == "psoriasis type of rash at the elbow area on a brown skin, mild"
    assert (row.tone, row.tone_estimated) == ("brown", False), "a stated tone is not replaced by a measured one"
    assert row.ita is not None
    assert {skip.path.name: skip.reason.split(":")[0] for skip in report.skipped} == {
        "2.jpg": "caption names not exactly one known rash", "3.jpg": "no label", "stray.txt": "no picture",
    }  # fmt: skip


def test_listed_in_json_lines(tmp_path):
    for number in range(1, 4):
        save(tmp_path / "images" / f"{number}.jpg", number)
    Image.new("L", (96, 96), 255).save(tmp_path / "mask.png")
    lines = [
        {"image": "images/1.jpg", "caption": "tinea type of rash at the foot area on a fair skin", "group": "P1", "split": "test"},
        {"image": "images/2.jpg", "caption": "eczema", "area": "neck", "mask": "mask.png", "group": "P2"},
        {"image": "images/3.jpg", "rash": "cutaneous larva"},
        {"image": "images/4.jpg", "caption": "eczema"},
        {"image": "images/1.jpg", "caption": "eczema", "tonne": "fair"},
        {"image": "images/1.jpg", "caption": "eczema", "split": "holdout"},
        {"image": "images/1.jpg", "caption": "a cat"},
        {"caption": "eczema"},
    ]
    listed = tmp_path / "captions.jsonl"
    listed.write_text("\n".join(map(json.dumps, lines)) + "\nnot json\n")
    report, rows = bring(listed, tmp_path / "set")
    by_rash = {row.rash: row for row in rows}
    assert (by_rash["tinea"].group, by_rash["tinea"].split, by_rash["tinea"].area) == ("P1", "test", "foot")
    assert by_rash["eczema"].area == "neck" and by_rash["eczema"].mask_file_name
    assert by_rash["cutaneous larva"].text.startswith("cutaneous larva type of rash on ")
    assert report.found == 9
    assert [skip.reason.split(":")[0] for skip in report.skipped] == [
        "listed, but the picture is missing", "line with unknown keys", "split is none of train, validation, test",
        "caption names not exactly one known rash", 'line without {"image"', 'line without {"image"',
    ]  # fmt: skip


def test_several_captions_of_one_image(tmp_path):
    """A line each in the file beside it, or a line each of the listing; what they say canonically is said once."""
    root = tmp_path / "photos"
    save(root / "1.jpg", 1)
    (root / "1.txt").write_text("eczema on the elbow of fair skin\nitchy eczema in the crook of a pale arm\n")
    rows = bring(root, tmp_path / "set")[1]
    assert rows[0].captions == ("eczema on the elbow of fair skin", "itchy eczema in the crook of a pale arm")
    assert rows[0].text == "eczema type of rash at the elbow area on a fair skin"
    save(root / "2.jpg", 2)
    lines = [("1.jpg", "eczema, elbow, fair skin"), ("1.jpg", rows[0].text), ("1.jpg", "acne, elbow, fair skin"), ("2.jpg", "acne")]
    (tmp_path / "list.jsonl").write_text("".join(json.dumps({"image": f"photos/{i}", "caption": c}) + "\n" for i, c in lines))
    report, rows = bring(tmp_path / "list.jsonl", tmp_path / "other")
    assert [row.captions for row in rows if row.rash == "eczema"] == [("eczema, elbow, fair skin",)]
    assert (report.found, len(report.skipped)) == (3, 1) and "another label" in report.skipped[0].reason
    again = manifest.read(tmp_path / "other")
    assert {row.captions for row in again} == {("eczema, elbow, fair skin",), ("acne",)}


def test_a_group_stated_in_two_splits_is_refused(tmp_path):
    save(tmp_path / "1.jpg", 1)
    listed = tmp_path / "captions.jsonl"
    lines = [{"image": "1.jpg", "rash": "eczema", "group": "P1", "split": split} for split in ("train", "test")]
    listed.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(SourceError, match="group 'P1' in two splits"):
        items(listed)


@pytest.mark.parametrize("name", ["absent", "table.csv"])
def test_what_is_no_source_is_said(tmp_path, name):
    (tmp_path / "table.csv").write_text("")
    with pytest.raises(SourceError, match=re.escape(name)):
        items(tmp_path / name)


def test_an_empty_folder_is_said(tmp_path):
    with pytest.raises(SourceError, match="is empty"):
        list(items(tmp_path))


def test_patients_from_file_names_stay_together(tmp_path):
    for patient in range(12):
        for number in range(3):
            save(tmp_path / "photos" / "eczema" / f"P{patient:02d}_{number}.jpg", patient * 3 + number)
    _, rows = bring(tmp_path / "photos", tmp_path / "set", group=re.compile(r"(P\d+)_"), as_=Source("mine", "x", (0.5, 0.25, 0.25)))
    splits = {row.group: {other.split for other in rows if other.group == row.group} for row in rows}
    assert len(splits) == 12 and set(splits) == {f"P{patient:02d}" for patient in range(12)}
    assert all(len(found) == 1 for found in splits.values())
    assert set.union(*splits.values()) == {"train", "validation", "test"}


def test_a_resized_copy_is_in_the_same_group(tmp_path):
    """So that it is in the same split: a test picture must not be learned from in another size."""
    picture = skin(5, side=256)
    other = skin(6, side=256)
    for name, image in (("a.png", picture), ("b.jpg", picture.resize((180, 180), Image.Resampling.LANCZOS)), ("c.png", other)):
        (tmp_path / "photos" / "eczema").mkdir(parents=True, exist_ok=True)
        image.save(tmp_path / "photos" / "eczema" / name)
    _, rows = bring(tmp_path / "photos", tmp_path / "set")
    assert len(rows) == 3 and len({row.group for row in rows}) == 2


def test_pictures_carry_nothing_of_the_camera(tmp_path):
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "a camera", 8
    save(tmp_path / "photos" / "eczema" / "1.jpg", 1, side=700, exif=exif)
    _, (row,) = bring(tmp_path / "photos", tmp_path / "set", side=128)
    with Image.open(tmp_path / "set" / row.file_name) as picture:
        assert (picture.size, picture.mode) == ((128, 128), "RGB")
        assert not picture.getexif()


def test_an_import_that_was_stopped_goes_on(photos, tmp_path):
    whole, rows = bring(photos, tmp_path / "whole")

    def stop(stage, done, total):
        if done == 3:
            raise KeyboardInterrupt

    out = tmp_path / "set"
    with pytest.raises(KeyboardInterrupt):
        import_source(items(photos), MINE, out, progress=stop)
    assert not (out / manifest.FILE).exists()
    with (out / PART).open("a") as part:  # and the power went while a line was being written
        part.write('{"rash": "ecz')
    written = {json.loads(line)["row"]["file_name"] for line in (out / PART).read_text().splitlines()[:-1]}
    before = {name: (out / name).stat().st_mtime_ns for name in written}
    assert before
    report, again = bring(photos, out)
    assert again == rows
    assert (report.found, report.present, report.added) == (whole.found, len(before), whole.added - len(before))
    assert all((out / name).stat().st_mtime_ns == time for name, time in before.items()), "what was there is not made again"
    assert not (out / PART).exists()


def test_a_second_source_joins_the_set(photos, tmp_path):
    bring(photos, tmp_path / "set")
    save(tmp_path / "more" / "acne" / "1.jpg", 9)
    (tmp_path / "more" / "acne" / "notes.doc").write_text("")
    _, rows = bring(tmp_path / "more", tmp_path / "set", as_=Source("more", "CC0-1.0"))
    assert {row.source for row in rows} == {"mine", "more"}
    listed = [json.loads(line)["source"] for line in (tmp_path / "set" / skipped.FILE).read_text().splitlines()]
    assert sorted(set(listed)) == ["mine", "more"]


def test_the_order_of_items_is_that_of_names(photos):
    found = [item.path.name for item in items(photos) if isinstance(item, Item)]
    assert found == ["1 (copy).jpg", "1.jpg", "2.PNG", "3.jpg", "4.jpg"]
    assert [item.path.name for item in items(photos) if isinstance(item, Skipped)] == ["Thumbs.db"]
