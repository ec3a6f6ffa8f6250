"""Files of optical flow."""

import numpy as np


def write_flow(path, flow):
    """The format as Middlebury's page describes it."""
    height, width = flow.shape[:2]
    size = np.array([width, height], "<i4").tobytes()
    path.write_bytes(b"PIEH" + size + flow.astype("<f4").tobytes())
    return path
