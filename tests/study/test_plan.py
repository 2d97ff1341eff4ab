"""What a study shows: matched, balanced, and nothing but the picture to tell by."""

from collections import Counter

import pytest
from PIL import Image

from data.manifest import Row
from study.plan import StudyError, blinded, load, make, matched
from tests.study.sets import write_set


def row(number, rash="eczema", tone="fair", area="elbow", group=None, source="photos"):
    return Row(
        rash=rash, tone=tone, area=area, file_name=f"{source}/{number}.jpg", text="x", source=source, license="CC0-1.0",
        group=group or f"{source}{number}", split="train",
    )  # fmt: skip


def test_rashes_and_tones_come_equally_often_and_in_pairs():
    combinations = [(rash, tone) for rash in ("acne", "eczema", "tinea") for tone in ("fair", "olive", "black") for _ in range(8)]
    real = [row(i, rash, tone) for i, (rash, tone) in enumerate(combinations)]
    synthetic = [row(i, rash, tone, source="drawn") for i, (rash, tone) in enumerate(combinations)]
    pairs = matched(real, synthetic, 18, seed=3)
    assert all((a.rash, a.tone) == (b.rash, b.tone) for a, b in pairs)
    assert set(Counter((a.rash, a.tone) for a, _ in pairs).values()) == {2}
    assert matched(real, synthetic, 6, seed=3) == pairs[:6]
    for few, apart in ((3, 0), (6, 2), (9, 0)):
        for slot in ("rash", "tone"):
            counts = Counter(getattr(a, slot) for a, _ in pairs[:few])
            assert len(counts) == 3 and max(counts.values()) - min(counts.values()) <= apart
    assert matched(real, synthetic, 18, seed=4) != pairs


def test_the_site_is_matched_where_it_can_be_and_groups_are_kept_apart():
    real = [row(0, area="neck", group="p"), row(1, area="knee", group="p"), row(2, area="hand", group="q")]
    synthetic = [row(i, area=area, source="drawn") for i, area in enumerate(("knee", "hand", "foot"))]
    pairs = matched(real, synthetic, 2, seed=0)
    assert {a.group for a, _ in pairs} == {"p", "q"}
    assert all(a.area == b.area for a, b in pairs)


def test_a_tone_that_the_other_set_lacks_is_matched_by_rash_alone_and_another_rash_never():
    real = [row(0, tone="black"), row(1, tone=None), row(2, rash="acne")]
    synthetic = [row(i, tone="fair", source="drawn") for i in range(5)]
    assert sorted(a.file_name for a, _ in matched(real, synthetic, 9, seed=0)) == ["photos/0.jpg", "photos/1.jpg"]


@pytest.fixture
def study(tmp_path):
    return make(tmp_path / "study", *two_sets(tmp_path), images=12, side=64)


def two_sets(tmp_path):
    labels = [(rash, tone) for rash in ("acne", "eczema") for tone in ("fair", "black") for _ in range(3)]
    return write_set(tmp_path / "photos", labels, "jpg", 90), write_set(tmp_path / "drawn", labels, "png", 64)


def test_nothing_but_the_picture_tells_real_from_synthetic(study, tmp_path):
    forms = {"real": set(), "synthetic": set()}
    for shown in study.pictures:
        data = study.picture(shown)
        for secret in (b"Exif", b"secret", b"script2skin", b"photos", b"drawn", b"ICC_PROFILE", b"Adobe"):
            assert secret not in data
        with Image.open(study.folder / shown.path) as file:
            tables = tuple(map(tuple, file.quantization.values()))
            forms[shown.kind].add((file.format, file.size, file.mode, tuple(sorted(file.info)), tables, tuple(map(tuple, file.layer))))
    assert forms["real"] == forms["synthetic"] and len(forms["real"]) == 1
    assert Counter(shown.kind for shown in study.pictures) == {"real": 6, "synthetic": 6}
    times = {(study.folder / shown.path).suffix for shown in study.pictures}
    assert times == {".jpg"}


def test_the_names_of_the_pictures_are_in_no_order_that_tells(study):
    by_name = sorted(study.pictures, key=lambda shown: shown.id)
    kinds = "".join(shown.kind[0] for shown in by_name)
    assert "rrrrrr" not in kinds and "ssssss" not in kinds and kinds not in ("rs" * 6, "sr" * 6)


def test_every_reader_has_an_order_of_their_own_that_stays(study):
    order = [shown.id for shown in study.order("anna")]
    assert order == [shown.id for shown in load(study.folder).order("anna")]
    assert order != [shown.id for shown in study.order("ben")]
    assert sorted(order) == sorted(shown.id for shown in study.pictures)


def test_an_upright_picture_is_shown_upright(tmp_path):
    picture = Image.new("RGB", (80, 80), "white")
    picture.paste("black", (0, 0, 80, 40))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    picture.save(tmp_path / "turned.jpg", exif=exif)
    (tmp_path / "seen.jpg").write_bytes(blinded(tmp_path / "turned.jpg", 64))
    assert Image.open(tmp_path / "seen.jpg").getpixel((32, 10))[0] > 200


def test_the_same_study_goes_on_and_another_is_refused(study, tmp_path):
    sets = tmp_path / "photos", tmp_path / "drawn"
    assert make(study.folder, *sets, images=12, side=64) == study
    with pytest.raises(StudyError, match="another study"):
        make(study.folder, *sets, images=10, side=64)


def test_sets_that_cannot_be_compared_are_said(tmp_path):
    photos, drawn = two_sets(tmp_path)
    with pytest.raises(StudyError, match="no picture of the same rash at 256x256"):
        make(tmp_path / "a", photos, drawn, side=256)
    with pytest.raises(StudyError, match=r"has no metadata\.jsonl"):
        make(tmp_path / "b", tmp_path / "nowhere", drawn, side=64)
    with pytest.raises(StudyError, match="holds no study"):
        load(tmp_path / "c")
