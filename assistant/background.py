"""What a sentence tells beside what it asks for: reasons, mix-ups, what was seen so far. It names values that are not wanted.

"scabies, because they mix it up with eczema", "my trainees only see it on white skin, so show it on black skin".
"""

from __future__ import annotations

import itertools

from assistant.items import Item, label_at, next_index, said_at, sentence_end
from assistant.typos import is_english
from assistant.vocabulary import words

#: Labels of what a request is made of: a part of a sentence that has one of them is no chatter.
_SUBSTANCE = frozenset({
    "rash", "outside_rash", "area", "outside_area", "tone", "tone_with_skin", "tone_people", "tone_from", "scale", "skin", "slot_noun", "generic_rash", "lesion", "image", "request",
    "compare", "darker", "worse", "bigger", "more_lesions", "times", "clear", "each", "after_any", "undo", "redo", "reset", "seed", "target_noun", "middle", "correction", "diagnosis",
    "other_subject", "people",
})  # fmt: skip


def set_chatter_aside(items: list[Item]) -> None:
    """Take the meaning from what is told before a request or in a sentence of its own, and is about nothing that could be drawn:
    "I use Python 3.11 under Ubuntu 22.04.", "bruh the wifi here is so bad, …", "My boss will be over the moon."

    It comes before numbers are counted and people and questions are looked for.
    """
    parts = _parts(items)
    telling = [any((_is_substance(i) or (i.label == "number" and i.number is not None and said_at(items, k + 1) == "please")) and not _in_compound(items, k) and not (i.label == "people" and _of_the_speaker(items[part])) and not (i.label == "image" and _of_others(items[part])) for k, i in enumerate(items[part], part.start)) for part, _ in parts]
    if not any(telling):
        return
    first = telling.index(True)
    before = False
    for n, (part, stopped) in enumerate(parts):
        told = n < first or (stopped and (n == 0 or parts[n - 1][1]))
        goes_on = before and n < first and not any(i.label == "word" for i in items[part])  # "it got a 6, a 5 and a 3, so …"
        of_others = any(i.label == "image" for i in items[part]) and _of_others(items[part])
        before = not telling[n] and told and (goes_on or of_others or _is_chatter(items[part]))
        if before:
            for k, item in enumerate(items[part]):
                meant = item.label == "severity" and said_at(items[part], k - 1) in ("so", "say", "be", "it", "do") and sum(i.label == "severity" for i in items) == 1
                if item.label not in ("conj", "social") and not meant:  # "it must not be obvious, so mild"
                    item.drop()


def _parts(items: list[Item]) -> list[tuple[slice, bool]]:
    """Parts between marks, and whether a full stop or the like ends each."""
    parts, start = [], 0
    for k, item in enumerate(items):
        mark = item.text in (",", "-", "–", ";", ":") or (item.label == "conj" and item.id == "stop")
        if mark or k == len(items) - 1:
            parts.append((slice(start, k + 1), item.text not in (",", "-", "–", ":")))
            start = k + 1
    return parts


def _is_substance(item: Item) -> bool:
    plain = item.said in words("often_idle") or (item.label == "scale" and item.said == "monk")
    change = item.label == "modify" and item.id not in ("pronoun", "now") and not plain
    vague = item.label == "help" and not item.said.endswith(("real patients", "real people"))
    asked = item.label == "question" and item.said not in words("auxiliary")
    add = item.label == "add" and item.id != "also"
    return (item.label in _SUBSTANCE and not plain) or vague or change or asked or add


def _of_the_speaker(part: list[Item]) -> bool:
    """ "I'm a PhD student in Zürich": who asks, and not who is to be drawn."""
    said = [i.said for i in part if i.label not in ("social", "conj")][:3]
    return bool(said) and (said[0] in {*words("we_are"), "im", "as"} or said[:2] in (["i", "am"], ["we", "are"], ["my", "name"], ["this", "is"]))


def _of_others(part: list[Item]) -> bool:
    """ "we hand out cards with pictures", "the textbook only has drawings": images that somebody has, uses or lacks."""
    somebody = any(i.said in ("we", "i", "they", "he", "she") or words("telling") & set(i.said.split()) for i in part)
    return somebody and not any(i.label in ("request", "quantity", "add", "modify", "ordinal", "target_noun") or (i.label == "number" and i.number is not None) for i in part)


def _in_compound(items: list[Item], k: int) -> bool:
    """ "case conference", "version 4.2", "sample size": a noun for an image that tells of something else."""
    after = items[k + 1] if k + 1 < len(items) else None
    if items[k].label == "image" and said_at(items, k - 1) == "of" and said_at(items, k - 2) in ("%", "percent", "per cent"):
        return True  # "agreed in 82 % of cases"
    return items[k].label == "image" and items[k].id == "one" and after is not None and ((after.label == "word" and after.text.isalpha() and is_english(after.said)) or (after.label == "number" and after.text.count(".") == 1))


def _is_chatter(part: list[Item]) -> bool:
    """Whether a part tells something: two ordinary words at least, or one beside a number."""
    if any(i.said in words("tally") for i in part) or any(i.label == "ordinal" and said_at(part, k - 1).split()[-1:] == ["the"] for k, i in enumerate(part)):
        return False  # "count 5", "I think the second looks best"
    ordinary = [i for k, i in enumerate(part) if (i.label in ("word", "unit") or _in_compound(part, k)) and i.text.isalpha() and len(i.text) > 1]
    numbered = any(i.label == "number" and i.number is not None for i in part)
    values = any(i.label in ("severity", "size", "quantity") or (i.label == "number" and i.number is None) for i in part)
    return len(ordinary) > 1 + values or (bool(ordinary) and numbered and not values)


def set_background_aside(items: list[Item]) -> None:
    """Take the meaning from values of reasons, mix-ups and background sentences, where the request names its own."""
    for k, item in enumerate(items):
        if _as_reason(items, k):
            _drop_if_told_elsewhere(items, k, sentence_end(items, k))
        elif item.said == "asked" and said_at(items, k + 1) == "for" and k and said_at(items, k - 1) not in ("i", "we", "you"):
            _drop_what_others_asked_for(items, k)
        elif k == 0 and item.said in words("opens_aside"):
            _drop_values_told_elsewhere(items, next((j for j, i in enumerate(items) if i.text == ","), 0))
            end = _end(items, 0)
            if end < len(items) and (items[end].text == "," or items[end].label == "request"):
                _drop_if_told_elsewhere(items, 0, end)  # "since my talk on melanoma went well, …", "unlike last year's exam, …"
        elif item.said == "only" and k and any(i.said in words("seen_or_shown") for i in items[k + 1 : k + 4]) and not any(i.label == "request" and i.said not in words("seen_or_shown") for i in items[max(0, k - 3) : k]):
            _drop_tone_told_elsewhere(items, k, _end(items, k))  # "I've only ever seen it on white people"
        elif item.said == "but" and k and any(i.said.split()[-1] in ("said", "wrote", "typed") for i in items[:k]) and any(i.said in ("said", "meant", "mean", "want", "should", "wanted") for i in items[k:]):
            _drop_what_is_said_anew(items[:k], items[k:])  # "I said olive but I should have said brown"
        elif item.said.split()[0] == "but" and k > 3 and _was_meant_before(items[:k]):
            _drop_what_is_said_anew(items[:k], items[k:])  # "I was going to ask for the elbow but make it the knee"
        elif (item.said in words("reason") and k and (item.said != "seeing" or said_at(items, k + 1) in ("that", "as", "how"))) or item.said in words("mix_up"):
            _drop_if_told_elsewhere(items, k, _end(items, k))
        elif item.label == "each" and label_at(items, k + 1) in ("scale", "slot_noun") and not any(i.label in ("rash", "request", "count") for i in items[:k]) and (asked := next((j for j in range(k, len(items)) if items[j].label == "request"), None)) is not None and {"rash", "tone"} <= {i.label for i in items[asked:]}:
            item.drop()  # "for a slide about how erythema looks across skin tones, please show it on very fair and black skin"
            items[k + 1].drop()
        elif item.label == "rash" and (_names_a_group(items, k) or _names_a_topic(items, k)):
            item.drop()
        elif item.label == "area" and (_heads_conditions(items, k) or _heads_a_list(items, k) or _is_a_topics(items, k)):
            item.drop()  # "a chapter on facial dermatoses and need rosacea on the cheeks"
    _set_told_aside(items)
    for before, after in _sentences(items):
        if _leads_to(items, before, after) and (_is_asked(items[after]) or any(i.label == "request" for i in items[after])):
            _drop_what_is_said_anew(items[before], items[after])
        elif any(i.said in words("elsewhere") for i in items[after]) and tells(items[after]) and {"rash", "request"} <= {i.label for i in items[before]}:
            _drop_what_is_said_anew(items[after], items[before])  # "shingles on the buttocks? everything online shows the chest"
        elif _looks_back(items[before]) and {"rash", "request"} <= {i.label for i in items[after]}:
            _drop_what_is_said_anew(items[before], items[after])  # "the students loved the acne images last year. Could we have …"
        elif _is_approved(items[before]):
            _drop_what_is_said_anew(items[before], items[after])  # "the wrist ones are fine. the finger ones should be milder"


def _heads_conditions(items: list[Item], k: int) -> bool:
    """ "nappy-area and flexural rashes", before a condition with a site of its own."""
    j = k + 1
    while j < len(items) and (items[j].label == "area" or items[j].said in ("and", "or", ",", "/")):
        j += 1
    return j < len(items) and items[j].label in ("slot_noun", "generic_rash") and _place_comes(items, j + 1)


def _was_meant_before(told: list[Item]) -> bool:
    """ "I was going to ask for the elbow", "I first thought of showing the back": what was meant at first."""
    going = any(i.said == "going" and said_at(told, n - 1) in ("was", "were") for n, i in enumerate(told))
    at_first = any(i.said in ("first", "initially", "originally") for i in told[:4])
    return going or (at_first and any(i.said in ("thought", "wanted", "planned", "considered", "meant", "intended") for i in told[:5]))


def _heads_a_list(items: list[Item], k: int) -> bool:
    """ "for the facial rash lecture on Monday: rosacea, nose, 2; acne, forehead, 2": before a colon, where each has a site of its own."""
    colon = sentence_end(items, k)
    if colon == len(items) or items[colon].said != ":" or any(i.label == "rash" for i in items[:colon]) or any(i.said == ":" for i in items[colon + 1 :]):
        return False
    rashes, areas = (sum(i.label == label and not i.implied for i in items[colon:]) for label in ("rash", "area"))
    about = any(i.said in words("lectures") or i.said in ("about", "problems", "conditions", "diseases", "complaints") for i in items[:colon])
    return rashes > 0 and areas > 0 and (about or (areas >= rashes > 1)) and any(i.label in ("word", "unit", "request") for i in items[:colon])


def _is_a_topics(items: list[Item], k: int) -> bool:
    """ "melasma over the cheeks for our CME programme on facial pigmentation": what is held is about that site."""
    lead = items[max(0, k - 4) : k]
    if not any(i.said in words("lectures") for i in lead) or not any(i.said in ("on", "about", "of") for i in lead):
        return False
    named = label_at(items, k + 1) in ("word", "descriptor", "slot_noun", "generic_rash", "skin")
    return named and any(i.label == "area" and n != k and any(r.label == "rash" for r in items[max(0, n - 4) : n + 3]) for n, i in enumerate(items))


#: Labels of words that say nothing of an image: a sentence with some of them tells something.
_STRANGE = ("word", "unit", "idiom", "question", "help", "other_subject", "diagnosis", "person", "time", "interjection", "negate", "outside_area")
#: What a told sentence may have of this kind is no question and no plea.
_CUES = ("question", "help", "diagnosis", "person", "other_subject", "generic_rash", "each", "scale", "compare", "undo", "reset")


def _set_told_aside(items: list[Item]) -> None:
    """ "My colleague did the torso, I do the limbs. So I'd want urticaria on the thigh": what is told beside a request in full.

    Of a sentence that tells, only what the request after it (or else before it) leaves open is kept.
    """
    parts = _told_parts(items)
    if len(parts) < 2 or not any(i.is_value for i in items):
        return
    told = [tells(items[part]) for part in parts]
    _told_last(items, parts, told)
    for n, part in enumerate(parts):
        if not told[n]:
            continue
        after = [i for k in range(n + 1, len(parts)) if not told[k] for i in items[parts[k]]]
        before = [i for k in range(n) if not told[k] for i in items[parts[k]]]
        if not _asks_for_it(after, items[part]):
            if not (_asks_for_it(before, items[part]) and len({"rash", "area", "tone"} & {i.label for i in before}) > 1) or _takes_back(items[part]):
                continue
            after = before  # "psoriasis on the elbow, sorry, on the knee. The elbow is next week's topic."
        named = any(i.label in ("rash", "outside_rash") and not i.negated for i in after)
        anew = {i.label for i in after if i.is_value or i.label == "count"} | ({"size", "number"} if named else set())
        anew |= {"tone"} if any(i.label == "each" and i.id == "all" and label_at(items, j + 1) in ("scale", "skin") for j, i in enumerate(items) if i in after) else set()
        anew |= {"severity"} if any(i.label == "severity" for i in before) else set()
        for item in items[part]:
            again = (item.is_value or item.label == "count") and item.label in anew
            again = again or (after is before and item.label == "severity" and not item.said.startswith(("mild", "moder", "sever")))  # "before moving on to the bad ones"
            of_told = item.label == "question" and item.id in ("person_have", "site", "cause")
            if again or of_told or (item.label in _CUES and named) or item.id == "noun" or (item.label == "count" and named) or (item.label.startswith("outside_") and named):
                item.drop()


def _told_last(items: list[Item], parts: list[slice], told: list[bool]) -> None:
    """ "My students know it on hands. They've never seen it on the eyelids, so give me two of that": the site told last."""
    for slot in ("area", "tone"):
        where = [n for n, part in enumerate(parts) if any(i.label == slot and not i.negated for i in items[part])]
        if len(where) > 1 and all(told[n] for n in where) and any(i.label == "request" for n, part in enumerate(parts) if not told[n] for i in items[part]):
            for n in where[:-1]:
                for item in items[parts[n]]:
                    if item.label == slot:
                        item.drop()


def _asks_for_it(asked: list[Item], told: list[Item]) -> bool:
    """Whether what is not told asks for an image, so that it needs nothing of what is told."""
    named = any(i.label in ("rash", "outside_rash") and not i.negated for i in asked)
    asks = any(i.label in ("request", "count", "number", "quantity", "image") or i.said in ("please", "pls") for i in asked)
    placed = any(i.label in ("area", "tone", "tone_with_skin", "tone_people") for i in asked)
    return (named or (placed and any(i.label == "rash" for i in told))) and (asks or placed)


def _takes_back(sentence: list[Item]) -> bool:
    """ "I think brown would be better": said after a request, it changes it."""
    changing = {"would", "should", "could", "better", "rather", "instead", "actually", "prefer", "sorry", "wait", "also", "too", "must", "mean", "meant", "let", "same", "other", "make", "please"}
    negates = any(i.label == "negate" and label_at(sentence, next_index(sentence, k)) in ("rash", "area", "tone", "severity") for k, i in enumerate(sentence))
    return negates or any(set(i.said.split()) & changing or (i.label == "modify" and not _is_done_by_somebody(sentence, k)) or i.label in ("after_any", "clear", "scale") or (i.label == "each" and label_at(sentence, next_index(sentence, k)) in ("slot_noun", "skin", "area", "rash")) for k, i in enumerate(sentence) if i.id != "pronoun")


def _told_parts(items: list[Item]) -> list[slice]:
    """The sentences, with "…, so …" and "…, but …" as sentences of their own where something is asked for in them."""
    cuts = [0]
    for k, item in enumerate(items):
        if item.label == "conj" and item.id == "stop" and (item.said != ":" or _is_asked_after(items, k)):
            cuts.append(k + 1)
        elif item.text == "," and k and _asks_next(items, k):
            cuts.append(k + 1)  # "a patient has a spot on his temple, I would like a picture of …"
        elif item.said in ("so", "but", "hence", "therefore") and k and any(i.label == "request" or i.said.split()[0] in ("please", "leave", "skip", "make") for i in items[k : sentence_end(items, k)]):
            cuts.append(k)
        elif item.text in (",", "-", "–", ";") and k and ((item.text != "," and (item.text == ";" or said_at(items, k + 1) in _TELLERS or (items[k + 1 : k + 2] and items[k + 1].label == "request"))) or (said_at(items, k + 1) in _TELLERS and any(i.label == "rash" for i in items[:k]))):
            cuts.append(k + 1)  # "…, my little cousins all had it", "… - show me shingles on the chest"
    bounds = [*cuts, len(items)]
    return [slice(a, b) for a, b in itertools.pairwise(bounds) if b > a]


def _is_asked_after(items: list[Item], colon: int) -> bool:
    """ "…, because it is often missed: two on brown skin": what comes after the colon is what is asked for."""
    after = {i.label for i in items[colon : sentence_end(items, colon + 1)]}
    return "rash" in after or ("count" in after and after & {"tone", "area"} and any(i.label == "rash" for i in items[:colon]) and any(i.said in words("reason") for i in items[:colon]))


#: What a clause that tells something begins with.
_TELLERS = ("my", "our", "we", "i", "i'd", "we'd", "i'm", "im", "it's", "we're", "they're", "they", "he", "she", "everyone", "everybody", "as", "because", "cos", "since")


def tells(sentence: list[Item]) -> bool:
    """Whether a sentence only tells: it has two strange words at least, and no word that asks for an image or changes one."""
    if any(i.said in ("current", "existing", "present", "old") and said_at(sentence, k + 1) in ("one", "ones", "images", "photos", "pictures", "version", "leaflet", "book", "slides") and any(v.said in ("has", "have", "shows", "show", "is", "are", "only") for v in sentence[k + 2 : k + 4]) for k, i in enumerate(sentence)):
        return True  # "the current one has just a single photo, of a fair-skinned baby"
    if any(i.label == "each" and i.id == "unsay" for i in sentence):
        return False  # "leave out the medium one because we have lots of those already"
    asked = any(i.label == "request" and i.said not in ("made", "gave", "have") for i in sentence)
    if not asked and (any(i.said in words("when_before") for i in sentence) or any({"already", "have"} <= set(i.said.split()) for i in sentence) or (any(i.said in ("already", "enough", "plenty of", "covered", "sorted") for i in sentence) and not any(i.label == "count" and i.id != "noun" and i.said != "plenty of" for i in sentence) and any(i.said in ("have", "has", "had", "got", "i have", "i've", "we've", "have got", "i've got") for i in sentence))):
        return True  # "yesterday you made eight of eczema on the foot", "I have a lot of light-skin images already"
    if not asked and any(i.said in words("holdings") and said_at(sentence, k + 1) in ("has", "have", "contains", "holds", "includes", "leans", "favours", "favors", "skews", "consists", "is", "are") for k, i in enumerate(sentence)):
        return True  # "our dataset has 900 fair images and hardly any dark ones"
    strange = sum(i.label in _STRANGE and i.text[:1].isalpha() and len(i.text) > 1 for i in sentence)
    asks = any(i.label == "request" and not _of_somebody(sentence, k) for k, i in enumerate(sentence))
    said = {i.said for i in sentence}
    asks = asks or "missing" in said or ("what" in said and bool(said & {"don't", "not", "lack", "need"}) and any(i.label == "rash" or i.said == "one" for i in sentence))  # "What I don't have is one on a black chest"
    people, lacking = any(i.label == "people" for i in sentence), any(i.said.startswith("lack") for i in sentence)
    elsewhere = any(i.said in words("elsewhere") for i in sentence)
    only = any(i.said in ("only", "mostly", "mainly", "always", "never", "just") for i in sentence)
    strange += 2 * people + only + 2 * (lacking or elsewhere)
    changes = any((i.label == "modify" and i.id in ("change", "again", "instead") and not _is_done_by_somebody(sentence, k)) or i.label in ("target", "darker", "worse", "copy", "correction", "times", "seed") or (i.label == "add" and i.id != "also") or (i.said in ("please", "pls")) or (i.said in ("too", "as well") and strange < 4) for k, i in enumerate(sentence))
    counts = any(i.label == "count" and i.id != "noun" and i.said not in ("half", "plenty of", "a lot of", "lots of", "some", "many", "several") and label_at(sentence, next_index(sentence, k, ("adverb", "descriptor"))) != "word" for k, i in enumerate(sentence)) and any(i.label in ("rash", "image") for i in sentence)
    told = {word for i in sentence for word in i.said.split()}
    return strange > 1 and not (asks or changes or counts) and bool(told & _FINITE or any(i.said.startswith(("i'", "we'", "they'", "it'")) or i.said.endswith(("n't", "'s")) for i in sentence))


#: A sentence with one of these has a verb or a subject: it is no list of what is wanted.
_FINITE = words("telling") | {
    "i", "im", "we", "they", "he", "she", "it", "you", "who", "everybody", "everyone", "nobody", "somebody", "someone", "do", "does", "did", "get", "gets", "got", "can", "could", "will", "would", "might",
    "use", "uses", "used", "show", "say", "says", "describe", "describes", "expect", "expects", "call", "calls", "ask", "asks", "wants", "tell", "tells", "love", "loves", "hate", "hates", "believe", "confuse", "mix", "keep", "keeps",
    "make", "makes", "made", "run", "write", "wrote", "read", "start", "starts", "study", "comes", "know", "knows", "think", "thought", "learn", "learns", "works", "work", "goes", "shows", "takes", "sees", "teach", "taught", "always", "usually", "never", "mostly", "often",
}  # fmt: skip


def _is_done_by_somebody(sentence: list[Item], k: int) -> bool:
    """ "we keep failing", "I put it into the leaflet": no change that is asked for."""
    return sentence[k].said.split()[0] in ("use", "try", "keep", "make", "made", "put", "into") and _is_somebodys(sentence, k)


def _is_somebodys(sentence: list[Item], k: int) -> bool:
    """ "we use", "I can't use", "the ones they made": what somebody does, told and not asked for."""
    before = said_at(sentence, k - 1)
    return label_at(sentence, k - 1) in ("person", "people") or before in ("we", "they", "he", "she", "i", "students", "not", "who", "that", "people") or before.endswith(("n't", "'t")) or label_at(sentence, k - 1) == "negate"


def _of_somebody(sentence: list[Item], k: int) -> bool:
    """ "students get hands and feet mixed up", "I have fair", "we see": what somebody has or does, and no request."""
    item, before = sentence[k], said_at(sentence, k - 1)
    if (label_at(sentence, k - 1) == "negate" and before in ("not", "n't", "don't", "never")) or before.endswith("n't") or (before == "would" and said_at(sentence, k - 2) not in ("i", "we", "")):
        return True  # "I'm not looking for anything on the foot", "our unit would need this badly"
    if item.said.split()[-1] in ("want", "like", "need", "love") and said_at(sentence, k + 1) == "to" and (label_at(sentence, k + 2) == "word" or said_at(sentence, k + 2) in ("be", "know")):
        return True  # "I want to learn how the borders run"
    if said_at(sentence, k + 1) in ("only", "mostly", "mainly", "nothing") and item.said in ("show", "shows", "have", "see", "use"):
        return True  # "textbooks show only white skin"
    if item.said in ("shown", "given", "asked", "sent", "made", "drawn", "gave", "used"):
        return True
    last = item.said.split()[-1]
    if last in ("get", "gets", "see", "have", "has", "use", "show", "shows", "draw", "draws", "make", "makes", "find", "like", "do", "does", "use", "present", "paint", "sketch", "illustrate"):
        others = {"i", "we", *words("telling"), *words("in_room"), *words("elsewhere"), "they", "he", "she", "who", "that", "to", "only", "mostly", "mainly", "always", "usually", "normally", "often", "never", "ever", "can", "t", "not", "don't", "can't"}
        return item.said in ("have", "i have", "we have", "has") or before in others or (k > 0 and (sentence[k - 1].label in ("word", "people", "unit", "negate") or sentence[k - 1].id == "noun"))
    return False


def _place_comes(items: list[Item], start: int) -> bool:
    """Whether something is asked for from ``start`` on that has a condition and a site of its own."""
    asked = next((j for j in range(start, len(items)) if items[j].label == "request"), None)
    return asked is not None and {"rash", "area"} <= {i.label for i in items[asked:]}


def _drop_what_others_asked_for(items: list[Item], k: int) -> None:
    """ "Our reviewers asked for more examples on dark skin: please …": the request that follows says what is wanted."""
    end = next((j for j in range(k, len(items)) if items[j].label == "conj" and items[j].id == "stop"), None)
    if end is None or any(i.label == "rash" for i in items[:end]) or not any(i.label == "rash" for i in items[end:]):
        return
    anew = {i.label for i in items[end:] if i.is_value and not i.negated}
    for item in items[k:end]:
        if item.label in anew or item.label in ("count", "add", "image", "request"):
            item.drop()


def _names_a_group(items: list[Item], k: int) -> bool:
    """ "we run a vitiligo support group and want pictures of hands with vitiligo": the first one says who they are."""
    after = items[k + 1] if k + 1 < len(items) else None
    of_someone = k > 0 and items[k - 1].said in ("a", "an", "our", "my", "the")
    noun = after is not None and (after.label == "unit" or (after.label == "word" and after.text.isalpha() and is_english(after.said)))
    return of_someone and noun and any(i.label == "rash" and i.id == items[k].id for i in items[k + 2 :])


def _names_a_topic(items: list[Item], k: int) -> bool:
    """ "a lecture on fungal infections, can you give me ringworm on the arm": what it is about, and then what is asked for."""
    colon = k + 1 < len(items) and items[k + 1].said == ":"
    if colon and not any(i.is_value or i.label == "count" for i in items[:k]) and any(i.label == "request" for i in items[k:]):
        return any(i.label == "rash" and i.id == items[k].id for i in items[k + 2 :])  # "to revise acne: could I have mild acne …"
    lecture = items[max(0, k - 4) : k]
    if not any(i.said in words("lectures") for i in lecture) or not any(i.said in ("on", "about", "of") for i in lecture):
        return False
    asked = next((j for j in range(k + 1, len(items)) if items[j].label in ("request", "image", "count")), None)
    return asked is not None and any(i.label == "rash" for i in items[asked:])


def _as_reason(items: list[Item], k: int) -> bool:
    """ ", as the textbooks only show …": somebody does something."""
    if items[k].said != "as":
        return False
    told = any(words("telling") & set(i.said.split()) or i.label == "request" for i in items[k + 1 : k + 6])
    return k > 0 and items[k - 1].text == "," and any(i.said in ("the", "my", "our", "most", "all") for i in items[k + 1 : k + 2]) and told


def _drop_if_told_elsewhere(items: list[Item], start: int, end: int) -> None:
    """Where a rash inside the scope has a rash outside of it, the inside is only there to explain."""
    inside, outside = items[start:end], [*items[:start], *items[end:]]
    if not (any(i.label == "rash" for i in inside) and any(i.label == "rash" for i in outside)):
        if items[start].said in words("reason") | {"as"}:  # "black skin, as the textbooks only show white children"
            _drop_tone_told_elsewhere(items, start, end)
        return
    for item in inside:
        if item.is_value or item.label in ("count", "each", "modify", "tone_with_skin"):
            item.drop()


def _drop_values_told_elsewhere(items: list[Item], end: int) -> None:
    """ "since they only ever see it on white feet, athlete's foot between the toes in all six tones": before ``end`` is the reason."""
    outside = {i.label for i in items[end:] if not i.negated}
    if "rash" in outside and not any(i.label in ("rash", "count") or (i.label == "request" and not _of_somebody(items, k)) for k, i in enumerate(items[:end])):
        for item in items[:end]:
            if item.label in ("area", "tone") and item.label in outside:
                item.drop()


def _drop_tone_told_elsewhere(items: list[Item], start: int, end: int) -> None:
    if any(i.label in ("tone", "darker") for i in (*items[:start], *items[end:])):
        for item in items[start:end]:
            if item.label == "tone":
                item.drop()


def _end(items: list[Item], start: int) -> int:
    """Where a scope ends: at the end of the sentence, at a comma after its rash, or where something is asked for."""
    for j in range(start + 1, len(items)):
        item = items[j]
        stops = (item.label == "request" and not _of_somebody(items, j)) or (item.label == "conj" and item.id == "stop")
        if stops or (item.text == "," and any(i.label == "rash" for i in items[start:j])):
            return j
    return len(items)


def _sentences(items: list[Item]) -> list[tuple[slice, slice]]:
    """Every sentence with the next one; "…, so give me …" begins one too."""
    starts = [0, *(k + 1 for k, i in enumerate(items) if (i.label == "conj" and i.id == "stop" and i.said != ":") or i.said == "so" or (i.text == "," and _asks_next(items, k)))]
    bounds = [*starts, len(items)]
    parts = [slice(a, b) for a, b in itertools.pairwise(bounds) if b > a]
    return list(itertools.pairwise(parts))


def _asks_next(items: list[Item], k: int) -> bool:
    """Whether a request begins after the comma at ``k`` (", please make …")."""
    j = k + 1
    while j < len(items) and items[j].said in ("please", "pls", "kindly", "can", "could", "you", "and", "then", "but", "i", "we", "do", "still", "now", "also", "just"):
        j += 1
    return j < len(items) and (items[j].label == "request" or (items[j].said in ("need", "want") and items[j - 1].said in ("i", "we", "do", "still")))


def _leads_to(items: list[Item], before: slice, after: slice) -> bool:
    """ "I always put melasma next to vitiligo, so please draw …", "I have enough mild ones, so only …": the reason of a request in full."""
    if items[after.start - 1].said != "so" or items[before.start - 1].said == "so":
        return False
    asks = any(i.label == "request" and said_at(items, k - 1) not in ("not", "n't", "don't", "never", "always", "usually", "often", "are", "is", "were", "was") and not (i.said in ("have", "see", "want") and said_at(items, k - 1) != "to") for k, i in enumerate(items[before], before.start))
    return not asks and not any(i.label in ("count", "add") and i.id != "noun" and i.said != "another" for i in items[before])


def _looks_back(sentence: list[Item]) -> bool:
    """ "Our psoriasis slides were great", "we had a lot of feedback on the eczema pictures": how it went, of one's own."""
    asks = any(i.label in ("request", "target", "darker", "worse") or (i.label == "modify" and i.id != "pronoun") for i in sentence)
    told = any(i.said in words("looks_back") for i in sentence)
    past = any(i.said in ("was", "were", "had", "went", "got", "have had", "loved", "liked", "enjoyed", "used", "gave", "covered", "did") for i in sentence)
    return not asks and told and past and any(i.label == "rash" for i in sentence)


def _is_approved(sentence: list[Item]) -> bool:
    """ "The wrist ones are fine": of what was shown, it says that it may stay."""
    ends = [i for i in sentence if not (i.label == "conj" and i.id == "stop")][-1:]
    return bool(ends) and ends[0].label == "social" and ends[0].id in ("praise", "yes") and any(i.said in ("is", "are", "looks", "look") for i in sentence)


def _is_asked(sentence: list[Item]) -> bool:
    asks = any(i.label == "request" or (i.label == "modify" and i.id == "change") or i.said in ("missing", "lacking") for i in sentence)
    asks = asks or (any(i.label == "rash" for i in sentence) and any(i.said in ("please", "pls") or i.label in ("count", "number") for i in sentence))
    return asks and not any(i.label == "add" or (i.label == "modify" and i.id in ("same", "now")) for i in sentence)


def _drop_what_is_said_anew(told: list[Item], asked: list[Item]) -> None:
    anew = {i.label for i in asked if (i.is_value or i.label == "count") and not i.negated}
    for item in told:
        if (item.label in anew and (item.is_value or item.label == "count")) or item.id == "noun" or (item.label in ("add", "compare") and "count" in anew) or ("tone" in anew and item.label in ("each", "scale")):
            item.drop()
