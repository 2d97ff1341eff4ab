"""One settings object, read from the environment (prefix ``SCRIPT2SKIN_``) and from a ``.env`` file."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="SCRIPT2SKIN_", env_file=".env", extra="ignore")

    #: Where conversations and images are kept.
    home: Path = Field(default=Path.home() / ".script2skin")
    #: Any SQLAlchemy URL; empty means a SQLite file in ``home``.
    database_url: str = ""
    #: Name of a checkpoint ("embedded", "sd15", a hub name) or a folder in StableDiffusionPipeline layout.
    model: str = "embedded"
    #: None: as the checkpoint's own ``script2skin.json`` says.
    steps: int | None = Field(default=None, ge=1, le=1000)
    guidance_scale: float | None = Field(default=None, ge=0, le=30)
    #: Seed of the first request of a conversation; None draws one.
    seed: int | None = Field(default=None, ge=0, lt=2**32)
    device: str = "auto"
    #: What draws on a CPU: torch, openvino, or auto: the latter where it is installed and the model is small.
    runtime: Literal["auto", "torch", "openvino"] = "auto"
    #: Hub downloads are off unless asked for.
    offline: bool = True


@lru_cache(maxsize=1)
def settings() -> Settings:
    return Settings()
