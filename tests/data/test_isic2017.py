import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data import manifest
from data.importing import Source, import_source
from data.sources import Item, Skipped, SourceError
from data.sources.isic2017 import LICENSE, NAME, items, rash
from tests.data.pictures import save

SHARED = Path(__file__).parents[3] / "shared" / "data" / "isic2017"


def table(path, header, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


@pytest.mark.parametrize(
    ("melanoma", "keratosis", "expected"),
    [("1", "0", "melanoma"), ("0.0", "1.0", "seborrheic keratosis"), ("0", "0", "mole")],
)
def test_classes(melanoma, keratosis, expected):
    assert rash(melanoma, keratosis) == expected


@pytest.mark.parametrize("flags", [("1", "1"), ("", "0"), ("yes", "no")])
def test_no_class(flags):
    with pytest.raises(ValueError):
        rash(*flags)


@pytest.fixture
def official(tmp_path):
    """The official download with one picture a part, one mask, one picture missing and one label not readable."""
    root = tmp_path / "ISIC-2017"
    head = ("image_id", "melanoma", "seborrheic_keratosis")
    table(root / "ISIC-2017_Training_Part3_GroundTruth.csv", head, [("ISIC_1", "1.0", "0.0"), ("ISIC_2", "0.0", "0.0"), ("ISIC_3", "0", "0")])
    table(root / "ISIC-2017_Validation_Part3_GroundTruth.csv", head, [("ISIC_4", "0.0", "1.0"), ("ISIC_5", "?", "0.0")])
    table(root / "ISIC-2017_Test_v2_Part3_GroundTruth.csv", head, [("ISIC_6", "0.0", "0.0")])
    for part, numbers in (("Training", (1, 2)), ("Validation", (4, 5)), ("Test_v2", (6,))):
        for number in numbers:
            save(root / f"ISIC-2017_{part}_Data" / f"ISIC_{number}.jpg", number)
    (root / "ISIC-2017_Training_Data" / "ISIC_1_superpixels.png").write_bytes(b"")
    mask = np.zeros((96, 96), np.uint8)
    mask[30:60, 30:60] = 255
    (root / "ISIC-2017_Training_Part1_GroundTruth").mkdir()
    Image.fromarray(mask).save(root / "ISIC-2017_Training_Part1_GroundTruth" / "ISIC_1_segmentation.png")
    return root


def test_official_download(official, tmp_path):
    report = import_source(items(official), Source(NAME, LICENSE), tmp_path / "set")
    rows = {Path(row.file_name).stem: row for row in manifest.read(tmp_path / "set")}
    assert [(key, row.rash, row.split) for key, row in rows.items()] == [
        ("ISIC_1", "melanoma", "train"), ("ISIC_2", "mole", "train"),
        ("ISIC_4", "seborrheic keratosis", "validation"), ("ISIC_6", "mole", "test"),
    ]  # fmt: skip
    assert (report.found, report.added) == (6, 4)
    assert {skip.path.stem: skip.reason.split(":")[0] for skip in report.skipped} == {
        "ISIC_3": "in the table, but the picture is missing", "ISIC_5": "label not readable",
    }  # fmt: skip
    first = rows["ISIC_1"]
    assert first.area is None and first.tone_estimated and first.ita is not None
    assert first.text == f"melanoma type of lesion on a {first.tone} skin"
    assert (first.license, first.group, first.original_label) == ("CC0-1.0", "ISIC_1", "melanoma=1.0 seborrheic_keratosis=0.0")
    with Image.open(tmp_path / "set" / first.mask_file_name) as mask:
        assert np.asarray(mask).astype(bool).sum() == 900


def test_a_folder_that_is_none_of_it(tmp_path):
    with pytest.raises(SourceError, match="is no ISIC 2017: expected"):
        items(tmp_path)


def test_a_table_without_its_columns(tmp_path):
    table(tmp_path / "labels.csv", ("image", "label"), [])
    with pytest.raises(SourceError, match="lacks the columns image_id, melanoma"):
        list(items(tmp_path))


def test_an_unknown_split_is_listed(tmp_path):
    table(tmp_path / "labels.csv", ("image_id", "split", "melanoma", "seborrheic_keratosis"), [("ISIC_1", "holdout", "0", "0")])
    save(tmp_path / "images" / "ISIC_1.jpg")
    (found,) = items(tmp_path)
    assert isinstance(found, Skipped) and "'holdout'" in found.reason


@pytest.mark.skipif(not SHARED.is_dir(), reason="ISIC 2017 is not beside this checkout")
def test_the_real_pictures(tmp_path):
    found = list(items(SHARED))
    assert len(found) == 2150 and all(isinstance(item, Item) for item in found)
    assert sum(item.split == "validation" for item in found) == 150
    report = import_source(found[:40], Source(NAME, LICENSE), tmp_path / "set")
    assert (report.added, report.skipped) == (40, [])
    rows = manifest.read(tmp_path / "set")
    assert {row.rash for row in rows} == {"melanoma", "mole"}
    # by eye on a contact sheet: the archive is of light skin, with a few dim pictures
    assert sum(row.tone in ("very fair", "fair", "medium") for row in rows) >= 30
    for row in rows:  # 256×256 JPEGs without metadata are kept bit for bit
        assert (tmp_path / "set" / row.file_name).read_bytes() == (SHARED / "images" / Path(row.file_name).name).read_bytes()
