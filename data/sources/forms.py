"""Which form of download a folder is, and how that form is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from data.sources import (
    Item,
    Skipped,
    SourceError,
    dermnet,
    fitzpatrick17k,
    folder,
    imagefolder,
    isic2016,
    isic2017,
    isic2018,
    isic2019,
    isic2020,
    pad_ufes_20,
    scin,
)
from data.sources.tables import files_below, is_picture

#: Downloads with a name and a licence of their own.
PUBLIC: dict[str, ModuleType] = {
    form.NAME: form for form in (dermnet, isic2016, isic2017, isic2018, isic2019, isic2020, fitzpatrick17k, scin, pad_ufes_20)
}
FORMS: dict[str, ModuleType] = {**PUBLIC, "folder": folder, "imagefolder": imagefolder}


def detect(path: Path) -> str:
    """Name of the form that ``path`` is in. Raises :class:`SourceError` for what is none of them, or several at once."""
    if not path.exists():
        raise SourceError(f"{path} is not there; give the folder of a download or a .jsonl file of captions.")
    if path.is_file():
        return "folder"
    try:
        found = [name for name, form in PUBLIC.items() if form.recognises(path)]
        if not found and imagefolder.recognises(path):
            return "imagefolder"
    except OSError as error:
        raise SourceError(f"{error.filename} cannot be read: {error.strerror}.") from None
    if len(found) > 1:
        raise SourceError(f"{path} holds {' and '.join(found)}; say which one with --source, or give each in its own folder.")
    if not found and not any(is_picture(file) for file in files_below(path)):
        what = "has neither a picture nor a table that is known" if any(path.iterdir()) else "is empty"
        raise SourceError(f"{path} {what}; expected the unpacked download of one of {', '.join(FORMS)}.")
    return found[0] if found else "folder"


def items(form: str, path: Path, **options) -> Iterator[Item | Skipped]:
    """Pictures of ``path`` read as ``form``; ``options``: of :func:`data.sources.folder.items`. Raises :class:`SourceError`."""
    if form not in FORMS:
        raise SourceError(f"{form!r} is no form of download; known are auto, {', '.join(FORMS)}.")
    if form != "folder" and not path.is_dir():
        raise SourceError(f"{path} is no folder; {form} is read from the folder of its unpacked download.")
    return FORMS[form].items(path, **options)
