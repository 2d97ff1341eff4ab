"""Errors that a person can read: each message is one clear sentence, shown as it is, without a traceback."""


class GenerationError(Exception):
    """Base class of everything that this package raises on purpose."""


class CheckpointError(GenerationError):
    """A checkpoint is missing, damaged, unsafe or does not fit together."""


class CaptionError(GenerationError):
    """A caption is not canonical, or longer than the text encoder reads."""


class SamplingError(GenerationError):
    """Sampling settings out of range, or the machine cannot run them."""


class SaveError(GenerationError):
    """An image could not be written to disk."""
