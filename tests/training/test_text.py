import pytest
import torch
from transformers import CLIPTokenizer

from assistant.vocabulary import vocabulary
from training.clip import SLOTS, Towers, text_embeddings
from training.text import MAX_TOKENS, canonical_captions, check_tokens, tokens, train_tokenizer


@pytest.fixture(scope="module")
def captions():
    return canonical_captions()


@pytest.fixture(scope="module")
def tokenizer(captions):
    return train_tokenizer(captions)


def test_every_canonical_caption_fits_word_by_word(captions, tokenizer):
    words = vocabulary()
    assert len(set(captions)) == len(captions)
    assert len(captions) == len(words.names("rash")) * len(words.names("area")) * len(words.names("tone"))
    for slot in ("severity", "size", "number"):
        for name in words.names(slot):
            assert any(f", {name}" in caption for caption in captions)
    check_tokens(tokenizer, captions)
    assert max(len(ids) for ids in tokenizer(captions).input_ids) <= MAX_TOKENS


def test_it_is_loaded_again_without_a_hub(tokenizer, captions, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    again = CLIPTokenizer.from_pretrained(tmp_path)
    assert again(captions[:50]).input_ids == tokenizer(captions[:50]).input_ids
    assert again.model_max_length == MAX_TOKENS


def test_a_word_that_was_not_learnt_is_spelled_not_lost(tokenizer):
    pieces = tokenizer.convert_ids_to_tokens(tokenizer("zebra rash").input_ids)
    assert "".join(pieces[1:-1]).replace("</w>", " ") == "zebra rash "
    with pytest.raises(ValueError, match="tokens"):
        check_tokens(tokenizer, ["zebra rash"])


@pytest.mark.parametrize("slot", SLOTS)
def test_every_value_of_a_slot_can_be_told_from_the_embedding(slot, captions, tokenizer):
    """Least squares on half of the captions' embeddings names the value in the other half."""
    torch.manual_seed(0)
    model = Towers(text_layers=2, image_layers=1).build(tokenizer).eval()
    generator = torch.Generator().manual_seed(1)
    some = [captions[i] for i in torch.randperm(len(captions), generator=generator)[:2000]]
    names = vocabulary().names(slot)
    with torch.no_grad():
        states = torch.cat(
            [model.text_model(input_ids=part).last_hidden_state.mean(1) for part in tokens(tokenizer, some).split(250)]
        )
        pooled = text_embeddings(model, tokens(tokenizer, some), torch.device("cpu"))
    assert pooled.shape == (2000, 256)
    label = torch.tensor([read(slot, caption, names) for caption in some])
    states = torch.cat([(states - states.mean(0)) / states.std(0), torch.ones(2000, 1)], 1)
    target = torch.nn.functional.one_hot(label, len(names)).float()
    solution = torch.linalg.lstsq(states[:1000], target[:1000]).solution
    assert ((states[1000:] @ solution).argmax(1) == label[1000:]).float().mean() > 0.99


def read(slot: str, caption: str, names: tuple[str, ...]) -> int:
    """Index of the value in a canonical caption."""
    frame = {"rash": "{} type of", "area": " at the {} area", "tone": " {} skin"}[slot]
    before = {"rash": "", "area": "", "tone": " a"}[slot]
    fits = [i for i, name in enumerate(names) if frame.format(name) in caption]
    if slot == "tone":  # "very fair skin" holds " fair skin"
        fits = [i for i in fits if f"{before} {names[i]} skin" in caption or f"{before}n {names[i]} skin" in caption]
    if slot == "rash":
        fits = [i for i in fits if caption.startswith(names[i])]
    (only,) = fits
    return only
