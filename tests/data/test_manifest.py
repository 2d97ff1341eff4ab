import json

import pytest

from data import manifest
from data.manifest import ManifestError, Row


def row(name="images/a.png", **changes) -> Row:
    values = {
        "file_name": name, "text": "eczema type of rash at the neck area on a fair skin", "rash": "eczema", "area": "neck",
        "tone": "fair", "source": "phantom", "license": "CC0-1.0", "group": name, "split": "train",
    }  # fmt: skip
    return Row(**{**values, **changes})


def test_round_trip_sorted_by_file_name(tmp_path):
    rows = [row("images/b.png", severity="mild", split="test"), row("images/a.png", mask_file_name="masks/a.png")]
    manifest.write(tmp_path, rows)
    assert manifest.read(tmp_path) == rows[::-1]


def test_no_manifest_is_an_empty_set(tmp_path):
    assert manifest.read(tmp_path) == []


def test_writing_twice_gives_the_same_bytes(tmp_path):
    first = manifest.write(tmp_path, [row("images/b.png"), row("images/a.png")]).read_bytes()
    second = manifest.write(tmp_path, [row("images/a.png"), row("images/b.png")]).read_bytes()
    assert first == second


def test_the_same_file_twice_is_an_error(tmp_path):
    with pytest.raises(ManifestError, match=r"images/a\.png is listed twice"):
        manifest.write(tmp_path, [row(), row()])
    assert not (tmp_path / manifest.FILE).exists()


def test_a_group_never_crosses_a_split(tmp_path):
    rows = [row("images/a.png", group="patient 7"), row("images/b.png", group="patient 7", split="test")]
    with pytest.raises(ManifestError, match="'patient 7' of phantom is in the splits test and train"):
        manifest.write(tmp_path, rows)


def test_groups_of_two_sources_may_share_a_name(tmp_path):
    manifest.write(tmp_path, [row("images/a.png", group="1"), row("images/b.png", group="1", source="isic2017", split="test")])


@pytest.mark.parametrize("name", ["/etc/passwd", "../a.png", "images/../../a.png", "images\\a.png", ""])
def test_files_stay_in_the_folder(name):
    with pytest.raises(ValueError, match="no path below the set's folder"):
        row(name, group="g")


@pytest.mark.parametrize("bad", ['{"file_name": "a.png"}', "not json", '{"tonne": "fair"}'])
def test_a_bad_line_is_named_with_its_number(tmp_path, bad):
    path = manifest.write(tmp_path, [row()])
    path.write_text(path.read_text() + bad + "\n")
    with pytest.raises(ManifestError, match="line 2"):
        manifest.read(tmp_path)


def test_datasets_reads_it(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets", reason="needs the training extra")
    from PIL import Image

    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    folder = tmp_path / "set"
    for name in ("images/a.png", "images/b.png", "masks/b.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L" if "masks" in name else "RGB", (8, 8)).save(folder / name)
    manifest.write(folder, [row("images/a.png"), row("images/b.png", mask_file_name="masks/b.png", severity="mild")])
    loaded = datasets.load_dataset("imagefolder", data_dir=str(folder), cache_dir=str(tmp_path / "cache"), split="train")
    assert [(r["rash"], r["severity"], r["split"]) for r in loaded] == [("eczema", None, "train"), ("eczema", "mild", "train")]
    assert [r["image"].size for r in loaded] == [(8, 8), (8, 8)]
    assert [r["mask"] and r["mask"].mode for r in loaded] == [None, "L"]
    assert {"text", "area", "tone", "size", "number", "source", "license", "group"} <= set(loaded.column_names)


def test_columns_that_nothing_fills_do_not_stop_datasets(tmp_path):
    lines = manifest.write(tmp_path, [row()]).read_text().splitlines()
    assert "mask_file_name" not in json.loads(lines[0])
