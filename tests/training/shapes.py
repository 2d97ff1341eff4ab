"""A small labelled set for classifiers: a disc or a ring of any colour, anywhere on light or dark skin, 32 pixels."""

import json

import numpy as np
from PIL import Image

CLASSES = ("acne", "tinea")
SKIN = {"fair": (225, 190, 170), "black": (80, 55, 45)}


def picture(rng, name, tone):
    y, x = np.mgrid[:32, :32]
    far = np.hypot(y - rng.uniform(10, 22), x - rng.uniform(10, 22))
    radius = rng.uniform(6, 9)
    shape = far < radius if name == "acne" else (far < radius) & (far > radius - 3)
    image = np.where(shape[..., None], rng.uniform(40, 250, 3), np.array(SKIN[tone]) + rng.normal(0, 12, 3))
    return np.clip(image + rng.normal(0, 18, image.shape), 0, 255).astype(np.uint8)


def write(folder, counts, seed, labels=lambda name: name, source="shapes", draw=picture):
    """``counts``: pictures a class by split. ``labels``: what a picture of a class is said to be."""
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    rows = []
    for split, count in counts.items():
        for i in range(count * len(CLASSES)):
            name, tone = CLASSES[i % 2], list(SKIN)[i // 2 % 2]
            file = f"images/{split}_{i:03d}.png"
            Image.fromarray(draw(rng, name, tone)).save(folder / file)
            rows.append({"file_name": file, "text": f"{name} {tone}", "rash": labels(name), "tone": tone, "source": source, "group": f"{seed}-{split}-{i}", "split": split})
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder
