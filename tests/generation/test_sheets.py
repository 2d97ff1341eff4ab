import pytest
from PIL import Image

from generation.sheets import contact_sheet


def test_rows_and_columns():
    sheet = contact_sheet([Image.new("RGB", (8, 8), "red")] * 5, list("abcde"), columns=2, side=50)
    assert sheet.width == 2 * 54
    assert sheet.getpixel((20, 20)) == (255, 0, 0)
    assert sheet.getpixel((60 + 20, sheet.height - 40)) == (255, 255, 255), "the sixth place is empty"


@pytest.mark.parametrize("words", [[], ["a", "b"]])
def test_one_caption_a_picture(words):
    with pytest.raises(ValueError, match="one caption a picture"):
        contact_sheet([Image.new("RGB", (8, 8))], words, columns=2)
