import json

import numpy as np
import pytest
from PIL import Image

from training.dataset import Images, crops, fingerprint, read_folder


def test_metadata_is_read(labelled):
    records = read_folder(labelled)
    assert len(records) == 24
    assert records[0].text == "acne type of rash at the face area on a fair skin"
    assert records[0].values == {"rash": "acne", "area": "face", "tone": "fair"}
    assert sum(record.split == "validation" for record in records) == 4


def test_plain_images_keep_their_side_when_others_come(tmp_path):
    def save(name):
        Image.new("RGB", (16, 16)).save(tmp_path / name)

    for i in range(60):
        save(f"{i}.png")
    before = {r.path.name: r.split for r in read_folder(tmp_path, valid_share=0.2)}
    assert 0 < sum(split == "validation" for split in before.values()) < 30
    for i in range(60, 90):
        save(f"{i}.png")
    after = {r.path.name: r.split for r in read_folder(tmp_path, valid_share=0.2)}
    assert before.items() <= after.items()


def test_errors_say_where(tmp_path):
    with pytest.raises(FileNotFoundError, match="No image in"):
        read_folder(tmp_path)
    (tmp_path / "metadata.jsonl").write_text(json.dumps({"text": "x"}) + "\n")
    with pytest.raises(ValueError, match="line 1: no file_name"):
        read_folder(tmp_path)


def test_the_mask_moves_with_the_crop(labelled):
    """Acne's disc is red: wherever the mask is set, the crop's red stands out, flipped or not."""
    records = [r for r in read_folder(labelled) if r.values["rash"] == "acne" and r.values["tone"] == "black"]
    images = Images(records, 64)
    drawn = crops(images, np.arange(len(records)), 48, np.random.default_rng(1))
    assert drawn.pixels.shape == (len(records), 3, 48, 48)
    assert drawn.pixels.min() >= -1 and drawn.pixels.max() <= 1
    for pixels, lesion in zip(drawn.pixels, drawn.lesion[:, 0], strict=True):
        assert ((pixels[0] > 0) == (lesion > 0.5)).mean() > 0.99


def test_fingerprint_follows_captions_and_files(labelled):
    records = read_folder(labelled)
    assert fingerprint(records) == fingerprint(read_folder(labelled))
    assert fingerprint(records) != fingerprint(records[1:])
