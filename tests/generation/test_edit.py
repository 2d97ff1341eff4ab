"""Edits of an existing picture: what was asked for is measured, and everything else keeps its bits."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from generation import ita, regions
from generation.density import density, picture
from generation.edit import Edit, EditError, edited, find
from generation.editing import NOTICE, edit_file
from generation.healing import healed, membrane

SIDE = 160
SKIN = {"fair": (226, 184, 158), "brown": (140, 90, 62)}


def arm(tone: str = "fair", spots=((80, 80, 14),)) -> tuple[np.ndarray, np.ndarray]:
    """A limb from left to right on a blue backdrop, in a light that falls off, with red spots (x, y, radius); and their mask."""
    y, x = np.mgrid[:SIDE, :SIDE]
    noise = np.random.default_rng(1).normal(0, 2, (SIDE, SIDE, 1))
    rgb = np.full((SIDE, SIDE, 3), (70, 110, 150.0))
    limb = np.abs(y - SIDE / 2) < 62
    rgb[limb] = np.array(SKIN[tone]) * (1.05 - 0.15 * (x / SIDE))[limb][:, None]
    mask = np.zeros((SIDE, SIDE), bool)
    for cx, cy, radius in spots:
        mask |= (x - cx) ** 2 + (y - cy) ** 2 < radius**2
    rgb[mask] *= (0.9, 0.62, 0.66)
    return np.clip(rgb + noise, 0, 255).astype(np.uint8), mask


def test_densities_go_and_come_back():
    rgb, _ = arm()
    assert np.abs(picture(density(rgb)).astype(int) - rgb).max() <= 1


def test_a_membrane_is_a_plane_between_the_sides_of_a_plane():
    y, x = np.mgrid[:40, :40]
    plane = (0.3 * x + 0.1 * y)[..., None] * np.ones(3)
    inside = (x - 20) ** 2 + (y - 20) ** 2 < 100
    given = np.where(inside[..., None], 99.0, plane)
    assert np.abs(membrane(given, inside, np.ones_like(inside)) - plane).max() < 0.01


def test_healed_skin_is_skin_and_no_backdrop():
    rgb, mask = arm(spots=((80, 24, 14),))  # on the limb's very edge
    y, _ = np.mgrid[:SIDE, :SIDE]
    mask &= y >= 19
    out = picture(healed(density(rgb), regions.grown(mask, 3) & (y >= 19), regions.skin(rgb, mask)))
    clean, _ = arm(spots=())
    assert np.abs(out[mask].mean(0) - clean[mask].mean(0)).max() < 6


@pytest.mark.parametrize(("size", "ratio"), [("tiny", 0.25), ("large", 3.24), (1.4, 1.96)])
def test_a_size_is_that_of_the_diameter(size, ratio):
    rgb, mask = arm()
    result = edited(rgb, Edit(size=size), mask)
    redder = result.rgb[..., 1].astype(int) - arm(spots=())[0][..., 1] < -25  # on the picture itself
    assert redder.sum() / mask.sum() == pytest.approx(ratio, rel=0.2)
    assert result.record["area"][1] / result.record["area"][0] == pytest.approx(ratio, rel=0.12)
    far = ~regions.grown(mask | result.after, 8)
    assert np.array_equal(result.rgb[far], rgb[far]) and result.record["largest_difference_elsewhere"] == 0


def test_a_lesion_moves_and_leaves_skin_behind():
    rgb, mask = arm(spots=((60, 80, 12),))
    result = edited(rgb, Edit(move="right"), mask)
    assert result.record["moved_by"] == [32.0, 0.0]
    clean = arm(spots=())[0].astype(int)
    assert np.abs(result.rgb[mask].mean(0) - clean[mask].mean(0)).max() < 5
    there = np.roll(mask, 32, 1)
    ratio = result.rgb[there].mean(0) / clean[there].mean(0)
    assert ratio == pytest.approx((0.9, 0.62, 0.66), abs=0.05), "in the light that is there"


def test_a_lesion_does_not_leave_the_skin():
    rgb, mask = arm(spots=((80, 32, 12),))
    with pytest.raises(EditError, match="no skin that way"):
        edited(rgb, Edit(move="up"), mask)
    down = edited(rgb, Edit(move="down"), mask)
    assert down.record["moved_by"][1] > 20


def test_more_lie_apart_on_skin_and_those_there_keep_their_bits():
    rgb, mask = arm(spots=((50, 80, 8),))
    result = edited(rgb, Edit(more=4), mask, seed=3)
    assert result.record["added"] == 4 and result.record["pieces"] == [1, 5]
    assert np.array_equal(result.rgb[mask], rgb[mask])
    y, _ = np.mgrid[:SIDE, :SIDE]
    backdrop = np.abs(y - SIDE / 2) >= 62
    assert not (result.after & backdrop).any() and np.array_equal(result.rgb[backdrop], rgb[backdrop])
    again, other = (edited(rgb, Edit(more=4), mask, seed=seed).rgb for seed in (3, 4))
    assert np.array_equal(again, result.rgb) and not np.array_equal(other, result.rgb)


def test_no_room_is_said():
    rgb, mask = arm(spots=((80, 80, 58),))
    with pytest.raises(EditError, match="no room"):
        edited(rgb, Edit(more=2), mask)


@pytest.mark.parametrize(("start", "tone"), [("fair", "black"), ("fair", "olive"), ("brown", "fair"), ("brown", "black")])
def test_a_tone_lies_in_its_band_and_the_backdrop_stays(start, tone):
    rgb, mask = arm(start)
    result = edited(rgb, Edit(tone=tone), mask, rash="eczema")
    y, _ = np.mgrid[:SIDE, :SIDE]
    skin = (np.abs(y - SIDE / 2) < 58) & ~regions.grown(mask, 4)
    low, high = ita.band(tone)
    assert low <= ita.ita(ita.lab(result.rgb[skin])) <= high
    backdrop = np.abs(y - SIDE / 2) > 66
    assert np.array_equal(result.rgb[backdrop], rgb[backdrop])
    lightness = ita.lab(result.rgb)[..., 0]
    assert lightness[mask].mean() < lightness[skin].mean() - 2, "the lesion still shows"


def test_skin_without_pigment_stays_pale_on_every_tone():
    rgb, mask = arm("brown")
    rgb[mask] = (236, 218, 204)
    result = edited(rgb, Edit(tone="black"), mask, rash="vitiligo")
    assert np.abs(result.rgb[mask].astype(int) - rgb[mask]).mean() < 6
    lighter = ita.lab(edited(rgb, Edit(tone="fair"), mask, rash="vitiligo").rgb)[..., 0]
    assert lighter[mask].mean() > lighter[regions.grown(mask, 20) & ~regions.grown(mask, 5)].mean()


def test_a_plaque_of_psoriasis_is_grey_on_dark_skin_and_red_on_light():
    rgb, mask = arm()
    lightness = {rash: ita.lab(edited(rgb, Edit(tone="black"), mask, rash=rash).rgb)[mask][:, 0].mean() for rash in ("psoriasis", "eczema")}
    assert lightness["psoriasis"] > lightness["eczema"] + 5
    rgb, mask = arm("brown", spots=())
    mask[60:100, 60:100] = True
    rgb[mask] = picture(density(rgb)[mask] + (-0.1, -0.63, -1.54))  # as phantoms have it
    around = regions.grown(mask, 20) & ~regions.grown(mask, 6)
    redness = ita.lab(edited(rgb, Edit(tone="fair"), mask, rash="psoriasis").rgb)[..., 1]
    assert redness[mask].mean() > redness[around].mean() + 2


@pytest.mark.parametrize("tone", ["fair", "brown"])
def test_vitiligo_is_told_by_its_colour_though_it_is_most_of_the_skin(tone):
    rgb, mask = arm(tone, spots=((80, 80, 52), (140, 80, 40)))
    rgb[mask] = np.clip(rgb[mask] * np.array([[1.1, 1.25, 1.45], [1.6, 2.2, 3.0]][tone == "brown"]), 0, 255)
    found = find(rgb, rash="vitiligo")
    assert (found & mask).sum() > 0.97 * mask.sum() and (found & ~regions.grown(mask, 3)).sum() < 0.01 * mask.sum()
    shaded = arm(tone, spots=())[0]
    assert np.array_equal(find(shaded, rash="vitiligo"), find(shaded)), "light and shade are no such thing"


@pytest.mark.parametrize(
    ("edit", "words"),
    [(Edit(), "Nothing is to be changed"), (Edit(tone="green"), "no tone"), (Edit(size=9.0), "0.2 to 4"), (Edit(size="huge"), "tiny, large"), (Edit(move="away"), "left, right"), (Edit(more=99), "0 to 30")],
)
def test_what_cannot_be_is_said(edit, words):
    with pytest.raises(EditError, match=words):
        edited(*arm()[:1], edit, arm()[1])


def test_pieces_are_what_hangs_together():
    mask = np.zeros((12, 12), bool)
    mask[1, 1:9] = mask[1:8, 8] = mask[7, 3:9] = mask[3:8, 3] = True  # a spiral, whose parts meet late
    mask[10, 10] = True
    assert [piece.sum() for piece in regions.pieces(mask)] == [mask.sum() - 1, 1]
    assert len(regions.pieces(mask, 2)) == 1


def test_room_is_where_the_shape_fits():
    free = np.zeros((20, 20), bool)
    free[5:10, 4:16] = True
    fits = regions.room(free, np.ones((3, 5), bool))
    expected = np.zeros_like(free)
    expected[6:9, 6:14] = True
    assert np.array_equal(fits, expected)


def test_a_file_keeps_its_record_and_says_what_was_done(tmp_path):
    rgb, mask = arm()
    Image.fromarray(rgb).save(tmp_path / "photo.jpg", quality=95)
    Image.fromarray(mask.astype(np.uint8) * 255).save(tmp_path / "mask.png")
    with pytest.raises(EditError, match="say --rash"):
        edit_file(tmp_path / "photo.jpg", Edit(size="tiny"), tmp_path / "out")
    path, record = edit_file(tmp_path / "photo.jpg", Edit(size="tiny"), tmp_path / "out", tmp_path / "mask.png", rash="eczema", area="forearm", tone="fair")
    assert path.name == "photo_tiny.png" and json.loads(path.with_suffix(".json").read_text()) == record
    assert record["caption"] == "eczema type of rash at the forearm area on a fair skin, tiny"
    assert record["notice"] == NOTICE and record["edit"]["mask"] == "given" and len(record["edit"]["of_sha256"]) == 64
    after = np.asarray(Image.open(path.with_name("photo_tiny.mask-after.png"))) > 0
    assert after.sum() == record["edit"]["area"][1]
    with pytest.raises(EditError, match="no rash of the vocabulary"):
        edit_file(tmp_path / "photo.jpg", Edit(size="tiny"), tmp_path / "out", tmp_path / "mask.png", rash="sunburn")


def test_a_drawn_picture_says_itself_what_is_on_it(tmp_path, tiny_generator):
    from assistant.schema import ImageRequest
    from generation import provenance

    drawn = next(tiny_generator.draw(ImageRequest(count=1, rash="eczema", area="elbow", tone="fair", seed=1)))
    rgb, mask = arm()
    (tmp_path / "drawn.png").write_bytes(provenance.encode_png(Image.fromarray(rgb), drawn.sidecar))
    Image.fromarray(mask.astype(np.uint8) * 255).save(tmp_path / "mask.png")
    path, record = edit_file(tmp_path / "drawn.png", Edit(tone="brown"), tmp_path, tmp_path / "mask.png")
    assert record["caption"] == "eczema type of rash at the elbow area on a brown skin" and record["seed"] == 1
    assert provenance.read_png(path) == record and record["notice"] == provenance.NOTICE
