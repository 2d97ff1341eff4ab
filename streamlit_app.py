"""The chat page: widgets only. What is said, drawn and kept is decided in ``assistant`` and ``generation``.

Start it with ``script2skin app`` (or ``make app``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from assistant.coverage import Coverage
from assistant.plain import cut, plain
from assistant.schema import ImageRequest
from assistant.session import Chat, Chats, missing_parts
from assistant.settings import settings
from assistant.store import SavedImage, SavedTurn, StoreError
from generation import Card, Checkpoint, GenerationError, checks, find, known
from generation.download import archive, file_name
from generation.job import Studio

#: Sentences of the README, for somebody who has never been here.
FIRST_SENTENCES = (
    "Generate a few images of eczema at the back of the neck on fair skin",
    "Show psoriasis on the elbow in every skin tone",
    "Two pictures of severe acne on the back, brown skin",
    "Compare urticaria on the thigh on fair and on olive skin",
)
DISCLAIMER = "All images are synthetic. They show no real patient and must not be used for diagnosis."
#: What is kept with every turn of how it is drawn.
CHOICES = ("model", "steps", "guidance_scale")
#: Characters of a message that are shown, turns of a long conversation that are shown at first, and seconds between two
#: looks at a drawing's progress. Chosen by eye.
SHOWN_CHARACTERS = 800
SHOWN_TURNS = 12
POLL_S = 0.4

#: What is said of a drawing that did not come to its end; a failed one says its own problem.
ENDINGS = {
    "stopped": "You stopped this drawing: {missing} of {total} images are missing.",
    "interrupted": "Script2Skin was closed during this drawing: {missing} of {total} images are missing.",
    "failed": "",
}

ICON = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" rx="14" fill="#0b6e6e"/>
<path d="M14 16h36a4 4 0 0 1 4 4v20a4 4 0 0 1-4 4H30l-10 8v-8h-6a4 4 0 0 1-4-4V20a4 4 0 0 1 4-4z" fill="#f3cdae"/>
<circle cx="25" cy="28" r="4" fill="#c4573f"/><circle cx="37" cy="33" r="5.5" fill="#c4573f"/>
<circle cx="40" cy="23" r="2.6" fill="#c4573f"/></svg>"""
LOGO = f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 64" width="300" height="64">{ICON.replace("<svg ", '<svg width="64" ', 1)}
<text x="80" y="44" font-family="Helvetica, Arial, sans-serif" font-size="38" font-weight="600"
fill="#0b8080">Script2Skin</text></svg>"""

#: Streamlit has no grid that wraps by width, no frame for an image to come, and shows three quarters of an empty
#: screen on a telephone; ``st-key-…`` classes are its documented handle for such rules.
STYLE = """<style>
[data-testid="stMainBlockContainer"], [data-testid="stBottomBlockContainer"] { max-width: 1240px; }
[data-testid="stMainBlockContainer"] { padding-top: 3.4rem; padding-bottom: 2rem; }
[data-testid="stBottomBlockContainer"] { padding-bottom: .7rem; }
[class*="st-key-grid-"] { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1.2rem 1rem; }
[class*="st-key-card-"] { gap: .35rem; }
[class*="st-key-card-"] img, .pending { border-radius: 10px; aspect-ratio: 1; width: 100%; }
[data-testid="stDialog"] [data-testid="stImage"] img { width: 58vh !important; height: auto; border-radius: 10px; }
[class*="st-key-card-"] p { margin: 0; line-height: 1.35; }
.pending {
  background: linear-gradient(100deg, rgba(128,150,152,.13) 40%, rgba(128,150,152,.26) 50%, rgba(128,150,152,.13) 60%) 0 0 / 300% 100%;
  animation: pending 2.4s linear infinite;
}
@keyframes pending { from { background-position: 100% 0 } to { background-position: -50% 0 } }
@media (prefers-reduced-motion: reduce) { .pending { animation: none } }
[class*="st-key-open-"] button > div, [class*="st-key-open-"] button { justify-content: flex-start; text-align: left; }
@media (max-width: 640px) {
  [data-testid="stMainBlockContainer"], [data-testid="stBottomBlockContainer"] { padding-left: .9rem; padding-right: .9rem; }
  [data-testid="stChatMessage"] { padding-left: .5rem; padding-right: .5rem; gap: 0; }
  [data-testid="stChatMessage"] > [data-testid^="stChatMessageAvatar"] { display: none; }
  [class*="st-key-grid-"] { grid-template-columns: 1fr 1fr; gap: .9rem .7rem; }
  h1 { font-size: 1.9rem !important; }
}
</style>"""


@st.cache_resource(show_spinner=False)
def chats() -> Chats:
    return Chats(settings().home, settings().database_url)


@st.cache_resource(show_spinner=False)
def studio() -> Studio:
    return Studio()


# ── which conversation ──────────────────────────────────────────────────────────────────────────────────────────


def current_chat() -> Chat:
    """The conversation that the page's address names, or an empty one."""
    wanted = st.query_params.get("c")
    chat: Chat | None = st.session_state.get("chat")
    if chat is None or wanted != (chat.id if chat.turns else None):
        chat = chats().open(wanted) if wanted else None
        if wanted and chat is None:
            st.session_state.notice = (
                chats().trouble or "No conversation is kept under this address: here is a new one."
            )
            del st.query_params["c"]
        chat = chat or chats().new()
    st.session_state.chat = chat
    return chat


def go_to(conversation_id: str | None = None) -> None:
    """Open a past conversation, or a new one."""
    st.session_state.chat = None
    if conversation_id:
        st.query_params["c"] = conversation_id
    else:
        st.query_params.clear()


def hear(chat: Chat, text: str) -> None:
    checkpoint, _ = checkpoint_of(st.session_state.model)
    trained, coverage = (checkpoint.card.trained, coverage_of(checkpoint)[0]) if checkpoint else (None, None)
    saved = chat.say(text, chosen(), seed=st.session_state.seed, trained=trained, coverage=coverage)
    st.query_params["c"] = chat.id
    if saved.status == "drawing":
        studio().draw(chat, saved)


def say(text: str) -> None:
    """What a click on a suggestion does: it is said in the next run, like typed words."""
    st.session_state.said = text


# ── sidebar ─────────────────────────────────────────────────────────────────────────────────────────────────────


def sidebar(chat: Chat) -> None:
    with st.sidebar:
        st.button("New conversation", icon=":material/edit_square:", key="new", width="stretch", on_click=go_to)
        past_conversations(chat)
        with st.expander("How images are drawn", icon=":material/tune:"):
            checkpoint = choices()
        if checkpoint and checkpoint.base:
            derived(checkpoint)
        st.caption(f":material/info: {DISCLAIMER}")


def past_conversations(chat: Chat) -> None:
    headlines = chats().headlines()
    if chats().trouble:
        st.warning(plain(chats().trouble))
    if not headlines:
        return
    st.caption("Conversations")
    with st.container(height=300 if len(headlines) > 7 else "content", border=False, gap="xxsmall"):
        for headline in headlines:
            st.button(
                plain(headline.title, 27) or "(no words)",
                key=f"open-{headline.id}",
                type="secondary" if headline.id == chat.id else "tertiary",
                width="stretch",
                icon=":material/chat_bubble_outline:",
                help=f"{headline.updated:%d %B %Y, %H:%M} UTC",
                on_click=go_to,
                args=(headline.id,),
            )

    if chat.turns:
        with st.popover("Delete this conversation", icon=":material/delete:", type="tertiary"):
            st.markdown("The conversation and its images will be gone for good.")
            st.button("Delete", key="delete", type="primary", on_click=delete, args=(chat,))


def delete(chat: Chat) -> None:
    try:
        chats().delete(chat.id)
    except StoreError as error:
        st.session_state.notice = str(error)
    else:
        go_to()


def choices() -> Checkpoint | None:
    """Model, steps, guidance and seed; an empty field means the checkpoint's own value. Returns the model if it is at hand."""
    here = [name for name, at_hand in known().items() if at_hand]
    st.selectbox(
        "Model",
        list(dict.fromkeys([*here, st.session_state.model])),
        key="model",
        accept_new_options=True,
        help="A name from the list, or type the folder of a training run or of a model in diffusers' layout.",
    )
    checkpoint, problem = checkpoint_of(st.session_state.model)
    if checkpoint:
        _, problem = coverage_of(checkpoint)
    if problem:
        st.error(plain(problem))
    card = checkpoint.card if checkpoint else Card()
    left, right = st.columns(2)
    left.number_input("Steps", 1, 1000, key="steps", placeholder=f"{card.steps}", help="More steps take longer.")
    if (st.session_state.get("guidance_scale") or 0) > card.guidance_most:  # left from another model
        st.session_state.guidance_scale = card.guidance_most
    right.number_input(
        "Guidance",
        0.0,
        card.guidance_most,
        key="guidance_scale",
        placeholder=f"{card.guidance_scale:g}",
        help="How closely the words are followed.",
    )
    st.number_input(
        "Seed", 0, 2**32 - 1, key="seed", placeholder="new each time", help="The same seed draws the same image again."
    )
    return checkpoint


def checkpoint_of(model: str | None) -> tuple[Checkpoint | None, str]:
    """A checkpoint, or a sentence that says why it is not at hand."""
    try:
        return find(model or "embedded"), ""
    except GenerationError as error:
        return None, str(error)


def coverage_of(checkpoint: Checkpoint) -> tuple[Coverage | None, str]:
    """What is counted of a checkpoint's training pictures, or a sentence that says why it cannot be read; it draws all the same."""
    try:
        return checkpoint.coverage, ""
    except GenerationError as error:
        return None, str(error)


def derived(checkpoint: Checkpoint) -> None:
    """What a model that was trained from another one is, and what it learnt that nobody has measured."""
    st.caption(plain(f"{checkpoint.name} is {checkpoint.made_of}."))
    if checkpoint.added:
        st.caption(
            ":material/warning: "
            + plain(f"{checkpoint.base.name} did not know {', '.join(checkpoint.added)}: look at the first images with care.")
        )


def chosen() -> dict[str, object]:
    return {name: st.session_state[name] for name in CHOICES}


def remember_choices() -> None:
    """Start from the settings."""
    for name in (*CHOICES, "seed"):
        st.session_state.setdefault(name, getattr(settings(), name))


# ── conversation ────────────────────────────────────────────────────────────────────────────────────────────────


def welcome() -> None:
    st.title("What would you like to see?")
    st.markdown(
        "Name a skin condition, a place on the body and a skin tone, in your own words. Then vary it:"
        " *now on black skin*, *more severe*, *the second one on the elbow*."
    )
    st.space("small")
    suggestions(FIRST_SENTENCES, "first")


def suggestions(sentences: Sequence[str], key: str) -> None:
    with st.container(horizontal=True, key=f"suggestions-{key}", gap="xsmall"):
        for number, sentence in enumerate(sentences):
            st.button(plain(sentence, 90), wrap=True, key=f"say-{key}-{number}", on_click=say, args=(sentence,))


def earlier_on_demand(turns: list[SavedTurn]) -> list[SavedTurn]:
    """The last turns; a button brings the earlier ones."""
    shown = st.session_state.setdefault("shown", SHOWN_TURNS)
    if len(turns) > shown and st.button(f"Show earlier turns ({len(turns) - shown})", icon=":material/history:"):
        st.session_state.shown = len(turns)
        st.rerun()
    return turns[-st.session_state.shown :]


def show_turn(chat: Chat, saved: SavedTurn, last: bool) -> None:
    with st.chat_message("user", avatar=":material/person:"):
        st.text(cut(saved.text, SHOWN_CHARACTERS))
    with st.chat_message("assistant", avatar=":material/dermatology:"):
        st.markdown(saved.turn.reply)
        if saved.status == "drawing":
            show_drawing(chat, saved)
            return
        show_end(chat, saved)
        if pictured := chat.pictured(saved):
            grid(chat, saved, pictured)
        if last:
            suggestions(saved.turn.suggestions, saved.id)


@st.fragment(run_every=POLL_S)
def show_drawing(chat: Chat, saved: SavedTurn) -> None:
    """Progress, a Stop button and what is finished so far; looks again every :data:`POLL_S` seconds."""
    if saved.status != "drawing":
        st.rerun()
    job = studio().job(saved)
    if job is None:
        st.caption("These images are being drawn by another Script2Skin program: reload the page to see them.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.progress(job.progress.fraction, text="Stopping" if job.stopping() else job.progress.words)
        st.button(
            "Stop", icon=":material/stop_circle:", key=f"stop-{saved.id}", disabled=job.stopping(), on_click=job.stop
        )
    grid(chat, saved, saved)


def show_end(chat: Chat, saved: SavedTurn) -> None:
    """How a drawing ended, when not well, with the way to take it up again."""
    if saved.status not in ENDINGS:
        return
    missing = sum(len(part.indices) for part in missing_parts(saved))
    what = saved.problem or ENDINGS[saved.status].format(missing=missing, total=missing + len(saved.images))
    (st.error if saved.status == "failed" else st.warning)(plain(what))
    st.button(
        "Draw again" if not saved.images else "Draw the rest",
        icon=":material/refresh:",
        key=f"again-{saved.id}",
        on_click=studio().draw,
        args=(chat, saved, chosen()),
    )


def grid(chat: Chat, place: SavedTurn, saved: SavedTurn) -> None:
    """The images of ``saved``, shown under ``place``; while they are drawn, with empty frames for those to come."""
    drawing = saved.status == "drawing"
    images = list(saved.images)
    with st.container(key=f"grid-{place.id}"):
        for image in images:
            card(chat, place, saved, image, tools=not drawing)
        for part in missing_parts(saved) if drawing else ():
            for seed in part.seeds():
                with st.container(key=f"card-{place.id}-{part.position}-{seed}"):
                    st.html('<div class="pending"></div>')
                    legend(part.request, seed)
    if len(images) > 1 and not drawing:
        st.download_button(
            f"Download all {len(images)} images",
            data=partial(zipped, chat, saved),
            file_name=f"script2skin-{saved.created:%Y%m%d-%H%M%S}.zip",
            mime="application/zip",
            icon=":material/folder_zip:",
            key=f"all-{place.id}",
            on_click="ignore",
        )


def zipped(chat: Chat, saved: SavedTurn) -> bytes:
    return archive((image, png) for image in saved.images if (png := chat.png(image)) is not None)


def card(chat: Chat, place: SavedTurn, saved: SavedTurn, image: SavedImage, tools: bool) -> None:
    key, png = f"{place.id}-{image.id}", chat.png(image)
    with st.container(key=f"card-{key}"):
        if png is None:
            st.warning(plain(f"The file {image.file} of this image is gone."))
            return
        st.image(png, width="stretch", alt=saved.turn.requests[image.request].caption)
        legend(saved.turn.requests[image.request], image.seed, image.details)
        if tools:
            with st.container(horizontal=True, gap="xsmall"):
                if st.button("Zoom", icon=":material/zoom_in:", type="tertiary", key=f"zoom-{key}"):
                    zoom(chat, saved, saved.images.index(image))
                download(chat, image, f"png-{key}")


def legend(request: ImageRequest, seed: int, record: Mapping[str, Any] | None = None) -> None:
    """Caption, seed and the tone that was asked for; the colour measured on the picture, and what it passes for, stand beside them."""
    record = record or {}
    colour = ""
    if measured := record.get("measured_tone"):
        colour = f" · measured ITA {round(measured['ita'])}° ({measured['colour']})".replace("-", "−")
        again = measured.get("drawn_again") or 0
        colour += f", drawn {again + 1} times for its tone" if again else ""
        if stops := float(measured.get("stops") or 0):
            colour += f", exposure {stops:+.1f} stops for its tone".replace("-", "−")
    if again := record.get("seen_rash", {}).get("drawn_again"):
        colour += f" · drawn {again + 1} times for its rash"
    other = checks.passes_for(record)
    passes = f"  \n:small[:orange[may pass for {other}]]" if other else ""
    st.markdown(f"**{request.tone.capitalize()} skin**  \n:small[:gray[{request.caption}  \nseed {seed}{colour}]]{passes}")


def download(chat: Chat, image: SavedImage, key: str) -> None:
    st.download_button(
        "PNG",
        data=partial(chat.png, image),
        file_name=file_name(image),
        mime="image/png",
        icon=":material/download:",
        type="tertiary",
        key=key,
        on_click="ignore",
    )


@st.dialog("A closer look", width="medium")
def zoom(chat: Chat, saved: SavedTurn, first: int) -> None:
    """One image as large as the window allows, with its neighbours a click away."""
    at = st.session_state.setdefault(f"at-{saved.id}-{first}", first)
    image = saved.images[at]
    st.image(chat.png(image) or b"", width="stretch")
    legend(saved.turn.requests[image.request], image.seed, image.details)
    model, sampling = image.details["model"], image.details["sampling"]
    st.caption(
        plain(f"Model {model['name']}, {sampling['steps']} steps, guidance {sampling['guidance_scale']:g}")
        + f" · image {at + 1} of {len(saved.images)}"
    )
    with st.container(horizontal=True):
        for name, icon, step in (("Previous", ":material/chevron_left:", -1), ("Next", ":material/chevron_right:", 1)):
            if st.button(name, icon=icon, disabled=not 0 <= at + step < len(saved.images), key=f"{name}-{saved.id}"):
                st.session_state[f"at-{saved.id}-{first}"] = at + step
                st.rerun(scope="fragment")
        download(chat, image, f"zoomed-{image.id}")


def main() -> None:
    st.set_page_config(page_title="Script2Skin", page_icon=ICON, layout="wide")
    st.logo(LOGO, size="large")
    st.html(STYLE)
    remember_choices()
    chat = current_chat()
    text = st.chat_input("Describe the images you want", key="input") or st.session_state.pop("said", None)
    st.bottom.caption(f":small[{DISCLAIMER}]")
    if text:
        hear(chat, text)
    sidebar(chat)
    if notice := st.session_state.pop("notice", ""):
        st.warning(plain(notice))
    if not chat.turns:
        welcome()
    for saved in earlier_on_demand(chat.turns):
        show_turn(chat, saved, last=saved is chat.turns[-1])
    if chat.trouble:
        st.warning(plain(chat.trouble))


if __name__ == "__main__":
    main()
