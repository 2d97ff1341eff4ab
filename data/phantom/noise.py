"""Noise in three dimensions on the body's own coordinates, and the distance to the nearest of many lesions.

Everything is seeded by an integer and free of global state, so that an image depends on its seed alone.
Gradient noise after K. Perlin, "Improving noise" (SIGGRAPH 2002); fractional Brownian motion sums its octaves.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(inline="always")
def _hash(x, y, z, seed):
    h = np.uint32(x) * np.uint32(374761393) + np.uint32(y) * np.uint32(668265263)
    h = h + np.uint32(z) * np.uint32(2147483647) + np.uint32(seed) * np.uint32(3266489917)
    h = (h ^ (h >> np.uint32(13))) * np.uint32(1274126177)
    return h ^ (h >> np.uint32(16))


@njit(inline="always")
def _corner(ix, iy, iz, fx, fy, fz, seed):
    h = _hash(ix, iy, iz, seed) & np.uint32(15)
    u = fx if h < 8 else fy
    v = fy if h < 4 else (fx if h == 12 or h == 14 else fz)
    return (u if h & 1 == 0 else -u) + (v if h & 2 == 0 else -v)


@njit(cache=True, fastmath=True)
def _perlin(x, y, z, seed):
    fx, fy, fz = np.floor(x), np.floor(y), np.floor(z)
    ix, iy, iz = np.int64(fx), np.int64(fy), np.int64(fz)
    x, y, z = x - fx, y - fy, z - fz
    u = x * x * x * (x * (x * 6 - 15) + 10)
    v = y * y * y * (y * (y * 6 - 15) + 10)
    w = z * z * z * (z * (z * 6 - 15) + 10)
    total = 0.0
    for dx in range(2):
        for dy in range(2):
            for dz in range(2):
                weight = (u if dx else 1 - u) * (v if dy else 1 - v) * (w if dz else 1 - w)
                total += weight * _corner(ix + dx, iy + dy, iz + dz, x - dx, y - dy, z - dz, seed)
    return total


@njit(cache=True, fastmath=True)
def _fbm(points, frequency, octaves, seed, out):
    for i in range(points.shape[0]):
        f, amplitude, total, norm = frequency, 1.0, 0.0, 0.0
        for o in range(octaves):
            offset = 17.31 * (o + 1)
            total += amplitude * _perlin(
                points[i, 0] * f + offset, points[i, 1] * f + offset, points[i, 2] * f + offset, seed + o
            )
            norm += amplitude * amplitude
            f *= 2.07
            amplitude *= 0.55
        out[i] = total / np.sqrt(norm) * 3.0


def fbm(points: np.ndarray, frequency: float, seed: int, octaves: int = 3) -> np.ndarray:
    """Fractional Brownian motion at ``points`` (N, 3) in metres, ``frequency`` in cycles a metre.

    Returns (N,) float32 of about zero mean and unit standard deviation.
    """
    out = np.empty(len(points), np.float32)
    _fbm(np.ascontiguousarray(points, np.float32), float(frequency), octaves, seed & 0x7FFFFFFF, out)
    return out


@njit(cache=True, fastmath=True)
def _cells(points, frequency, seed, nearest, second, value):
    for i in range(points.shape[0]):
        x, y, z = points[i, 0] * frequency, points[i, 1] * frequency, points[i, 2] * frequency
        bx, by, bz = np.int64(np.floor(x)), np.int64(np.floor(y)), np.int64(np.floor(z))
        first, other, chosen = 9.0, 9.0, np.uint32(0)
        for dx in range(-1, 2):
            for dy in range(-1, 2):
                for dz in range(-1, 2):
                    h = _hash(bx + dx, by + dy, bz + dz, seed)
                    px = bx + dx + (h & np.uint32(1023)) / 1023.0
                    py = by + dy + ((h >> np.uint32(10)) & np.uint32(1023)) / 1023.0
                    pz = bz + dz + ((h >> np.uint32(20)) & np.uint32(1023)) / 1023.0
                    d = (px - x) ** 2 + (py - y) ** 2 + (pz - z) ** 2
                    if d < first:
                        other, first, chosen = first, d, h
                    elif d < other:
                        other = d
        nearest[i], second[i], value[i] = np.sqrt(first), np.sqrt(other), (chosen % np.uint32(1009)) / 1008.0


def cells(points: np.ndarray, frequency: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cellular noise (S. Worley, "A cellular texture basis function", SIGGRAPH 1996) at ``points`` (N, 3).

    Returns (N,) float32 each: distance to the nearest and to the second nearest feature point, in cells, and a
    value in 0–1 that is constant within a cell.
    """
    nearest, second, value = (np.empty(len(points), np.float32) for _ in range(3))
    _cells(np.ascontiguousarray(points, np.float32), float(frequency), seed & 0x7FFFFFFF, nearest, second, value)
    return nearest, second, value


@njit(cache=True, fastmath=True)
def _nearest(points, warp, centres, radii, distance, index):
    for i in range(points.shape[0]):
        best, which = 1e9, 0
        for k in range(centres.shape[0]):
            dx, dy, dz = points[i, 0] - centres[k, 0], points[i, 1] - centres[k, 1], points[i, 2] - centres[k, 2]
            d = np.sqrt(dx * dx + dy * dy + dz * dz) / radii[k]
            if d < best:
                best, which = d, k
        distance[i], index[i] = best + warp[i] if best < 4 else best, which


def nearest_lesion(
    points: np.ndarray, centres: np.ndarray, radii: np.ndarray, warp: np.ndarray | float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """For each of ``points`` (N, 3) the distance to the nearest lesion, in radii of that lesion, and its index.

    ``warp`` (N,) is added to the distance, which makes borders irregular.
    """
    distance, index = np.empty(len(points), np.float32), np.empty(len(points), np.int64)
    warp = np.broadcast_to(np.asarray(warp, np.float32), len(points))
    _nearest(
        np.ascontiguousarray(points, np.float32),
        np.ascontiguousarray(warp),
        np.ascontiguousarray(centres, np.float32),
        np.ascontiguousarray(radii, np.float32),
        distance,
        index,
    )
    return distance, index
