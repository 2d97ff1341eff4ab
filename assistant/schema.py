"""The types that travel from a typed sentence to a picture: ParsedTurn → ImageRequest → Turn.

One direction, one type at each arrow (see README, "The way of a request"). Nothing here imports torch or spaCy.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, computed_field

Act = Literal["generate", "clarify", "answer", "refuse", "undo", "reset"]

#: Slots whose values come from the vocabulary, in the order of the canonical caption.
VALUE_SLOTS: tuple[str, ...] = ("rash", "area", "tone", "severity", "size", "number")
MAX_IMAGES_PER_TURN = 20
#: Target that stands for the middle one of the images shown, however many they are.
MIDDLE = 10**6


class Patch(BaseModel):
    """What one clause says about a request. A field that is not set was *not mentioned*.

    ``model_fields_set`` is the sentinel: ``Patch()`` mentions nothing, ``Patch(severity=())`` clears the
    severity ("any severity", "without saying how severe"), ``Patch(tone=("fair", "brown"))`` fans out.
    Values are canonical names; several values of several slots mean every combination.
    """

    model_config = ConfigDict(frozen=True)

    rash: tuple[str, ...] = ()
    area: tuple[str, ...] = ()
    tone: tuple[str, ...] = ()
    severity: tuple[str, ...] = ()
    size: tuple[str, ...] = ()
    number: tuple[str, ...] = ()
    #: Number of images asked for (always > 0). With ``each`` ("each", "apiece", "per tone", "for every tone") it holds for
    #: every combination, else it is shared out. Said once for several clauses, the parser has already shared it out over
    #: their patches. Not set when no number and no noun for images was said; "a picture" is 1, "pictures" 3.
    count: int | None = None
    each: bool = False
    #: "twice as many" (2), "half as many" (0.5): as many times the images that are there.
    count_factor: float | None = None
    #: "one fewer" (-1): as many images fewer than are there; "one more" adds others instead.
    count_step: int = 0
    #: Steps along the ordered scale: tone "darker" = +1 (towards VI), severity "milder" = -1; "two shades darker", "much darker" = +2.
    tone_step: int = 0
    severity_step: int = 0
    #: Values that were named in order to be left out ("not on the face", "psoriasis instead of eczema"), slot → canonical
    #: names. They are never in the slot itself ("every tone except black" has the other five and black here).
    excluded: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    def mentions(self, slot: str) -> bool:
        return slot in self.model_fields_set

    def without(self, fields: Iterable[str]) -> Patch:
        """The same, with these fields not mentioned."""
        return Patch(**{name: getattr(self, name) for name in self.model_fields_set - set(fields)})


Intent = Literal[
    "request",  # asks for images, or patches the last request
    "question",  # asks about a condition or a word of the vocabulary
    "help",  # "what can you do"
    "undo",
    "redo",
    "reset",
    "diagnosis",  # asks what a rash is, or for treatment, or about an uploaded photograph
    "person",  # a named person, a celebrity, "me"
    "social",  # hello, thanks, bye
    "off_topic",  # a request for something that is no skin image
    "empty",  # nothing readable
]


class ParsedTurn(BaseModel):
    """What the parser read in one utterance, before any history is looked at."""

    model_config = ConfigDict(frozen=True)

    text: str
    intent: Intent
    #: One patch a clause, in the order said; a lone follow-up has one patch; may be empty ("the same again"). Values that
    #: several clauses share are in each of them. Also filled for questions and refusals, with what was named there.
    patches: tuple[Patch, ...] = ()
    #: Of a request. "new": complete by its wording (a rash with a verb, a noun for images, a place or a tone); "modify":
    #: "now …", "same but …", "make it …", or only a fragment ("psoriasis", "on the knee", "4"); "add": "another two", "one
    #: more", "also …", "try again"; "compare": keep the last and draw beside it ("compare with psoriasis"). A comparison
    #: that names both sides is "new" ("eczema vs psoriasis") or "modify" ("compare fair and black skin").
    mode: Literal["new", "modify", "add", "compare"] = "new"
    #: A command to carry out before the patches: "start over with psoriasis" (reset), "undo that and show the knee" (undo).
    first: Literal["undo", "reset"] | None = None
    #: 1-based images of the last turn the words point at ("the second one" → (2,), "the last one" → (-1,), "the middle one" → (MIDDLE,)).
    targets: tuple[int, ...] = ()
    #: Images named in order to be left out ("drop the second one" → (2,)); counted as ``targets``.
    dropped: tuple[int, ...] = ()
    #: Whether the count is that of a plural without a number ("severe cases"), which a follow-up leaves as it was.
    plural: bool = False
    #: "with seed 42": what the first image is drawn from.
    seed: int | None = Field(default=None, ge=0, lt=2**32)
    #: Of an undo: how many steps ("undo twice").
    steps: int = 1
    #: Whether what was drawn stays beside it ("add psoriasis", "the knee too", "compare with tinea"), unlike "another two on
    #: the knee" and "now compare on the elbow".
    keeps: bool = False
    #: "go back to psoriasis": what was drawn of it before is meant.
    returns: bool = False
    #: Whether something is to be changed where it stands ("make the acne severe"), beside what is not named.
    edits: bool = False
    #: Whether a condition has "the" before it ("the melanoma too"), and so may be one that was shown.
    definite: bool = False
    #: Whether a value may point at images that were shown, rather than ask for a change: "just the psoriasis", "the black one".
    selects: bool = False
    #: Corrections by typo repair, and words read as a part of what they mean ("trunk" as chest): (as typed, read as).
    repaired: tuple[tuple[str, str], ...] = ()
    #: Tones that were read off a word for people alone: (as typed, tone) ("an Asian patient").
    people_tones: tuple[tuple[str, str], ...] = ()
    #: Words not understood that look as if they mattered, as typed: descriptions that no slot holds ("crusted", "left",
    #: "dermoscopic"), and words in no dictionary. Only for requests.
    ignored: tuple[str, ...] = ()
    #: Rash-like or place-like words outside the vocabulary ("measles", "tongue"), (slot, as typed, nearest canonical or None).
    #: They fill no slot.
    unknown: tuple[tuple[str, str, str | None], ...] = ()
    #: Reasons to ask that the parser can see: "count_zero", "count_negative", "count_fraction" (the count is then not set),
    #: "too_long" (more than ``normalise.MAX_CHARS``; the beginning was read), "other_language" (intent "empty" unless values
    #: were read), "contradiction:SLOT" for tone, severity, size, number ("fair black skin") and area ("scalp ringworm on the foot"),
    #: "which:SLOT" where something is to be changed and not said into what ("change the tone"; "which:" for "change it"),
    #: "direction" for "another shade".
    problems: tuple[str, ...] = ()
    #: For a question, or one that a request follows: "appearance", "site", "cause", "contagion", "feeling" (what someone who has it feels), "difference", "definition", "vocabulary", "name", "resembles" (what it is mistaken for), "size", "seeds", "model" (of images and what draws them), "limit", "save" (how to keep images), "use" (what may be done with them), "choice" (why it was drawn so), "drawn" (what was drawn) or "person_have" (who
    #: gets it, how common); for social: "greeting", "thanks", "bye", "praise", "yes", "no", "sorry"; for diagnosis: "identify" or "treatment"; for off_topic "unclear" where it may have been meant as a request, "fixed" for camera, light and style, "feature" for a sign to be left out.
    topic: str | None = None


    @property
    def unused(self) -> list[str]:
        """All that was said and fills no slot, as typed."""
        return list(dict.fromkeys([*(typed for _, typed, _ in self.unknown), *self.ignored]))


class ImageRequest(BaseModel):
    """A complete request for ``count`` images of one combination. Image *i* (from 0) is drawn from ``seed + i``."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    count: int = Field(ge=1)
    rash: str
    area: str
    tone: str
    severity: str | None = None
    size: str | None = None
    number: str | None = None
    seed: int = Field(ge=0, lt=2**32)
    #: Tone of the images that these are the same as, but for their own tone: "now on black skin" of images on fair skin.
    matched: str | None = None

    @computed_field
    @property
    def caption(self) -> str:
        """Canonical caption: all that the text encoder ever sees, made from recognised values only."""
        from assistant.caption import caption

        return caption(self)

    def image_seed(self, index: int) -> int:
        """Seed of image ``index`` (from 0); seeds wrap at 2**32."""
        return (self.seed + index) % 2**32

    def image_seeds(self) -> list[int]:
        """Seed of every image of this request."""
        return [self.image_seed(index) for index in range(self.count)]


class LabelledRequest(ImageRequest):
    """A request as a set labels its pictures: the area need not be known."""

    area: str | None = None  # type: ignore[assignment]


class Assumption(BaseModel):
    """A slot filled by default, and why."""

    model_config = ConfigDict(frozen=True)

    slot: str
    value: str
    why: str


class Turn(BaseModel):
    """The assistant's answer to one utterance; ``requests`` are complete, also after a follow-up."""

    act: Act
    requests: list[ImageRequest] = Field(default_factory=list)
    assumed: list[Assumption] = Field(default_factory=list)
    ignored: list[str] = Field(default_factory=list)
    reply: str
    #: Follow-ups that fit, as sentences a click can send.
    suggestions: list[str] = Field(default_factory=list)
