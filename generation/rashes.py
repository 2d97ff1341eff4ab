"""Which condition a picture shows: a checkpoint's own classifier, in its folder, learnt from pictures like those that it draws.

Any image classifier of transformers whose labels are names of the vocabulary (`training.judge` makes one). It is there for pictures
that came out as another condition than the one asked for: they are drawn once more (`generation.generator`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generation import files
from generation.errors import CheckpointError
from generation.files import Part

if TYPE_CHECKING:
    import numpy as np

#: Folder of a checkpoint's classifier, beside the pipeline's parts.
FOLDER = "rash_classifier"
#: What a picture is given to it with.
PREPARED = "preprocessor_config.json"


@dataclass(frozen=True)
class Classifier:
    """Read with `read`."""

    _model: Any
    #: Side in pixels, mean and deviation of what it is fed.
    _side: int
    _mean: tuple[float, ...]
    _std: tuple[float, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The conditions that it tells apart."""
        return tuple(self._model.config.id2label[i] for i in range(self._model.config.num_labels))

    def chances(self, rgb: np.ndarray) -> dict[str, float]:
        """The chance of each condition in a picture [H, W, 3] (8-bit sRGB); one picture at a time, so that others do not change its bits."""
        import numpy as np
        import torch
        from PIL import Image

        small = np.array(Image.fromarray(rgb).resize((self._side, self._side), Image.Resampling.LANCZOS))
        with torch.inference_mode():
            pixels = torch.from_numpy(small).permute(2, 0, 1)[None].float() / 255
            mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (self._mean, self._std))
            fed = ((pixels - mean) / std).to(self._model.dtype).contiguous(memory_format=torch.channels_last)
            chances = self._model(fed).logits[0].float().softmax(0).tolist()
        return dict(zip(self.names, chances, strict=True))


def find(folder: Path) -> Part | None:
    """The files of the classifier of the checkpoint in ``folder``; None where it has none. Raises `CheckpointError` where they are damaged."""
    return files.read_part(folder / FOLDER) if (folder / FOLDER).is_dir() else None


def read(part: Part) -> Classifier:
    """Raises `CheckpointError`."""
    import torch
    from transformers import AutoModelForImageClassification

    from generation import loading, packing

    told = files.read_json(part.folder / PREPARED, "it does not say what it is fed")
    try:
        fed = int(told["size"]["shortest_edge"]), tuple(map(float, told["image_mean"])), tuple(map(float, told["image_std"]))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{part.folder / PREPARED} does not say size, image_mean and image_std.") from error
    model = loading.read_model(AutoModelForImageClassification, part)
    packing.pack(model.to(loading.pick_dtype("cpu"), memory_format=torch.channels_last))
    return Classifier(model, *fed)
