"""From a typed sentence to complete requests for images: vocabulary, parser, dialogue, captions, replies, store.

``Conversation`` is the way in; it is loaded when it is first asked for, so that importing a type costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assistant.conversation import Conversation
    from assistant.frames import Trained

__all__ = ["Conversation", "Trained"]


def __getattr__(name: str) -> Any:
    if name == "Conversation":
        from assistant.conversation import Conversation

        return Conversation
    if name == "Trained":
        from assistant.frames import Trained

        return Trained
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
