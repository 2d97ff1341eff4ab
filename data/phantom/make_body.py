"""Makes ``body.npz``, the small mesh file that the renderer reads, from the parametric body *anny*.

Run once by hand (``pip install anny roma && python -m data.phantom.make_body``); loading anny takes minutes, the
file is 1 MB. Code of anny: Apache-2.0; its mesh and shapes come from MakeHuman and are CC0
(https://github.com/naver/anny).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

#: Phenotypes of the identities (all in 0–1: gender 0 male to 1 female; age 1/3 child, 2/3 young, 1 old).
IDENTITIES = [
    dict(gender=0.0, age=0.68, muscle=0.55, weight=0.45, height=0.55, proportions=0.6),
    dict(gender=1.0, age=0.66, muscle=0.45, weight=0.40, height=0.50, proportions=0.6),
    dict(gender=0.1, age=0.90, muscle=0.40, weight=0.65, height=0.50, proportions=0.4),
    dict(gender=0.9, age=0.88, muscle=0.35, weight=0.60, height=0.45, proportions=0.4),
    dict(gender=0.0, age=0.62, muscle=0.80, weight=0.50, height=0.65, proportions=0.8),
    dict(gender=1.0, age=0.70, muscle=0.40, weight=0.80, height=0.50, proportions=0.3),
    dict(gender=0.5, age=0.64, muscle=0.50, weight=0.25, height=0.55, proportions=0.7),
    dict(gender=0.6, age=0.45, muscle=0.45, weight=0.45, height=0.45, proportions=0.5),
]
QUANTUM = 5e-5  # metres: a 20th of a millimetre, so that int16 covers ±1.6 m


def main(out: Path = Path(__file__).parent / "body.npz") -> None:
    import anny
    import torch
    from trimesh import Trimesh
    from trimesh.graph import connected_components

    model = anny.Anny(local_changes="default").to(dtype=torch.float32)
    pose = torch.eye(4)[None, None].repeat(1, model.bone_count, 1, 1)
    vertices, heads = [], []
    for phenotype in IDENTITIES:
        result = model(pose_parameters=pose, phenotype_kwargs={**{k: 0.5 for k in model.phenotype_labels}, **phenotype})
        vertices.append(result["vertices"][0].detach().numpy())
        heads.append(result["bone_poses"][0, :, :3, 3].detach().numpy())
    faces = np.asarray(model.faces)
    part = np.zeros(len(vertices[0]), np.uint8)  # 0 skin, 1 mouth and teeth, 2 eyes
    parts = connected_components(Trimesh(vertices[0], faces, process=False).edges, nodes=np.arange(len(part)))
    for members in sorted(parts, key=len, reverse=True)[1:]:
        part[members] = 2 if len(members) == 72 else 1
    weights, index = np.asarray(model.vertex_bone_weights), np.asarray(model.vertex_bone_indices)
    strongest = np.argsort(-weights, axis=1)[:, :4]
    weights = np.take_along_axis(weights, strongest, 1)
    np.savez_compressed(
        out,
        vertices=np.round(np.stack(vertices) / QUANTUM).astype(np.int16),
        heads=np.stack(heads).astype(np.float32),
        faces=faces.astype(np.uint16),
        part=part,
        weights=np.round(weights / weights.sum(1, keepdims=True) * 255).astype(np.uint8),
        index=np.take_along_axis(index, strongest, 1).astype(np.uint8),
        bones=np.array(model.bone_labels),
        parents=np.asarray(model.bone_parents, np.int16),
    )
    print(out, out.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
