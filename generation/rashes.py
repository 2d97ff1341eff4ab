"""Which condition a picture shows: a checkpoint's own classifier, in its folder, learnt from pictures like those that it draws.

Any image classifier of transformers whose labels are names of the vocabulary (`training.judge` makes one). It is there for pictures
that came out as another condition than the one asked for: they are drawn anew (`generation.generator`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from generation import files
from generation.errors import CheckpointError
from generation.files import Part

if TYPE_CHECKING:
    import numpy as np

#: Folder of a checkpoint's classifier, beside the pipeline's parts.
FOLDER = "rash_classifier"
#: What a picture is given to it with.
PREPARED = "preprocessor_config.json"


class Fed(NamedTuple):
    """What a classifier is fed: squares of ``side`` pixels in 0–1, less ``mean``, divided by ``std``."""

    side: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class Classifier:
    """Read with `read`."""

    #: The conditions that it tells apart.
    names: tuple[str, ...]
    #: Logits (1, classes) of a picture (1, 3, S, S) as it is fed.
    _see: Callable[[Any], Any]
    fed: Fed

    def chances(self, rgb: np.ndarray) -> dict[str, float]:
        """The chance of each condition in a picture [H, W, 3] (8-bit sRGB); one picture at a time, so that others do not change its bits."""
        import numpy as np
        import torch
        from PIL import Image

        small = np.array(Image.fromarray(rgb).resize((self.fed.side, self.fed.side), Image.Resampling.LANCZOS))
        with torch.inference_mode():
            pixels = torch.from_numpy(small).permute(2, 0, 1)[None].float() / 255
            mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (self.fed.mean, self.fed.std))
            chances = self._see((pixels - mean) / std)[0].float().softmax(0).tolist()
        return dict(zip(self.names, chances, strict=True))


def find(folder: Path) -> Part | None:
    """The files of the classifier of the checkpoint in ``folder``; None where it has none. Raises `CheckpointError` where they are damaged."""
    return files.read_part(folder / FOLDER) if (folder / FOLDER).is_dir() else None


def names(part: Part) -> tuple[str, ...]:
    """The conditions that the classifier tells apart, in its order."""
    told = part.config.get("id2label", {})
    return tuple(told[str(i)] for i in range(len(told)))


def fed(part: Part) -> Fed:
    """Raises `CheckpointError` where the classifier's folder does not say it."""
    told = files.read_json(part.folder / PREPARED, "it does not say what it is fed")
    try:
        return Fed(int(told["size"]["shortest_edge"]), tuple(map(float, told["image_mean"])), tuple(map(float, told["image_std"])))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{part.folder / PREPARED} does not say size, image_mean and image_std.") from error


def model(part: Part) -> Any:
    """In float32. Raises `CheckpointError`."""
    from transformers import AutoModelForImageClassification

    from generation import loading

    return loading.read_model(AutoModelForImageClassification, part)


def read(part: Part, see: Callable[[Any], Any] | None = None) -> Classifier:
    """``see``: what answers in place of the model in torch, where it was made ready for this processor. Raises `CheckpointError`."""
    given = fed(part)
    if see is None:
        import torch

        from generation import loading, packing

        own = model(part)
        packing.pack(own.to(loading.pick_dtype("cpu"), memory_format=torch.channels_last))

        def see(pixels: Any) -> Any:
            return own(pixels.to(own.dtype).contiguous(memory_format=torch.channels_last)).logits

    return Classifier(names(part), see, given)
