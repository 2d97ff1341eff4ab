"""Fixtures that several rooms use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.models import write_pipeline

# Getting a model ready for OpenVINO takes seconds each; tests/generation/test_compiled.py does it.
os.environ["SCRIPT2SKIN_RUNTIME"] = "torch"


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the conversations, images and settings of the person who runs it."""
    from assistant.settings import settings

    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("SCRIPT2SKIN_HOME", str(home))
    settings.cache_clear()
    yield home
    settings.cache_clear()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a real, tiny StableDiffusionPipeline with seeded random weights: 32×32 pixels, 77 tokens. Read only."""
    return write_pipeline(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def tiny_generator(tiny_model: Path):
    """The tiny model, loaded."""
    from generation import Generator

    return Generator.load(tiny_model, device="cpu")
