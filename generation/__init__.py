"""From complete requests to pictures: which checkpoint, loading, sampling, checks, provenance.

    from generation import Generator

    generator = Generator.load("embedded")             # or "sd15", "owner/name@commit", a folder
    for drawn in generator.draw(request):              # an assistant.schema.ImageRequest
        print(drawn.error or drawn.save(Path("out")))  # the PNG, with a sidecar JSON beside it

Importing this package imports no torch; `Generator.load` does. What a page or a command line needs besides:
`find(model).card` for a checkpoint's default settings and trained vocabulary, `known()` for the names to choose from, `offer`
to put a finished training run among them,
`GenerationError` (and its kinds) whose message is one sentence for the user, `read_request` to get the request back
out of a PNG or a sidecar.
"""

from generation.catalog import Card, Checkpoint, find, known, offer, write_card
from generation.errors import CaptionError, CheckpointError, GenerationError, SamplingError, SaveError
from generation.generator import GeneratedImage, Generator
from generation.layout import weights_sha256
from generation.provenance import read_png, read_request

__all__ = [
    "CaptionError",
    "Card",
    "Checkpoint",
    "CheckpointError",
    "GeneratedImage",
    "GenerationError",
    "Generator",
    "SamplingError",
    "SaveError",
    "find",
    "known",
    "offer",
    "read_png",
    "read_request",
    "weights_sha256",
    "write_card",
]
