"""Answers that draw nothing: what is missing, what cannot be drawn, questions about a condition, refusals, greetings.

Conditions are described from their notes; nothing here is advice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from assistant.frames import Frame, Trained, known, nearest
from assistant.notes import Note, notes
from assistant.replies import called, described, lesions, listed, place, quoted
from assistant.schema import MAX_IMAGES_PER_TURN, VALUE_SLOTS, Assumption, ImageRequest, ParsedTurn, Turn
from assistant.suggestions import MANY, after_images, complete_sentence, every_tone, familiar, for_newcomers, naming
from assistant.vocabulary import vocabulary

CALLED = {"rash": "condition", "area": "body site", "tone": "skin tone", "number": "number of lesions"}
PLURAL = {"rash": "conditions", "area": "body sites", "tone": "skin tones", "severity": "severities", "size": "sizes", "number": "numbers of lesions"}
#: What follows a value when it is offered: "black skin", "large lesions".
NOUNS = {"tone": " skin", "size": " lesions", "number": " lesions"}
#: Said wherever the assistant introduces itself.
SYNTHETIC = "The images are synthetic and not for diagnosis."

#: To questions that the notes do not answer.
BEYOND = "For more than how a condition looks and where it appears, please ask a textbook or a doctor."

Reply = tuple[str, list[str]]

# ── before anything can be drawn ────────────────────────────────────────────────────────────────────────────────


def which_condition(frame: Frame, trained: Trained | None) -> Reply:
    said = so_far(frame)
    lead = f"Understood so far: {said}. Which condition" if said else "Which condition"
    ruled_out = frame.excluded.get("rash", ())
    offered = [rash for rash in familiar(trained) if rash not in ruled_out][:MANY] or familiar(trained)[:MANY]
    return f"{lead} would you like to see? For instance {listed(offered, 'or')}.", [rash.capitalize() for rash in offered]


def so_far(frame: Frame) -> str:
    """What a frame without a rash says: "2 images, at the elbow, on black skin"."""
    parts = [f"{frame.count} image{'s' * (frame.count != 1)}"] if frame.count else []
    parts += [listed(frame.severity)] if frame.severity else []
    parts += [listed(place(area) for area in frame.area)] if frame.area else []
    parts += [f"on {listed(frame.tone)} skin"] if frame.tone else []
    return ", ".join(parts)


def not_in_vocabulary(slot: str, typed: str, near: str | None, frame: Frame, trained: Trained | None) -> Reply:
    """``near`` is the nearest value that can be drawn; ``frame`` the request without the unknown value."""
    lead = f"I cannot draw {quoted(typed)}: that {CALLED.get(slot, slot)} is not in my vocabulary."
    if slot == "rash":
        if near is None:
            return f"{lead} Which of mine would you like to see?", naming(trained)
        choices = [near, *nearest("rash", near, trained)]
        return f"{lead} Shall I draw the nearest that I know, {near}?", [rash.capitalize() for rash in choices[:4]]
    if near is None:
        return f"{lead} Please name another one.", sites_of(frame, trained)
    choices = [place(near).capitalize() if slot == "area" else f"{near} skin".capitalize(), *sites_of(frame, trained)]
    return f"{lead} Shall I take the nearest that I know, {near}?", list(dict.fromkeys(choices))[:4]


def sites_of(frame: Frame, trained: Trained | None) -> list[str]:
    """Usual sites of the frame's condition, as answers to click."""
    areas = notes()[frame.rash[0]].areas if frame.rash else ("face", "elbow", "back", "hand")
    return [place(area).capitalize() for area in areas if area in known("area", trained)][:3]


def not_trained(strange: Mapping[str, Sequence[str]], offer: Sequence[Frame], trained: Trained) -> Reply:
    """The checkpoint has not learnt the ``strange`` values, by slot; ``offer`` is the request with the nearest it knows."""
    values = [value for said in strange.values() for value in said]
    lead = f"The loaded model was not trained on {listed(values, 'or')}, so I draw nothing."
    slot, (value, *_) = next(iter(strange.items()))
    instead = dict.fromkeys(v for s in strange for frame in offer for v in getattr(frame, s))
    if not instead:
        return f"{lead} Another model may know it.", for_newcomers(trained)
    reply = f"{lead} Shall I take {listed(instead)} instead?"
    near = list(dict.fromkeys([*getattr(offer[0], slot), *nearest(slot, value, trained)]))[:3]
    if offer[0].rash:
        said = {s: v[0] for s in ("rash", "area", "tone") if (v := getattr(offer[0], s))}
        return reply, [complete_sentence(offer[0], {**said, slot: v}) for v in near]
    wording = [place(v) if slot == "area" else v if slot == "rash" else f"{v} skin" for v in near]
    return reply, [words.capitalize() for words in wording]


def too_many(wanted: int, limit: int, frames: Sequence[Frame], offer: bool) -> Reply:
    sentence = " and ".join(bulk_sentence(frame) for frame in frames[:8])
    reply = (
        f"That would be {wanted:,} images, and the chat draws at most {limit} a turn. For the whole set, run"
        f' `script2skin generate "{sentence}" --out my-set`.'
    )
    return f"{reply} Shall I draw {limit} of them here?" if offer else reply, [f"{limit} images"]


def bulk_sentence(frame: Frame) -> str:
    """The request as one sentence of canonical values, for the command line."""
    each = "each " if frame.each else ""
    names = {slot: listed(getattr(frame, slot)) for slot in VALUE_SLOTS if getattr(frame, slot)}
    everything = {slot: set(getattr(frame, slot)) == set(vocabulary().names(slot)) for slot in VALUE_SLOTS}
    where = f" {listed(place(area) for area in frame.area)}" if frame.area else ""
    skin = " on every skin tone" if everything["tone"] else f" on {names['tone']} skin" if "tone" in names else ""
    severity = f"{names['severity']} " if "severity" in names else ""
    plural = "s" * (frame.count != 1 and frame.count is not None)
    rash = listed(called(rash) for rash in frame.rash) or "eczema"
    return f"{frame.count or 1} image{plural} {each}of {severity}{rash}{where}{skin}{lesions(*frame.size[:1] or [None], *frame.number[:1] or [None])}"


def end_of_scale(slot: str, value: str) -> str:
    if slot == "severity":
        extreme = "most severe" if value == "severe" else "mildest"
        return f"{value.capitalize()} is the {extreme} that I can draw. Would another site or skin tone help?"
    extreme = "darkest" if value == vocabulary().names("tone")[-1] else "lightest"
    return f"{value.capitalize()} is the {extreme} skin tone that I know. Would another one help?"


#: Problem that the parser reports → what is said about it.
PROBLEMS = {
    "direction": "Darker or lighter?",
    "count_zero": "With no image there is nothing to see. How many would you like, from 1 to {limit}?",
    "count_negative": "A number of images below zero cannot be drawn. How many would you like, from 1 to {limit}?",
    "count_fraction": "I draw whole images only. How many would you like, from 1 to {limit}?",
    "too_long": "That is too long for me to read. Please say it in a sentence or two.",
    "other_language": "I only understand English so far. Please ask in English, for instance “eczema on fair skin”.",
}


def slot_of_problem(problem: str) -> str:
    """The slot that has to be said again, or nothing."""
    if problem.startswith("count"):
        return "count"
    kind, _, slot = problem.partition(":")
    return slot if kind in ("contradiction", "which") and slot in VALUE_SLOTS else ""


def problem(code: str, frame: Frame, trained: Trained | None) -> Reply:
    if code in PROBLEMS:
        suggestions = ["Darker", "Lighter"] if code == "direction" else for_newcomers(trained)
        suggestions = ["1 image", "3 images"] if code.startswith("count") else suggestions
        return PROBLEMS[code].format(limit=MAX_IMAGES_PER_TURN), suggestions
    slot = slot_of_problem(code)
    if code.startswith("which:"):
        return which_value(slot, frame, trained)
    if slot == "area" and frame.rash:
        return f"Those sites of {frame.rash[0]} contradict each other. Which one do you mean?", sites_of(frame, trained)
    if slot:
        said = getattr(frame, slot)
        lead = f"That names {PLURAL[slot]} that contradict each other{f', {listed(said)}' if len(said) > 1 else ''}."
        noun = NOUNS.get(slot, "")
        values = naming(trained) if slot == "rash" else known(slot, trained)[-MANY:]
        return f"{lead} Which one do you mean?", [f"{value}{noun}".capitalize() for value in values]
    return "I could not make sense of that. Please say it in other words.", for_newcomers(trained)


def which_value(slot: str, frame: Frame, trained: Trained | None) -> Reply:
    """Something is to be changed, and it was not said into what."""
    if not slot:
        what = listed(CALLED.get(s, s) for s in VALUE_SLOTS[:4])
        return f"What shall I change? I can vary {what}.", ["On black skin", "More severe", "On the elbow"]
    noun = NOUNS.get(slot, "")
    if slot == "area":
        values = [place(area) for area in (notes()[frame.rash[0]].areas if frame.rash else known("area", trained))]
    else:
        values = [f"{value}{noun}" for value in (naming(trained) if slot == "rash" else known(slot, trained))]
    return f"Which {CALLED.get(slot, slot)} would you like?", [value.capitalize() for value in values[:MANY]]


# ── questions, greetings, refusals ──────────────────────────────────────────────────────────────────────────────


def answer(
    parsed: ParsedTurn, requests: Sequence[ImageRequest], about: tuple[str, ...], trained: Trained | None
) -> tuple[Turn, tuple[str, ...]]:
    """An utterance that asks for no image, and the conditions that "it" then stands for.

    ``requests`` are those last drawn; ``about`` was asked about since.
    """
    suggestions = after_images(requests, trained)
    if parsed.intent == "question":
        return question(parsed, requests, about, trained)
    if parsed.problems and parsed.intent in ("empty", "off_topic"):
        reply, _ = problem(parsed.problems[0], Frame(), trained)
        return Turn(act="clarify", reply=reply, suggestions=suggestions), about
    if parsed.intent == "empty":
        reply = UNREADABLE if parsed.text.strip() else f"Nothing was typed. {UNREADABLE.split('. ', 1)[1]}"
        return Turn(act="clarify", reply=reply, suggestions=suggestions), about
    if parsed.intent in REFUSALS:
        reply = {"unclear": UNCLEAR, "fixed": FIXED, "feature": FEATURE}.get(parsed.topic or "") or REFUSALS[parsed.intent]
        named = tuple(rash for patch in parsed.patches for rash in patch.rash) if parsed.intent == "diagnosis" else ()
        return Turn(act="refuse", reply=reply, suggestions=suggestions, ignored=list(parsed.ignored)), named or about
    if parsed.intent == "social":
        reply = SOCIAL.get(parsed.topic or "", SOCIAL["greeting"])
        return Turn(act="answer", reply=reply, suggestions=suggestions), about
    reply = f"{NOT_REAL if _REAL.search(parsed.text) else ''}{abilities(trained)}"
    return Turn(act="answer", reply=reply, suggestions=for_newcomers(trained)), about


_REAL = re.compile(r"\b(real|genuine|authentic|synthetic|fake|generated|made up)\b", re.I)
#: To "are these real patients?".
NOT_REAL = "No image shows a real patient; what a model has learned from is written in its model card. "
#: Wherever something else is asked for.
VARIED = (
    "What I can vary is the condition, the body site, the skin tone, the severity, and the size and number of lesions."
)
#: Of a text that is short and of nothing else, and so perhaps was meant as a request.
UNCLEAR = f"I did not understand that. I draw synthetic images of skin conditions, and {VARIED[0].lower()}{VARIED[1:]}"
#: Of camera, light, colour and style.
FIXED = f"Camera, light, colour and style I cannot change. {VARIED}"
#: Of one sign of a condition that is to be left out or changed.
FEATURE = f"A condition is drawn with all its signs; one of them alone I cannot change or leave out. {VARIED}"
UNREADABLE = "I could not make sense of that. Type what you would like to see, for instance “eczema on fair skin”."
REFUSALS = {
    "diagnosis": "I cannot diagnose, treat or judge anyone's skin; please see a doctor for that. "
    "What I can do is draw synthetic images of a condition that you name, on any site and skin tone.",
    "person": "I do not draw people that can be recognised. "
    "I can draw synthetic images of a skin condition on a body site and skin tone instead.",
    "off_topic": "That is outside what I do: I draw synthetic images of skin conditions, and "
    f"{VARIED[0].lower()}{VARIED[1:]}",
}
#: Kind of greeting that the parser reports → what is said to it.
SOCIAL = {
    "greeting": "Hello! Tell me which skin condition you would like to see, and if you like where and on which skin tone.",
    "thanks": "You are welcome.",
    "bye": "Goodbye, and good luck with the images.",
    "praise": "Glad to hear it. What would you like to see next?",
    "yes": "All right. What would you like to see next?",
    "no": "All right, nothing is drawn. What would you like to see instead?",
    "sorry": "No harm done. What would you like to see?",
}


LIMIT = (
    f"The chat draws up to {MAX_IMAGES_PER_TURN} images a turn, as many turns as you like, and an image takes a second or two on"
    " a laptop without a graphics card. For a larger set, run"
    ' `script2skin generate "500 images of eczema on every skin tone" --out my-set`.'
)


USE = (
    "Images of the embedded checkpoint may be used for whatever the law allows, in teaching and in print too; for another"
    " checkpoint its own licence holds. Please say wherever you show them that they are synthetic, and do not use them for"
    " diagnosis. docs/GENERATED_IMAGES.md says more."
)
SAVE = (
    "On the page every image has a button to download it, and one button takes all images of an answer; beside each lies a JSON file with its labels. On the command line"
    ' they are saved as they are drawn: `script2skin generate "eczema on the elbow" --out my-images`.'
)


#: Questions about the images and what draws them → answer.
ABOUT_IMAGES = {
    "limit": LIMIT,
    "use": USE,
    "save": SAVE,
    "size": "Images have the size that the loaded model was made for: 256 × 256 pixels from the embedded checkpoint, as PNG files. "
    "I do not enlarge them.",
    "seeds": "Every image is drawn from a seed, which stands under it and in its file; the same request with the same seed gives"
    " the same image. Say “eczema on the elbow with seed 42”, or fix it in the sidebar.",
    "tuning": "Your own photographs can train a model on your own machine, with or without a GPU: `script2skin data` reads them and "
    "`script2skin train` trains; `--help` after either says how. Nothing that is typed or drawn here trains anything.",
    "model": "What the loaded model was trained on, what was measured and what it cannot do is in its model card, README.md in its"
    " folder. No image shows a real patient: the embedded checkpoint learned from drawings of a program and from dermoscopic"
    " photographs of ISIC 2017.",
}
#: Redness, of no condition in particular.
REDNESS = (
    "On light skin redness (erythema) is pink to red. On brown skin it is dusky, violet or brown, on black skin grey to violet or"
    " hardly to be seen: warmth, swelling and scale then tell more than colour."
)


def abilities(trained: Trained | None) -> str:
    rashes = known("rash", trained)
    return (
        f"I draw synthetic images of {len(rashes)} skin conditions from a sentence, for instance “three images of severe"
        f" {familiar(trained)[0]} at the back of the neck on fair skin”. Name a condition, and if you like a body site, one"
        " of six skin tones (very fair to black), a severity, the size and number of lesions, and up to"
        f" {MAX_IMAGES_PER_TURN} images. Then vary it: “now on black skin”, “more severe”, “the second one on brown skin”,"
        f" “compare with psoriasis”, “another two”, “undo”, “start over”. {SYNTHETIC}"
    )


def drawn(requests: Sequence[ImageRequest], trained: Trained | None, asked: str = "") -> Turn:
    """What was drawn, or that nothing was; ``asked`` after a skin type, that too."""
    if not requests:
        return Turn(act="answer", reply="Nothing has been drawn yet.", suggestions=for_newcomers(trained))
    seeds = list(dict.fromkeys(seed for request in requests for seed in request.image_seeds()))
    reply = f"That was {described(requests)}. Seed{'s' * (len(seeds) > 1)}: {listed(map(str, seeds))}."
    if re.search(r"\b(?:fitz\w*|photo ?types?|types?)\b", asked, re.I):
        types = [f"{tone} is type {vocabulary().entry('tone', tone).fitzpatrick}" for tone in dict.fromkeys(r.tone for r in requests)]
        reply += f" On Fitzpatrick's scale {listed(types)}."
    return Turn(act="answer", reply=reply, suggestions=after_images(requests, trained))


def why(requests: Sequence[ImageRequest], assumed: Sequence[Assumption], trained: Trained | None) -> Turn:
    """Why something was drawn as it was: what was assumed, or else that it was asked for."""
    reasons = [f"{CALLED.get(a.slot, a.slot).capitalize()} {a.value}: {a.why}." for a in assumed]
    reply = " ".join(reasons) or f"All of it was asked for: {described(requests)}."
    return Turn(act="answer", reply=f"{reply} Name another one to change it.", suggestions=after_images(requests, trained))


def question(
    parsed: ParsedTurn, requests: Sequence[ImageRequest], about: tuple[str, ...], trained: Trained | None
) -> tuple[Turn, tuple[str, ...]]:
    """A question about conditions, sites, tones or the vocabulary, answered from the notes; and what it was about."""
    said = {slot: [v for patch in parsed.patches for v in getattr(patch, slot)] for slot in ("rash", "area", "tone")}
    unknown = [entry for entry in parsed.unknown if entry[0] == "rash"]
    if not said["rash"] and unknown and parsed.topic != "cause":
        _, typed, near = unknown[0]
        near = near if near in known("rash", trained) else None
        reply, suggestions = not_in_vocabulary("rash", typed, near, Frame(), trained)
        return Turn(act="clarify", reply=reply, suggestions=suggestions), about
    asked = (parsed.topic or "").split("|")
    if set(asked) <= set(ABOUT_IMAGES):
        return Turn(act="answer", reply="\n\n".join(ABOUT_IMAGES[topic] for topic in asked), suggestions=after_images(requests, trained)), about
    if parsed.topic == "name" and (meant := said["rash"] or about or [request.rash for request in requests]):
        tell = code_of if "icd" in parsed.text.lower() else names_of
        reply = " ".join(tell(rash) for rash in dict.fromkeys(meant))
        return Turn(act="answer", reply=reply, suggestions=after_images(requests, trained)), about
    if parsed.topic == "vocabulary" and not said["rash"]:
        return Turn(act="answer", reply=vocabulary_of(trained, parsed.text), suggestions=for_newcomers(trained)), about
    if len(said["area"]) > MANY:
        said["area"] = []  # "what other sites are common?"
    of_itself = said["area"] or (said["tone"] and parsed.topic in (None, "definition", "vocabulary"))
    meant = about or [request.rash for request in requests]
    named = said["rash"] or ([] if of_itself else meant)
    if parsed.topic == "difference":  # "how would one tell this apart from psoriasis?"
        named = said["rash"] = list(dict.fromkeys([*said["rash"], *(v for patch in parsed.patches for v in patch.excluded.get("rash", ()))])) or named
    if parsed.topic == "difference" and len(said["rash"]) == 1:
        named = [*meant[-1:], *said["rash"]]  # "how does that differ from tinea?"
    if parsed.topic == "definition" and not any(said.values()) and (known_by := known_by_sign(parsed.text)):
        named = [known_by]
    rashes = list(dict.fromkeys(named))[:3]
    topic = parsed.topic
    if topic == "person_have" and re.search(r"\b(see|visible|notice|spot|tell)\b.*\bskin\b", parsed.text.lower()):
        topic = "tone"  # "which one is harder to see on darker skin?"
    if topic == "difference" and len(rashes) == 1 and len({request.tone for request in requests}) > 1:
        topic = "tone"  # what differs is the skin, as drawn
    if rashes:
        why = parsed.text.lower().lstrip().startswith("why") and not said["tone"]
        return conditions(rashes, topic, said["tone"], trained, why), tuple(rashes)
    if said["area"]:
        return seen_at(said["area"][0], trained), about
    if re.search(r"\b(redness|erythema\w*|inflammation|inflamed)\b", parsed.text.lower()):
        return Turn(act="answer", reply=REDNESS, suggestions=after_images(requests, trained)), about
    if said["tone"]:
        return Turn(act="answer", reply=about_tone(said["tone"][0]), suggestions=after_images(requests, trained)), about
    if re.search(r"\b(?:tones?|undertones?|fitzpatrick|monk|phototypes?|skin types?)\b", parsed.text.lower()):
        return Turn(act="answer", reply=vocabulary_of(trained, parsed.text), suggestions=for_newcomers(trained)), about
    reply = f"Which condition do you mean? I know {listed(known('rash', trained))}."
    return Turn(act="clarify", reply=reply, suggestions=naming(trained)), about


_WHAT_IS = re.compile(r"\bwhat(?: ?'s| is| are| was)? (?:an? |the )?(?:word )?([a-z][a-z' -]{4,40}?)(?: mean)?[ ?.!]*$")


def known_by_sign(asked: str) -> str | None:
    """The one condition whose note names the sign that is asked about ("what's a herald patch?")."""
    found = _WHAT_IS.search(asked.lower())
    if not found or re.search(r"\b(?:one|it|this|that|first)\b", found[1]):
        return None
    hits = [rash for rash, note in notes().items() if found[1] in f"{note.appearance} {note.dark_skin}".lower()]
    return hits[0] if len(hits) == 1 else None


def names_of(rash: str) -> str:
    """The name of a condition, its first synonyms and its code."""
    entry = vocabulary().entry("rash", rash)
    code = f" (ICD-10 {entry.icd10})" if entry.icd10 else ""
    also = f" I also read {listed([quoted(name) for name in entry.synonyms[:3]], 'or')} as that." if entry.synonyms else ""
    return f"It is called {rash}{code}.{also}"


def code_of(rash: str) -> str:
    code = vocabulary().entry("rash", rash).icd10
    return f"The ICD-10 code of {rash} is {code}." if code else f"My vocabulary has no ICD-10 code for {rash}."


def conditions(rashes: Sequence[str], topic: str | None, tones: Sequence[str], trained: Trained | None, why: bool = False) -> Turn:
    """What the notes say of each condition, and sentences to see them."""
    lines = [told(notes()[rash], topic, tones) for rash in rashes]
    lines += [BEYOND] if topic in ("cause", "person_have") or why else []
    tone = tones[-1] if tones and tones[-1] in known("tone", trained) else known("tone", trained)[-1]
    shown = [rash for rash in rashes if rash in known("rash", trained)]
    suggestions = [f"Show me {rash} on {tone} skin" for rash in shown[:2]]
    if topic == "resembles":
        alike = [rash for rash in notes()[rashes[0]].resembles if rash in known("rash", trained)]
        suggestions = [f"Compare with {rash}" for rash in alike[:3]]
    suggestions += [f"{shown[0]} on {every_tone(trained)}".capitalize()] if shown else []
    suggestions += [f"Where does {rashes[0]} usually appear?"] if topic != "site" else []
    return Turn(act="answer", reply="\n\n".join(lines), suggestions=suggestions or for_newcomers(trained))


def told(note: Note, topic: str | None, tones: Sequence[str]) -> str:
    """One condition in two or three sentences, by what was asked; of one's own conditions no more than its entry says."""
    if note.rash in vocabulary().own:
        return f"**{note.rash.capitalize()}.** {note.about}"
    scale = vocabulary().names("tone")
    light, dark = f"On light skin: {lowered(note.appearance)}", f"On dark skin: {lowered(note.dark_skin)}"
    sites = f"Usual sites: {lowered(note.sites)}"
    if topic in ("appearance", "tone") and any(scale.index(tone) >= scale.index("olive") for tone in tones):
        parts = [dark, light]
    else:
        parts = {
            "site": [sites],
            "cause": [note.about],
            "contagion": [note.contagious],
            "feeling": [note.feels],
            "resembles": [f"Most easily confused with {listed(note.resembles, 'or')}."],
            "person_have": [note.about],
            "tone": [light, dark],
            "appearance": [note.appearance, dark],
        }.get(topic or "", [note.about, note.appearance, dark, sites])
    return f"**{note.rash.capitalize()}.** {' '.join(parts)}"


def lowered(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def seen_at(area: str, trained: Trained | None) -> Turn:
    rashes = [rash for rash, note in notes().items() if area in note.areas and rash in known("rash", trained)]
    if not rashes:
        return Turn(
            act="answer",
            reply=f"My notes name no condition that is typical {place(area)}.",
            suggestions=for_newcomers(trained),
        )
    return Turn(
        act="answer",
        reply=f"Typical {place(area)}: {listed(rashes)}.",
        suggestions=[f"{rash} {place(area)}".capitalize() for rash in rashes[:3]],
    )


def about_tone(tone: str) -> str:
    types = {name: vocabulary().entry("tone", name).fitzpatrick for name in vocabulary().names("tone")}
    steps = listed(f"{name} ({fitzpatrick})" for name, fitzpatrick in types.items())
    return f"**{tone.capitalize()}** stands for Fitzpatrick type {types[tone]} here. The six tones: {steps}."


#: Words that ask for one slot of the vocabulary.
_ASKED = {
    "rash": ("rash", "condition", "disease", "disorder"),
    "area": ("area", "site", "body part", "part of the body", "parts of the body", "place", "region"),
    "tone": ("tone", "skin type", "complexion", "skin colo", "fitzpatrick", "monk", "phototype"),
}


def slots_asked(asked: str) -> list[str]:
    """The slots whose values a question is about."""
    return [slot for slot, words in _ASKED.items() if any(word in asked.lower() for word in words)]


def vocabulary_of(trained: Trained | None, asked: str = "") -> str:
    """All that can be drawn, or only the slots that ``asked`` names ("which skin tones do you know?")."""
    types = {name: vocabulary().entry("tone", name).fitzpatrick for name in known("tone", trained)}
    lines = {
        "rash": f"Conditions: {listed(known('rash', trained))}.",
        "area": f"Body sites: {listed(known('area', trained))}.",
        "tone": f"Skin tones (Fitzpatrick type): {listed(f'{name} ({fitz})' for name, fitz in types.items())}.",
    }
    wanted = slots_asked(asked)
    if wanted == ["tone"] and re.match(r"\W*(?:(?:and|but|so) )*why\b", asked.lower()):
        return f"A condition looks different on light and on dark skin; without a tone several images are spread over the tones. {lines['tone']}"
    rest = (
        f"Severity: {listed(vocabulary().names('severity'))}. "
        f"Lesions: {listed([*vocabulary().names('size'), *vocabulary().names('number')])}."
    )
    return "\n\n".join(lines[slot] for slot in wanted) if wanted else "\n\n".join([*lines.values(), rest])
