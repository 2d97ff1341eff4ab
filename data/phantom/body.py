"""The body: identities, two poses, landmarks, and what a camera sees of it (a G-buffer by ray casting with Embree)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import trimesh
from embreex import rtcore_scene
from embreex.mesh_construction import TriangleMesh
from numba import njit
from scipy.spatial import cKDTree

QUANTUM = 5e-5  # metres a unit in body.npz, see make_body.py
SKIN, MOUTH, EYE = 0, 1, 2
BACKDROP = 0.2  # metres behind the target hangs a cloth: what lies further back is not in the picture


@lru_cache(maxsize=1)
def _asset() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parent / "body.npz") as stored:
        asset = dict(stored)
    asset["vertices"] = asset["vertices"].astype(np.float64) * QUANTUM
    asset["weights"] = asset["weights"].astype(np.float64) / 255
    asset["names"] = [str(name) for name in asset["bones"]]
    return asset


def identities() -> int:
    return len(_asset()["vertices"])


def _rotation(axis, degrees: float) -> np.ndarray:
    return trimesh.transformations.rotation_matrix(np.radians(degrees), axis)[:3, :3]


def _bend(vertices, heads, asset, bone: str, axis, degrees: float):
    """Rotate a bone and all that hangs on it about the bone's head (linear blend skinning)."""
    names, parents = asset["names"], asset["parents"]
    root = names.index(bone)
    moved = np.zeros(len(names), bool)
    for b in range(len(names)):  # parents stand before children
        moved[b] = b == root or (parents[b] >= 0 and moved[parents[b]])
    share = (asset["weights"] * moved[asset["index"]]).sum(1, keepdims=True)
    pivot, R = heads[root].copy(), _rotation(axis, degrees)
    vertices += share * ((vertices - pivot) @ R.T + pivot - vertices)
    heads[moved] = (heads[moved] - pivot) @ R.T + pivot


def _posed(identity: int, pose: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    asset = _asset()
    vertices, heads = asset["vertices"][identity].copy(), asset["heads"][identity].astype(np.float64).copy()
    names = asset["names"]
    if pose == "open":  # arms raised, fingers and toes spread
        for side, sign in (("L", 1), ("R", -1)):
            _bend(vertices, heads, asset, f"upperarm01.{side}", (0, 1, 0), -sign * 105)
            hand = heads[names.index(f"finger3-1.{side}")] - heads[names.index(f"wrist.{side}")]
            across = heads[names.index(f"finger5-1.{side}")] - heads[names.index(f"finger2-1.{side}")]
            dorsal = np.cross(hand, across) * sign
            for finger, angle in ((2, -11), (3, -3), (4, 6), (5, 15)):
                _bend(vertices, heads, asset, f"finger{finger}-1.{side}", dorsal, -sign * angle)
            for toe, angle in ((1, -10), (2, -3), (3, 3), (4, 9), (5, 15)):
                _bend(vertices, heads, asset, f"toe{toe}-1.{side}", (0, 0, 1), sign * angle)
    return vertices, dict(zip(names, heads, strict=True))


@njit(cache=True, fastmath=True)
def _gather(tri_index, u, v, faces, attributes, out):
    for i in range(tri_index.shape[0]):
        a, b, c = faces[tri_index[i]]
        w = 1.0 - u[i] - v[i]
        for k in range(attributes.shape[1]):
            out[i, k] = w * attributes[a, k] + u[i] * attributes[b, k] + v[i] * attributes[c, k]


@dataclass
class View:
    """What a camera sees, one row for each of the ``N`` pixels that hit the body.

    ``pixel`` (N,) flat index into the picture; ``points``, ``normals`` (N, 3) in metres; ``to_camera`` (N, 3) unit;
    ``bone`` (N,) index of the dominant bone; ``part`` (N,) SKIN, MOUTH or EYE; ``open_sky`` (N,) ambient visibility in
    0–1; ``glabrous`` (N,) 1 on palm and sole; ``right``, ``up``, ``toward`` (3,) the camera's frame.
    """

    resolution: int
    width: float
    pixel: np.ndarray
    points: np.ndarray
    normals: np.ndarray
    to_camera: np.ndarray
    bone: np.ndarray
    part: np.ndarray
    open_sky: np.ndarray
    glabrous: np.ndarray
    right: np.ndarray
    up: np.ndarray
    toward: np.ndarray
    target: np.ndarray = field(default_factory=lambda: np.zeros(3))


class Body:
    """One identity in one pose, subdivided once (Loop), with an Embree scene; about 40 MB."""

    def __init__(self, identity: int, pose: str):
        asset = _asset()
        coarse, self.heads = _posed(identity, pose)
        self.names = asset["names"]
        vertices, faces = trimesh.remesh.subdivide_loop(coarse, asset["faces"].astype(np.int64), iterations=1)
        mesh = trimesh.Trimesh(vertices, faces, process=False)
        self.vertices, self.faces = vertices.astype(np.float32), np.asarray(faces, np.int64)
        self.normals = np.asarray(mesh.vertex_normals, np.float32)
        _, near = cKDTree(coarse).query(vertices)
        self.part = _label_parts(mesh)
        strongest = asset["index"][np.arange(len(coarse)), asset["weights"].argmax(1)]
        self.bone = strongest[near].astype(np.int64)
        self.scene = rtcore_scene.EmbreeScene()
        TriangleMesh(self.scene, self.vertices[self.faces].astype(np.float32))
        self.landmarks = self._landmarks(coarse, asset)
        self.glabrous = _smooth(self._glabrous(), self.faces, rounds=4)
        self.open_sky = self._open_sky()
        self.attributes = np.concatenate(
            [self.normals, self.open_sky[:, None], self.glabrous[:, None]], 1
        ).astype(np.float32)

    def _landmarks(self, coarse, asset) -> dict[str, np.ndarray]:
        dominant = asset["index"][np.arange(len(coarse)), asset["weights"].argmax(1)]
        head = coarse[(dominant == self.names.index("head")) & (asset["part"] == SKIN)]
        eyes = (self.heads["eye.L"] + self.heads["eye.R"]) / 2
        middle = head[np.abs(head[:, 0]) < 0.012]
        nose = middle[np.argmin(middle[:, 1] + 3 * np.maximum(0, np.abs(middle[:, 2] - eyes[2] + 0.045) - 0.02))]
        mouth = coarse[asset["part"] == MOUTH].mean(0)
        front = middle[middle[:, 1] < mouth[1] + 0.02]
        chin = front[np.argmin(front[:, 2] + 0.3 * front[:, 1])]
        marks = {"eyes": eyes, "nose": nose, "mouth": mouth, "chin": chin, "crown": head[np.argmax(head[:, 2])]}
        for side, sign in (("L", 1), ("R", -1)):
            beside = head[(np.abs(head[:, 2] - (eyes[2] - 0.02)) < 0.03) & (head[:, 1] > eyes[1] + 0.05)]
            marks[f"ear.{side}"] = beside[np.argmax(sign * beside[:, 0])]
        return {**self.heads, **marks}

    def _bones_starting(self, *prefixes: str) -> np.ndarray:
        wanted = np.array([name.startswith(prefixes) for name in self.names])
        return wanted[self.bone]

    def hand_dorsal(self, side: str) -> np.ndarray:
        """Unit normal of the back of the hand."""
        along = self.heads[f"finger3-1.{side}"] - self.heads[f"wrist.{side}"]
        across = self.heads[f"finger5-1.{side}"] - self.heads[f"finger2-1.{side}"]
        normal = np.cross(along, across) * (1 if side == "L" else -1)
        return normal / np.linalg.norm(normal)

    def _glabrous(self) -> np.ndarray:
        out = np.zeros(len(self.vertices), np.float32)
        for side in "LR":
            of_side = np.array([name.endswith("." + side) for name in self.names])[self.bone]
            hand = self._bones_starting("wrist", "finger", "metacarpal") & of_side
            out[hand] = np.clip((-self.normals[hand] @ self.hand_dorsal(side) - 0.05) / 0.45, 0, 1)
        foot = self._bones_starting("foot", "toe")
        out[foot] = np.clip((-self.normals[foot, 2] - 0.15) / 0.5, 0, 1)
        return out

    def _open_sky(self, rays: int = 24, reach: float = 0.12) -> np.ndarray:
        """Share of directions around the normal that leave the body within ``reach`` metres (ambient occlusion)."""
        rng = np.random.default_rng(0)
        free = np.zeros(len(self.vertices), np.float32)
        start = self.vertices + 0.0015 * self.normals
        for _ in range(rays):
            direction = self.normals + 0.95 * _unit(rng.standard_normal(self.normals.shape))
            hit = self.scene.run(start, _unit(direction).astype(np.float32), query="DISTANCE")
            free += np.clip(hit / reach, 0, 1)
        return _smooth(free / rays, self.faces, rounds=1)  # hides the noise of few rays

    def surface(self, inside: np.ndarray, facing: np.ndarray) -> np.ndarray:
        """The outermost point of the skin seen from ``facing``, looking at ``inside``; that point if nothing is hit."""
        start = (inside + 0.35 * facing).astype(np.float32)[None]
        hit = self.scene.run(start, -facing.astype(np.float32)[None], query="INTERSECT", output=True)
        return start[0] - hit["tfar"][0] * facing if hit["primID"][0] >= 0 else inside

    def look(self, target, toward, up, width: float, resolution: int, distance: float = 0.7) -> View:
        """Cast one ray a pixel: a pinhole camera ``distance`` metres from ``target`` whose frame is ``width`` metres wide there."""
        toward = _unit(np.asarray(toward, float))
        right = _unit(np.cross(up, toward))
        up = np.cross(toward, right)
        grid = ((np.arange(resolution) + 0.5) / resolution - 0.5) * width
        x, y = np.meshgrid(grid, -grid)
        camera = target + distance * toward
        rays = (target + x[..., None] * right + y[..., None] * up - camera).reshape(-1, 3)
        rays = _unit(rays).astype(np.float32)
        origin = np.repeat(camera.astype(np.float32)[None], len(rays), 0)
        hit = self.scene.run(origin, rays, query="INTERSECT", output=True)
        depth = (origin + hit["tfar"][:, None] * rays - target) @ toward
        pixel = np.flatnonzero((hit["primID"] >= 0) & (depth > -BACKDROP))
        triangle = hit["primID"][pixel].astype(np.int64)
        points = origin[pixel] + hit["tfar"][pixel, None] * rays[pixel]
        u, v = hit["u"][pixel], hit["v"][pixel]
        values = np.empty((len(pixel), self.attributes.shape[1]), np.float32)
        _gather(triangle, u, v, self.faces, self.attributes, values)
        corner = self.faces[triangle, np.argmax(np.stack([1 - u - v, u, v], 1), 1)]
        return View(
            resolution, width, pixel, points, _unit(values[:, :3]), -rays[pixel], self.bone[corner], self.part[corner],
            values[:, 3], values[:, 4], right, up, toward, np.asarray(target, float),
        )  # fmt: skip


def _label_parts(mesh: trimesh.Trimesh) -> np.ndarray:
    """SKIN, MOUTH or EYE of every vertex: the largest piece is the skin, the next the mouth, the last two are eyes."""
    labels = np.full(len(mesh.vertices), EYE, np.uint8)
    pieces = trimesh.graph.connected_components(mesh.edges, nodes=np.arange(len(labels)))
    for label, piece in zip((SKIN, MOUTH), sorted(pieces, key=len, reverse=True), strict=False):
        labels[piece] = label
    return labels


def _smooth(values: np.ndarray, faces: np.ndarray, rounds: int) -> np.ndarray:
    """Average each vertex with its neighbours."""
    count = 1 + np.bincount(faces.ravel(), minlength=len(values))
    for _ in range(rounds):
        total = values + np.bincount(
            faces.ravel(), weights=values[faces[:, [1, 2, 0]]].ravel(), minlength=len(values)
        )
        values = (total / count).astype(np.float32)
    return values


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)


@lru_cache(maxsize=32)
def body(identity: int, pose: str) -> Body:
    return Body(identity, pose)
