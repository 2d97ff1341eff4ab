"""Which areas lie within which: ``regions.yaml``, checked against the vocabulary."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

import yaml

from assistant.vocabulary import vocabulary


@lru_cache(maxsize=1)
def regions() -> dict[str, tuple[str, ...]]:
    """Areas within a larger one, by the larger one's name. Raises ValueError for an area outside the vocabulary."""
    loaded = yaml.safe_load(files(__package__).joinpath("regions.yaml").read_text("utf-8"))
    strange = {area for whole, parts in loaded.items() for area in (whole, *parts)} - set(vocabulary().names("area"))
    if strange:
        raise ValueError(f"regions.yaml names areas outside the vocabulary: {sorted(strange)}")
    return {whole: tuple(parts) for whole, parts in loaded.items()}


@lru_cache(maxsize=1)
def wholes_of() -> dict[str, tuple[str, ...]]:
    """Larger areas that contain an area, by its name."""
    parts = {part for inside in regions().values() for part in inside}
    return {part: tuple(whole for whole, inside in regions().items() if part in inside) for part in parts}
