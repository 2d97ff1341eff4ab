"""Hub libraries stay silent and offline unless asked otherwise.

``HF_HUB_OFFLINE`` is read when ``huggingface_hub`` is imported, so `prepare` runs before every import of it.
"""

from __future__ import annotations

import os

from assistant.settings import settings


def prepare() -> None:
    """Set the environment of the hub libraries; values that the user has set himself are kept."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    if settings().offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
