"""What each rash does to skin: one function a rash, from a patch of body to its lesions."""

from data.phantom.rashes import blisters, growths, papules, pigment, plaques, vessels  # noqa: F401  each registers its rashes
from data.phantom.rashes.patch import RASHES, Lesions, Patch

__all__ = ["RASHES", "Lesions", "Patch"]
