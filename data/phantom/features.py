"""What skin carries besides rashes: hair, brows, lips, eyes, stubble, nails, freckles, veins, briefs.

Each function paints onto a `Canvas` of per-point quantities. Positions come from the body's landmarks; amounts are by eye.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.phantom.body import EYE, MOUTH, Body, View
from data.phantom.noise import cells, fbm

HAIR = {  # linear sRGB of hair, and the tones it is found with (0 very fair … 5 black)
    "blond": ((0.33, 0.22, 0.10), (0, 1)),
    "brown": ((0.065, 0.032, 0.015), (0, 1, 2, 3)),
    "black": ((0.012, 0.009, 0.008), (1, 2, 3, 4, 5)),
    "grey": ((0.25, 0.24, 0.23), (0, 1, 2, 3, 4, 5)),
}


@dataclass
class Canvas:
    """Per point (N,): ``blood`` and ``pigment`` as in `rashes.Lesions`; ``cover`` (N,) and ``cover_colour`` (N, 3) of
    whatever is not skin (hair, eyes, nails' edge, cloth), in linear sRGB; ``gloss`` added specular strength;
    ``height`` metres; ``bare`` 1 where a rash can sit."""

    blood: np.ndarray
    pigment: np.ndarray
    height: np.ndarray
    gloss: np.ndarray
    cover: np.ndarray
    cover_colour: np.ndarray
    bare: np.ndarray

    @classmethod
    def blank(cls, n: int) -> Canvas:
        zero = [np.zeros(n, np.float32) for _ in range(5)]
        return cls(*zero, np.zeros((n, 3), np.float32), np.ones(n, np.float32))

    def paint(self, amount: np.ndarray, colour) -> None:
        """Cover with ``colour`` (3,) or (N, 3) where ``amount`` (N,) is 1."""
        amount = np.clip(amount, 0, 1)
        keep = (1 - amount)[:, None]
        self.cover_colour = self.cover_colour * keep + amount[:, None] * np.asarray(colour, np.float32)
        self.cover = self.cover * (1 - amount) + amount


def _smoothstep(x, low, high):
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def decorate(view: View, body: Body, tone_index: int, area: str, rng: np.random.Generator) -> Canvas:
    """Everything on the skin in ``view`` that is not the rash."""
    canvas = Canvas.blank(len(view.points))
    hair_colour = np.array(_hair_colour(tone_index, rng)) * rng.uniform(0.7, 1.3)
    _complexion(canvas, view, tone_index, rng)
    if np.isin(view.bone, _bones(body, "head", "neck")).any():
        _face(canvas, view, body, area, hair_colour, tone_index, rng)
    if np.isin(view.bone, _bones(body, "finger", "toe", "metacarpal", "foot")).any():
        _nails(canvas, view, body, rng)
    if np.isin(view.bone, _bones(body, "upperleg", "root", "pelvis", "spine05")).any():
        _briefs(canvas, view, body, area, rng)
    canvas.pigment -= view.glabrous * (0.25 + 0.09 * tone_index)  # palms and soles are lighter, most so on dark skin
    canvas.blood += view.glabrous * 0.10
    return canvas


def _bones(body: Body, *prefixes: str) -> np.ndarray:
    return np.flatnonzero([name.startswith(prefixes) for name in body.names])


def _hair_colour(tone_index: int, rng: np.random.Generator):
    fitting = [colour for colour, tones in HAIR.values() if tone_index in tones]
    weights = np.array([1.0] * (len(fitting) - 1) + [0.25])
    return fitting[rng.choice(len(fitting), p=weights / weights.sum())]


def _complexion(canvas: Canvas, view: View, tone_index: int, rng: np.random.Generator) -> None:
    """Uneven pigment and blood, pores and furrows, veins and freckles on the lightest skins."""
    seed = int(rng.integers(1, 2**30))
    P = view.points
    canvas.pigment += 0.10 * fbm(P, 14, seed, 3) + 0.05 * fbm(P, 130, seed + 11, 2)
    canvas.blood += 0.045 * fbm(P, 22, seed + 21, 3) + 0.03 * fbm(P, 170, seed + 31, 2)
    near, second, _ = cells(P, 700, seed + 41)  # the polygonal net of furrows, about 1.4 mm
    canvas.height += 0.00006 * np.clip((second - near) * 2, 0, 1) + 0.00003 * fbm(P, 1500, seed + 51, 1)
    if tone_index < 2 and rng.random() < 0.3:
        near, _, value = cells(P, 230, seed + 61)
        canvas.pigment += (value < 0.25) * np.exp(-((near / 0.28) ** 2)) * rng.uniform(0.6, 1.6)
    if tone_index < 3 and rng.random() < 0.35:
        vein = np.exp(-((fbm(P, 16, seed + 71, 2) / 0.10) ** 2))
        canvas.blood += 0.10 * vein
        canvas.pigment += 0.10 * vein


def _face(canvas, view, body, area, hair_colour, tone_index, rng) -> None:
    P, marks = view.points, body.landmarks
    size = np.linalg.norm(marks["eye.L"] - marks["eye.R"]) / 0.064  # of the head, 1 for an adult
    eyes, mouth = marks["eyes"], marks["mouth"]
    seed = int(rng.integers(1, 2**30))
    head = np.isin(view.bone, _bones(body, "head", "neck"))
    # lips
    lip = ((P[:, 0] / (0.027 * size)) ** 2 + ((P[:, 2] - mouth[2]) / (0.0105 * size)) ** 2) ** 0.5
    front = P[:, 1] < mouth[1] + 0.012 * size
    lips = head * front * (view.part != MOUTH) * _smoothstep(-lip, -1.08, -0.86)
    canvas.blood += lips * 0.75
    canvas.pigment += lips * 0.20
    canvas.gloss += lips * 0.15
    # eyes
    for side in "LR":
        centre = marks[f"eye.{side}"]
        ball = (view.part == EYE) & (np.sign(P[:, 0]) == np.sign(centre[0]))
        away = np.hypot(P[:, 0] - centre[0], P[:, 2] - centre[2]) / size
        iris = np.array([(0.10, 0.05, 0.02), (0.05, 0.09, 0.13), (0.03, 0.015, 0.008)][int(rng.integers(3)) if tone_index < 3 else 2])
        colour = np.where((away < 0.0026)[:, None], 0.004, np.where((away < 0.0060)[:, None], iris, (0.62, 0.58, 0.55)))
        canvas.paint(ball.astype(np.float32), colour)
        canvas.gloss += 0.8 * ball
        canvas.bare[ball] = 0
        # brow and lashes
        x = (P[:, 0] - centre[0]) * np.sign(centre[0]) / size
        arch = centre[2] + size * (0.0225 - 9.0 * np.clip(x - 0.006, -0.03, 0.03) ** 2)
        brow = _smoothstep(-np.abs(P[:, 2] - arch) / size, -0.0050, -0.0025) * _smoothstep(-np.abs(x - 0.003), -0.025, -0.019)
        strokes = 0.45 + 0.4 * _strands(P, seed + 3, (500, 500, 1500), 0.0)
        canvas.paint(head * (P[:, 1] < eyes[1] + 0.02) * brow * strokes, hair_colour * 0.8)
        lid = (view.part != EYE) & (np.linalg.norm(P - centre, axis=1) < 0.0150 * size)
        canvas.pigment += 0.5 * lid
    canvas.paint((view.part == MOUTH) * 1.0, (0.35, 0.12, 0.10))
    canvas.bare[view.part == MOUTH] = 0
    # scalp hair: the hairline runs from above the forehead over the ears to the nape
    back = np.clip((P[:, 1] - (eyes[1] - 0.02)) / (0.19 * size), 0, 1)
    line = eyes[2] + size * (0.078 - 0.05 * _smoothstep(back, 0.15, 0.45) - 0.085 * _smoothstep(back, 0.5, 0.95))
    line = line + 0.006 * size * fbm(P, 60, seed + 5, 3)
    hair = head * _smoothstep((P[:, 2] - line) / size, -0.008, 0.018)
    for side in "LR":
        hair *= _smoothstep(np.linalg.norm(P - marks[f"ear.{side}"] - [0, 0, 0.0], axis=1) / size, 0.036, 0.042)
    if area == "scalp":  # short or thin, or no rash would be seen
        dense = _smoothstep(_strands(P, seed + 7, (900, 900, 220), -0.2), 0.2, 0.9) * rng.uniform(0.35, 0.7)
    else:
        strands = _strands(P, seed + 7, (500, 500, 70), 0.0)
        dense = 0.90 + 0.10 * strands
        canvas.height += hair * 0.0005 * strands
        canvas.bare *= 1 - hair
    shade = (0.6 + 0.7 * _strands(P, seed + 9, (700, 700, 60), 0.0))[:, None]
    canvas.paint(hair * dense, hair_colour * shade)
    if area == "beard" or rng.random() < 0.12:
        low = _smoothstep(mouth[2] + 0.028 * size - P[:, 2], 0, 0.02) * _smoothstep(P[:, 2] - marks["chin"][2] + 0.035, 0, 0.02)
        side_burn = _smoothstep(np.abs(P[:, 0]) / size, 0.045, 0.062) * _smoothstep(eyes[2] - 0.01 - P[:, 2], 0, 0.02) * low**0.2
        region = head * np.maximum(low, side_burn) * (1 - lips) * (P[:, 1] < marks["ear.L"][1] - 0.012)
        region *= P[:, 2] > marks["chin"][2] - 0.03
        near, _, _ = cells(P, 620, seed + 13)
        stubble = region * np.exp(-((near / 0.33) ** 2)) * rng.uniform(0.5, 0.95)
        canvas.paint(stubble, hair_colour * 0.8)


def _strands(P: np.ndarray, seed: int, frequency: tuple, threshold: float) -> np.ndarray:
    """Hair-like streaks 0–1: noise stretched along the axis of the lowest frequency."""
    stretched = P * (np.array(frequency) / 100)
    return _smoothstep(fbm(stretched, 100, seed, 2), threshold - 0.5, threshold + 0.7)


def _nails(canvas: Canvas, view: View, body: Body, rng: np.random.Generator) -> None:
    """A glossy pink plate with a pale free edge on each finger and toe."""
    P, marks = view.points, body.landmarks
    for side in "LR":
        dorsal_hand = body.hand_dorsal(side)
        digits = [(f"finger{k}-2.{side}", f"finger{k}-3.{side}", dorsal_hand, 0.0062) for k in (2, 3, 4, 5)]
        outward = marks[f"finger2-1.{side}"] - marks[f"finger5-1.{side}"]
        digits.append((f"finger1-2.{side}", f"finger1-3.{side}", None, 0.0078))
        up = np.array([0.0, -0.25, 1.0])
        digits += [(f"toe{k}-2.{side}", f"toe{k}-3.{side}", up, 0.0050) for k in (2, 3, 4, 5)]
        digits.append((f"toe1-1.{side}", f"toe1-2.{side}", up, 0.0095))
        for first, last, normal, width in digits:
            along = marks[last] - marks[first]
            along = along / np.linalg.norm(along)
            if normal is None:
                normal = np.cross(along, np.cross(dorsal_hand, along)) + 0.8 * outward / np.linalg.norm(outward)
            normal = normal - (normal @ along) * along
            normal = normal / np.linalg.norm(normal)
            toe = first.startswith("toe")
            middle = marks[last] + along * (0.017 if not toe else 0.016)
            if np.linalg.norm(P - middle, axis=1).min() > 0.02:
                continue
            tip = body.surface(middle, normal)
            offset = P - tip
            a, b = offset @ along / (width * 1.25), offset @ np.cross(normal, along) / width
            facing = (view.normals @ normal) > 0.35
            round_ = (np.abs(a) ** 3 + np.abs(b) ** 3) ** (1 / 3)
            plate = facing * (np.abs(offset @ normal) < 0.006) * _smoothstep(-round_, -1.06, -0.90)
            canvas.pigment -= 0.55 * plate
            canvas.blood += 0.35 * plate * (a < 0.7)
            canvas.gloss += 0.45 * plate
            canvas.paint(plate * _smoothstep(a, 0.72, 0.84) * 0.7, (0.75, 0.70, 0.62))
            canvas.height += 0.0002 * plate


def _briefs(canvas: Canvas, view: View, body: Body, area: str, rng: np.random.Generator) -> None:
    """Plain underwear."""
    P, marks = view.points, body.landmarks
    hip = (marks["upperleg01.L"] + marks["upperleg01.R"]) / 2
    half = abs(marks["upperleg01.L"][0])
    rise = P[:, 2] - hip[2]
    on_trunk = ~np.isin(view.bone, _bones(body, "lowerarm", "wrist", "finger", "metacarpal", "upperarm"))
    narrow = 0.55 if area in ("groin", "buttock") else 1.0
    cut = 0.35 * half * narrow + narrow * 1.5 * np.clip(rise + 0.085, 0, 0.4)
    top = {"groin": 0.035, "buttock": 0.06, "lower back": 0.04, "waist": 0.045}.get(area, 0.06)
    edge = 0.004
    cloth = _smoothstep(cut - np.abs(P[:, 0]), -edge, edge) * _smoothstep(top - rise, -edge, edge)
    cloth = cloth * _smoothstep(rise, -0.115, -0.10) * on_trunk
    colour = np.array([(0.75, 0.76, 0.78), (0.16, 0.22, 0.32), (0.04, 0.04, 0.05), (0.35, 0.36, 0.38)][int(rng.integers(4))])
    weave = 1 + 0.06 * fbm(P, 900, int(rng.integers(1, 2**30)), 1)
    canvas.paint(cloth, colour * weave[:, None])
    canvas.bare *= 1 - cloth
