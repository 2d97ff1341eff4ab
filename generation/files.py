"""Files: what those of a checkpoint say of themselves (JSON configs, safetensors headers, hashes), and new ones written whole. No torch."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from generation.errors import CheckpointError

#: Weights that unpickle arbitrary code when they are loaded.
UNSAFE = (".bin", ".ckpt", ".pt", ".pth", ".pkl")


class Tensor(NamedTuple):
    """A tensor in a safetensors file; ``dtype`` as the format names it: F32, F16, BF16, I8 and so on."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Part:
    """One model of the pipeline: its folder, config and weight files."""

    folder: Path
    config: dict
    weights: tuple[Path, ...]
    #: "fp16" when only ``*.fp16.safetensors`` is there.
    variant: str | None

    @property
    def sha256(self) -> str:
        return sha256_of({path.name: path for path in self.weights})

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor of every file."""
        return {name: tensor for path in self.weights for name, tensor in header(path).items()}


def read_part(folder: Path) -> Part:
    """A model's folder: ``config.json`` and whole safetensors files, perhaps in shards.

    Raises:
        CheckpointError: something is missing, damaged or unsafe.
    """
    config = read_json(folder / "config.json", "the checkpoint is not complete")
    every = sorted(folder.glob("*.safetensors"))
    plain = [path for path in every if ".fp16." not in path.name and ".non_ema." not in path.name]
    half = [path for path in every if ".fp16." in path.name]
    weights = plain or half
    if not weights:
        unsafe = sorted(path.name for path in folder.glob("*") if path.suffix in UNSAFE)
        if unsafe:
            raise CheckpointError(
                f"{folder} holds only {unsafe[0]}, which can run code when it is loaded; save the model as safetensors."
            )
        raise CheckpointError(f"{folder} has no .safetensors file: the checkpoint is not complete.")
    _check_shards(folder, weights)
    for path in weights:
        header(path)
    return Part(folder, config, tuple(weights), None if plain else "fp16")


def _check_shards(folder: Path, weights: list[Path]) -> None:
    """Every shard that an index names must be there."""
    for index in folder.glob("*.safetensors.index.json"):
        named = set(read_json(index, "").get("weight_map", {}).values())
        missing = named - {path.name for path in weights}
        if missing and not (".fp16." in index.name and ".fp16." not in weights[0].name):
            raise CheckpointError(f"{folder} lacks {min(missing)}: the checkpoint is not complete.")


def read_json(path: Path, otherwise: str) -> dict:
    """The JSON object in a file; ``otherwise`` says what it means that the file is not there. Raises `CheckpointError`."""
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist: {otherwise}.") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged: it is not JSON.") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} is damaged: it is not a JSON object.")
    return value


def header(path: Path) -> dict[str, Tensor]:
    """Every tensor in a safetensors file by name; the file's length is checked against its header.

    Raises:
        CheckpointError: damaged or cut short.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            return {name: Tensor(tuple(found.get_shape()), found.get_dtype()) for name, found in slices.items()}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged or cut short: {first_line(error)}.") from error


def notes(path: Path) -> dict[str, str]:
    """The free text in a safetensors file's header (``__metadata__``)."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return file.metadata() or {}


def file_sha256(path: Path) -> str:
    """sha256 of a file, hexadecimal; cached as long as size and time of change stay the same."""
    status = path.stat()
    return _file_sha256(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _file_sha256(path: Path, size: int, mtime_ns: int) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def sha256_of(files: dict[str, Path]) -> str:
    """sha256 over "name, space, sha256 of the file, newline", sorted by name."""
    lines = "".join(f"{name} {file_sha256(path)}\n" for name, path in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def write_whole(path: Path, data: bytes) -> None:
    """Write beside, flush to disk, rename: a full disk or a crash leaves no half file."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def disk_reason(error: OSError) -> str:
    """Why a file could not be written, in a few words."""
    reasons = {
        errno.ENOSPC: "the disk is full",
        errno.EDQUOT: "your quota of the disk is used up",
        errno.EFBIG: "the file would be larger than is allowed",
        errno.EACCES: "you may not write there",
        errno.EPERM: "you may not write there",
        errno.EROFS: "it is on a read-only disk",
        errno.ENOTDIR: "a file is in the way",
        errno.EEXIST: "a file is in the way",
        errno.ENAMETOOLONG: "its name is too long",
    }
    return reasons.get(error.errno, (error.strerror or str(error)).lower())
