"""Tiny, truthful copies of the downloads that people really have: the folders, names and columns of each, pictures drawn here.

Each builder writes below ``root`` and returns it. Every copy has the faults that the real one has: a picture that is
missing, one that no table names, a label that says nothing.
"""

import csv
import json
from pathlib import Path

from tests.data.pictures import BROWN, FAIR, save

DERMNET = ("Acne and Rosacea Photos", "Atopic Dermatitis Photos", "Bullous Disease Photos", "Eczema Photos", "Nail Fungus and other Nail Disease",
           "Systemic Disease", "Urticaria Hives", "Vasculitis Photos", "Warts Molluscum and other Viral Infections")  # fmt: skip
ONE_HOT_2018 = ("image", "MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
ONE_HOT_2019 = ("image", "MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK")


def table(path: Path, header, rows) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([*([header] if header else []), *rows])
    return path


def hot(header, name, label):
    return (name, *("1.0" if column == label else "0.0" for column in header[1:]))


def dermnet(root: Path) -> Path:
    """Nine of the 23 folders, a picture each; one in train and in test, one thumbnail file that is none."""
    for number, name in enumerate(DERMNET):
        save(root / "train" / name / f"{name.split()[0].lower()}-{number}.jpg", number)
    save(root / "test" / "Eczema Photos" / "07eczema.jpg", 40)
    save(root / "train" / "Eczema Photos" / "eczema-again.jpg", 40)
    (root / "train" / "Eczema Photos" / "Thumbs.db").write_bytes(b"")
    return root


def isic2016(root: Path) -> Path:
    part = "ISBI2016_ISIC_Part3"
    table(root / f"{part}_Training_GroundTruth.csv", None, [("ISIC_1", "benign"), ("ISIC_2", "malignant"), ("ISIC_3", "benign"), ("ISIC_4", "?")])
    table(root / f"{part}_Test_GroundTruth.csv", None, [("ISIC_5", "0.0"), ("ISIC_6", "1.0")])
    for name, numbers in (("Training", (1, 2, 4, 7)), ("Test", (5, 6))):
        for number in numbers:
            save(root / f"{part}_{name}_Data" / f"ISIC_{number}.jpg", number)
    return root


def isic2018(root: Path) -> Path:
    """ISIC_1 and ISIC_2 are one lesion; ISIC_3 is missing; ISIC_9 is in no table; ISIC_4 has two classes."""
    stem = "ISIC2018_Task3_{}"
    rows = {
        "Training": [hot(ONE_HOT_2018, "ISIC_1", "MEL"), hot(ONE_HOT_2018, "ISIC_2", "MEL"), hot(ONE_HOT_2018, "ISIC_3", "NV"),
                     ("ISIC_4", "1.0", "1.0", *["0.0"] * 5), hot(ONE_HOT_2018, "ISIC_5", "BKL")],
        "Validation": [hot(ONE_HOT_2018, "ISIC_6", "AKIEC")],
        "Test": [hot(ONE_HOT_2018, "ISIC_7", "NV")],
    }  # fmt: skip
    for part, each in rows.items():
        truth = f"{stem.format(part)}_GroundTruth"
        table(root / truth / f"{truth}.csv", ONE_HOT_2018, each)
    groups = [("ISIC_1", "HAM_1", "histopathology"), ("ISIC_2", "HAM_1", "histopathology"), ("ISIC_5", "HAM_5", "consensus")]
    table(root / f"{stem.format('Training')}_LesionGroupings.csv", ("image", "lesion_id", "diagnosis_confirm_type"), groups)
    for part, numbers in (("Training", (1, 2, 4, 5, 9)), ("Validation", (6,)), ("Test", (7,))):
        for number in numbers:
            save(root / f"{stem.format(part)}_Input" / f"ISIC_{number}.jpg", number)
    return root


def isic2019(root: Path) -> Path:
    rows = [hot(ONE_HOT_2019, f"ISIC_{number}", label) for number, label in ((1, "SCC"), (2, "AK"), (3, "UNK"), (4, "NV"))]
    table(root / "ISIC_2019_Training_GroundTruth.csv", ONE_HOT_2019, [*rows, hot(ONE_HOT_2019, "ISIC_5_downsampled", "MEL")])
    about = [("ISIC_1", "55.0", "upper extremity", "BCN_1", "male"), ("ISIC_2", "60.0", "head/neck", "BCN_1", "female"), ("ISIC_4", "", "", "", "")]
    table(root / "ISIC_2019_Training_Metadata.csv", ("image", "age_approx", "anatom_site_general", "lesion_id", "sex"), about)
    for name in ("ISIC_1", "ISIC_2", "ISIC_3", "ISIC_5_downsampled"):
        save(root / "ISIC_2019_Training_Input" / "ISIC_2019_Training_Input" / f"{name}.jpg", int(name[5]))
    (root / "ISIC_2019_Training_Input" / "LICENSE.txt").write_text("CC-BY-NC 4.0")
    return root


def isic2020(root: Path) -> Path:
    header = ("image_name", "patient_id", "lesion_id", "sex", "age_approx", "anatom_site_general_challenge", "diagnosis", "benign_malignant", "target")
    rows = [("ISIC_1", "IP_1", "IL_1", "male", "45", "torso", "unknown", "benign", "0"), ("ISIC_2", "IP_1", "IL_2", "male", "45", "lower extremity", "melanoma", "malignant", "1"),
            ("ISIC_3", "IP_2", "IL_3", "female", "30", "palms/soles", "nevus", "benign", "0"), ("ISIC_4", "IP_3", "IL_4", "female", "30", "", "nevus", "benign", "0"),
            ("ISIC_5", "IP_4", "IL_5", "", "", "", "a word of next year", "benign", "0")]  # fmt: skip
    table(root / "ISIC_2020_Training_GroundTruth_v2.csv", header, rows)
    table(root / "ISIC_2020_Training_Duplicates.csv", ("image_name_1", "image_name_2"), [("ISIC_3", "ISIC_4")])
    for number in (1, 2, 3, 4, 5, 8):
        save(root / "train" / f"ISIC_{number}.jpg", number)
    return root


def fitzpatrick17k(root: Path) -> Path:
    header = ("md5hash", "fitzpatrick_scale", "fitzpatrick_centaur", "label", "nine_partition_label", "three_partition_label", "qc", "url", "url_alphanum")
    said = [("a1", "6", "psoriasis", "inflammatory", "non-neoplastic", ""), ("a2", "-1", "acne vulgaris", "inflammatory", "non-neoplastic", "1 Diagnostic"),
            ("a3", "2", "superficial spreading melanoma ssm", "malignant melanoma", "malignant", ""), ("a4", "3", "basal cell carcinoma", "malignant epidermal", "malignant", ""),
            ("a5", "1", "eczema", "inflammatory", "non-neoplastic", "3 Wrongly labelled"), ("a6", "4", "scabies", "inflammatory", "non-neoplastic", "")]  # fmt: skip
    rows = [(md5, scale, scale, label, nine, three, qc, f"https://atlas/{md5}.jpg", f"httpsatlas{md5}jpg.jpg") for md5, scale, label, nine, three, qc in said]
    table(root / "fitzpatrick17k.csv", header, rows)
    for number, name in enumerate(("a1", "a2", "a3", "a5", "zz")):
        save(root / "data" / "finalfitz17k" / f"{name}.jpg", number, colour=BROWN if name == "a1" else FAIR)
    save(root / "data" / "finalfitz17k" / "httpsatlasa4jpg.jpg", 14)
    return root


def scin(root: Path) -> Path:
    areas = ("head_or_neck", "arm", "palm", "back_of_hand", "torso_front", "torso_back", "genitalia_or_groin", "buttocks", "leg", "foot_top_or_side", "foot_sole", "other")
    header = ("case_id", "source", "release", "fitzpatrick_skin_type", *(f"body_parts_{area}" for area in areas), "image_1_path", "image_2_path", "image_3_path")

    def case(number, kind, parts, *images):
        paths = [f"dataset/images/{image}.png" for image in images] + [""] * (3 - len(images))
        return (number, "SCIN", "1.0.0", kind, *("YES" if area in parts else "" for area in areas), *paths)

    cases = [case("-1", "FST2", ["arm"], "-11", "-12"), case("-2", "NONE_SELECTED", ["leg", "arm"], "-21"), case("-3", "FST3", [], "-31"), case("-4", "", ["palm"], "-41"), case("-5", "FST5", ["foot_sole"], "-51")]  # fmt: skip
    labels = [
        ("-1", "DEFAULT_YES_IMAGE_QUALITY_SUFFICIENT", "['Eczema', 'Psoriasis']", "{'Eczema': 0.69, 'Psoriasis': 0.31}", "FST5", "FST5", "FST3"),
        ("-2", "DEFAULT_YES_IMAGE_QUALITY_SUFFICIENT", "['CD - Contact dermatitis']", "{'CD - Contact dermatitis': 1.0}", "", "", ""),
        ("-3", "NO_IMAGE_QUALITY_INSUFFICIENT", "[]", "{}", "", "", ""),
        ("-4", "DEFAULT_YES_IMAGE_QUALITY_SUFFICIENT", "['Tinea', 'Acne']", "{'Tinea': 0.5, 'Acne': 0.5}", "", "", ""),
        ("-5", "DEFAULT_YES_IMAGE_QUALITY_SUFFICIENT", "['Herpes Zoster']", "{'Herpes Zoster': 1.0}", "", "", ""),
    ]
    columns = ("case_id", "dermatologist_gradable_for_skin_condition_1", "dermatologist_skin_condition_on_label_name", "weighted_skin_condition_label",
               *(f"dermatologist_fitzpatrick_skin_type_label_{number}" for number in (1, 2, 3)))  # fmt: skip
    table(root / "dataset" / "scin_cases.csv", header, cases)
    table(root / "dataset" / "scin_labels.csv", columns, labels)
    for number, name in enumerate(("-11", "-12", "-21", "-31", "-41", "-99")):
        save(root / "dataset" / "images" / f"{name}.png", number)
    return root


def pad_ufes_20(root: Path) -> Path:
    header = ("patient_id", "lesion_id", "smoke", "age", "fitspatrick", "region", "diagnostic", "itch", "img_id", "biopsed")
    rows = [("PAT_1", "10", "False", "55", "3.0", "NECK", "NEV", "False", "PAT_1_10_100.png", "True"), ("PAT_1", "11", "False", "55", "3.0", "LIP", "BCC", "True", "PAT_1_11_101.png", "True"),
            ("PAT_2", "12", "", "8", "", "ARM", "SEK", "False", "PAT_2_12_102.png", "False"), ("PAT_3", "13", "", "8", "", "ARM", "XXX", "False", "PAT_3_13_103.png", "False"),
            ("PAT_4", "14", "", "8", "", "ARM", "ACK", "False", "PAT_4_14_104.png", "False")]  # fmt: skip
    table(root / "metadata.csv", header, rows)
    for number, row in enumerate(rows[:4]):
        save(root / "images" / f"imgs_part_{number % 3 + 1}" / f"imgs_part_{number % 3 + 1}" / row[8], number)
    save(root / "images" / "imgs_part_1" / "imgs_part_1" / "PAT_9_9_9.png", 9)
    return root


def captions(root: Path) -> Path:
    """A picture with its words beside it and one without; a third whose words say nothing."""
    for number, words in ((1, "severe hives on the back of a dark-skinned patient"), (2, None), (3, "a nice picture")):
        save(root / f"{number}.jpg", number)
        if words:
            (root / f"{number}.txt").write_text(words)
    return root


def json_lines(root: Path) -> Path:
    lines = [{"image": "images/1.jpg", "caption": "tinea on the foot, brown skin"}, {"image": "images/2.jpg", "caption": "a cat"}, {"image": "images/4.jpg", "caption": "acne"}]
    for number in (1, 2, 3):
        save(root / "images" / f"{number}.jpg", number)
    (root / "captions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return root


def image_folder(root: Path) -> Path:
    """Two tables, as the Hub has them: one a split, in CSV, with a caption or a class."""
    for split, number in (("train", 1), ("train", 2), ("test", 3), ("test", 4)):
        save(root / split / f"{number}.jpg", number)
    table(root / "train" / "metadata.csv", ("file_name", "text"), [("1.jpg", "eczema on the elbow, fair skin"), ("2.jpg", "a cat")])
    table(root / "test" / "metadata.csv", ("file_name", "label"), [("3.jpg", "Ringworm"), ("5.jpg", "Acne")])
    return root
