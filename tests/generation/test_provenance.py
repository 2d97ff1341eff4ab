"""Records in PNG and JSON, and files that appear whole or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assistant.schema import ImageRequest
from generation import GeneratedImage, SaveError, read_png, read_request
from generation.bulk import draw_into, shared_out

REQUEST = ImageRequest(count=2, rash="lichen planus", area="wrist", tone="olive", size="tiny", number="multiple", seed=2**32 - 1)


@pytest.fixture(scope="module")
def images(tiny_generator) -> list[GeneratedImage]:
    return list(tiny_generator.draw(REQUEST, steps=2, guidance_scale=2))


def test_sidecar_and_png_read_back_into_the_same_request(images: list[GeneratedImage], tmp_path: Path) -> None:
    for index, image in enumerate(images):
        path = image.save(tmp_path)
        assert read_request(path) == read_request(path.with_suffix(".json")) == (REQUEST, index)
        assert read_png(path) == read_png(image.png) == json.loads(path.with_suffix(".json").read_text()) == image.sidecar


def test_the_record_suffices_to_draw_the_picture_again(images: list[GeneratedImage], tiny_generator) -> None:
    record = images[1].sidecar
    request, index = read_request(record)
    settings = {name: record["sampling"][name] for name in ("steps", "guidance_scale", "batch_size")}
    (again,) = tiny_generator.draw(request, indices=[index], **settings)
    assert again.png == images[1].png


def test_what_the_png_says_to_other_programs(images: list[GeneratedImage], tiny_model: Path) -> None:
    import io

    text = Image.open(io.BytesIO(images[0].png)).text
    assert text["caption"] == "lichen planus type of rash at the wrist area on an olive skin, tiny, multiple"
    assert (text["seed"], text["steps"], text["guidance_scale"], text["model"]) == ("4294967295", "2", "2.0", "tiny")
    assert len(text["model_sha256"]) == 64 and "torch" in json.loads(text["versions"])
    assert ImageRequest.model_validate_json(text["request"]) == REQUEST
    assert "Not for diagnosis" in text["Description"] and "trainedAlgorithmicMedia" in text["XML:com.adobe.xmp"]


def test_seeds_wrap(images: list[GeneratedImage]) -> None:
    assert [image.seed for image in images] == [2**32 - 1, 0]


def test_pixels_survive_the_png(images: list[GeneratedImage], tmp_path: Path) -> None:
    assert np.array_equal(np.asarray(Image.open(images[0].save(tmp_path))), np.asarray(images[0].image))


def test_a_picture_without_a_record(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "plain.png")
    with pytest.raises(ValueError, match="no record"):
        read_png(tmp_path / "plain.png")


def test_no_other_picture_is_overwritten(tiny_generator, images: list[GeneratedImage], tmp_path: Path) -> None:
    first = images[0].save(tmp_path)
    (other,) = tiny_generator.draw(REQUEST, steps=3, indices=[0])
    second = other.save(tmp_path)
    assert second != first and first.read_bytes() == images[0].png and second.read_bytes() == other.png
    assert images[0].save(tmp_path) == first  # the same one again takes its own place
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".json", ".png", ".png"]


def test_a_file_in_the_way_is_one_sentence(images: list[GeneratedImage], tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(SaveError, match="a file is in the way"):
        images[0].save(tmp_path / "out")


def test_when_the_disk_takes_no_more_the_images_so_far_are_kept(tiny_model: Path, tmp_path: Path) -> None:
    """A limit on file sizes, set in a process of its own, makes the kernel refuse the second, larger picture."""
    code = f"""
import resource
from pathlib import Path
from assistant.schema import ImageRequest
from generation import Generator, SaveError
from generation.bulk import draw_into
generator = Generator.load({str(tiny_model)!r}, "cpu")
request = ImageRequest(count=3, rash="acne", area="chin", tone="olive", seed=0)
kept = []
try:
    for image in draw_into(Path({str(tmp_path / "out")!r}), generator, [request], steps=1):
        kept.append(image.path.name)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
except SaveError as error:
    print(len(kept), error)
"""
    done = subprocess.run([sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("1 The image could not be saved"), done.stderr
    assert done.stdout.count("\n") == 1
    left = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert left == ["acne_chin_olive_0000000000.json", "acne_chin_olive_0000000000.png"]
    read_png(tmp_path / "out" / left[1])


# ── sets ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_stopped_run_goes_on_where_it_ended(tiny_generator, tmp_path: Path) -> None:
    requests = [REQUEST, REQUEST.model_copy(update={"tone": "black"})]
    some = draw_into(tmp_path, tiny_generator, requests, steps=1)
    first = [next(some) for _ in range(3)]
    some.close()
    rest = list(draw_into(tmp_path, tiny_generator, requests, steps=1))
    assert [kept.there_before for kept in rest] == [True, True, True, False]
    assert [(kept.request, kept.index) for kept in rest] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert [kept.sidecar for kept in first] == [kept.sidecar for kept in rest[:3]]
    again = list(draw_into(tmp_path, tiny_generator, requests, steps=2))
    assert not any(kept.there_before for kept in again) and len(list(tmp_path.glob("*.png"))) == 8


def test_images_are_shared_out_evenly() -> None:
    requests = shared_out([REQUEST] * 3, 8)
    assert [request.count for request in requests] == [3, 3, 2]
    with pytest.raises(ValueError, match="2 images cannot be shared out over 3"):
        shared_out([REQUEST] * 3, 2)
