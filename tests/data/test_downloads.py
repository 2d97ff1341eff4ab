"""Every form of download: recognised by itself, read into canonical values, each file of it accounted for."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from data import manifest
from data.importing import Source, import_source
from data.labels import label_map
from data.sources import Item, Skipped, SourceError, forms, scin
from data.sources.tables import is_picture
from tests.data import downloads
from tests.data.pictures import save

#: Builder, form, pictures that come in, and those that do not with the kind of reason.
CASES = {
    "dermnet": (downloads.dermnet, "dermnet", 10, {"same picture as another": 1, "no picture": 1}),
    "isic2016": (downloads.isic2016, "isic2016", 4, {"in the table, but the picture is missing": 1, "label not readable": 1, "picture that no table names": 1}),
    "isic2018": (downloads.isic2018, "isic2018", 5, {"in the table, but the picture is missing": 1, "label not readable": 1, "picture that no table names": 1}),
    "isic2019": (downloads.isic2019, "isic2019", 3, {"diagnosis not known": 1, "in the table, but the picture is missing": 1}),
    "isic2020": (downloads.isic2020, "isic2020", 3, {"listed by ISIC as a duplicate": 1, "label not readable": 1, "picture that no table names": 1}),
    "fitzpatrick17k": (downloads.fitzpatrick17k, "fitzpatrick17k", 4, {"doubted by its dermatologists": 1, "in the table, but the picture is missing": 1, "picture that no table names": 1}),
    "scin": (downloads.scin, "scin", 3, {"no dermatologist named a condition": 1, "no condition has half of the dermatologists' weight alone": 1, "in the table, but the picture is missing": 1, "picture that no table names": 1}),
    "pad-ufes-20": (downloads.pad_ufes_20, "pad-ufes-20", 3, {"label not readable": 1, "in the table, but the picture is missing": 1, "picture that no table names": 1}),
    "captions": (downloads.captions, "folder", 1, {"no label": 1, "caption names not exactly one known rash": 1}),
    "json lines": (downloads.json_lines, "folder", 1, {"caption names not exactly one known rash": 1, "listed, but the picture is missing": 1, "picture that no table names": 1}),
    "image folder": (downloads.image_folder, "imagefolder", 2, {"caption names not exactly one known rash": 1, "in the table, but the picture is missing": 1, "picture that no table names": 1}),
}  # fmt: skip


def bring(root: Path, out: Path, name="mine", **options):
    form = forms.detect(root)
    license = forms.PUBLIC[form].LICENSE if form in forms.PUBLIC else "CC-BY-4.0"
    report = import_source(forms.items(form, root), Source(name, license), out, **options)
    return report, {row.file_name: row for row in manifest.read(out)}


@pytest.mark.parametrize("name", CASES)
def test_counts_in_are_counts_out_and_counts_listed(name, tmp_path):
    build, form, added, reasons = CASES[name]
    root = build(tmp_path / "download")
    assert forms.detect(root) == form
    report, rows = bring(root, tmp_path / "set")
    assert (report.added, dict(report.reasons())) == (added, reasons)
    assert report.found == len(rows) + len(report.skipped)
    listed = [json.loads(line) for line in (tmp_path / "set" / "skipped.jsonl").read_text().splitlines()]
    assert len(listed) == len(report.skipped)
    pictures = {file for file in root.rglob("*") if is_picture(file)}
    stood_for = len(pictures) + sum("missing" in skip.reason or skip.reason == "no picture" for skip in report.skipped)
    assert report.found == stood_for, "every picture and every row of a table is counted once"
    assert all((tmp_path / "set" / file).is_file() for file in rows)
    assert len(list((tmp_path / "set" / "images").rglob("*.jpg"))) == len(rows), "no picture without a row"
    again, same = bring(root, tmp_path / "set")
    assert (again.added, again.present, len(again.skipped)) == (0, added, len(report.skipped)) and same == rows


def by_stem(root, out):
    _, rows = bring(root, out)
    return {Path(file).stem: row for file, row in rows.items()}


def test_dermnet_keeps_its_split_and_its_test_picture(tmp_path):
    _, rows = bring(downloads.dermnet(tmp_path / "archive" / "dermnet").parent, tmp_path / "set")
    assert Counter(row.split for row in rows.values()) == {"train": 9, "test": 1}
    assert {row.original_label: row.rash for row in rows.values()}["Urticaria Hives"] == "urticaria"
    assert {row.license for row in rows.values()} == {"LicenseRef-Dermnet-site-terms"}
    report, _ = bring(tmp_path / "archive", tmp_path / "set")
    (copy,) = [skip for skip in report.skipped if skip.reason.startswith("same picture")]
    assert copy.path.name == "eczema-again.jpg", "of two copies that of the test pictures stays"


def test_isic2016_says_benign_and_not_mole(tmp_path):
    rows = by_stem(downloads.isic2016(tmp_path / "d"), tmp_path / "set")
    assert {stem: (row.rash, row.split) for stem, row in rows.items()} == {
        "ISIC_1": ("benign", "train"), "ISIC_2": ("melanoma", "train"), "ISIC_5": ("benign", "test"), "ISIC_6": ("melanoma", "test"),
    }  # fmt: skip
    assert rows["ISIC_1"].text.startswith("benign type of lesion on a ")


def test_isic2018(tmp_path):
    rows = by_stem(downloads.isic2018(tmp_path / "d"), tmp_path / "set")
    assert {stem: (row.rash, row.group, row.split) for stem, row in rows.items()} == {
        "ISIC_1": ("melanoma", "HAM_1", "train"), "ISIC_2": ("melanoma", "HAM_1", "train"), "ISIC_5": ("benign keratosis", "HAM_5", "train"),
        "ISIC_6": ("actinic keratosis or intraepithelial carcinoma", "ISIC_6", "validation"), "ISIC_7": ("mole", "ISIC_7", "test"),
    }  # fmt: skip


def test_isic2019(tmp_path):
    rows = by_stem(downloads.isic2019(tmp_path / "d"), tmp_path / "set")
    assert {stem: (row.rash, row.area, row.group) for stem, row in rows.items()} == {
        "ISIC_1": ("squamous cell carcinoma", "arm", "BCN_1"), "ISIC_2": ("actinic keratosis", None, "BCN_1"), "ISIC_5_downsampled": ("melanoma", None, "ISIC_5"),
    }  # fmt: skip
    assert rows["ISIC_1"].split == rows["ISIC_2"].split


def test_isic2020(tmp_path):
    rows = by_stem(downloads.isic2020(tmp_path / "d"), tmp_path / "set")
    assert {stem: (row.rash, row.area, row.group) for stem, row in rows.items()} == {
        "ISIC_1": ("benign", None, "IP_1"), "ISIC_2": ("melanoma", "leg", "IP_1"), "ISIC_3": ("mole", None, "IP_2"),
    }  # fmt: skip


def test_fitzpatrick17k(tmp_path):
    rows = by_stem(downloads.fitzpatrick17k(tmp_path / "d"), tmp_path / "set")
    assert {stem: row.rash for stem, row in rows.items()} == {"a1": "psoriasis", "a2": "acne", "a3": "melanoma", "a4": "basal cell carcinoma"}
    assert (rows["a1"].tone, rows["a1"].tone_estimated) == ("black", False), "a rater's type is stated"
    assert rows["a2"].tone and rows["a2"].tone_estimated, "where there is none it is measured and said so"
    assert rows["a1"].original_label == "psoriasis (non-neoplastic)"
    assert "type of lesion" in rows["a4"].text and rows["a1"].license == "CC-BY-NC-SA-3.0"


def test_scin(tmp_path):
    rows = by_stem(downloads.scin(tmp_path / "d"), tmp_path / "set")
    assert {stem: (row.rash, row.area, row.group) for stem, row in rows.items()} == {
        "-11": ("eczema", "arm", "-1"), "-12": ("eczema", "arm", "-1"), "-21": ("contact dermatitis", None, "-2"),
    }  # fmt: skip
    assert (rows["-11"].tone, rows["-11"].tone_estimated) == ("brown", False), "most dermatologists saw type V; the person said II"
    assert rows["-21"].tone_estimated
    assert "0.69" in rows["-11"].original_label


@pytest.mark.parametrize(
    ("weights", "expected"),
    [("{'Acne': 1.0}", "Acne"), ("{'Acne': 0.5, 'Tinea': 0.5}", None), ("{'Acne': 0.5, 'Tinea': 0.3, 'Eczema': 0.2}", "Acne"),
     ("{'Acne': 0.4, 'Tinea': 0.3, 'Eczema': 0.3}", None), ("{}", None), ("", None)],
)  # fmt: skip
def test_the_condition_of_a_case(weights, expected):
    assert scin.condition(weights) == expected


@pytest.mark.parametrize("weights", ["Acne", "['Acne']", "{'Acne': 'much'}", "{'Acne'"])
def test_weights_that_are_none(weights):
    with pytest.raises(ValueError):
        scin.condition(weights)


def test_pad_ufes_20(tmp_path):
    rows = by_stem(downloads.pad_ufes_20(tmp_path / "d"), tmp_path / "set")
    assert {stem: (row.rash, row.area, row.group) for stem, row in rows.items()} == {
        "PAT_1_10_100": ("mole", "neck", "PAT_1"), "PAT_1_11_101": ("basal cell carcinoma", "lips", "PAT_1"), "PAT_2_12_102": ("seborrheic keratosis", "arm", "PAT_2"),
    }  # fmt: skip
    assert (rows["PAT_1_10_100"].tone, rows["PAT_1_10_100"].tone_estimated) == ("medium", False)
    assert rows["PAT_2_12_102"].tone_estimated


def test_captions_beside_pictures_and_in_lines(tmp_path):
    _, beside = bring(downloads.captions(tmp_path / "a"), tmp_path / "one")
    assert [row.text for row in beside.values()] == ["urticaria type of rash at the back area on a black skin, severe"]
    _, listed = bring(downloads.json_lines(tmp_path / "b"), tmp_path / "two")
    assert [row.text for row in listed.values()] == ["tinea type of rash at the foot area on a brown skin"]


def test_an_image_folder_of_the_hub(tmp_path):
    _, rows = bring(downloads.image_folder(tmp_path / "d"), tmp_path / "set")
    assert sorted((row.rash, row.area, row.split, row.original_label) for row in rows.values()) == [
        ("eczema", "elbow", "train", "eczema on the elbow, fair skin"), ("tinea", None, "test", "Ringworm"),
    ]  # fmt: skip


def test_our_own_set_comes_in_as_it_is(tmp_path):
    bring(downloads.scin(tmp_path / "d"), tmp_path / "first", name="scin")
    bring(downloads.isic2016(tmp_path / "e"), tmp_path / "first", name="isic2016")
    before = manifest.read(tmp_path / "first")
    assert forms.detect(tmp_path / "first") == "imagefolder"
    bring(tmp_path / "first", tmp_path / "second")
    after = manifest.read(tmp_path / "second")
    kept = ("rash", "area", "tone", "text", "source", "license", "group", "split", "tone_estimated", "ita", "original_label")
    assert sorted([str(getattr(row, name)) for name in kept] for row in after) == sorted([str(getattr(row, name)) for name in kept] for row in before)
    assert {row.source for row in after} == {"scin", "isic2016"}


@pytest.mark.parametrize(("sources", "fits"), [(("a", "b"), True), (("a", "a"), False)])
def test_a_group_of_a_set_is_that_of_its_source(sources, fits, tmp_path):
    lines = [{"file_name": f"{n}.jpg", "rash": "acne", "group": "1", "source": sources[n], "split": ("train", "test")[n]} for n in (0, 1)]
    for number in (0, 1):
        save(tmp_path / "d" / f"{number}.jpg", number)
    (tmp_path / "d" / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if fits:
        report, rows = bring(tmp_path / "d", tmp_path / "set")
        assert report.added == 2 and sorted((row.source, row.group, row.split) for row in rows.values()) == [("a", "1", "train"), ("b", "1", "test")]
    else:
        with pytest.raises(SourceError, match="group '1' in two splits"):
            bring(tmp_path / "d", tmp_path / "set")


def test_a_row_cannot_leave_its_folder(tmp_path):
    save(tmp_path / "secret.jpg", 1)
    save(tmp_path / "d" / "1.jpg", 2)
    lines = [{"file_name": "../secret.jpg", "rash": "acne"}, {"file_name": "1.jpg", "rash": "acne", "source": "../../../etc"}]
    (tmp_path / "d" / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    report, rows = bring(tmp_path / "d", tmp_path / "set")
    assert dict(report.reasons()) == {"path that leaves the folder": 1}
    assert all(file.startswith("images/etc/") for file in rows) and len(rows) == 1


@pytest.mark.parametrize(
    ("build", "file", "column", "said"),
    [
        (downloads.isic2018, "ISIC2018_Task3_Training_GroundTruth/ISIC2018_Task3_Training_GroundTruth.csv", "BKL", "lacks the column BKL; it has image, MEL"),
        (downloads.isic2019, "ISIC_2019_Training_GroundTruth.csv", "AK", "lacks the column AK"),
        (downloads.isic2020, "ISIC_2020_Training_GroundTruth_v2.csv", "patient_id", "lacks the column patient_id"),
        (downloads.fitzpatrick17k, "fitzpatrick17k.csv", "qc", "lacks the column qc"),
        (downloads.scin, "dataset/scin_labels.csv", "weighted_skin_condition_label", "lacks the column weighted_skin_condition_label"),
        (downloads.pad_ufes_20, "metadata.csv", "region", "lacks the column region"),
    ],
)
def test_a_table_that_lacks_a_column_says_which(build, file, column, said, tmp_path):
    root = build(tmp_path / "d")
    header, _, rest = (root / file).read_text().partition("\n")
    (root / file).write_text(",".join("renamed" if name.strip() == column else name for name in header.split(",")) + "\n" + rest)
    with pytest.raises(SourceError, match=said):
        list(forms.items(forms.detect(root), root))


@pytest.mark.parametrize("name", [name for name in CASES if name in forms.PUBLIC and name != "dermnet"])
def test_labels_without_a_picture_are_one_sentence(name, tmp_path):
    root = CASES[name][0](tmp_path / "d")
    for file in [file for file in root.rglob("*") if is_picture(file)]:
        file.unlink()
    with pytest.raises(SourceError, match="has the labels but no picture"):
        list(forms.items(forms.detect(root), root))


@pytest.mark.parametrize("name", forms.FORMS)
def test_what_is_none_of_it_is_one_sentence(name, tmp_path):
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(SourceError, match=r"expected|has neither") as error:
        list(forms.items(name, tmp_path))
    assert str(tmp_path) in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(SourceError, match="is no folder" if name != "folder" else "neither a folder"):
        list(forms.items(name, tmp_path / "notes.txt"))


def test_two_downloads_in_one_folder_are_asked_about(tmp_path):
    downloads.isic2016(tmp_path)
    downloads.isic2018(tmp_path)
    with pytest.raises(SourceError, match="holds isic2016 and isic2018; say which one with --source"):
        forms.detect(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_said(tmp_path):
    save(tmp_path / "d" / "eczema" / "1.jpg", 1)
    (tmp_path / "d" / "eczema").chmod(0)
    with pytest.raises(SourceError, match="cannot be read: Permission denied"):
        forms.detect(tmp_path / "d")


def test_splits_are_read_from_folders_as_people_name_them(tmp_path):
    for number, split in enumerate(("train", "valid", "test")):
        save(tmp_path / "d" / split / "eczema" / f"{number}.jpg", number)
    save(tmp_path / "d" / "test" / "9.jpg", 9)
    found = list(forms.items("folder", tmp_path / "d"))
    assert sorted(item.split for item in found if isinstance(item, Item)) == ["test", "train", "validation"]
    assert [skip.reason.split(":")[0] for skip in found if isinstance(skip, Skipped)] == ["no label"], "test is a split and no class"


def test_every_area_of_scin_has_its_column():
    assert len(label_map("scin").area) == 12
