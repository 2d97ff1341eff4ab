"""What a turn means beside what is on the screen: phrasings that the parser, which knows no conversation, cannot settle.

:func:`meant` turns one kind of turn into another ("delete the last one" where several images are shown is no undo); the others
answer yes or no about a text.
"""

from __future__ import annotations

import re

from assistant.schema import ParsedTurn, Patch

#: A child is spoken of.
CHILD = re.compile(
    r"\b(?:child|children|childs|kids?|bab(?:y|ies|ys)|infants?|toddlers?|boys?|girls?|teens?|teenagers?|adolescents?|minors|a minor|newborns?"
    r"|neonates?|school(?:boy|girl|child)\w*|youngsters?|p(?:a)?ediatric|juveniles?|under ?age|sons?|daughters?"
    r"|(?:\d|1[0-7])[ -]?(?:y|yo|yrs?|years?|months?|weeks?|days?)(?:[ -]old)?)\b",
    re.I,
)
#: A real patient or a photograph of one is asked for.
REAL = re.compile(r"\breal (?:\w+ )?(?:patients?|persons?|people|photos?|photographs?|cases? photos?)\b|\bfrom your (?:hospital|clinic|ward|practice)\b", re.I)
_DECLINED = re.compile(r"^\W*(?:no|nah|nope)\W+(?:thanks\W+)?(?:just )?(?:leave|forget|skip|drop|don't|do not|dont) (?:it|that|this|bother)(?: then| please| for now)?\W*$", re.I)
_LAST_ONE = re.compile(r"\b(?:delete|remove|drop|discard|erase|leave out|take (?:out|away)|get rid of) the last (?:one|image|picture|photo|pic)\b", re.I)
#: What is shown is not liked, and is to be drawn anew.
REJECTED = re.compile(
    r"(?:\b(?:not|isn't|aren't|don't look)\b(?: \w+){0,2} (?:convincing|good|right|great|realistic|usable|nice|real|believable)"
    r"|\b(?:don't|dont|do not) (?:really |quite )?like\b|\b(?:dislike|hate)\b"
    r"|\b(?:bad|wrong|poor|weird|odd|ugly|unrealistic|unconvincing|useless)\b).*\b(?:again|redo|re-?draw|regenerate|new|another|retry|replace)\b",
    re.I,
)
#: Others like what is shown.
VARIATIONS = re.compile(r"\b(?:variations?|variants?) (?:of|on) (?:that|this|it|the|those|these)\b", re.I)
_BETTER_BEFORE = re.compile(r"\b(?:before|previous|earlier|the last one|the old one|the first(?: one)?)(?: one| version| picture| image)? (?:was|were|looked) (?:much |a lot )?(?:better|nicer|good)\b|\b(?:was|were|looked) (?:much )?(?:better|nicer) (?:before|earlier|previously)\b", re.I)
_PUT_BACK = re.compile(r"^\W*(?:(?:oops|sorry|no|ok|wait|hmm|actually|please)\W+)*(?:put|bring|get) (?:it|that|them|those|this) back(?: in| please| again)*\W*$", re.I)
#: Adjectives that answer "which condition?".
KINDS = {"fungal": "tinea", "atopic": "eczema"}
_KIND = re.compile(rf"\b({'|'.join(KINDS)})\b", re.I)
_LEAVES = re.compile(r"\b(?:that's|thats|that is) (?:all|it)\b|\bfor (?:today|now)\b|\b(?:bye|goodbye)\b", re.I)
#: What something looks like.
LOOKS = re.compile(r"\b(?:what|how) (?:does|do|would|will) (?:it|this|that|they|these) look\b")
#: Two things that were spoken of.
BOTH = re.compile(r"\b(?:both|the two)\b", re.I)
#: Lesions that are many where there was one.
SEVERAL_ONES = re.compile(r"\b(?:several|a few|many|multiple|lots of|some|more) (?:\w+ )?ones\b", re.I)
#: Images that are shown.
ONES = re.compile(r"\b(?:ones?|images?|pictures?|photos?|pics?)\b")


def meant(parsed: ParsedTurn, shown: int, waits: str) -> ParsedTurn:
    """The turn as it is meant where ``shown`` images are on the screen and the slot ``waits`` was asked for ("": none)."""

    def as_(intent: str, **fields: object) -> ParsedTurn:
        return parsed.model_copy(update={"intent": intent, "topic": None, "patches": (), **fields})

    text, intent = parsed.text, parsed.intent
    changed = bool(parsed.targets) and any(patch.model_fields_set for patch in parsed.patches)  # "the first picture was better, show it again on fair skin"
    if shown and intent != "undo" and not changed and (_BETTER_BEFORE.search(text) or _PUT_BACK.search(text)):
        return as_("undo")  # "no, before was better", "oops, bring it back"
    if (intent == "request" and _DECLINED.search(text)) or (waits and intent == "undo" and "mind" in text.lower()):
        return as_("social", topic="no")  # "no, leave it", "ok never mind" of what was offered
    if waits == "rash" and intent == "off_topic" and (kind := _KIND.search(text)):
        return as_("request", mode="modify", patches=(Patch(rash=(KINDS[kind[1].lower()],)),))  # "fungal, i think"
    if intent == "social" and parsed.topic == "no" and _LEAVES.search(text):
        return as_("social", topic="bye")  # "no thanks, that's all for today"
    if intent == "undo" and shown > 1 and _LAST_ONE.search(text):
        return as_("request", mode="modify", dropped=(-1,))  # "delete the last one": that image, and not the last answer
    return parsed
