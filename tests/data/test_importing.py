import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image, ImageEnhance, ImageOps

from data import manifest, prints, skipped
from data.importing import PART, Source, import_source
from data.lookalikes import PIXELS
from data.manifest import Labels, ManifestError
from data.sources import Item
from data.sources.folder import items
from tests.data.pictures import save, skin

MINE = Source("mine", "CC-BY-4.0")


def item(path, **options):
    return Item(path, Labels(rash=options.pop("rash", "eczema")), **options)


def bring(found, out, source=MINE, **options):
    report = import_source(found, source, out, **options)
    rows = manifest.read(out)
    return report, rows


def bomb(path: Path) -> None:
    """A PNG of a few bytes that says it has 40,000 × 40,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b""))


def test_files_that_are_no_usable_pictures_are_listed_with_their_reason(tmp_path):
    folder = tmp_path / "photos" / "eczema"
    folder.mkdir(parents=True)
    bomb(folder / "bomb.png")
    whole = save(folder / "whole.jpg", 1, side=300).read_bytes()
    (folder / "half.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "nothing.jpg").write_bytes(b"")
    (folder / "page.jpg").write_text("<html>404</html>")
    (folder / "movie.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    save(folder / "thumb.jpg", 2, side=32)
    Image.fromarray(np.full((80, 80), 40000, np.uint16)).save(folder / "deep.png")
    skin(3).save(folder / "film.gif", save_all=True, append_images=[skin(4)], duration=100)
    report, rows = bring(items(tmp_path / "photos"), tmp_path / "set")
    assert {skip.path.name: skip.reason.split(":")[0].split(" (")[0] for skip in report.skipped} == {
        "bomb.png": "too large", "half.jpg": "damaged or not readable", "nothing.jpg": "not a picture that can be read",
        "page.jpg": "not a picture that can be read", "movie.mp4": "no picture", "thumb.jpg": "tiny",
        "deep.png": "I;16 pixels; save it with 8 bits a channel", "film.gif": "moving picture",
    }  # fmt: skip
    assert len(rows) == 1 and report.found == 9


def test_a_large_picture_between_the_limits_of_pillow_is_refused_without_a_warning(tmp_path, recwarn, monkeypatch):
    monkeypatch.setattr("data.pictures.MAX_PIXELS", 99 * 99)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 99 * 99)
    report, _ = bring([item(save(tmp_path / "1.png", 1, side=120))], tmp_path / "set")
    assert report.reasons() == [("too large", 1)]
    assert not [warning for warning in recwarn if "bomb" in str(warning.message).lower()]


def test_every_kind_of_picture_becomes_upright_rgb(tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x8825] = 6, "a camera", {1: "N"}
    picture = skin(1, side=200).crop((0, 0, 200, 120))
    picture.save(tmp_path / "turned.jpg", exif=exif)
    skin(2).convert("CMYK").save(tmp_path / "cmyk.jpg")
    skin(3).convert("L").save(tmp_path / "grey.jpg")
    palette = skin(4).quantize(64)
    palette.info["transparency"] = 0
    palette.save(tmp_path / "palette.gif")
    Image.fromarray(np.dstack([np.asarray(skin(5)), np.full((96, 96), 128, np.uint8)])).save(tmp_path / "veil.png")
    report, rows = bring([item(file, key=file.stem) for file in sorted(tmp_path.iterdir()) if file.is_file()], tmp_path / "set")
    assert (report.added, report.skipped) == (5, [])
    for row in rows:
        with Image.open(tmp_path / "set" / row.file_name) as made:
            assert (made.format, made.mode, dict(made.getexif())) == ("JPEG", "RGB", {})
            assert made.size == ((120, 200) if "turned" in row.file_name else (96, 96))


def test_a_mask_fits_a_picture_that_is_decoded_smaller(tmp_path):
    """A large JPEG is decoded at a half or a quarter of its size; its mask is as large as the file says."""
    path = save(tmp_path / "1.jpg", 1, side=1200)
    mask = np.zeros((1200, 1200), np.uint8)
    mask[300:900, 300:900] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    _, (row,) = bring([item(path, mask=tmp_path / "mask.png")], tmp_path / "set", side=256)
    with Image.open(tmp_path / "set" / row.file_name) as made, Image.open(tmp_path / "set" / row.mask_file_name) as beside:
        assert made.size == beside.size == (256, 256)
        assert np.asarray(beside).astype(bool).mean() == pytest.approx(0.25, abs=0.01)


def test_a_picture_decoded_smaller_is_the_same_picture(tmp_path):
    from data.pictures import open_rgb, shrink

    path = save(tmp_path / "1.jpg", 1, side=1100, quality=95)
    quick, slow = shrink(open_rgb(path, 256), 256), shrink(open_rgb(path), 256)
    assert open_rgb(path, 256).size < (1100, 1100)
    assert np.abs(np.asarray(quick).astype(int) - np.asarray(slow)).mean() < 1.5


def test_look_alikes_of_one_source_are_one_group_and_one_split(tmp_path):
    originals = [skin(number, side=200) for number in range(12)]
    for number, picture in enumerate(originals):
        (tmp_path / "p").mkdir(exist_ok=True)
        picture.save(tmp_path / "p" / f"{number:02d}.png")
    ImageOps.mirror(originals[3]).save(tmp_path / "p" / "03m.png")
    ImageEnhance.Brightness(originals[3].resize((150, 150))).enhance(0.8).save(tmp_path / "p" / "03d.jpg")
    originals[7].crop((6, 4, 194, 192)).save(tmp_path / "p" / "07c.png")
    report, rows = bring([item(file, key=file.stem) for file in sorted((tmp_path / "p").iterdir())], tmp_path / "set", Source("mine", "x", (0.4, 0.3, 0.3)))
    of = {Path(row.file_name).stem: row for row in rows}
    assert of["03"].group == of["03m"].group == of["03d"].group == "mine:03" and of["07"].group == of["07c"].group == "mine:07"
    assert len({row.group for row in rows}) == 12 and report.alike >= 3
    splits = {group: {row.split for row in rows if row.group == group} for group in {row.group for row in rows}}
    assert all(len(found) == 1 for found in splits.values()) and len(set.union(*splits.values())) == 3


def test_a_look_alike_in_another_source_goes_where_its_twin_is(tmp_path):
    first = save(tmp_path / "a" / "1.png", 1, side=200)
    other = save(tmp_path / "a" / "2.png", 2, side=200)
    bring([item(first, key="one", group="P1", split="test"), item(other, key="two", split="train")], tmp_path / "set")
    (tmp_path / "b").mkdir()
    twin, tested = tmp_path / "b" / "twin.jpg", tmp_path / "b" / "tested.jpg"
    ImageOps.mirror(skin(1, side=200)).save(twin, quality=80)
    skin(2, side=200).resize((150, 150)).save(tested)
    report, rows = bring([item(twin, group="P1"), item(tested, split="test"), item(first)], tmp_path / "set", Source("other", "y"))
    assert [(row.source, row.split, row.group) for row in rows] == [
        ("mine", "test", "mine:P1"), ("mine", "train", "two"), ("other", "test", "mine:P1"),
    ]  # fmt: skip
    assert {skip.path.name: skip.reason for skip in report.skipped} == {
        "tested.jpg": "in test, but one group with a picture in train: images/mine/two.jpg",
        "1.png": "same picture as another: images/mine/one.jpg (eczema)",
    }
    assert report.found == 3 and len(list((tmp_path / "set" / "images" / "other").iterdir())) == 1, "left out means taken out again"


def test_pictures_that_another_command_made_are_compared_too(tmp_path):
    """Phantoms and older sets have no fingerprints: their pictures are looked at once."""
    bring([item(save(tmp_path / "1.png", 1, side=200), key="one")], tmp_path / "set")
    (tmp_path / "set" / prints.FILE).unlink()
    skin(1, side=200).resize((140, 140)).save(tmp_path / "2.png")
    _, rows = bring([item(tmp_path / "2.png", key="two")], tmp_path / "set", Source("other", "x"))
    assert len({row.group for row in rows}) == 1
    assert set(prints.read(tmp_path / "set", PIXELS.name)) == {row.file_name for row in rows}


def test_a_picture_deleted_from_the_set_stops_nothing(tmp_path):
    found = [item(save(tmp_path / f"{number}.png", number), key=str(number)) for number in range(4)]
    bring(found, tmp_path / "set")
    (tmp_path / "set" / "images" / "mine" / "2.jpg").unlink()
    report, rows = bring([item(save(tmp_path / "9.png", 9), key="9")], tmp_path / "set", Source("other", "x"))
    assert (report.added, len(rows)) == (1, 5)
    report, rows = bring(found, tmp_path / "set")
    assert (report.added, report.present, len(rows)) == (1, 3, 5), "its own import makes it again"


def test_the_number_of_threads_changes_nothing(tmp_path):
    found = [item(save(tmp_path / "p" / f"{number}.png", number)) for number in range(20)]
    found.append(item(shutil.copy(found[3].path, tmp_path / "p" / "copy.png"), rash="acne"))
    one, rows = bring(found, tmp_path / "one", workers=1)
    many, same = bring(found, tmp_path / "many", workers=8)
    assert rows == same and one == many
    assert one.skipped[0].reason.startswith("same picture as another, under another label: ")
    assert (tmp_path / "one" / skipped.FILE).read_bytes() == (tmp_path / "many" / skipped.FILE).read_bytes()


def test_two_imports_at_once_are_refused(tmp_path):
    (tmp_path / "set").mkdir()
    with FileLock(tmp_path / "set" / ".import.lock"), pytest.raises(ManifestError, match="another import is writing to"):
        bring([item(save(tmp_path / "1.png"))], tmp_path / "set")


def test_progress_counts_every_file(tmp_path):
    seen = []
    found = [item(save(tmp_path / f"{number}.png", number)) for number in range(5)]
    bring(found, tmp_path / "set", progress=lambda *told: seen.append(told))
    assert [told for told in seen if told[0] == "Pictures"] == [("Pictures", done, 5) for done in range(1, 6)]


KILLED = """
import sys
from pathlib import Path
from data.importing import Source, import_source
from data.sources.folder import items
import_source(items(Path(sys.argv[1])), Source("mine", "CC-BY-4.0"), Path(sys.argv[2]), workers=2)
"""


@pytest.mark.parametrize("after", [1, 25, 60])
def test_an_import_that_is_killed_goes_on_and_ends_the_same(after, tmp_path):
    """SIGKILL: nothing is told, nothing is tidied up. What was written is kept, and the set is the same in the end."""
    for number in range(70):
        save(tmp_path / "photos" / ("eczema", "acne")[number % 2] / f"{number:03d}.png", number, side=128)
    save(tmp_path / "photos" / "acne" / "again.png", 4, side=128)
    (tmp_path / "photos" / "acne" / "bad.png").write_text("")
    whole, rows = bring(items(tmp_path / "photos"), tmp_path / "whole")
    out, part = tmp_path / "set", tmp_path / "set" / PART
    started = subprocess.Popen([sys.executable, "-c", KILLED, tmp_path / "photos", out], env={**os.environ, "PYTHONPATH": os.getcwd()})
    deadline = time.monotonic() + 60
    while started.poll() is None and (not part.exists() or part.read_bytes().count(b"\n") < after):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    started.send_signal(signal.SIGKILL)
    started.wait()
    kept = part.read_bytes().count(b"\n") if part.exists() else whole.added
    report, again = bring(items(tmp_path / "photos"), out)
    assert again == rows
    assert (report.found, report.present, report.added + report.present) == (whole.found, kept, whole.added)
    assert {file.name for file in (out / "images" / "mine").iterdir()} == {Path(row.file_name).name for row in rows}
    assert not part.exists()


def test_a_file_of_drafts_that_is_none_is_said(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / PART).write_text(json.dumps({"row": 1}) + "\n")
    with pytest.raises(ManifestError, match=r"line 1: no draft of a picture\. Remove the file"):
        bring([item(save(tmp_path / "1.png"))], tmp_path / "set")


def test_datasets_reads_what_was_imported(tmp_path, monkeypatch):
    """With its list of skipped files and its fingerprints beside the manifest."""
    datasets = pytest.importorskip("datasets", reason="needs the training extra")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    (tmp_path / "bad.png").write_text("")
    bring([*(item(save(tmp_path / f"{number}.png", number)) for number in range(3)), item(tmp_path / "bad.png")], tmp_path / "set")
    loaded = datasets.load_dataset("imagefolder", data_dir=str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"), split="train")
    assert [row["image"].size for row in loaded] == [(96, 96)] * 3
    assert sorted(row["text"] for row in loaded) == sorted(row.text for row in manifest.read(tmp_path / "set"))
