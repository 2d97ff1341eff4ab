"""What has been said about a request, slot by slot, and how it becomes complete requests.

A :class:`Frame` holds only what was *said*; what was not said is filled anew each time the frame is expanded. So
"what about psoriasis?" moves to the typical site of psoriasis when no site was ever named, and stays when one was.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise, product

from pydantic import BaseModel, ConfigDict, Field, model_validator

from assistant.notes import notes
from assistant.regions import regions
from assistant.schema import MAX_IMAGES_PER_TURN, VALUE_SLOTS, Assumption, ImageRequest, Patch
from assistant.vocabulary import vocabulary

#: A severity that was never said counts as this one when it is stepped ("more severe").
SEVERITY_UNSAID = "moderate"


class Trained(BaseModel):
    """The vocabulary that a checkpoint has learnt: canonical names.

    An empty set says that its data had no labels of that slot: then nothing is known to be outside it.
    """

    model_config = ConfigDict(frozen=True)

    rash: frozenset[str]
    area: frozenset[str]
    tone: frozenset[str]

    def knows(self, slot: str, value: str) -> bool:
        """Severity, size and number of lesions are never restricted."""
        learnt = getattr(self, slot, None)
        return not learnt or value in learnt


class Frame(BaseModel):
    """One clause's request as far as it was said; an empty tuple is a slot that was not said.

    Several values of several slots mean every combination. ``count`` is shared out over them, or holds for ``each``.
    """

    model_config = ConfigDict(frozen=True)

    rash: tuple[str, ...] = ()
    area: tuple[str, ...] = ()
    tone: tuple[str, ...] = ()
    severity: tuple[str, ...] = ()
    size: tuple[str, ...] = ()
    number: tuple[str, ...] = ()
    #: Values that must not be filled in by default ("not on the face"), slot → canonical names.
    excluded: dict[str, tuple[str, ...]] = {}
    count: int | None = None
    each: bool = False
    #: None until the request is drawn for the first time.
    seed: int | None = Field(default=None, ge=0, lt=2**32)

    @model_validator(mode="after")
    def canonical(self) -> Frame:
        """A stored conversation may be older than the vocabulary."""
        strange = [v for slot, said in self.values().items() for v in said if v not in vocabulary().names(slot)]
        if strange:
            raise ValueError(f"{strange} are not in the vocabulary")
        return self

    def values(self) -> dict[str, tuple[str, ...]]:
        return {slot: getattr(self, slot) for slot in VALUE_SLOTS}

    def combinations(self) -> int:
        """Number of combinations of what was said; a slot that was not said counts once."""
        total = 1
        for said in self.values().values():
            total *= max(1, len(said))
        return total

    def change(self, **fields: object) -> Frame:
        return self.model_copy(update=fields)


class NoFurther(Exception):
    """A step beyond the end of a scale; ``value`` is the last one."""

    def __init__(self, slot: str, value: str):
        super().__init__(f"{value} is the end of the scale of {slot}")
        self.slot, self.value = slot, value


def known(slot: str, trained: Trained | None) -> tuple[str, ...]:
    """Canonical names of a slot that can be drawn, in the order of the vocabulary."""
    names = vocabulary().names(slot)
    return names if trained is None else tuple(name for name in names if trained.knows(slot, name))


def move(slot: str, values: Sequence[str], steps: int) -> tuple[str, ...]:
    """``values`` moved along the ordered scale of ``slot``; those at its end stay, equal ones are merged.

    Raises :class:`NoFurther` when none can move.
    """
    scale = vocabulary().names(slot)
    moved = tuple(scale[min(max(scale.index(value) + steps, 0), len(scale) - 1)] for value in values)
    if moved == tuple(values):
        raise NoFurther(slot, moved[-1])
    return tuple(dict.fromkeys(moved))


def middle(steps: int) -> tuple[str]:
    """Where "darker" (``steps`` > 0) and "lighter" start when no tone is known: the middle of the scale, on that side."""
    scale = vocabulary().names("tone")
    return (scale[len(scale) // 2 - (steps < 0)],)


def merge(frame: Frame, patch: Patch, tones: Sequence[str] = ()) -> Frame:
    """``frame`` with what ``patch`` mentions put in its place; an empty tuple clears a slot.

    ``tones`` are those that the frame was drawn on, for "darker" when none was said.
    Raises :class:`NoFurther` when a step leaves the scale.
    """
    fields: dict[str, object] = {slot: getattr(patch, slot) for slot in VALUE_SLOTS if patch.mentions(slot)}
    if patch.tone_step and not fields.get("tone"):
        fields["tone"] = move("tone", frame.tone or tones or middle(patch.tone_step), patch.tone_step)
    if patch.severity_step and not fields.get("severity"):
        fields["severity"] = move("severity", frame.severity or (SEVERITY_UNSAID,), patch.severity_step)
    if patch.mentions("count"):
        fields["count"] = patch.count
    # "on every skin tone" after "3 images" says nothing of the count: it stays shared out, as if said in one sentence
    if patch.mentions("count") or (patch.each and not any(getattr(patch, slot) for slot in VALUE_SLOTS)):
        fields["each"] = patch.each
    return without(frame.change(**fields), patch)


def without(frame: Frame, patch: Patch) -> Frame:
    """Leave out what the patch excludes, and forget earlier exclusions of what it names."""
    excluded = {slot: set(values) for slot, values in frame.excluded.items()}
    for slot, values in patch.excluded.items():
        excluded.setdefault(slot, set()).update(values)
    for slot in VALUE_SLOTS:
        named = set(getattr(patch, slot)) - set(patch.excluded.get(slot, ()))
        excluded[slot] = excluded.get(slot, set()) - named
    kept = {slot: tuple(v for v in said if v not in excluded[slot]) for slot, said in frame.values().items()}
    return frame.change(excluded={slot: tuple(sorted(v)) for slot, v in excluded.items() if v}, **kept)


def share(count: int, parts: int) -> list[int]:
    """``count`` over ``parts``, as evenly as it goes, the larger shares first, at least 1 each: (7, 3) → [3, 2, 2]."""
    whole, rest = divmod(count, parts)
    return [max(1, whole + (part < rest)) for part in range(parts)]


def evenly(values: Sequence, count: int) -> list:
    """``count`` of ``values`` (no more than there are), from the middles of equal stretches."""
    return [values[(2 * i + 1) * len(values) // (2 * count)] for i in range(count)]


def spread(count: int, tones: Sequence[str], seed: int) -> list[tuple[str, int]]:
    """``count`` images over ``tones``: (tone, images) pairs. A single image gets any one, which the seed decides."""
    if count == 1:
        return [(tones[seed % len(tones)], 1)]
    chosen = evenly(tones, min(count, len(tones)))
    return list(zip(chosen, share(count, len(chosen)), strict=True))


def site(rash: str, frame: Frame, trained: Trained | None) -> str:
    """Typical area of ``rash`` that is neither excluded nor unknown to the checkpoint."""
    barred = {part for area in frame.excluded.get("area", ()) for part in (area, *regions().get(area, ()))}
    open_areas = [area for area in known("area", trained) if area not in barred]
    typical = [vocabulary().typical_area(rash), *notes()[rash].areas]
    return next((area for area in typical if area in open_areas), next(iter(open_areas), typical[0]))


def open_tones(frame: Frame, trained: Trained | None) -> list[str]:
    barred = frame.excluded.get("tone", ())
    tones = known("tone", trained)
    return [tone for tone in tones if tone not in barred] or list(tones)


def chosen(frame: Frame, limit: int | None) -> list[dict[str, str | None]]:
    """Combinations of what was said, in the order said, a slot that was not said as None.

    When exactly ``limit`` images are asked for and the combinations are more, an even choice of them.
    """
    said = [getattr(frame, slot) or (None,) for slot in VALUE_SLOTS]
    combinations = list(product(*said))
    if limit and frame.count == limit and not frame.each and len(combinations) > limit:
        combinations = sample(combinations, limit)
    return [dict(zip(VALUE_SLOTS, combination, strict=True)) for combination in combinations]


def sample(values: Sequence, count: int) -> list:
    """``count`` of ``values``, one from each of equal stretches, at a place in it that wanders (golden ratio), so that
    the picks do not fall into step with a slot that repeats."""
    starts = [i * len(values) // count for i in range(count + 1)]
    return [values[a + int((b - a) * (i * 0.618 % 1))] for i, (a, b) in enumerate(pairwise(starts))]


def total(frames: Sequence[Frame]) -> int:
    """Number of images that the frames ask for, without building them (a huge count costs nothing)."""
    return sum(
        (frame.count or 1) * frame.combinations() if frame.each else max(frame.count or 1, frame.combinations())
        for frame in frames
    )


def expand(
    frame: Frame, trained: Trained | None = None, limit: int | None = MAX_IMAGES_PER_TURN
) -> tuple[list[ImageRequest], list[Assumption]]:
    """Complete requests of a frame with a rash and a seed, one a combination, and what was assumed for them.

    Every combination has the frame's seed, so that image *i* of one can be compared with image *i* of another.
    """
    assert frame.rash, "a rash is never guessed"
    assert frame.seed is not None, "a seed is drawn first"
    combinations = chosen(frame, limit)
    count = frame.count or 1
    shares = [count] * len(combinations) if frame.each else share(count, len(combinations))
    requests, assumed = [], []
    for combination, images in zip(combinations, shares, strict=True):
        if combination["area"] is None:
            rash = combination["rash"]
            combination["area"] = site(rash, frame, trained)
            assumed.append(typical_site(rash, combination["area"], frame))
        tones = [(combination["tone"], images)]
        if combination["tone"] is None:
            tones = spread(images, open_tones(frame, trained), frame.seed)
            assumed.append(spread_tone([tone for tone, _ in tones]))
        requests += [ImageRequest(**{**combination, "tone": t, "count": n, "seed": frame.seed}) for t, n in tones]
    if not frame.each and count < len(combinations) and frame.count is not None:
        why = f"you asked for {count} images of {len(combinations)} combinations; there is one of each"
        assumed += [Assumption(slot="count", value=str(len(combinations)), why=why)] if count > 1 else []
    return requests, list(dict.fromkeys(assumed))


def typical_site(rash: str, area: str, frame: Frame) -> Assumption:
    left_out = " other than those left out" if frame.excluded.get("area") else ""
    return Assumption(slot="area", value=area, why=f"no site was named; this is a typical site of {rash}{left_out}")


def spread_tone(tones: Collection[str]) -> Assumption:
    why = "no skin tone was named; any one was taken"
    if len(tones) > 1:
        why = "no single skin tone was named; the images are spread over the tones"
    return Assumption(slot="tone", value=", ".join(tones), why=why)


def images(requests: Sequence[ImageRequest]) -> Iterator[ImageRequest]:
    """Every image of the requests, in order, as a request of its own."""
    for request in requests:
        for seed in request.image_seeds():
            yield request.model_copy(update={"count": 1, "seed": seed})


def nearest(slot: str, value: str, trained: Trained | None, many: int = 3) -> list[str]:
    """Other values of ``slot`` closest to ``value`` that can be drawn: look-alikes, or neighbours in the vocabulary."""
    names = vocabulary().names(slot)
    if slot == "rash":
        order = [*notes()[value].resembles, *names]
    else:
        order = sorted(names, key=lambda name: abs(names.index(name) - names.index(value)))
    if slot == "area":
        related = {area for whole, parts in regions().items() if value in (whole, *parts) for area in (whole, *parts)}
        order.sort(key=lambda name: name not in related)
    drawable = known(slot, trained)
    return [name for name in dict.fromkeys(order) if name in drawable and name != value][:many]
