"""The page of a reader study: one picture at a time, two questions, and on. Widgets only.

Start it with ``script2skin study``; the study's folder is named by ``SCRIPT2SKIN_STUDY``.
"""

from __future__ import annotations

import os
import string
import time
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from assistant.plain import plain
from study.answers import Answer, add, code_of, of_reader
from study.plan import Shown, Study, StudyError, load

FOLDER = "SCRIPT2SKIN_STUDY"
#: The picture is as high as the window allows and the questions stand beside it, so that nothing has to be scrolled.
STYLE = """<style>
[data-testid="stMainBlockContainer"] { max-width: 1240px; padding-top: 3rem; padding-bottom: 1rem; }
[data-testid="stImage"] img { width: min(78vh, 50vw, 690px) !important; max-width: none; height: auto; border-radius: 8px; }
@media (max-width: 640px) { [data-testid="stImage"] img { width: calc(100vw - 2rem) !important; } }
[data-testid="stElementToolbar"] { display: none; }
</style>"""
KINDS = {"real": ("Real photograph", "1"), "synthetic": ("Synthetic", "2")}
#: More diagnoses than there are keys are a list to search instead.
BUTTONS = 24


@st.cache_resource(show_spinner=False)
def study_in(folder: str) -> Study:
    return load(Path(folder))


def sign_in(study: Study) -> None:
    """Asks for the reader's code; it goes into the address, so that a reloaded page goes on."""
    st.title("Real or synthetic?")
    st.markdown(
        f"You will see {len(study.pictures)} pictures of skin, one after the other. Say of each whether it is a real photograph or"
        " a synthetic picture, and which condition it shows. An answer cannot be changed afterwards. You may stop at any"
        " time: under the same code you go on where you stopped."
    )
    with st.form("reader", border=False):
        typed = st.text_input("Your code", key="code", max_chars=32, help="Letters and digits; not your name, unless you wish.")
        begin = st.form_submit_button("Begin", type="primary")
    if begin:
        try:
            st.query_params["reader"] = code_of(typed)
        except StudyError as error:
            st.error(plain(str(error)))
        else:
            st.rerun()


def question(study: Study, reader: str, shown: Shown, done: int) -> None:
    """One picture with its two questions."""
    begun = st.session_state.setdefault("begun", {})
    begun.setdefault(shown.id, time.monotonic())
    st.progress(done / len(study.pictures), text=f"Picture {done + 1} of {len(study.pictures)}")
    left, right = st.columns([3, 2], gap="large")
    left.image(study.picture(shown), width="stretch")
    with right:
        st.markdown("**1. Real or synthetic?**")
        said = choice("said", shown, KINDS)
        st.markdown("**2. Which condition does it show?**")
        if len(study.plan.diagnoses) <= BUTTONS:
            diagnosis = choice("diagnosis", shown, {name: (plain(name).capitalize(), key) for name, key in keys(study.plan.diagnoses).items()})
        else:
            diagnosis = st.selectbox(
                "Condition", study.plan.diagnoses, index=None, key=f"diagnosis-{shown.id}", placeholder="Type or choose", label_visibility="collapsed"
            )
        st.space("small")
        st.button(
            "Next picture", key=f"next-{shown.id}", shortcut="Enter", type="primary", disabled=not (said and diagnosis),
            on_click=keep, args=(study, reader, shown, said, diagnosis),
        )  # fmt: skip


def choice(name: str, shown: Shown, options: dict[str, tuple[str, str]]) -> str | None:
    """Buttons of which one is chosen, each with its key: option → (words, key)."""
    place = f"chosen-{name}-{shown.id}"
    chosen = st.session_state.get(place)
    with st.container(horizontal=True, gap="xsmall"):
        for option, (words, key) in options.items():
            st.button(
                words, key=f"{name}-{option}-{shown.id}", shortcut=key, type="primary" if chosen == option else "secondary",
                on_click=st.session_state.__setitem__, args=(place, option),
            )  # fmt: skip
    return chosen


def keys(names: Sequence[str]) -> dict[str, str]:
    """A key for each name: a letter of it that is free, else any; Streamlit keeps c and r for itself."""
    free = [letter for letter in string.ascii_lowercase if letter not in "cr"]
    found = {}
    for name in names:
        key = next((letter for letter in name if letter in free), free[0])
        free.remove(key)
        found[name] = key
    return found


def keep(study: Study, reader: str, shown: Shown, said: str, diagnosis: str) -> None:
    """Write the answer down; where that fails, the picture stays."""
    seconds = time.monotonic() - st.session_state.begun.get(shown.id, time.monotonic())
    try:
        add(study.answers, reader, Answer(picture=shown.id, said=said, diagnosis=diagnosis, seconds=round(seconds, 1)))
    except OSError as error:
        st.session_state.trouble = f"The answer could not be kept: {(error.strerror or str(error)).lower()}. Please try again."


def main() -> None:
    st.set_page_config(page_title="Reader study", layout="wide")
    st.html(STYLE)
    try:
        study = study_in(os.environ.get(FOLDER, ""))
        reader = code_of(typed) if (typed := st.query_params.get("reader")) else None
    except StudyError as error:
        st.error(plain(str(error)))
        return
    if reader is None:
        sign_in(study)
        return
    if trouble := st.session_state.pop("trouble", ""):
        st.error(plain(trouble))
    have = {answer.picture for answer in of_reader(study.answers, reader)}
    left = [shown for shown in study.order(reader) if shown.id not in have]
    if left:
        question(study, reader, left[0], len(study.pictures) - len(left))
    else:
        st.title("That was the last picture")
        st.markdown(f"All {len(study.pictures)} answers are kept. Thank you. You may close this page.")


if __name__ == "__main__":
    main()
