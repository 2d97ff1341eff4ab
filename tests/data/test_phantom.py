"""Phantoms: same seed same picture, labels that the picture bears out, colours in their bands."""

from collections import Counter

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

pytest.importorskip("embreex", reason="phantoms need the extra 'train'")

from assistant.vocabulary import vocabulary
from data import manifest
from data.phantom import skin
from data.phantom.make import VALIDATION_IDENTITY, make, plan
from data.phantom.noise import cells, fbm, nearest_lesion
from data.phantom.rashes import RASHES
from data.phantom.render import TONES, render
from data.phantom.sites import sites
from generation.ita import lab, measure

SMALL = 96


def test_same_seed_same_picture_whatever_came_before():
    first = render("tinea", "forearm", "olive", seed=5, resolution=SMALL)
    render("acne", "forearm", "black", seed=6, resolution=SMALL)
    again = render("tinea", "forearm", "olive", seed=5, resolution=SMALL)
    assert np.array_equal(first.image, again.image) and np.array_equal(first.mask, again.mask)
    other = render("tinea", "forearm", "olive", seed=7, resolution=SMALL)
    assert not np.array_equal(first.image, other.image)


@pytest.mark.parametrize("rash", sorted(RASHES))
def test_every_rash_marks_and_changes_the_skin(rash):
    phantom = render(rash, "forearm", "medium", seed=3, resolution=128)
    lesion = phantom.mask > 128
    assert 8 < lesion.sum() < 0.6 * lesion.size
    colours = lab(phantom.image)
    rows = np.flatnonzero(lesion.any(1))
    around = (colours[..., 1] > 2) & (phantom.mask < 8)
    around[: max(0, rows[0] - 20)] = around[rows[-1] + 20 :] = False
    difference = np.linalg.norm(colours[lesion].mean(0) - colours[around].mean(0))
    assert difference > 3, "a lesion that no one sees (ΔE under 3)"


def test_every_area_of_the_vocabulary_but_genital_has_a_site():
    areas = set(vocabulary().names("area"))
    assert areas - set(sites()) == {"genital"}
    assert set(sites()) <= areas
    assert set(RASHES) - {"purpura"} <= set(vocabulary().names("rash")), "what lies beyond is drawn when it is named"
    assert set(TONES) == set(vocabulary().names("tone"))


def test_lesion_free_skin_lies_in_the_ita_band_of_its_tone():
    for tone, target in skin.ITA_TARGET.items():
        rest = np.array([skin.melanin_for_ita(target)]), np.array([skin.BLOOD_AT_REST])
        low, high = skin.ITA_BAND[tone]
        assert low <= float(skin.ita(skin.albedo(*rest).astype(float))[0]) <= high, tone


@pytest.mark.parametrize("tone", skin.ITA_TARGET)
def test_pictured_skin_lies_in_the_ita_band_of_its_tone_whatever_the_light(tone):
    low, high = skin.ITA_BAND[tone]
    for seed, (rash, area) in enumerate([("mole", "back"), ("acne", "cheek"), ("tinea", "forearm"), ("eczema", "inner elbow"), ("shingles", "chest")]):
        phantom = render(rash, area, tone, 90 + seed)
        degrees = measure(phantom.image, binary_dilation(phantom.mask > 0, iterations=4))
        assert low <= degrees <= high, (rash, area, degrees)


def test_blood_reddens_and_pigment_darkens():
    melanin, blood = np.array([0.05, 0.05, 0.4]), np.array([0.008, 0.05, 0.008])
    rest, red, dark = lab(np.round(255 * skin.encode_srgb(skin.albedo(melanin, blood))))
    assert red[1] > rest[1] + 5, "a* rises with blood"
    assert dark[0] < rest[0] - 15, "L* falls with melanin"


def test_erythema_is_fainter_in_colour_on_black_skin():
    """RCP Clinical Medicine 23/1: redness is violet, darker or hidden on dark skin."""

    def redness(tone):
        melanin = skin.melanin_for_ita(skin.ITA_TARGET[tone])
        pair = lab(np.round(255 * skin.encode_srgb(skin.albedo(np.array([melanin] * 2), np.array([0.008, 0.04])))))
        return pair[1, 1] - pair[0, 1]

    assert redness("black") < 0.6 * redness("fair")


def test_tone_alone_changes_neither_site_nor_lesions():
    fair, black = (render("psoriasis", "elbow", tone, seed=11, resolution=SMALL) for tone in ("fair", "black"))
    a, b = fair.mask > 128, black.mask > 128
    assert (a & b).sum() / (a | b).sum() > 0.95


def test_without_variety_two_seeds_see_the_same_picture_of_the_site():
    def outline(seed, variety):
        return render("mole", "back of the hand", "fair", seed, identity=0, resolution=SMALL, variety=variety).image

    def apart(variety):
        lightness = [lab(outline(seed, variety))[..., 0] for seed in (1, 2, 3)]
        return np.abs(lightness[0] - lightness[1]).mean() + np.abs(lightness[1] - lightness[2]).mean()

    assert apart(0.0) < 0.5 * apart(1.0)


def test_without_variety_lesions_lie_at_the_same_places():
    def apart(variety, **asked):
        masks = [
            render("acne", "back", "fair", seed, identity=0, resolution=SMALL, variety=variety, **asked).mask > 64
            for seed in (1, 2)
        ]
        centres = [np.argwhere(mask).mean(0) for mask in masks]
        return np.linalg.norm(centres[0] - centres[1]), masks

    steady, masks = apart(0, number="single")
    assert steady < 3 and masks[0].any()
    assert apart(1, number="single")[0] > 6


def test_unknown_values_are_named():
    with pytest.raises(KeyError, match="no phantom for rash 'measles'"):
        render("measles", "forearm", "fair", seed=0)


def test_plan_is_even_and_stable():
    rashes, areas, tones = ["acne", "mole"], ["nose", "chin"], list(TONES)
    jobs = list(plan(48, 4, rashes, areas, tones))
    combinations = [(j.labels.rash, j.labels.area, j.labels.tone) for j in jobs]
    assert all(combinations.count(c) == 2 for c in combinations)
    assert jobs[:10] == list(plan(10, 4, rashes, areas, tones)), "a larger set begins with the smaller one"
    for job in jobs:
        assert (job.row().split == "validation") == (job.identity == VALIDATION_IDENTITY)


def test_typical_sites_come_as_often_as_asked_and_tones_stay_even():
    jobs = list(plan(2 * 24, 4, ["acne"], ["face", "sole"], list(TONES), typical=3))
    counted = Counter((j.labels.area, j.labels.tone) for j in jobs)
    assert {counted["face", tone] for tone in TONES} == {6}
    assert {counted["sole", tone] for tone in TONES} == {2}


def test_set_does_not_depend_on_workers_and_resumes(tmp_path):
    options = dict(seed=2, rashes=["vitiligo", "mole"], areas=["shin"], tones=["fair", "brown"], resolution=64)
    list(make(tmp_path / "one", 4, workers=1, **options))
    list(make(tmp_path / "two", 4, workers=2, **options))
    rows = manifest.read(tmp_path / "one")
    assert len(rows) == 4 and rows == manifest.read(tmp_path / "two")
    for row in rows:
        for name in (row.file_name, row.mask_file_name):
            assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    victim = tmp_path / "two" / rows[0].file_name
    before = victim.read_bytes()
    victim.unlink()
    list(make(tmp_path / "two", 4, workers=1, **options))
    assert victim.read_bytes() == before


def test_make_refuses_what_it_cannot_draw(tmp_path):
    with pytest.raises(ValueError, match="no phantoms of area tongue"):
        list(make(tmp_path, 1, areas=["tongue"]))


def test_noise_is_seeded_and_normal():
    points = np.random.default_rng(0).uniform(-1, 1, (5000, 3))
    a, b, c = fbm(points, 20, 1), fbm(points, 20, 1), fbm(points, 20, 2)
    assert np.array_equal(a, b) and not np.array_equal(a, c)
    assert abs(a.mean()) < 0.15 and 0.6 < a.std() < 1.4
    near, second, value = cells(points, 20, 1)
    assert (near <= second).all() and value.min() >= 0 and value.max() <= 1


def test_nearest_lesion_measures_in_radii():
    distance, index = nearest_lesion(np.array([[0, 0, 0.02]]), np.array([[0, 0, 0], [0, 0, 0.05]]), np.array([0.01, 0.02]))
    assert index[0] == 1 and distance[0] == pytest.approx(1.5)


def test_another_plan_in_the_same_folder_is_refused_and_other_sources_stay(tmp_path):
    options = dict(rashes=["mole"], areas=["shin"], tones=["fair"], workers=1, resolution=64)
    other = manifest.Row(
        rash="acne", file_name="images/own.jpg", text="acne type of rash", source="own", license="CC0-1.0", group="p1", split="train"
    )
    manifest.write(tmp_path, [other])
    list(make(tmp_path, 1, seed=1, **options))
    assert {row.source for row in manifest.read(tmp_path)} == {"own", "phantom"}
    with pytest.raises(ValueError, match="another seed or other labels"):
        list(make(tmp_path, 1, seed=2, **options))
