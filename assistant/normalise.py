"""Any text as one line of plain tokens: what the span ruler and the rest of the parser read.

Markup, invisible characters and typographic variants go; punctuation stands by itself; hyphens inside words become
spaces and between numerals a range. The result is bounded (:data:`MAX_CHARS`), whatever came in.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

#: Longest text that is read; the rest is cut with the problem "too_long". A long spoken request has 400 characters.
MAX_CHARS = 2000

_QUOTES = str.maketrans({"’": "'", "‘": "'", "`": "'", "´": "'", "“": '"', "”": '"', "„": '"', "–": " - ", "—": " , ", "−": "-", "×": " x ", "\u00a0": " "})
_SCRIPT = re.compile(r"<(script|style)\b.*?(</\1\s*>|$)", re.S | re.I)
_TAG = re.compile(r"</?[a-zA-Z!][^<>]{0,500}>")
_LINK = re.compile(r"!?\[([^\[\]]*)\]\((?:[^()]*)\)")
#: Control sequences of a terminal ("\\x1b[2J"): their digits are no numbers.
_ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|[@-Z\\-_])")
_URL = re.compile(r"\b(?:https?://|www\.)\S+")
_MARKDOWN = re.compile(r"[*_~>]{1,}(?=\w)|(?<=\w)[*_~]{1,}|^\s*[#>*+-]+\s", re.M)
_NUMERAL = r"(?:\d+|[ivIV]{1,3})"
_RANGE = re.compile(rf"(?<![\w-])({_NUMERAL})\s*-\s*({_NUMERAL})(?![\w-])")
_GLUED = re.compile(r"\b(fst|fitz|fitzpatrick|phototypes?|types?|monk|mst)(?=(?:10|\d)(?!\w))", re.I)  # FST1-6, not Fitzpatrick17k
_DAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_NTH_WORD = r"(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|(?:four|fif|six|seven|eigh|nine)teenth|twentieth|thirtieth|(?:twenty|thirty)[ -]\w+(?:st|nd|rd|th))"
_KINDS = r"(?:seborrh(?:o?e)ic|atopic|contact|irritant|allergic contact|irritant contact)"
_HOUR = "(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
_MONTH = r"(?:january|february|march|april|may|june|july|august|september|october|november|december|jan|feb|sept?|oct|nov|dec)"
_DIGITS = tuple("0123456789")
#: "one type higher", "two grades worse" as they are read: of tone, but where it gets worse or better.
_STEPS = {"higher": "{} shade darker", "up": "{} shade darker", "worse": "{} step more severe", "lower": "{} shade lighter", "down": "{} shade lighter", "milder": "{} step milder"}
#: Pattern, what is put in its place, and where it is worth the time what must stand in the text (in lower case) for it to be tried.
_SUBS: tuple[tuple, ...] = (
    (re.compile(r"(?:\A|\n|: )\W*(?:(?:rash|rashes|condition|diagnosis|disease|site|area|place|location|body part|tone|skin|skin tone|skin type|type|count|number|n|images?|pictures?|how many|qty|quantity|severity)\s*[|,;\t/]\s*){2,}[a-z ]{1,20}\r?\n+", re.I), "\n", ("\n",)),  # the head of a table
    (re.compile(r"[ ,(]*\b(?:(?:sorry|excuse|forgive|pardon)(?: me)?,? ?)?(?:for )?(?:the |my |in )?(?:british|american|us|uk|english|australian) (?:spelling|english)s?\b\)?", re.I), "", ("spelling", "english")),
    (re.compile(r"\b(i'?m|i am|we'?re|we are|i was|always been|am|being|they'?re|they are|students are|i've been) (?:\w+ )?bad (?=(?:at|with)\b)", re.I), r"\1 unsure ", ("bad at", "bad with")),
    (re.compile(r"(?<![\w,])(?:u+h+m*|u+m+|erm+|uhm+),? ", re.I), "", (" uh", " um", " erm")),
    (re.compile(r"\b(just|only) the one\b(?! (?:on|in|at|with|of|that|you|we|from|image|picture|to)\b)", re.I), r"\1 one image", ("the one",)),
    (re.compile(r"^(\W*(?:(?:hmm+|ok|okay|no|actually|well|oh|nah|sorry|that|this)\W+)*)(?:very )?\w+ (?:is|looks|seems) (?:a bit |a little |far |much |way |rather )?too (?:mild|gentle|severe|weak|strong|light|dark|harsh|subtle|much|little|faint|pale|bad|big|small|large)\b[,;. -]+(?=(?:please |so |could you |can you )*(?:make|go|show|give|use|try|draw|i'?d|put|change|set)\b)", re.I), r"\1", (" too ",)),
    (re.compile(r"\bmore (light|dark)\b(?= (?:the )?(?:skin|colou?r|tone)|\W*$)", re.I), r"\1er", ("more light", "more dark")),
    (re.compile(r"\b(?:ditto|idem)\b", re.I), "same place", ("ditto", "idem")),
    (re.compile(r"\b(?:bring|put|get) (the|that|those) (?!size|tone|severity|site|skin|colou?r|number|count)((?:\w+ ){1,3}?)back\b(?=\W*$|,| please| again| in\b)", re.I), r"show \1 \2again", (" back",)),
    (re.compile(r"^(\W*(?:make it |only |just |and |now |ok |actually |no,? )*)half (?:of )?(?:that|those|these|them|this|it)(?: number| many)?(?= please| now|\W*$)", re.I), r"\1half as many", ("half ",)),
    (re.compile(r"^(\W*(?:(?:ok|okay|right|well|so|and|thanks|great)\W+)*)(?:that's|that is|thats|it's) (?:quite |more than )?enough (?!for\b)(?:of )?(?:the )?[\w ]{1,25}?[,;.] (?=\w)", re.I), r"\1", (" enough ",)),
    (re.compile(r"\b(?:as|so) (?:bad|severe|nasty|awful|extreme|heavy) as (?:it|they|this|that|these) (?:gets?|comes?|can (?:get|be)|possibly can(?: be)?|possible)\b", re.I), "severe", (" as it", " as they", " as this", " as that")),
    (re.compile(r"^(\W*(?:(?:ok|okay|thanks|great|nice|good|perfect|yes|and|but|so)\W+)*)(?:the |my |our )?(?:boss|professor|prof|lecturer|tutor|teacher|supervisor|examiner|colleague|students|class|team|editor|publisher|consultant) (?:wants?|needs?|wanted|asks? for|asked for|would like) (?=(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|a few|several|more) (?:more )?(?:of )?(?:these|those|this|that|them|such|like)\b)", re.I), r"\1give me ", (" want", " need", " ask", " like")),
    (re.compile(r"\bi'?(?:ll| will) (?:take|have) (?=(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|a few|several|another)\b)", re.I), "give me ", ("ll take", "ll have")),
    (re.compile(r"^(\W*)(?:these|those|they|that|this|it) (?:are|is|'s|'re) (?:a bit |a little |rather |far |way |just )?too many(?: for me| for us| images| pictures)?[,;. -]+", re.I), r"\1", ("too many",)),
    (re.compile(r"\b(what|which) (?:usually|typically|commonly|normally|generally|mostly|mainly|often) (?=(?:causes?|triggers?|makes?|brings?)\b)", re.I), r"\1 ", ("cause", "trigger", "make", "bring")),
    (re.compile(r"(?<![\w-])(?<!type )(?<!types )(?<!fst )(?<!fitzpatrick )(?<!phototypes )(?<!phototype )(?<!level )(?<!levels )\b(I{1,3}|IV|V) ?(?:-|–|to) ?(II|III|IV|VI?)\b(?![\w-])"), r"types \1 - \2", ("ii", "iv", "vi", "i-v", "i - v", "i to v")),
    (re.compile(r"\b((?:skin )?tone (?:up |down |back )?to) (?=(?:I{1,3}|IV|VI?)\b)"), r"\1 type ", ("tone ",)),
    (re.compile(r"\b(?:so that |such that |with |and |so )?each of the (?:six |6 |five |5 )?(?:fitzpatrick |skin )?(?:types|tones|colou?rs) (?:is |being |appears |comes |are )?(?:there |shown |represented |included |covered |in )?(?:exactly |just |only )?once\b", re.I), "one of each skin tone", (" once",)),
    (re.compile(r"^(\W*(?:(?:so|and|hi|hello)\W+)?)i(?:'m| am| was| keep| often)? wonder(?:ing|ed)? (?=why\b)", re.I), r"\1", ("wonder",)),
    (re.compile(r"\bis (?:it )?possible (?=(?:lighter|darker|worse|milder|bigger|smaller|larger|more severe)\b)", re.I), "make it ", ("possible",)),
    (re.compile(r"\b(?:the )?first (?:one |picture |image |photo )?(?:being |is )?(on|in|with) ((?:very )?\w+(?: skin)?),? (?:and )?(?:the )?(?:second|other|latter)(?: one| picture| image| photo)? (?:being |is )?(?:on|in|with) ((?:very )?\w+(?: skin)?)(?=\W*$)", re.I), r"\1 \2 and \3 respectively", ("first ",)),
    (re.compile(r"(?<![\w.])v\.? (?=(?:fair|light|pale|dark|black|mild|severe|bad|small|large|big)\b)", re.I), "very ", ("v fair", "v light", "v pale", "v dark", "v black", "v mild", "v severe", "v bad", "v small", "v large", "v big", "v. ")),
    (re.compile(r",? \b(?:is|if|would|be)(?: it| this| that)?(?: be)? possible ?\?*\W*$", re.I), "?", ("possible",)),
    (re.compile(r"(?:[,;]|\band\b)? ?\b(?:which|that|this|it|they|so(?: that)?(?: we| i| you| it)?|making|makes) ?(?:should |will |would |must )?(?:end up with|comes? to|adds? up to|amounts? to|adds to|makes?|gives?|sums? to)(?: me| us| you)? \w+(?: (?:images|pictures|photos|panels|pics))? ?(?:in all|in total|altogether|all told|overall|together|all in all)?(?=\W*$|[.,;])", re.I), "", ("end up with", "come", "add", "amount", " make", "sum", " give")),
    (re.compile(r",? \bso \w+(?: images| pictures| photos| pics)? (?:together|if i(?:'ve| have)? (?:counted|calculated|understood) (?:right|correctly|it right))\b\W*", re.I), ". ", ("so ",)),
    (re.compile(r"(?:^|(?<=[:;,.]) ?|(?<=[:;,.] ))\([1-9]\) (?=[a-z])", re.I), " , ", ("(1)",)),
    (re.compile(r"\b(\d+|one|two|three|four|five)(?: images?| pictures?| photos?)? (?:of each|each|apiece)(?: one)? ((?:on|in|with) (?:very )?\w+(?: skin)?),? (?:and|plus) \1(?: images?| pictures?| photos?)? (?:more )?(?:of each|each)(?: one)? (?:on|in|with) ", re.I), r"\1 of each \2 and ", (" each",)),
    (re.compile(r"\beach (?:once|one)(?: image| picture| time)? ((?:on|in) (?:very )?\w+(?: skin)?),? (?:and|plus) (?:once|one)(?: image| picture| time)? (?:on|in) ", re.I), r"one of each \1 and ", ("each ",)),
    (re.compile(r"\bone time (?=(?:on|in|with)\b)", re.I), "one ", ("one time",)),
    (re.compile(r"\b(two|2|four|4|six|6) (?:of )?each,? half ((?:on|in|with) (?:very )?\w+(?: skin)?),? (?:and )?(?:the other )?half (?:on|in|with) ", re.I), lambda m: f"{ {'two': 'one', '2': '1', 'four': 'two', '4': '2', 'six': 'three', '6': '3'}[m[1].lower()]} each {m[2]} and ", ("half ",)),
    (re.compile(r"\b(?:at|for|in|of) (?:every|each) (?:level|grade|stage|degree)\b", re.I), "of each", (" level", " grade", " stage", " degree")),
    (re.compile(r"\bimages? per combination ?: ?(\w+)\b", re.I), r"\1 of each", ("per combination",)),
    (re.compile(r"\b(\d+|one|two|three|four|five|six) ((?:of them |images |pictures |photos )?[^.;]{0,30}?),? and the same (?:number|amount) (?:of|on|in|for)\b", re.I), r"\1 \2 and \1 of", ("same number", "same amount")),
    (re.compile(r"\bage of \w+(?:[ -]\w+)?\b", re.I), "age", ("age of",)),
    (re.compile(r"\b(one|a|1|two|2) (?:grade|level|degree|notch|step)(s?) (?=(?:more|less) severe\b)", re.I), lambda m: f"{m[1]} step{m[2]} ", ("grade", "level", "degree", "notch", "step")),
    (re.compile(r"\bleave (the|that|those|these|any|all) ((?:\w+ ){1,3}?)out\b", re.I), r"leave out \1 \2", (" out",)),
    (re.compile(r"^\W*is it (?:just |only )?me,? or [^?.]*[?.] ?(?=\w)", re.I), "", ("is it ",)),
    (re.compile(r"\b(?:that|this|it|these|those|they)(?:'ll| will|'d| would) do(?: nicely| fine| just fine| perfectly)?(?=\W*$)", re.I), "perfect", (" do",)),
    (re.compile(r"\bmany thanks\b", re.I), "thanks", ("many thanks",)),
    (re.compile(r"[,;] (?:and )?no (?:other|further) (?:variations?|changes?|differences?)\b", re.I), "", ("no other", "no further")),
    (re.compile(r"\b(?:shared|spread|split|divided|distributed|shared out) (?:out )?(?:equally|evenly|fairly) (?=(?:across|over|between|among|amongst)\b)", re.I), "", ("equally", "evenly", "fairly")),
    (re.compile(r"\bor (?:whether|if) (?:that|it|this) is (?:just )?(?:a|an) (?:myth|legend|rumou?r|urban legend|old wives' tale)\b", re.I), "", ("myth", "legend", "rumo", "wives")),
    (re.compile(r"[,;] (?:there (?:are|is) )?no (?:severe|bad|mild|moderate) (?:ones|cases|images|pictures)(?: (?:are |is )?(?:needed|please|required|wanted))?,? (?:just|only) ", re.I), ", all ", (" no ",)),
    (re.compile(r"^(\W*)(?:the|our|my) (?:(?!patient|client|son|daughter|mother|father|wife|husband|friend|child|brother|sister)\w+ ){1,3}?(?:wants?|needs?|requires?|requested|requests|would like|asked (?:me |us )?for) (?=(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|a few|some|several|a couple) )", re.I), r"\1I want ", (" want", " need", " require", " request", " like", " asked")),
    (re.compile(r",? so (?:that )?[\w ]{2,30} can (?:better |easily |readily )?(?:tell|keep) (?:them|these|those|the two|both) apart\b", re.I), "", (" apart",)),
    (re.compile(r"\b(data ?sets?|database|collection|archive|library|atlas|textbooks?|books?|slides|deck|folder|we|i) (already )?(?:has|have|had|contains?) (?:plenty of|lots of|a lot of|loads of|tons of|many) ", re.I), r"\1 \2have enough ", ("plenty", "lot", "loads", "tons", "many")),
    (re.compile(r",? (?:and |but )?what (?:we|i) (?:really |still |actually )?(?:lack|need|want|miss|'m missing|'re missing|am missing|are missing|don't have|do not have)(?: now)? (?:is|are) ", re.I), ". I want ", ("what we", "what i")),
    (re.compile(r"\bbut (\w+(?: \w+)?) is (?:what|the one) (?:i|we)(?:'m|'re| am| are| want| wanted| need| meant| mean)\b[^.;?]*", re.I), r"but I meant \1", ("is what", "is the one")),
    (re.compile(r"\b(\d+|one|two|three|four|five|six|seven|eight|nine|ten|a couple of|a few) shots?\b(?! of (?:vaccine|botox|steroid|insulin))", re.I), r"\1 images", (" shot",)),
    (re.compile(r"^(\W*(?:\w+ )?)((?:\w+ ){0,2}\w+) ?(?:->|-->|→|=>) ?(?=\w)", re.I), r"\1change \2 to ", ("->", "→", "=>")),
    (re.compile(r"\bwhat (do|have) you (have|got|offer|draw|know) (?:then|instead|anyway)\b", re.I), r"what \1 you \2", ("what ",)),
    (re.compile(r"(?<!the )(?<!on )(?<!his )(?<!her )\bthumb ?nails\b(?! of\b)", re.I), "pictures", ("thumb",)),
    (re.compile(r"\b(one|a|1|each) thumb ?nail (?=(?:per|for each|each)\b)", re.I), r"\1 picture ", ("thumb",)),
    (re.compile(r"\blip[ -]?read(?:s|ing|ers?)?\b", re.I), "read", ("lip",)),
    (re.compile(r"\b(?:hand|foot|nail|eye|face|leg|back|burns|ear|breast) (?=(?:clinics?|surgery|surgeons?|therap(?:y|ists?)|units?|wards?|departments?|specialists?)\b)", re.I), "", ("clinic", "surge", "therap", "unit", "ward", "department", "specialist")),
    (re.compile(r"\b\w+[ -]therapy (?=(?:clients?|students?|rooms?|clinics?|courses?|trainees?|class|classes|team|college)\b)", re.I), "", ("therapy",)),
    (re.compile(r"\b(?:the|our|my) head (?=(?:wants|wanted|asked|asks|says|said|told|needs|insists|thinks|decided|teacher|of (?:school|department|year|science|teaching|nursing|studies))\b)", re.I), "they ", (" head ",)),
    (re.compile(r"\b(need|want|get|have|like) back (?=(?:what|those|the (?:ones|images|pictures)|my (?:images|pictures)|all (?:of|the|my))\b)", re.I), r"\1 ", (" back ",)),
    (re.compile(r"\b(?:wee|small|little|tiny|big|large|huge) (?=(?:(?!skin)\w+ )?(?:session|talk|lecture|class|group|diagram|poster|project|team|clinic|town|village|practice|hospital|budget|problem|question|favou?r|presentation|quiz|handout|leaflet|course|workshop|school|family|brother|sister|boy|girl|exam|test|chart|table|screen|room|hall|audience|conference|meeting|charity|company|department|journal|website|app|podcast|blog|magazine|textbook|book|museum|shop|pharmacy|channel|newsletter|college|university|cnn|network|model|classifier|dataset|study|pilot|experiment|trial|grant|survey|app)s?\b)", re.I), "", ("wee ", "small", "little", "tiny", "big", "large", "huge")),
    (re.compile(r"\b(sample|set|group|dataset|data set|cohort|budget|team|room|screen|number) (?:is |was |size )?(?:far |much |way |rather )?too (?:small|big|large)\b", re.I), r"\1 lacking", (" too ",)),
    (re.compile(r"\b(make (?:it|them|these|those|this|that|all|both|everything) (?:\w+ ){0,2}\w+) (?:too|as well)(?=[ .!]*$)", re.I), r"\1", ("make ",)),
    (re.compile(r"^(\W*)(?:could|can|would|should|might) (?:the|their|his|her) (skin(?: tone| colou?r)?|tone|severity|area|site|place|rash) be (?=\w)", re.I), r"\1make the \2 ", (" be ",)),
    (re.compile(r"\b(?:do|run|make|repeat|show|draw) (?:that|this|the same|the) comparison (?:again )?(?:for|with|using|of)\b", re.I), "the same with", ("comparison",)),
    (re.compile(r"^(\W*(?:please )?)undo (?:the |my |that |this )?(?:very )?last(?: one| step| change| turn| thing| bit| request)?(?: please| pls)?\W*$", re.I), r"\1undo", ("undo",)),
    (re.compile(r"\b(one|a|1|two|2|three|3) (?:fitzpatrick |skin )?(?:types?|grades?|levels?|tones?|shades?|steps?|notch(?:es)?) (higher|up|worse|lower|down|milder)\b(?! on\b)", re.I), lambda m: _STEPS[m[2].lower()].format(m[1].lower()), ("type", "grade", "level", "tone", "shade", "step", "notch")),
    (re.compile(r"\b(?:skin )?that's (?=(?:a|one|two|three) shades? (?:darker|lighter))", re.I), "", ("that's",)),
    (re.compile(r"\b(show|do|draw|put|try|have|give me) ((?:\w+ ){1,3})there\b(?= then| too| now| instead| please|[ .!?]*$)", re.I), r"\1 \2at the same site", ("there",)),
    (re.compile(r"\b(found|has|have|had|shows?|showed|contains?|contained|includes?|included) (?:exactly |literally |virtually |practically |almost )?(?:zero|0) (?=(?:images?|pictures?|photos?|photographs?|examples?|slides?)\b)", re.I), r"\1 not enough ", ("zero", "0")),
    (re.compile(r"^\W*some (?:context|background)(?: first| info| information)?\W*(?=[:,.-])", re.I), "", ("some ",)),
    (re.compile(r"\bprepar(e|ing) (?:myself|ourselves)\b", re.I), "study", ("prepar",)),
    (re.compile(r"\b(\d+|one|two|three|four|five|six) (?:images?|pictures?|photos?|pics?|shots?) (?:is|are|would be|will be|'s) (?:enough|plenty|fine|sufficient|ok|okay|all i need|perfect)\b(?! (?:for|of) )", re.I), r"\1 please", ("enough", "plenty", "fine", "sufficient", "ok", "perfect", "all i need")),
    (re.compile(r"\b(?:send|e?mail|forward)(?: over| across| through)? (?=(?:\d|one|two|three|four|five|six|seven|eight|nine|ten|a few|some|a couple)\b)", re.I), "give me ", ("send", "mail", "forward")),
    (re.compile(r"\b(?:photo|photograph|picture|camera)[ -](?:style|like|quality|realistic) ", re.I), "", ("photo", "picture", "camera")),
    (re.compile(r"\bwhereabouts\b", re.I), "where", ("whereabouts",)),
    (re.compile(r"\b(?:always |keep |often |never )?forget(?:ting)? (?=(?:how|what|where|which|whether)\b)", re.I), "wonder ", ("forget",)),
    (re.compile(r"\b(?:increase|raise|change|set|bring|bump|reduce|decrease|lower|cut|take) (?:the |this |that )?(?:count|number|amount|quantity|total)(?: of (?:images|pictures|photos))? (?:up |down )?to (\w+)\b", re.I), r"make it \1 images", ("count", "number", "amount", "quantity", "total")),
    (re.compile(r"(?:^|(?<=so )|(?<=please )|(?<=, )|(?<=and ))mix (?:it|things) up\b(?: a bit| a little)?(?: for (?:me|us))?", re.I), "", ("mix ",)),
    (re.compile(r"\b((?:see|saw|seen|met|had|encountered|come across)\b[^.;:!?]{0,60}\bbut )never (?:yet |once )?(?!see|saw|seen|had|met)", re.I), r"\1lack ", ("never",)),
    (re.compile(r"\b(?:everything|all|anything|any|every one) (?:except|but|apart from|bar|other than) (?=(?:the )?(?:very )?(?:black|brown|fair|dark|light|pale|white|olive|medium)(?: skin)?(?: tones?)?(?:$| ?[:,.;]))", re.I), "every skin tone except ", ("except", " but ", "apart from", " bar ", "other than")),
    (re.compile(r"[,;]? ?\b(?:one )?half (?:on|of|for|in|to) each(?: one| site| place| of (?:them|those|these))?\b", re.I), "", ("half ",)),
    (re.compile(r"\b(?:at|on|in|for|of|with) (?:(?:different|various|several|multiple) |the following |these )(?:body |skin |different )?(?:sites|areas|places|locations|parts|regions|tones|types|colou?rs|shades)\s*[:(]\s*(?=[a-z]+\s*(?:,|and\b|skin\b))", re.I), " on ", (":", "(")),
    (re.compile(r"\b(irritant|allergic|contact|allergic contact|irritant contact|atopic|seborrh(?:o?e)ic) (hand|foot|face|scalp|neck|eyelid|finger|fingertip|wrist|leg|ear|lip) (dermatitis|eczema)\b", re.I), r"\1 \3 on the \2", ("dermatitis", "eczema")),
    (re.compile(r"[,;]? ?\b(?:so|that's|that is|which is|which makes|making|makes|giving|i\.?e\.?) (?:\w+)(?: images| pictures| pics| photos)? (?:overall|in total|altogether|in all|all told|all in all)\b", re.I), "", ("overall", "in total", "altogether", "in all", "all told")),
    (re.compile(r"\b(nursery|school|class|ward|family|daycare|kindergarten|household|village|town|hospital|team|camp|home|prison|unit|work) (had|has|have|with|sees|saw) (?:an |the |another )?outbreaks? of ", re.I), r"\1 \2 ", ("outbreak",)),
    (re.compile(r"\b(?:light|slight|weak) (?=(?:and|or|,) (?:a )?(?:strong|severe|heavy) (?:forms?|cases?|degrees?)\b)", re.I), "mild ", ("form", "case", "degree")),
    (re.compile(r"\b(?:strong|heavy) (?=(?:form|case|degree)s?\b)", re.I), "severe ", ("form", "case", "degree")),
    (re.compile(r"\b(?:light|slight|weak) (?=(?:form|degree)s?\b)", re.I), "mild ", ("form", "degree")),
    (re.compile(r"\b(?:wom[ae]n|people|persons?|patients?|child(?:ren)?|m[ae]n|adults?|girls?|boys?) of colou?r\b", re.I), "skin of colour", ("of colo",)),
    (re.compile(r"\bmake am (?=\d|one|two|three|four|five|six)", re.I), "", ("make am",)),
    (re.compile(r"(?<=\d),(?=\d{3}\b)"), ""),  # 1,000
    (re.compile(r"\bas many(?: (?:images|pictures|photos|pics))?(?: as (?:you can|possible|you like))(?: (?:make|draw|show|give me|generate))?(?: of)?\b", re.I), "20 images of", ("as many",)),
    (re.compile(r"\bhow many(?: images| pictures| photos)?\W{1,3}(\d+|one|two|three|four|five|six|seven|eight|nine|ten)\b", re.I), r"\1 images", ("how many",)),  # How many: 3
    (re.compile(r"(?<=[ ,])twice(?=$|[ ,.;!]*$|, )", re.I), "2 times", ("twice",)),
    (re.compile(r"\bonce (?=(?:on|in|at|over|behind|under)\b)", re.I), "one ", ("once ",)),
    (re.compile(rf"\b(seborrh(?:o?e)ic|atopic|contact|irritant|allergic)( (?:vs\.?|versus|and|or|&|/|from|with|to) )(?={_KINDS} dermatitis\b)", re.I), r"\1 dermatitis\2", ("dermatitis",)),
    (re.compile(r"(?:^|(?<=[:;.,] )|(?<=\s))(?:1\. (?=[a-z])(?=.*\b2\. [a-z])|[2-9]\. (?=[a-z])(?=.*\b[3-9]\. [a-z]))|(?<=[;,.] )[2-9]\. (?=[a-z])"), " , ", _DIGITS),  # 1. mild psoriasis; 2. severe psoriasis
    (re.compile(r"\b\d{2,4} *x *\d{2,4}\b(?! images?\b)(?! ?[cm]m\b)(?: ?p(?:x|ixels?)\b)?"), " "),  # 512x512
    (re.compile(r"\b(?:(?:in|as|for) )?an? [2-9] ?[xX×] ?[2-9]\b(?! ?[cm]m)(?: (?:grid|panel|layout|table|matrix|array|figure)(?: of)?)?"), " ", _DIGITS),  # a 2x2 grid
    (re.compile(r"([a-hj-uwyz])\1{2,}"), r"\1\1"),  # undooo, soooo; not iii
    (re.compile(r"(?:^|(?<=[\s,;:.]))\d{1,2}\)(?=\s)"), " , "),  # 1) tinea, 2) psoriasis
    (re.compile(r"(?<!\w)'([^']{2,120})'(?!\w)"), r' "\1" ', ("'",)),
    (re.compile(r"\bseed ?(?:[:=#]|number|no\.?|nr\.?|of|is|to)? ?(?=\d)", re.I), "seed ", ("seed",)),
    (re.compile(r"\bbehind of\b", re.I), "behind", ("behind of",)),
    (re.compile(r"\b(?:kind |best |warm )(?:regards|wishes)\b[\w ,.]{1,40}$", re.I), " ", ("regards", "wishes")),
    (re.compile(r"\bfare(?=[ -](?:skin|complexion|tone))", re.I), "fair", ("fare",)),
    (re.compile(r"\b(\d+)[eE](\d{1,2})\b"), lambda m: m[1] + "0" * int(m[2])),  # 1e9
    (re.compile(r"(?:^|(?<=\s))--(?:ar|v|s|q|c|iw|niji|stylize|chaos|quality|aspect) \d+(?:[:.]\d+)?"), " "),  # --ar 16:9
    (re.compile(r"(?:^|(?<=\s))--(?=seed \d)"), " "),
    (re.compile(r"\b\d{1,2}[kK]\b(?=,? *(?:resolution|quality|uhd|photo|render|$|,))"), " hd "),
    (re.compile(rf"\b{_DAY},? (?:the )?(?:{_NTH_WORD}|\d{{1,2}}(?:st|nd|rd|th))\b(?! (?:one|image|pic|picture|photo)s?\b)", re.I), " ", ("day",)),  # Tuesday the fourth
    (re.compile(r"\b(?:ref|reference|ticket|invoice)\b\.? ?(?:no\.?|number|id|#)? ?:? ?#?[\w/-]*\d[\w/-]*", re.I), " "),  # Ref: ABX-301/22
    (re.compile(rf"\b(?:(?:{_DAY},? )?(?:on|by|before|until|till|since|(?:for|from)(?= (?:the )?[123]\d)) (?:{_DAY},? )?)(?:the )?(?:[12]?\d|3[01])(?:st|nd|rd|th)\b(?! (?:one|image|pic|picture|photo)s?\b)(?: (?:of )?{_MONTH})?", re.I), " ", _DIGITS),  # on the 21st
    (re.compile(rf"\b(?:the )?(?:[12]?\d|3[01])(?:st|nd|rd|th)? (?:of )?{_MONTH}\b|\b{_MONTH} (?:[12]?\d|3[01])(?:st|nd|rd|th)?\b", re.I), " "),  # 3rd of May, March 15
    (re.compile(rf"\b(?:half|quarter|five|ten|twenty|twenty-five) (?:past|to) (?:{_HOUR}|\d{{1,2}})\b", re.I), " ", (" past ", " to ")),  # half past nine
    (re.compile(r"\bH\. ?zoster\b", re.I), "herpes zoster", ("zoster",)),
    (re.compile(r"\bT\. ?(?=(?:pedis|capitis|corporis|cruris|unguium|faciei|manuum|barbae)\b)", re.I), "tinea ", ("pedis", "capitis", "corporis", "cruris", "unguium", "faciei", "manuum", "barbae")),
    (re.compile(r"\b([01]?\d|2[0-3]):[0-5]\d\b(?:\s*[ap]\.?m\b\.?)?", re.I), " "),  # 8:30
    (re.compile(r"\b(\d{1,2}) ?- ?ish\b|\b(\d{1,2})ish\b", re.I), lambda m: f"{m[1] or m[2]} yo "),  # a 40ish guy
    (re.compile(r"\b([1-9]0)(?: ?- ?something|s)\b", re.I), r"\1 yo ", _DIGITS),  # 30-something, her 50s
    (re.compile(r"\b(twenty|thirty|forty|fifty|sixty|seventy|eighty)(?: ?- ?| )something\b", re.I), " ", ("something",)),
    (re.compile(r"\b(\d{1,3}) ?/ ?[FfMm]\b|\b(\d{1,3})[ -]y[ -]?(?:r[ -])?old [fm]\b", re.I), lambda m: f"{m[1] or m[2]} yo "),  # 28/F, a 17-y-old f
    (re.compile(r"\b(\d{1,3}) ?[FfMm]\b(?=$|[ ,.;:)])"), r"\1 yo "),  # 42F, of age and sex
    (re.compile(r"\b(?:\d{2,3}\s?/\s?\d{2,3}|\d{1,2}/\d{1,2}/\d{2,4})\b"), " "),  # 120/80, 3/12/2024
    (re.compile(r"(?<![\w.,])-(?=\d)"), " minus "),  # -3
    (re.compile(r"(?<=[^\W\d_])-(?=\w)|(?<=\w)-(?=[^\W\d_])"), " ", ("-",)),  # 35-year-old
    (re.compile(r"\bn/t\b"), "n't", ("n/t",)),
    (re.compile(r"\b(do|does|did|ca|wo|could|would|should|is|are|was|were|has|have)nt\b", re.I), r"\1n't", ("nt",)),
    (re.compile(r"^(\W*)(is|are|was|were)n't (?=that|this|it|they|these|those|the)", re.I), r"\1\2 ", ("n't", "nt")),  # "isn't that the same as ringworm?"
    (re.compile(r"(?<=[a-z] )(is|are|was|were)n'?t\b", re.I), r"\1 not", ("nt", "n't")),  # not "isn't it contagious?"
    (re.compile(r"(^|[,;.] |\b(?:and|make|only|just|keep|redo|replace|change|with|want|show|but|take) )no\. ?(?=\d)", re.I), r"\1number ", ("no.", "no .")),  # no. 2 on black skin
    (re.compile(r"\bnos\.? (?=\d)", re.I), "numbers "),
    (re.compile(r"(?<=\d) nos\b\.?", re.I), " images"),  # 5 nos. of tinea
    (re.compile(r"\bof '?em\b", re.I), "of them", (" em", "'em")),
    (re.compile(r"\b(pics|images|pictures|photos|help) 4 (?=(?:derm|my|our|a|an|the|tomorrow|tmrw|class|lecture|teaching|school|uni)\b)", re.I), r"\1 for ", (" 4 ",)),  # pics 4 derm tutorial
    (re.compile(r"\b(?:not|neither) too (?:dark|light|fair|pale)(?:,| and| or| nor|, and) (?:not |nor )?too (?:dark|light|fair|pale)\b", re.I), "medium", (" too ",)),
    (re.compile(r"\b(what|how|why|where|who|which) (?:exactly|actually|basically|precisely|on earth) ", re.I), r"\1 ", ("exactly", "actually", "basically", "precisely", "on earth")),
    (re.compile(r"\b(lower|upper) part of (?:the |his |her |my )?(?=(?:back|arm|leg|lip|face)s?\b)", re.I), r"\1 ", ("part of",)),
    (re.compile(r"(?<!number )(?<!image )(?<!picture )(?<!only )\b(\d+|one|two|three|four|five|six|seven|eight|nine|ten|a couple|a few) (?:(?:is|are|would be|will be|should be|'s) (?:enough|plenty|fine|sufficient|ok|okay|right|perfect|better)|(?:will|would|'ll|'d) do(?: nicely)?)\b(?! (?:for|of) )", re.I), r"\1 please", ("enough", "plenty", "fine", "sufficient", "ok", "right", "perfect", "better", " do")),
    (re.compile(r"^(\W*(?!that|this|it|these|those|they)\w+) ?(?:'ll|will|would|'d) do\b", re.I), r"\1 please", (" do",)),  # two'll do
    (re.compile(r"\b(seb|fitz|fitzp|approx|nos|pts?|yrs?|mod|sev|pics?|imgs?)\.(?=[ ,])", re.I), r"\1", ("seb.", "fitz", "approx.", "nos.", "pt", "yr", "mod.", "sev.", "pic", "img")),  # abbreviations end no sentence
    (re.compile(r"(?<![^\W_])(\d+)(?=[^\W\d_])(?!(?:st|nd|rd|th)\b)"), r"\1 "),  # 9am, 3x; not fitzpatrick17k
    (re.compile(r"\b(x|X)(?=\d)"), "x "),
    (re.compile(r"\b(what|how|who|where|when|that)s\b", re.I), r"\1's", ("whats", "hows", "whos", "wheres", "whens", "thats")),
    (re.compile(r"(?<=\w)'s\b", re.I), " 's", ("'s", "whats", "hows", "whos", "wheres", "whens", "thats")),
    (re.compile(r"(?<=s)'(?=\s)"), " '", ("s'",)),
    (re.compile(r"\.{2,}|…"), " , ", ("..", "…")),
    (re.compile(r"(?<!\d)\.(?!\w)|\.(?=\s|$)|(?<=[a-z]{2})\.(?=[A-Z])"), " . "),
    (re.compile(r"[\r\n]+"), " . "),
    (re.compile(r"([,;:!?()\[\]{}/\\&+%$€£\"|•=#])"), r" \1 "),
    (re.compile(r"(?<=\w)[*~]+|[*~_<>^]+"), " ", ("*", "~", "_", "<", ">", "^")),
)


_DIGIT = re.compile(r"\d")
_LOOKS_AWAY = re.compile(r"\(\?<?![^()]*\)")


def _needs_digit(pattern: str) -> bool:
    """Whether a pattern can only match where there is a digit: most texts have none, and most patterns need one."""
    pattern = _LOOKS_AWAY.sub("", pattern).replace(r"[^\W\d_]", "")
    return "\\d" in pattern and not any(word in pattern for word in ("|one|", "first|", "(?:one|"))


def _trie(words: Iterable[str]) -> str:
    """A pattern for the longest of ``words`` at a place, in one pass however many there are."""
    root: dict = {}
    for word in words:
        node = root
        for letter in word:
            node = node.setdefault(letter, {})
        node[""] = {}

    def pattern(node: dict) -> str:
        ways = [re.escape(letter) + pattern(after) for letter, after in node.items() if letter]
        if not ways:
            return ""
        either = ways[0] if len(ways) == 1 else f"(?:{'|'.join(ways)})"
        return f"(?:{either})?" if "" in node else either

    return pattern(root)


class _Index:
    """Which of the patterns can match at all: those without needs, and those that find one of theirs."""

    def __init__(self, chosen: Iterable[int]) -> None:
        self.chosen, self.always, self.of = frozenset(chosen), set(), {}
        for number in self.chosen:
            needs = _SUBS[number][2] if len(_SUBS[number]) > 2 else ()
            if not needs:
                self.always.add(number)
            for need in needs:
                self.of.setdefault(need, []).append(number)
        for need, numbers in self.of.items():  # where "any one" stands, "any" does too, and the trie finds only the longer
            numbers += [n for shorter, others in self.of.items() if shorter != need and need.startswith(shorter) for n in others]
        self.find = re.compile(f"(?=({_trie(self.of)}))").findall

    def patterns(self, low: str) -> Iterator[tuple[re.Pattern[str], Any]]:
        wanted = self.always.union(*(self.of[need] for need in {*self.find(low)}))
        return (_SUBS[number][:2] for number in sorted(wanted))


_ALL = _Index(range(len(_SUBS)))
_PLAIN = _Index(n for n, sub in enumerate(_SUBS) if not (_needs_digit(sub[0].pattern) or _DIGITS in sub[2:]))


class Clean(NamedTuple):
    """Readable text, and what had to be done that the person should know ("too_long")."""

    text: str
    problems: tuple[str, ...]


#: A name with a title, or first and last name, of someone who wants or does something: "Dr Brown asked for …".
_NAME = re.compile(
    r"\b(?:Dr|Prof|Professor|Mr|Mrs|Ms|Miss|Sister|Nurse|Doctor)\b\.? [A-Z][a-z]+(?: [A-Z][a-z]+)? ?\b"
    r"(?=(?:asked|asks|wants|wanted|needs|needed|would|requested|requests|said|says|has|is|will|teaches|likes)\b|:)"
    r"|\b[A-Z][a-z]+ [A-Z][a-z]+ (?=(?:asked|asks|wants|wanted|needs|needed|requested|requests)\b)"
)


def normalise(text: str) -> Clean:
    """Plain one-line text of at most about :data:`MAX_CHARS` characters.

    >>> normalise("<b>3</b> images: eczema, fair-skinned, types II-IV").text
    '3 images : eczema , fair skinned , types II - IV'
    """
    problems = ("too_long",) if len(text) > MAX_CHARS else ()
    text = text[: MAX_CHARS * 2 if problems else None]
    text = _SCRIPT.sub(" ", _ESCAPE.sub(" ", text))
    text = unicodedata.normalize("NFKC", html.unescape(text)).translate(_QUOTES)
    text = _URL.sub(" ", _LINK.sub(r"\1", _TAG.sub(" ", text)))[:MAX_CHARS]
    if not text.isprintable():
        text = "".join(c if c.isprintable() or c in "\n\t" else ("" if unicodedata.category(c) == "Cf" else " ") for c in text)
    text = _MARKDOWN.sub(" ", text)
    text = _NAME.sub("they ", text)
    text = _GLUED.sub(r"\1 ", text)
    text = _RANGE.sub(r"\1 - \2", text)
    for pattern, put in (_ALL if _DIGIT.search(text) else _PLAIN).patterns(f" {text.lower()}"):
        text = pattern.sub(put, text)
    return Clean(" ".join(text.split()), problems)
