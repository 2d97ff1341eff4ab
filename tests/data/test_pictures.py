import numpy as np
import pytest
from PIL import Image, ImageCms

from data.pictures import MIN_SIDE, UnusablePicture, is_plain_jpeg, open_rgb, otsu, picture_ita, read_mask, shrink
from generation.ita import tone_of
from tests.data.pictures import BROWN, FAIR, save, skin


def test_orientation_is_applied_and_exif_dropped(tmp_path):
    picture = Image.new("RGB", (128, 80), FAIR)
    picture.paste((255, 0, 0), (0, 0, 20, 20))  # top left
    exif = Image.Exif()
    exif[0x0112] = 6  # taken with the camera turned: show it rotated by 90° clockwise
    exif[0x010F] = "a camera"
    picture.save(tmp_path / "a.jpg", exif=exif, quality=95)
    upright = open_rgb(tmp_path / "a.jpg")
    assert upright.size == (80, 128)
    red = np.asarray(upright)[..., 1] < 60
    assert red[:18, -18:].all() and not red[:18, :18].any()  # top right now
    assert not upright.getexif() and "exif" not in upright.info


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1", "LA"])
def test_any_mode_becomes_rgb(tmp_path, mode):
    suffix = "jpg" if mode == "CMYK" else "png"
    skin().convert(mode).save(tmp_path / f"a.{suffix}")
    picture = open_rgb(tmp_path / f"a.{suffix}")
    assert (picture.mode, picture.size) == ("RGB", (96, 96))


def test_transparency_shows_white(tmp_path):
    Image.new("RGBA", (80, 80), (200, 0, 0, 0)).save(tmp_path / "a.png")
    assert open_rgb(tmp_path / "a.png").getpixel((40, 40)) == (255, 255, 255)


def test_another_colour_space_is_converted(tmp_path):
    """sRGB with its red and green primaries exchanged: red light is then told by the green number."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"....").replace(b"gXYZ", b"rXYZ").replace(b"....", b"gXYZ")
    Image.new("RGB", (80, 80), (120, 80, 60)).save(tmp_path / "a.png", icc_profile=swapped)
    picture = open_rgb(tmp_path / "a.png")
    assert picture.getpixel((0, 0)) == pytest.approx((80, 120, 60), abs=2)
    assert not picture.info.get("icc_profile")


def test_a_damaged_profile_is_passed_over(tmp_path):
    Image.new("RGB", (80, 80), (120, 80, 60)).save(tmp_path / "a.png", icc_profile=b"no profile at all")
    assert open_rgb(tmp_path / "a.png").getpixel((0, 0)) == (120, 80, 60)


def test_what_is_no_usable_picture_is_said(tmp_path):
    (tmp_path / "text.jpg").write_text("not a picture")
    whole = save(tmp_path / "whole.jpg", side=200).read_bytes()
    (tmp_path / "half.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.png").write_bytes(b"")
    save(tmp_path / "tiny.png", side=MIN_SIDE - 1)
    Image.fromarray(np.full((80, 80), 40000, np.uint16)).save(tmp_path / "deep.png")
    reasons = {}
    for name in ("text.jpg", "half.jpg", "empty.png", "tiny.png", "deep.png", "absent.png"):
        with pytest.raises(UnusablePicture) as error:
            open_rgb(tmp_path / name)
        reasons[name] = str(error.value)
    assert reasons["text.jpg"] == reasons["empty.png"] == "not a picture that can be read"
    assert reasons["half.jpg"].startswith("damaged or not readable")
    assert reasons["tiny.png"] == "tiny: 63×63 pixels, at least 64 a side needed"
    assert reasons["deep.png"].startswith("I;16 pixels")
    assert reasons["absent.png"].startswith("damaged or not readable")


def test_only_a_jpeg_without_metadata_may_be_kept_as_it_is(tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    assert is_plain_jpeg(save(tmp_path / "plain.jpg"))
    assert not is_plain_jpeg(save(tmp_path / "exif.jpg", exif=exif))
    assert not is_plain_jpeg(save(tmp_path / "comment.jpg", comment=b"Mrs Smith"))
    assert not is_plain_jpeg(save(tmp_path / "icc.jpg", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()))
    assert not is_plain_jpeg(save(tmp_path / "a.png"))


def test_shrink_keeps_the_shape_and_never_enlarges():
    assert shrink(Image.new("RGB", (400, 200)), 100).size == (200, 100)
    small = Image.new("RGB", (90, 80))
    assert shrink(small, 100) is small


def test_a_mask_has_to_fit(tmp_path):
    Image.new("L", (96, 96), 200).save(tmp_path / "mask.png")
    assert read_mask(tmp_path / "mask.png", (96, 96)).getextrema() == (255, 255)
    with pytest.raises(UnusablePicture, match="96×96 pixels, the picture 100×96"):
        read_mask(tmp_path / "mask.png", (100, 96))


def test_tone_is_that_of_the_skin_not_of_the_lesion():
    assert tone_of(picture_ita(skin(1, FAIR))) in ("very fair", "fair", "medium")
    assert tone_of(picture_ita(skin(1, BROWN))) in ("brown", "black")
    picture = skin(2, FAIR, side=128)
    marked = np.asarray(picture).astype(int)
    lesion = (marked[..., 0] - marked[..., 1]) > 90
    hidden = np.array(picture)
    hidden[lesion] = (60, 20, 90)
    with_mask = picture_ita(Image.fromarray(hidden), Image.fromarray((lesion * 255).astype(np.uint8)))
    assert with_mask == pytest.approx(picture_ita(picture, Image.fromarray((lesion * 255).astype(np.uint8))), abs=0.01)


def test_dermoscopic_lesion_and_black_surround_do_not_count():
    bare = np.full((128, 128, 3), (205, 190, 170), np.uint8)
    seen = bare.copy()
    seen[40:90, 40:90] = (70, 45, 35)
    y, x = np.mgrid[:128, :128] - 63.5
    seen[np.hypot(x, y) > 64] = (3, 2, 2)
    expected = picture_ita(Image.fromarray(bare), dermoscopic=True)
    assert picture_ita(Image.fromarray(seen), dermoscopic=True) == pytest.approx(expected, abs=0.5)


def test_no_skin_is_no_measurement():
    assert picture_ita(Image.new("RGB", (96, 96), (0, 90, 60))) is None


def test_otsu_parts_two_classes():
    values = np.concatenate([np.full(300, 20.0), np.full(700, 80.0)])
    assert 20 < otsu(values + np.random.default_rng(0).normal(0, 3, 1000)) < 80
    assert (values > otsu(values)).sum() == 700
    assert (np.full(10, 50.0) > otsu(np.full(10, 50.0))).all()
