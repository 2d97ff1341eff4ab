"""Small sets of pictures that a study is made from."""

from pathlib import Path

from PIL import Image, PngImagePlugin

from data.manifest import Row, write
from tests.data.pictures import skin


def write_set(folder: Path, labels: list[tuple[str, str]], form: str, side: int) -> Path:
    """A set with a picture for each (rash, tone): JPEG with EXIF, or PNG with text, which both say where they come from."""
    rows = []
    (folder / "images").mkdir(parents=True)
    for number, (rash, tone) in enumerate(labels):
        name = f"images/{number}.{form}"
        picture = skin(number, side=side)
        exif, text = Image.Exif(), PngImagePlugin.PngInfo()
        exif[0x010E] = "secret"
        text.add_text("script2skin", "secret")
        picture.save(folder / name, **({"exif": exif, "quality": 70 + number} if form == "jpg" else {"pnginfo": text}))
        rows.append(
            Row(
                rash=rash, area="elbow", tone=tone, file_name=name, text="x", source=folder.name, license="CC0-1.0",
                group=f"{folder.name}-{number}", split="train",
            )
        )  # fmt: skip
    write(folder, rows)
    return folder
