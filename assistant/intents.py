"""What a sentence is for: a request, a question, undo, …"""

from __future__ import annotations

import re
from itertools import pairwise

from assistant import modes
from assistant.items import Item, id_at, label_at, next_index, prev_index, said_at, sentence_end
from assistant.sentence import Sentence
from assistant.typos import is_english
from assistant.vocabulary import words

#: Labels that say nothing about what is wanted; a sentence made of them only is no request.
_EMPTY = frozenset({"adverb", "conj", "idiom", "side", "time", "figure", "unit", "interjection"})
#: Labels that make a sentence one about images.
_TELLING = frozenset({"image", "add", "compare", "darker", "worse", "clear", "count", "times", "generic_rash", "modify", "slot_noun", "skin", "people", "lesion"})
#: What is left of a request to change something that does not say into what ("change the tone").
_VAGUE = frozenset({"modify", "slot_noun", "skin", "social", "add", "scale"})
_COMMANDS = frozenset({"undo", "redo", "reset", "help"})
#: Topics of questions, the most telling first.
_TOPICS = ("tuning", "resembles", "size", "seeds", "model", "limit", "use", "save", "vocabulary", "name", "drawn", "choice", "difference", "contagion", "feeling", "cause", "site", "person_have", "definition", "appearance")
#: Of several, what is answered: "ok thanks, bye" is a farewell, no consent.
_SOCIAL = ("no", "bye", "thanks", "sorry", "praise", "greeting", "yes")
#: "how were the images made", "how did you draw this?"
_HOW_MADE = re.compile(r"how (?:were|are|was|is|did you|do you|have you|does it|does this) (?:[a-z]+ ){0,3}(?:made|make|generated|generate|created|create|drawn|draw|produced|produce|rendered|synthesi[sz]ed)(?: (?:the|these|those|this|them|it|such|images?|pictures?|photos?|pics))*\W*$")
#: "list what conditions you can draw", "tell me which skin tones you have"
_WHAT_IS_OFFERED = re.compile(r"(?:can you |could you )?(?:list|tell me|show me|name|give me|let me know) (?:what|which|all the|all|the|every|a list of|all of the) (?:[a-z]+ )?(?:conditions?|rash(?:es)?|diseases?|tones?|types?|sites?|areas?|parts?|colou?rs?|places?|diagnos[ei]s)(?: of the body| of skin)? (?:(?:that )?(?:you|u|it|this)|are|is) (?:can|could|have|know|support|offer|cover|are|were|draw|do|available|supported|possible)\b")
#: "how would one tell this apart from rosacea?", "how can I distinguish it from tinea"
_HOW_TOLD_APART = re.compile(r"how (?:can|could|would|should|do|does|to|might) (?:(?:you|one|i|we|they|students|somebody|someone|a doctor|a gp|a student) )?(?:best )?(?:tell|distinguish|differentiate|separate|discriminate|discern)\b")
_SEVERAL = re.compile(r"^(?:now |then |ok )?(?:both|all (?:two|three|four|five|six))\b.*\b(?:together|in one go|at the same time|at once|side by side)\b")
#: Questions about the chat itself → topic.
_HOW_TO_USE = (
    (re.compile(r"^(?:so |and )?(?:is|are|am|would) (?:it|they|these|those|this|the (?:images|pictures)|i|we) (?:be )?(?:free|ok|okay|legal|allowed|fine|permitted|all right|alright)(?: for (?:me|us|everyone))? to (?:use|publish|print|share|show|sell|post|include)\b"), "use"),
    (re.compile(r"^(?:and |so )?how (?:was|were|is|are|did) (?:the |this |that |your |it |they |you )?(?:model|network|ai|generator|weights)? ?(?:get )?trained?\b"), "model"),
    (re.compile(r"^(?:so |and |ok )?what (?:else )?(?:can|could|may) (?:i|we|you|one) (?:still )?(?:change|vary|alter|adjust|modify|edit|set|choose|control|specify)\W*$"), "help"),
    (re.compile(r"^(?:and |so |but )?(?:can|does|do|could) (?:it|this|they|that|these) (?:also |ever )?(?:occur|happen|develop|affect)\b"), "person_have"),
    (re.compile(r"^(?:and |so |but )?(?:can|does|do|could) (?:it|this|they|that|these) .*\bin (?:men|women|children|kids|babies|adults|teenagers|infants|both sexes|(?:old|older|young|younger) people)\b"), "person_have"),
    (re.compile(r"^(?:please )?(?:explain|tell|show|teach|how|i).{0,40}\bhow (?:(?:should|do|can|could|would|must|to) )?(?:i |we |one |you )?(?:should |must |can )?(?:phrase|word|formulate|write|ask|type|put)\b"), "help"),
    (re.compile(r"^how (?:should|do|can|could|would|must) (?:i|we|one) (?:phrase|word|formulate|write|ask|type|put)\b"), "help"),
    (re.compile(r"^(?:is|are) (?:it|they|this|that|these|those) (?:always |usually |also |ever )?(?:caused|triggered|inherited|genetic|hereditary|due to)\b"), "cause"),
    (re.compile(r"^(?:and |so |ok )?which (?:ones? )?(?:do|have|can) you (?:have|got|know|offer|do|draw)\W*$"), "vocabulary"),
    (re.compile(r"\b(?:know|see|tell me|learn|ask) (?:what|which) (?:skin )?(?:conditions?|rash(?:es)?|diseases?|tones?|sites?|areas?) (?:are|is) (?:in|on|part of|covered|available|supported|included)\b"), "vocabulary"),
    (re.compile(r"^(?:(?:do|does|can|will|could|would) |(?:are|is) (?=(?:\w+ ){1,2}able ))(?:you|it|this|(?:the|this) (?:chat|program|app|tool|thing|software)|this)(?: also| still)?(?: able to)? (?:work|run|function|be used)\b.*(?:offline|internet|network|wi ?fi|phone|tablet|laptop|browser|gpu|graphics card|windows|mac)"), "help"),
    (re.compile(r"\bwhat (?:do|have) you (?:have|got|offer)\W*$"), "vocabulary"),
    (re.compile(r"^why (?:is|are|was) (?:that|this|it)(?: so)?\W*$"), "cause"),
    (re.compile(r"^what ?(?:'s|has|have|does) .*\bto do with\b"), "cause"),
    (re.compile(r"^(?:so |and )?(?:can|could|may) (?:i|we) (?:just |also )?(?:put|use|include|show|insert|place) (?:these|those|them|this|it) (?:in|into|on|for|to|with) (?:my|our|a|the|some) (?:\w+ )?(?:slides?|lectures?|presentations?|papers?|books?|leaflets?|posters?|website|thesis|handouts?|course|teaching|talk|article|app|students?|class)\b"), "use"),
    (re.compile(r"^(?:are|is|am|can) (?:these|those|they|this|it|i|we)\b.*\b(?:to|for) (?:print|publish|share|copy|post|hand out|reuse|distribute)\b"), "use"),
    (re.compile(r"^(?:who is|who 's|who's) (?:the |this |that )?(?:\w+ )?(?:boy|girl|man|woman|patient|person|child|model|guy|lady)\b"), "model"),
    (re.compile(r"^what (?:are|is|were) (?:the|my|your|our) (?:choices|options|possibilities|choice)\W*$"), "vocabulary"),
    (re.compile(r"^how (?:many (?:days|weeks|months|hours|years)|long) (?!(?:will|does|would|do) (?:you|it take|this take))"), "cause"),
    (re.compile(r"^(?:and |so )?what (?:\w+ )?causes? (?:that|this|it|them|these|those)\b"), "cause"),
    (re.compile(r"^(?:what|which|where|any)\W(?:'s |is |are |\w+ ){0,4}(?:difference|differences)\b"), "difference"),
    (re.compile(r"\bhow (?:many|much) (?:[a-z]+ )?(?:you|u|it|i|we) (?:can|could|may)\b"), "limit"),
    (re.compile(r"\b(?:work|speak|understand|know|read|available)\b.*\b(?:french|german|spanish|italian|portuguese|other languages?|another language|hindi|arabic|chinese)\b"), "help"),
    (re.compile(r"\bhow (?:many|much) (?:[a-z]+ )?(?:can|could|do|does|will|may) (?:you|u|it|i|we|this)\b.*(?:at once|at a time|at one go|in one go|per turn|a turn|maximum|at most|per request)"), "limit"),
    (re.compile(r"\b(?:know|see|tell me|learn|ask) (?:what|which) (?:skin )?(?:conditions?|rash(?:es)?|diseases?|tones?|sites?|areas?) (?:you|u|it|this)\b.*(?:able|can|could|know|support|draw|offer)"), "vocabulary"),
    (re.compile(r"^(?:which|what) (?:skin types?|fitzpatrick|types?|monk).*(?:correspond|mean|stand for|map|\b(?:is|are|would be) )"), "vocabulary"),
)
_AUXILIARIES = frozenset({"can", "will", "do", "does", "did", "is", "are"})


def intent(s: Sentence) -> tuple[str, str | None]:
    """(intent, topic) of a sentence; see :class:`assistant.schema.ParsedTurn`. The first that fits, in this order."""
    if not any(re.search(r"\w", i.text) for i in s.items):
        return "empty", None
    if _asks_whether_real(s):
        return ("question", "model") if any("train" in i.said for i in s.items) else ("help", None)
    if (asked := _asked_at_once(s)) is not None:
        return asked
    if any(i.label == "help" and "trained on" in i.said for i in s.items) and not s.named:
        return "question", "model"  # "what data were you trained on?"
    if not s.named and len(several := _about_images(s)) > 1:
        return "question", "|".join(several)  # "what image size do you produce and which model is it?"
    if [i.said.split()[0] for i in s.items if i.label not in (*_EMPTY, "social")] == ["put"] and s.items[-1].said.endswith(("back", ".", "!", "please")) and any(i.said.endswith(" back") for i in s.items):
        return "undo", None  # "put it back"
    if not s.asks and (simple := _command(s.items)):
        return simple, None
    if any(i.label == "reset" and i.said != "clear" for i in s.items) and not s.named:
        return "reset", None
    if _which_it_was(s):
        return "question", "drawn"
    if s.opening in ("does", "do", "can") and _of_scars(s):
        return "question", "cause"  # "does it leave scars?": of the condition
    if _opens_with_is(s) and s.has("modify", "pronoun") and not s.named and not s.asks and any(i.said in ("from", "due to", "caused by") for i in s.items):
        return "question", "cause"  # "is it from an allergy?"
    if not s.named:
        asked = s.plainly
        if _WHAT_IS_OFFERED.match(asked):
            return "question", "vocabulary"
        if _HOW_MADE.match(asked):
            return "question", "model"
    if not s.named and not s.asks and any(i.label == "question" and i.id == "tuning" for i in s.items):
        return "question", "tuning"  # "can I use my own photos to fine-tune the model?"
    if (own := _of_oneself(s) or _what_comes(s) or ("identify" if _is_it_bad(s) else None)) is not None:
        return "diagnosis", own
    if not s.asks and s.items[-1].said == "?" and len(s.items) > 4 and s.items[-2].said in ("right", "correct", "yes", "no") and any(i.said in ("is", "are", "was", "were") for i in s.items) and not s.labels & {"count", "add"} and not s.has("modify", "change", "same", "again", "now"):
        return "question", "appearance"  # "the crusty yellow ones are the impetigo, right?"
    if not s.asks and s.items[-1].said == "?" and any(i.said.endswith((" true", " right", " correct")) and i.id == "appearance" for i in s.of("question")):
        return "question", "appearance"  # "I read that acne can leave dark marks, is that true?"
    if _opens_with_is(s) and not s.labels & {"image", "count"} and any(i.said in words("hard_or_easy") and said_at(s.items, k + 1) == "to" for k, i in enumerate(s.items)):
        return "question", "appearance"  # "is it harder to see on dark skin?"
    ill = diagnosis(s)
    if (any(i.label == "person" and not _is_told_of(s.items, k) for k, i in enumerate(s.items)) or named_person(s.items)) and (s.asks or (s.valued and ill is None)):
        return "person", None
    if _other_subject(s):
        return "off_topic", None
    if ill is not None:
        return "diagnosis", ill
    if (topic := question(s)) is not None:
        return "question", topic
    if not s.named and (simple := _command([i for i in s.items if not i.is_value])):
        return simple, None
    if not ("rash" in s.labels and (s.asks or s.labels & {"count", "area", "tone"})) and not (s.named and "count" in s.labels) and any(i.label == "help" and ("train" in i.said or i.said.endswith(("real", "genuine", "patients", "people"))) for i in s.items):
        return "help", None  # "how many images in your training set are on black skin?"
    if s.opening.startswith("how do i") and s.has("help") and not s.named and s.items[-1].said == "?":
        return "help", None  # "how do I ask for a different skin tone?"
    if (asked := _only_asked(s)) is not None:
        return asked
    if _is_about_images(s):
        return ("off_topic", None) if _asks_for_something_else(s) else ("request", _asked_before(s) or _how_it_looks(s))
    if "help" in s.labels and not (s.asks and len(s.of("word")) > 1):
        return "help", None
    if person_words(s):
        return "request", None
    return _small_talk(s)


#: What is asked at the end of what somebody has seen on their own skin or a child's: "Is it cancer?", "Can you tell me what he's got?"
_WHAT_IS_IT = re.compile(r"(?:\b(?:is|could|can|might|would) (?:it|this|that|they|these) (?:be |also |maybe )?(?:an? |the |some )?(?:skin )?(?:cancer|cancerous|melanoma|malignant|benign|dangerous|serious|normal|bad|harmful|infected|something|anything|harmless)\b|\b(?:tell|know|say|guess|diagnose)\b.* (?:what|if|whether) .*|\byou think (?:it|this|that|they)\b|\bwhat (?:could|might|can) (?:it|this|that|they) be\b|\bwhat (?:is|'s|are) (?:it|this|that|they|wrong)\b|\b(?:worried|worry|concerned|see a doctor|go to (?:a|the) doctor)\b)")
#: "a mole on my shoulder that has got darker. Should I have it removed?"
_SHOULD_I = re.compile(r"(?:^|[.!?] |\b(?:summer|now|so|today) )should i (?:have|get|be|do|treat|remove|cut|leave|wait|take|put|use (?:a |an |the )?(?:cream|steroid|ointment))\b")
#: "is this what people call athlete's foot?"
_CALLED = re.compile(r"(?:(?:so )?what (?:do|would|does|is) .*\bcall(?:ed)?(?: it| this| that| them)?\W*$)|(?:is|are) (?:this|that|it|these|they) (?:also )?(?:what|the thing|the one) .*\bcall")
#: "she wants to know which steroid she should use"
_WHICH_CREAM = re.compile(r"\b(?:which|what) (?:\w+ ){0,2}(?:steroid|cream|ointment|drug|medicine|medication|tablet|antibiotic|antifungal|treatment|dose|dosage|lotion|shampoo)s?\b.* (?:should|to|can|could|must|would)\b")
#: "why is vitiligo more noticeable on dark skin, could you explain it in a few words"
_EXPLAIN = re.compile(r"\b(?:could|can|would|will) (?:you|u|someone|anyone) (?:please |briefly |maybe |kindly )?(?:explain|clarify)\b")
#: "which areas of the body does psoriasis usually affect?"
_WHICH_SITES = re.compile(r"^(?:and |so )?(?:which|what) (?:body )?(?:areas?|parts?|sites?|places?|regions?)(?: of the (?:body|skin))? (?:does|do|is|are|can|will) ")
#: "tell me briefly how lichen planus looks on brown skin"
_TELL_ME_HOW = re.compile(r"^(?:please )?(?:tell (?:me|us)|explain|describe)\b.* how .*\b(?:looks?|appears?|presents?|differs?)\b")
#: "can you tell me what acne is in simple words"
_TELL_ME_WHAT = re.compile(r"^(?:wait |so )?(?:can|could|would|will) (?:you|u) (?:please )?(?:tell|explain|describe|say)(?: to)?(?: me| us)? what (?:\w+ ){1,3}(?:is|are|means?)\b")
#: "ringworm isn't a worm, is it?"
_IS_IT_NOT = re.compile(r"\b(?:isn't|is not|aren't|are not|doesn't|does not|don't|can't|is|are|does|can) .*\b(?:is|are|does|do|can|isn't|aren't|doesn't|don't) (?:it|they)$")
#: "could you tell me why healthcare workers get eczema so often?"
_TELL_ME_WHY = re.compile(r"(?:can|could|would|will) (?:you|u) (?:please )?(?:tell|explain|describe|say)(?: to)?(?: me| us)? (?:why|how)\b")


def _asked_at_once(s: Sentence) -> tuple[str, str | None] | None:
    """Questions that are told by their words alone, whatever else is said."""
    if any(i.said == "should" for i in s.items) and not s.asks and _SHOULD_I.search(" ".join(i.said for i in s.items)):
        return "diagnosis", "treatment"
    if s.opening in ("is", "are", "could", "can") and not s.asks and not s.labels & {"count", "image"} and _on_own_skin(s) and any(i.said in words("bad_end") for i in s.items):
        return "diagnosis", "identify"  # "is the dark mole on my shoulder cancer?"
    if not any(i.label == "request" and i.said not in ("get", "have", "see") and not (i.said in ("we need", "i need") and said_at(s.items, k + 1) == "to") for k, i in enumerate(s.items)) and not s.labels & {"count", "image"} and _on_own_skin(s) and _WHAT_IS_IT.search(_last_sentence(s)):
        return "diagnosis", "identify"
    of_images = s.opening in ("is", "are") and "rash" not in s.labels and s.items[-1].said == "?" and not s.labels & {"count", "image", "person", "diagnosis"}
    if (s.opening in ("is that", "is this") or of_images) and not s.asks and (trait := next((i.said for i in s.items if i.said in words("traits")), None)):
        return "question", "contagion" if trait in ("contagious", "infectious") else "feeling" if trait in ("itchy", "painful", "sore", "itch", "hurt") else "cause"
    if s.opening == "is" and s.items[-1].said == "?" and s.has("question", "cause") and not s.asks and not s.valued:
        return "question", "cause"  # "is nickel a common cause?"
    if not s.asks and not s.labels & {"count", "image"} and sum(i.label == "rash" for i in s.items) > 1 and re.search(r"\bdifferences?(?: \?)*$", s.plainly):
        return "question", "difference"  # "ringworm vs eczema - difference?"
    if s.items[-1].said == "?" and not s.asks and not s.labels & {"count", "image"} and "rash" in s.labels and _IS_IT_NOT.search(s.plainly):
        return "question", "appearance"
    first = s.plainly.removeprefix("so ").removeprefix("wait ").split(" ")[0]
    if first in {*words("asking"), *words("auxiliary"), "should", "would", "could"}:
        if _asks_for_a_remedy(s):
            return "diagnosis", "treatment"
        if _CALLED.match(s.plainly):
            return "question", "name"
        if not s.labels & {"count", "image"} and _TELL_ME_WHAT.search(s.plainly):
            return "question", "definition"
        if not s.labels & {"count", "image"} and _TELL_ME_WHY.match(s.plainly):
            return "question", "cause" if " why " in s.plainly else "appearance"
    if not (s.asks or s.labels & {"count", "image"}):
        if _WHICH_CREAM.search(s.plainly) or (s.items[-1].said == "?" and any(i.said in ("mg", "mcg", "milligrams", "dosage") for i in s.items)):
            return "diagnosis", "treatment"
        if "rash" in s.labels and _WHICH_SITES.search(s.plainly):
            return "question", "site"
        if "rash" in s.labels and _TELL_ME_HOW.search(s.plainly):
            return "question", "appearance"
        if "rash" in s.labels and _EXPLAIN.search(s.plainly):
            return "question", "appearance"
    if "rash" not in s.labels:
        said = [s.plainly, *([_last_sentence(s)] if _sentence_ends(s) else [])]
        if told := next((topic for text in said for pattern, topic in _HOW_TO_USE if pattern.search(text)), None):
            return ("help", None) if told == "help" else ("question", told)
    return None


def _on_own_skin(s: Sentence) -> bool:
    """ "on my shoulder", "on his arms": a site of somebody who is there."""
    return any(i.said in ("my", "his", "her", "our") and label_at(s.items, next_index(s.items, k)) == "area" for k, i in enumerate(s.items))


def _sentence_ends(s: Sentence) -> list[int]:
    """Where sentences end before the last one does."""
    return [k for k, i in enumerate(s.items[:-1]) if i.label == "conj" and i.id == "stop"]


def _last_sentence(s: Sentence) -> str:
    ends = _sentence_ends(s)
    return " ".join(i.said for i in s.items[ends[-1] + 1 if ends else 0 :])


def _only_asked(s: Sentence) -> tuple[str, str | None] | None:
    """ "does rosacea get worse with sun", "which one would you biopsy?": a question that no word of drawing turns into a request."""
    said = s.plain_phrases
    opening = s.opening.split(" ")[0]
    if opening == "how" and any(i.said in ("differ", "compare", "different") for i in s.items) and any(i.said in ("two", "both", "they", "these", "those", "them") for i in s.items) and not s.valued:
        return "question", "difference"  # "how do the two differ?"
    differs = opening == "how" and any(i.said in words("differs") for i in s.items) and all(i.said.startswith("present") for i in s.of("request"))
    gets = opening in ("does", "do", "did") and (s.asks or s.has("modify", "change")) and all(i.said in ("get", "gets", "have", "make", "makes") for i in (*s.of("request"), *(i for i in s.of("modify") if i.id == "change")))
    if opening == "which" and s.items[-1].said == "?" and not s.valued and any(i.said in words("judged") for i in s.items):
        return "diagnosis", "identify"  # "which one would you biopsy?"
    if (s.asks and not (gets or differs)) or s.labels & {"image", "count", "add", "clear", "seed", *(() if differs else ("compare",))} or s.has("modify", "change", "same", "again"):
        return None
    conditions = any(i.label == "generic_rash" or (i.label == "slot_noun" and i.id == "rash") for i in s.items[1:5])
    if opening in ("which", "what") and conditions and "area" in s.labels and "rash" not in s.labels and s.items[-1].said == "?":
        return "question", "site"  # "which of your conditions can appear on the scalp?"
    if opening in ("which", "what") and conditions and "tone" in s.labels and not s.labels & {"rash", "count", "image"} and s.items[-1].said == "?" and not s.asks:
        return "question", "appearance"  # "which of your conditions look different on dark skin?"
    if (opening in ("do", "does", "did", "will", "can") and said[1:2] in (["they"], ["it"], ["these"], ["those"])) or s.opening in ("do they", "does it", "will it", "will they"):
        changes = s.labels & {"darker", "worse", "size", "number", "count", "image", "target", "area", "tone", "rash", "severity"} or s.has("modify", "change", "same", "again", "now")
        if s.items[-1].said == "?" and not s.asks and not changes and s.strange:
            return "question", "cause"  # "do they go away by themselves?"
    about = bool(s.labels & {"rash", "generic_rash", "lesion"}) or any(i.said in words("sign") for i in s.items) or s.has("modify", "pronoun")
    if not about or " ".join(said[:2]).startswith(("how about", "what about", "what if")):
        return None
    subject = len(s.items) > 1 and (s.items[1].label in ("rash", "generic_rash", "lesion", "severity") or said[1:2] in (["it"], ["they"], ["people"]) or (opening != "do" and said[1:2] == ["the"]))
    if differs or (opening in ("does", "did", "was", "were", "why", "who", "when") and s.items[-1].said != "."):
        return "question", "appearance"
    if opening in ("is", "are", "do") and subject and (gets or s.has("worse", "1", "-1")) and s.labels & {"worse", "size", "request"}:
        return "question", "appearance"
    if opening == "which" and s.items[-1].said == "?" and not s.valued and not s.asks:
        return "question", "site" if any(i.label == "slot_noun" and i.id == "area" for i in s.items) else "appearance"  # "which of these would be the most typical site?"
    if opening in words("asking") and s.items[-1].said == "?" and not s.valued and not s.asks:
        return "question", "appearance"  # "what makes it hard to spot there?"
    changes = opening == "what" and len(said) > 1 and said[1] in words("differs")
    return ("question", "difference" if s.has("modify", "pronoun") else "appearance") if changes else None


def _asks_whether_real(s: Sentence) -> bool:
    """ "is this a real patient?", "which of these is real?"; not "show a real case"."""
    about = any(w in words("reality") for i in s.items for w in (i.said, i.said.split()[-1])) or any(i.label == "help" and "real" in i.said.split() for i in s.items)
    if "rash" in s.labels and s.labels & {"count", "area", "tone"}:
        return False  # "are you able to do 20 synthetic photos of chickenpox?"
    return about and not s.asks and s.opening.split(" ")[0] in ("is", "are", "was", "were", "which", "do", "does")


def person_words(s: Sentence) -> list[str]:
    """What is said of a person alone ("on a baby", "female patient", "make it look older"): a request that cannot be met."""
    who = [i for i in s.items if i.label == "people" or (i.label == "descriptor" and i.id == "person")]
    rest = {i.label for i in s.items if i not in who} - _EMPTY - {"request", "modify", "negate", "image", "count", "number", "area", "tone", "rash"}
    return [i.text for i in who] if who and not rest and not s.named else []


def _other_subject(s: Sentence) -> bool:
    """ "draw a cat", "write me a poem about psoriasis"; "eczema for my essay" asks for a picture."""
    if "rash" not in s.labels and any(i.said in words("indecent") for i in s.items):
        return True
    if "rash" not in s.labels and s.has("other_subject", "scan"):
        return True  # "a chest X-ray"
    if any(((i.label == "other_subject" and i.id == "medium") or i.said in words("moving")) and _is_object(s.items, k) for k, i in enumerate(s.items)):
        return True  # "make a PowerPoint about skin cancer", "an audio recording of a doctor"
    for k, item in enumerate(s.items):
        moving = item.said in words("moving") and not s.named
        if "rash" not in s.labels and (moving or (item.label == "other_subject" and item.id == "medium")) and not _for_something(s.items, k):
            return True
    if not (s.asks or s.valued or any(i.said in words("text_verb") for i in s.items)):
        return False
    opening = next((k for k, i in enumerate(s.items) if i.label not in (*_EMPTY, "social") and i.said not in ("can", "could", "you", "please", "would")), None)
    if opening is not None and s.items[opening].said in words("writing") and not s.labels & {"image", "count", "request"}:
        return not _request_follows(s, opening)  # "write my lecture on psoriasis"
    for k, item in enumerate(s.items):
        if item.id == "animal" and "rash" in s.labels and any(i.said in ("from", "by") or i.id == "contagion" for i in s.items[max(0, k - 3) : k]):
            continue  # "as if caught from a kitten"
        if item.label == "other_subject" and item.id not in ("medium", "scan") and (item.id != "text" or _is_written(s.items, k)):
            return not _request_follows(s, k)
    return False


def _is_object(items: list[Item], k: int) -> bool:
    """Whether the verb of asking is about the thing at ``k`` ("generate an audio recording of")."""
    j = k - 1
    while j >= 0 and (items[j].said in ("a", "an", "the", "me", "us", "my", "short", "some") or items[j].label in ("descriptor", "word")) and items[j].said not in ("for", "in"):
        j -= 1
    return label_at(items, j) == "request" or (j == 0 and items[0].said == "record")


def _request_follows(s: Sentence, k: int) -> bool:
    """ "Can you make a quiz? Psoriasis on the elbow, black skin": a sentence of its own says what to draw."""
    after = {i.label for i in s.items[sentence_end(s.items, k) :]}
    return "rash" in after and bool(after & {"area", "tone"})


def _is_written(items: list[Item], k: int) -> bool:
    """Whether a text is what is asked for ("write a poem", "a story about acne"), not what the picture is for."""
    before = items[max(0, k - 4) : k]
    if _for_something(items, k) or any(i.said in ("illustrate", "illustrating", "write", "writing", "finish") and said_at(items, items.index(i) - 1) in ("to", "am", "'m", "i'm", "for") for i in before):
        return False
    told = any(said_at(items, j - 1) in ("i", "we") and items[j].said in ("prepare", "make", "create", "produce", "write") for j in range(max(0, k - 4), k))
    return said_at(items, k + 1) == "about" or (not told and any(i.label == "request" or i.said in words("text_verb") for i in before))


def _for_something(items: list[Item], k: int) -> bool:
    """Whether the thing at ``k`` is what the picture is for or from ("for my video", "in a poem")."""
    return any(i.said in ("for", "in", "into", "with", "from", "of") for i in items[max(0, k - 3) : k])


def _command(items: list[Item]) -> str | None:
    """The intent of a sentence that is nothing but a command ("undo", "start over please"); None otherwise."""
    items = [i for i in items if not (i.label == "negate" and i.said in ("no", "nope"))]  # "no, take that back"
    if any(i.label == "undo" for i in items):
        items = [i for i in items if not (i.label in ("darker", "worse") and i.said.startswith("too "))]  # "too dark, go back"
    labels = [i.label for i in items if i.label not in (*_EMPTY, "social", "image") and i.id != "noun"]
    kinds = set(labels) & _COMMANDS
    if len(kinds) == 1 and set(labels) <= kinds | {"modify", "request", "add", "question", "word", "slot_noun"} and labels.count("word") <= 1:
        return kinds.pop()
    return None


def _is_about_images(s: Sentence) -> bool:
    if s.valued or s.labels & {"image", "add", "compare", "darker", "worse", "clear", "count", "times", "seed"} or s.has("modify", "same", "again"):
        return True
    if not s.asks and _SEVERAL.search(s.plainly):
        return True  # "both in one go please", "all three skin colours together"
    if s.has("modify", "pronoun") and not (s.strange and "question" in s.labels):
        return True  # "show them", but not "can you label them?"
    if s.asks and ("generic_rash" in s.labels or (not s.strange and any(i.said in ("that", "this", "those", "these", "them", "it") for i in s.items))):
        return True
    if s.asks and s.has("descriptor", "kind", "surface", "colour", "shape") and not s.strange:
        return True  # "draw something itchy"
    if s.has("descriptor", "picture") and not s.strange:
        return True
    if s.asks and s.has("each", "either") and not s.strange:
        return True  # "give me both"
    return s.has("modify", "change", "instead") and bool(s.labels & {"slot_noun", "skin", "descriptor", "lesion"})


def _asks_for_something_else(s: Sentence) -> bool:
    """ "draw three cars": a number and a verb, but nothing of skin."""
    if any(i.said.split()[0] in ("add", "adding") for i in s.of("add")) and s.of("word") and not (s.named or s.unknown or s.targets or s.labels & {"count", "image", "people", "compare", "generic_rash", "modify"}):
        return True  # "add a ruler and some hair"
    if s.asks and any(i.said in words("of_skin") for i in s.items) and any(i.id == "noun" for i in s.of("count")):
        return False  # "I need pictures for a talk on tropical dermatology"
    skin = s.named or s.unknown or s.targets
    if not skin and len(s.of("word")) > 1 and s.labels & _TELLING == {"count"}:
        return True  # "book me a table for two"
    related = {"add", "compare", "darker", "worse", "clear", "generic_rash", "modify", "image", "slot_noun"}
    return s.asks and s.strange and not skin and not s.labels & related


def _small_talk(s: Sentence) -> tuple[str, str | None]:
    meaningful = [i for i in s.items if i.label not in _EMPTY]
    social = sorted(s.of("social"), key=lambda i: _SOCIAL.index(i.id))
    if s.asks and any(i.said in ("something", "anything") for i in s.items) and any(i.said in words("of_skin") for i in s.items):
        return "request", None  # "show me something for my dermatology class"
    if s.asks and s.strange:
        return "off_topic", "fixed" if any(i.said in words("fixed") for i in s.items) else None
    if social and not s.strange:
        return "social", social[0].id
    if "interjection" in s.labels or [i.said for i in meaningful] in (["no"], ["don't"], ["dont"], ["do not"]):
        return "social", "no"
    if s.labels & {"generic_rash", "skin"}:
        return "request", None
    if social and s.items[0] in social and s.items[-1].said != "?" and not any(i.id == "change" and i.said.split()[-1] not in ("wanted", "set") for i in s.of("modify")) and (not s.asks or len(s.of("word")) < 2 or [i.said for i in s.of("request")] == ["get"]):
        return "social", social[0].id  # "Good afternoon, I am Professor Lindqvist and I teach dermatology", "perfect, that's what I wanted"
    if social and len(s.of("word")) <= 2 and not s.has("modify", "change"):
        return "social", social[0].id
    if meaningful and all(i.label == "word" and i.text.isalpha() and not is_english(i.said) for i in meaningful):
        return "empty", None  # "asdfghjkl"
    if modes.changes(s) and {i.label for i in meaningful} <= _VAGUE:
        return "request", None  # "change it"
    if not meaningful and s.labels & {"idiom", "interjection"}:
        return "social", None
    strange = [i for i in s.of("word") if i.said not in ("less", "more", "visible", "shown", "showing") and not i.said.endswith("er")]
    if ("descriptor" in s.labels or (s.items[0].said == "with" and "lesion" in s.labels)) and (s.items[0].said == "with" or "negate" in s.labels or s.has("each", "unsay") or any(i.said in ("less", "more") for i in s.items)) and not strange:
        return "off_topic", "feature"  # "and without the scale?", "less scaly"
    if any(i.said in words("fixed") for i in s.items):
        return "off_topic", "fixed"  # "zoom in", "brighter lighting please"
    return "off_topic", None if s.asks or "question" in s.labels or len(s.of("word")) > 2 else "unclear"


# --- people


def named_person(items: list[Item]) -> bool:
    """Whether someone is called by name: "Emma's face", "Ms Jones", "a picture of Jane Roe".

    Names are read off capitals, so a sentence that is mostly in capitals names nobody.
    """
    spelled = [i for i in items if i.text[:1].isalpha()][1:]  # every sentence begins with one
    if sum(i.text[0].isupper() for i in spelled) * 2 > len(spelled) + 1:
        return False
    return any(_is_name(i) and _stands_for_someone(items, k) for k, i in enumerate(items))


def _is_told_of(items: list[Item], k: int) -> bool:
    """ "my daughter has eczema and gets teased, can I have a picture": it says why; nobody is to be drawn."""
    if not _is_pictured(items, k):
        return True
    told = said_at(items, k + 1) in ("has", "have", "had", "gets", "got", "is", "was") and items[k].said.startswith("my ")
    return told and any(i.label == "request" for i in items[k + 2 :])


def _is_pictured(items: list[Item], k: int) -> bool:
    """Whether a person is what the picture is to show: "of me", "my mother's face", "on my boss", and not "my boss will be glad"."""
    item = items[k]
    if item.said == "my own":
        return label_at(items, k + 1) in ("area", "skin", "rash", "generic_rash", "lesion", "people", "side", "")
    before = items[k - 1] if k else None
    if item.said.startswith("my ") and said_at(items, k + 1) == "'s":  # "my daughter's ankles" show nobody, her face does
        return any(i.label == "area" and i.id in words("of_the_face") for i in items[k + 2 : k + 5])
    if item.said == "myself":
        return before is not None and (before.label == "request" or before.said in ("of", "on", "with", "like", "as", "in"))
    if item.id != "me" or not item.said.startswith("my "):
        return True
    shown = before is not None and (before.label == "request" or before.said.split()[-1] in ("of", "on", "with", "like", "as", "in", "has", "onto", "over", "across", "around", "all"))
    return shown or said_at(items, k + 1) == "'s" or (k < 2 and not any(i.label in ("rash", "image") for i in items))


def _is_name(item: Item) -> bool:
    return item.label == "word" and item.text.istitle() and item.text.isalpha()


def _stands_for_someone(items: list[Item], k: int) -> bool:
    doctor = k > 1 and (said_at(items, k - 1) in ("dr", "prof", "professor") or (items[k - 1].text == "." and said_at(items, k - 2) in ("dr", "prof")))
    if doctor and any(i.said in ("with", "'s", "has", "having") for i in items[k + 1 : k + 4]) and not any(i.said in words("by_name") for i in items[max(0, k - 5) : k]):
        return True  # "my colleague Dr Maria Schneider with vitiligo"
    title = items[k - 1] if k and items[k - 1].said in words("title") else None
    courtesy = title is not None and title.said in ("sir", "lady", "lord", "miss", "patient")  # "in a Sri Lankan lady Much obliged"
    if title is not None and (not courtesy or title.text.istitle() or not is_english(items[k].said) or (k + 1 < len(items) and _is_name(items[k + 1]))):
        return True
    if said_at(items, k + 1) == "'s" and {label_at(items, k + 2), label_at(items, k + 3)} & {"area", "skin"}:
        return True
    if said_at(items, k + 1) == "'s" and k and _is_name(items[k - 1]) and label_at(items, k + 2) == "rash":
        return True  # "Winnie Harlow's vitiligo"
    followed = k + 1 < len(items) and _is_name(items[k + 1])
    pictured = said_at(items, k - 1) == "of" and label_at(items, k - 2) in ("count", "image") and said_at(items, k + 1) == "with" and label_at(items, next_index(items, k + 1)) == "rash"
    if pictured:
        return True  # "a picture of Seal with vitiligo"
    looks = said_at(items, k - 1) == "how" and said_at(items, k + 2) in ("would", "will", "might", "looks")  # "how Winston Churchill would look with acne"
    return followed and k > 0 and (looks or items[k - 1].said in words("before_name") or items[k - 1].label == "request")


# --- diagnosis and treatment


def diagnosis(s: Sentence) -> str | None:
    """"identify" or "treatment" when someone's own skin is to be judged or healed; None otherwise."""
    if not s.asks and "question" in s.labels and any(
        i.said in words("treated") and label_at(s.items, k + 1) != "rash" for k, i in enumerate(s.items)
    ):
        return "treatment"  # "how is eczema treated?"
    cues = [
        (k, i)
        for k, i in enumerate(s.items)
        if i.label == "diagnosis" and said_at(s.items, k + 1).split()[:1] not in (["how"], ["what"], ["why"], ["where"], ["look"], ["looks"]) and not (i.said.startswith("if ") and label_at(s.items, k + 1) in ("negate", "idiom")) and (i.id != "have" or (not s.asks and _complains(s.items, k))) and not (i.said.endswith(" be") and _is_done(s.items, k))
        and not (i.said.split()[-1] in ("a", "the") and i.said.split()[0] not in ("is", "was") and label_at(s.items, k + 1) == "word" and is_english(s.items[k + 1].said) and s.named)
        and not (i.said in ("is my", "is that", "is this") and k and label_at(s.items, k - 1) not in ("conj", "social", "interjection", "adverb", "people", "negate"))
        and not (i.said in ("is that", "is this", "is it") and said_at(s.items, k + 1) in words("offered_back"))
        and not (i.said in ("is that", "is this") and any(o.said in words("traits") for o in s.items[k + 1 : k + 4]))
        and not (i.said.startswith("look at") and s.named and said_at(s.items, k - 1) in ("close", "closer", "good", "quick", "proper", "detailed"))
        and not (i.id == "treatment" and s.named and said_at(s.items, prev_index(s.items, k)) in words("comes_after"))
    ]
    if not cues:
        return "identify" if not s.asks and _is_it(s.items) else None
    k, cue = cues[0]
    if cue.id == "treatment" and s.named and s.labels & {"image", "count"} and not s.labels & {"question", "modify"}:
        return None  # "steroid cream leaflet: eczema on the wrist, three pictures"
    if s.asks and (s.labels & {"image", "count"} if cue.id == "treatment" else k > s.index("request")):
        return None
    asked = s.index("request")
    if cue.id == "identify" and s.has("each", "either") and "rash" in s.labels and any(i.id == "stop" and i.label == "conj" for i in s.items[k:asked]):
        return None  # "is it psoriasis or seb derm? show both"
    return "identify" if cue.id == "have" else cue.id


def _what_comes(s: Sentence) -> str | None:
    """ "is it going to scar?", "will it leave a mark?": how it ends, of a word that is no condition to draw."""
    return "identify" if s.opening in ("is", "will", "could") and _of_scars(s) else None


def _asks_for_a_remedy(s: Sentence) -> bool:
    """ "do any of the creams you get over the counter clear ringworm?"."""
    told = any(i.said in words("remedies") for i in s.items) and not s.labels & {"image", "count", "area", "tone"}
    return told and all(i.said in ("get", "use", "need", "have", "give", "make", "want") for i in s.of("request"))


def _of_scars(s: Sentence) -> bool:
    strange = any(i.label.startswith("outside_") and i.said.startswith(("scar", "mark", "hair", "bald", "pain", "pit")) for i in s.items)
    return strange and (s.has("modify", "pronoun") or any(i.said in ("this", "that") for i in s.items[:3])) and not (s.named or s.asks)


def _of_oneself(s: Sentence) -> str | None:
    """ "is the one on my own shoulder a melanoma?", "does my rash look like scabies?": asked of one's own skin."""
    if re.match(r"(?:does|do|is|are|could|might) my (?:\w+ )?(?:rash|skin|moles?|spots?|lesion|patch|bumps?)\b", s.plainly):
        return "identify"
    return "identify" if s.opening in ("is", "are", "could", "might") and not s.asks and any(i.said in ("my own", "myself", "on me") and _is_pictured(s.items, k) for k, i in enumerate(s.items)) else None


def _opens_with_is(s: Sentence) -> bool:
    return s.opening in ("is", "are", "is it", "is this", "is that")


def _is_it_bad(s: Sentence) -> bool:
    """ "a mole on her shoulder, can you tell me if it's cancer?"."""
    asked = " ".join(i.said for i in s.items)
    if "rash" not in s.labels and re.search(r"\bwhat (?:this|that|the|my) (?:\w+ )?(?:rash|spots?|mole|lesion|mark|bumps?|thing|lump|patch)\b.* (?:is|are|could be|might be)\b", asked):
        return True  # "can you tell me what this rash on my leg is?"
    if _opens_with_is(s) and not s.named and any(i.said in words("bad_end") for i in s.items):
        return True  # "is the first one cancer?"
    if re.search(r"\b(?:tell|know|say|decide|determine|sure)\b.*\b(?:if|whether) (?:it|this|that|these|they)\b(?: 's| is| are)?", asked) and "rash" in s.labels and not s.asks:
        return True  # "my patient sent me a photo, can you tell me whether it's melanoma or just a mole?"
    if_ = next((k for k, i in enumerate(s.items) if i.said in ("if", "whether") or i.said.startswith(("if it", "whether it"))), None)
    return if_ is not None and any(i.said in words("bad_end") for i in s.items[if_ + 1 : if_ + 6])


def _is_done(items: list[Item], k: int) -> bool:
    """Whether a verb of drawing or changing follows "could it be" ("could it be drawn on darker skin?")."""
    return label_at(items, k + 1) in ("request", "modify", "darker", "worse") or said_at(items, k + 1) in words("drawn_how")


def _complains(items: list[Item], k: int) -> bool:
    """ "I have" followed at once by a rash: someone's own skin; "I have a patient with …" and "… a lecture on …" are not."""
    between = ("adverb", "severity", "size", "number", "word", "descriptor", "quantity", "side", "tone", "area")
    seen = label_at(items, next_index(items, k, between))
    return items[k].said.startswith("my") or seen in ("rash", "generic_rash", "lesion", "outside_rash", "number")


def _is_it(items: list[Item]) -> bool:
    """ "is it chickenpox?" asks what someone has; "is it contagious?" asks about what was drawn."""
    return any(
        a.said in ("is", "was") and b.said == "it" and label_at(items, next_index(items, k + 1)) in ("rash", "outside_rash")
        for k, (a, b) in enumerate(pairwise(items))
    )


# --- questions


def question(s: Sentence) -> str | None:
    """The topic asked about; None when it is no question or is best answered by images ("show me what … looks like")."""
    if _why_so(s):
        return "choice"
    asked = s.plainly
    if _HOW_TOLD_APART.match(asked) or (not s.labels & {"count", "image"} and re.search(r"\bhow (?:[a-z]+ ){0,3}(?:tell|distinguish|differentiate)\b.*\b(?:apart|from|between)\b", asked)):
        return "difference"
    if s.opening.startswith("why") and not s.named and s.labels & {"skin", "scale", "slot_noun"} and any(i.said in words("wanted") for i in s.items):
        return "vocabulary"  # "why do you need the skin tone?"
    if s.opening == "why" and any(i.said in words("felt") for i in s.items):
        return "feeling"  # "why it is so itchy?"
    if any(i.id == "resembles" for i in s.of("question")):
        return "resembles"
    if not s.named and (asked := _about_images(s)) and any(i.said in ("what", "which") for i in s.items[:2]):
        return asked[0]
    if not (s.asks and s.valued) and not s.named and (about := next((i.id for i in s.of("question") if i.id in ("size", "seeds", "model")), None)):
        return about
    if _which_ones(s):
        return "vocabulary"
    for k, item in enumerate(s.items):
        if item.label == "question" and item.id == "person_have" and " " not in item.said and label_at(s.items, k + 1) == "rash":
            item.drop()  # "a common mole"
    for k, item in enumerate(s.items):
        if item.label == "question" and (item.said in ("common", "typical") or item.said.startswith("caught")) and k > 1 and not any(i.said == "?" for i in s.items):
            item.drop()  # "Our curriculum wants 'common infestations', so scabies it is."
        if item.label == "question" and item.id == "person_have" and said_at(s.items, k + 1) in ("request", "question", "wish"):
            item.drop()  # "I suppose this is a common request"
        if k == 0 and item.said == "is" and label_at(s.items, 1) == "social":
            item.drop()  # "Is good. Please 3 more of this."
        if item.label == "question" and item.said.startswith(("what is", "what's", "what are", "what")) and any(i.said in ("missing", "needed", "lacking", "required", "left", "left to draw") for i in s.items[k + 1 : k + 4]):
            item.drop()  # "what is still missing is a picture of eczema on the foot"
        elif item.label == "question" and item.said.startswith("who ") and k and s.asks and s.items[-1].said != "?":
            item.drop()  # "a man who has gout and psoriasis, and I need three pictures"
    cues = [i for k, i in enumerate(s.items) if i.label == "question" and (i.said not in _AUXILIARIES or (not s.asks and _opens(s.items, k) and not _is_order(s.items, k)))]
    if not cues or (s.asks and s.items.index(cues[0]) > s.index("request")):
        return "vocabulary" if any(c.id == "vocabulary" for c in cues) and "rash" not in s.labels else None
    at = s.items.index(cues[0])
    if not s.asks and not s.labels & {"image", "count"} and any(i.said in words("sign") for i in s.items) and ("rash" not in s.labels or s.opening.startswith(("how", "why"))):
        return "appearance"  # "how does erythema appear on dark skin compared to light skin?"
    if _then_asked_for(s, at):
        return None
    if s.asks and any((i.label == "conj" and i.id == "stop") or i.text in ("-", "–") for i in s.items[at : s.index("request")]):
        return None  # "what does it look like? show two pictures"
    if not s.asks and cues[0].said in ("is", "are") and s.has("modify", "same") and "rash" in s.labels:
        return "difference"  # "is ringworm the same as athlete's foot?"
    if not s.asks and s.items[at].id == "difference" and " " in s.items[at].said and s.items[-1].said == "?":
        return "difference"  # "mole vs melanoma, what are the differences?"
    if s.has("modify", "would", "same") or "compare" in s.labels:
        return None
    if "rash" in s.labels and any(i.said in words("passive") and b.said in words("drawn_how") for i, b in pairwise(s.items)):
        return None  # "can tinea be shown on the buttocks?"
    if cues[0].said.startswith("why") and s.has("modify", "pronoun"):
        return _topic(cues)  # "why does it stand out more there?"
    changes = {"darker", "worse", "add", "size", "severity", "times", *(["modify"] if s.named or s.unknown or "count" in s.labels else [])}
    actor = said_at(s.items, at + 1) in ("you", "we", "i") or id_at(s.items, at + 1) == "pronoun" or any(i.label == "target" for i in s.items[at + 1 : at + 4])
    if cues[0].said in ("can", "could", "will", "would") and actor and s.labels & changes:
        return None  # "can you make it more severe?"
    if cues[0].said in ("can", "could", "will", "would") and said_at(s.items, at + 1) == "you" and not s.labels & {"rash", "outside_rash", "image"} and "count" in s.labels and len(s.of("word")) < 2:
        return None  # "can you put 6"
    if cues[0].said in ("can", "could", "will", "would") and said_at(s.items, at + 1) == "you" and "rash" in s.labels and any(i.said in ("do", "do me", "please do") for i in s.items[at + 2 : at + 5]):
        return None  # "can you please do me pityriasis rosea"
    able = cues[0].said in ("can", "could", "will", "would", "are", "do", "is") and _topic(cues) == "appearance"
    if able and "rash" in s.labels and (s.labels & {"count", "image"} or {"area", "tone"} <= s.labels) and not (s.has("modify", "pronoun") and not (s.labels & {"count"} or {"area", "tone"} <= s.labels)):
        return None  # "can you whip up four pics of wheals", "do you think you could manage a picture of eczema"
    if {"rash", "area", "tone"} <= s.labels and _topic(cues) == "appearance" and any("look" in c.said for c in cues):
        return None  # "what does ringworm look like on the arm of someone with brown skin?"
    if "rash" in s.labels and any(c.said in ("what would", "how would") for c in cues) and not any(i.id == "difference" for i in s.of("question")):
        return None  # "what would psoriasis look like on the scalp?"
    if cues[0].said in _AUXILIARIES and s.named and any(i.said in words("feasible") for i in s.items[at + 1 : at + 4]):
        return None  # "is it possible on brown skin?"
    topic = _topic(cues)
    if cues[0].said.startswith("how") and any(i.said in words("passes_on") for i in s.items[at:]):
        topic = "contagion"  # "how is scabies spread?"
    if topic == "appearance" and cues[0].said.startswith("how ") and any((p.count or 0) > 1 for p in s.patches):
        return "limit"  # "how do I get 500 of these?"
    if topic == "name" and cues[0].said.startswith(("also", "otherwise")) and any(p.area or p.tone for p in s.patches) and s.items[-1].said != "?":
        return None  # "tinea, also known as ringworm, on the arm"
    begins = max((k + 1 for k in range(at) if s.items[k].label == "conj" and s.items[k].id == "stop"), default=0)
    begins = begins if not any(i.is_value or i.label == "count" for i in s.items[:begins]) else 0  # "quiz me: what does it look like?"
    first = next((i for i in s.items[begins:] if i.label not in (*_EMPTY, "social", "modify", "negate")), None)
    telling = any(c.id not in ("appearance", "definition") or (c.id == "definition" and " " in c.text) for c in cues)
    if (first is not None and first.label != "question" and not telling) or (s.asks and topic == "difference"):
        return None
    if topic == "appearance" and cues[0].said in _AUXILIARIES - {"can"} and s.has("modify", "pronoun") and s.strange and not s.valued:
        return "person_have"  # "does it itch?"
    if topic in ("save", "use", "limit", "size", "seeds", "model", "feeling") and s.items[-1].said != "?" and any(p.rash and (p.area or p.tone) for p in s.patches):
        return None  # "I will print it as a relief, so please a wart on the thumb"
    return topic if topic in ("size", "seeds", "model", "limit", "use", "save", "vocabulary", "choice", "name", "drawn") or s.valued or _has_subject(s, cues, topic) else None


def _then_asked_for(s: Sentence, at: int) -> bool:
    """ "what causes vitiligo and can you show it on a brown hand": after a question, a request with a place, a tone or a count."""
    k = next((k for k in range(at + 1, len(s.items)) if s.items[k].label == "request"), None)
    if k is None or "rash" not in s.labels:
        return False
    joined = any(i.label == "conj" for i in s.items[at + 1 : k])
    told = {i.label for i in s.items[k:] if not i.negated}
    return joined and bool(told & {"area", "tone", "count", "image"}) and s.items[k].said.split()[0] in words("shows")


def _asked_before(s: Sentence) -> str | None:
    """The topic of a question that a request follows."""
    at = next((k for k, i in enumerate(s.items) if i.label == "question" and i.said.split()[0] in words("asking")), None)
    return _topic([s.items[at]]) if at is not None and _then_asked_for(s, at) else None


def _how_it_looks(s: Sentence) -> str | None:
    """ "how does psoriasis look on black skin compared with white skin?": shown, and told in words as well."""
    looks = any(i.said.split()[0] in ("look", "looks", "appear", "appears") for i in s.items if i.label in ("word", "adverb", "question"))
    return "appearance" if looks and "rash" in s.labels and s.opening.split(" ")[0] in ("how", "what") and not s.asks else None


def _why_so(s: Sentence) -> bool:
    """ "why black skin?", "why the elbow"."""
    opening = next((i for i in s.items if i.label not in _EMPTY), None)
    others = {i.label for i in s.items if i is not opening and not i.is_value} - _EMPTY - {"skin", "image", "negate"}
    return opening is not None and opening.said == "why" and s.named and not others


def _which_ones(s: Sentence) -> bool:
    """ "and which body parts?", "tones?", "which tones and sites can you do": nothing but a slot and a question."""
    rest = [i for i in s.items if i.label not in _EMPTY]
    asked = s.items[-1].said == "?" or any(i.said in ("which", "what") for i in s.items)
    offered = rest[-1:] and rest[-1].said in ("can you do", "do you have", "have you got")
    rest = rest[:-1] if offered else rest
    every = any(i.label in ("rash", "tone", "area") and len(i.values) > 6 for i in s.items)
    if every and s.named and s.labels & {"count", "image", "request"}:
        return False  # "one image for each of the conditions you know, on the forearm"
    if not s.valued and s.items[0].id == "site" and any(i.said in words("offered") for i in s.items):
        return True  # "which parts of the body are supported?"
    if asked and not s.valued and (s.items[0].said in ("which", "what", "do you have", "have you got", "are there") or s.has("question", "definition")):  # "which skin tones can this generate?"
        rest = [i for i in rest if i.label not in ("request", "question", "modify") and i.said not in ("can", "could", "you", "it", "this", "tool", "model", "app", "program", "system", "chat", *words("offered"))]
    named = [i for i in rest if i.label == "slot_noun" or (i.label == "scale" and i.said.endswith(("tones", "types", "colours", "colors")))]
    return asked and bool(named) and all(i in named or i.said in ("which", "what", "about", "other", "else", "more") for i in rest)


def _about_images(s: Sentence) -> list[str]:
    """The topics among those of images and what draws them that are asked about, in the order said."""
    topics = [i.id for i in s.of("question") if i.id in ("size", "seeds", "model", "tuning")]
    size = any(i.said in ("size", "resolution") and label_at(s.items, k - 1) in ("image", "count") for k, i in enumerate(s.items))
    return list(dict.fromkeys([*(["size"] if size else []), *topics]))


def _which_it_was(s: Sentence) -> bool:
    """ "which tones did you use?", "what skin tone is this?": of the images that are shown."""
    asked = " ".join(i.said for i in s.items)
    if re.search(r"^(?:are|is|were) (?:they|these|those|it|the (?:images|pictures|photos)) (?:all )?(?:evenly |equally )?(?:spread|distributed|balanced|shared|divided|split) (?:over|across|between|among|by)\b", asked) and not s.asks:
        return True  # "are they spread over all skin tones?"
    if re.search(r"^(?:which|what) (?:ones?|images?|pictures?|photos?) (?:did|have) (?:you|we) (?:make|made|draw|drawn|show|shown|generate|generated|do|done)\b", asked) and not s.named:
        return True  # "which ones did you make first?"
    if re.search(r"\bwhat (?:is|are|'s) the .*\b(?:tone|skin|type|fitzpatrick|severity|area|site)\w* .*of (?:this|that|these|those|it|them)\b", asked):
        return not s.valued and not s.asks
    k = next((k for k, i in enumerate(s.items) if i.said in ("which", "what")), None)
    j = next_index(s.items, k) if k is not None else None
    if j is None or s.valued or s.labels & {"rash", "outside_rash", "request"}:
        return False
    noun = s.items[j].label in ("slot_noun", "scale", "skin") and s.items[j].said != "skin"
    noun = noun or (s.items[j].said == "skin" and label_at(s.items, j + 1) == "slot_noun")
    rest = " ".join(i.said for i in s.items[j + 1 :])
    return noun and re.fullmatch(r"(?:tones? )?(?:(?:did|have) (?:you|u|i|we) (?:use|used|pick|picked|choose|chosen|chose|draw|drawn|take|taken|get|got)|(?:is|are|was|were) (?:this|that|these|those|it|they|shown|used))(?: here| there)?[ ?.!]*", rest) is not None


def _topic(cues: list[Item]) -> str:
    if any(c.id == "name" for c in cues):
        return "name"
    if any("look" in c.said or "appearance" in c.said for c in cues):
        return "appearance"
    return next((t for t in _TOPICS if any(c.id == t for c in cues)), "appearance")


def _has_subject(s: Sentence, cues: list[Item], topic: str) -> bool:
    """Whether something of skin is asked about, or what was drawn last ("is it contagious?", "which one is more common?")."""
    if s.labels & {"generic_rash", "rash", "tone", "skin", "slot_noun", "scale"} or any(c.said.startswith("which ") for c in cues):
        return True
    if any(i.said in words("sign") or (topic == "definition" and i.label in ("descriptor", "lesion")) for i in s.items):
        return True  # "what's a herald patch?", "how come the redness is less visible?"
    if topic in ("cause", "contagion", "feeling", "person_have", "site", "difference") and not s.strange:
        return True  # "what's the usual cause?"
    if topic == "difference" and any(i.said in ("two", "both") for i in s.items):
        return True  # "what features help distinguish the two?"
    last = "modify" in s.labels or any(w in ("it", "they") for i in s.items for w in i.said.split())
    return last and topic not in ("appearance", "definition")


def _is_order(items: list[Item], k: int) -> bool:
    """ "do the third again", "do eczema then" tell, "do people get it?" asks."""
    if items[k].said == "do" and label_at(items, k + 1) == "rash" and items[-1].said != "?":
        told = {i.label for i in items}
        ends = label_at(items, k + 2) in ("", "conj", "modify") or said_at(items, k + 2) in ("please", "pls")
        if ends or told & {"count", "image"} or {"area", "tone"} <= told:
            return True
    return items[k].said == "do" and label_at(items, k + 1) not in ("people", "rash") and said_at(items, k + 1) not in ("you", "i", "we", "they")


def _opens(items: list[Item], k: int) -> bool:
    """Whether nothing but small words stands before ``k``."""
    return all(i.label in ("social", "conj", "modify", "interjection") or i.said in ("so", "but", "please") for i in items[:k])
