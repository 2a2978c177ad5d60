"""High dynamic range to the range that the models know: what is no brighter than paper keeps its tone.

The decoder's own conversion of such frames ignores their transfer function and gives pale, flat faces.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

PQ: Final = 16
"""Transfer characteristic of SMPTE ST 2084 (HDR10) in ITU-T H.273, table 3."""

HLG: Final = 18
"""Transfer characteristic of hybrid log-gamma (ARIB STD-B67) in ITU-T H.273, table 3."""

_WHITE_NITS = 203.0
"""Diffuse white, ITU-R BT.2408."""

_PEAK_NITS = 1000.0
"""Nominal peak of an HLG display, ITU-R BT.2100."""

_KNEE = 0.75
"""Share of white from which highlights are rolled off."""

_TO_BT709 = np.array(
    [[1.660496, -0.587656, -0.072840], [-0.124547, 1.132895, -0.008348], [-0.018154, -0.100597, 1.118751]], np.float32
)
"""Linear BT.2020 to linear BT.709, ITU-R BT.2087."""

_STEPS = 1 << 12
"""Entries of the tables: more than 10-bit frames have levels."""


def to_standard_range(image: NDArray[np.uint16], transfer: int) -> NDArray[np.uint8]:
    """Maps a BT.2020 frame of high dynamic range to BT.709 primaries with the transfer function of sRGB.

    Args:
        image: uint16 `[H, W, 3]`, RGB as coded, full range.
        transfer: `PQ` or `HLG`.

    Returns:
        uint8 `[H, W, 3]`, RGB.
    """
    linear = _to_linear(transfer)[image >> 4]
    seen = cv2.transform(linear, _TO_BT709)
    np.clip(seen, 0, 1 + (1 - _KNEE) * 16, out=seen)
    shown = np.where(seen > _KNEE, _KNEE + (1 - _KNEE) * -np.expm1((_KNEE - seen) / (1 - _KNEE)), seen)
    result: NDArray[np.uint8] = _to_srgb()[(shown * (_STEPS - 1)).astype(np.uint16)]
    return result


@cache
def _to_linear(transfer: int) -> NDArray[np.float32]:
    """Light in units of diffuse white for each coded level, float32 `[4096]`."""
    code = np.linspace(0, 1, _STEPS)
    if transfer == PQ:  # ITU-R BT.2100, table 4
        m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
        power = code ** (1 / m2)
        nits = 10_000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    else:  # ITU-R BT.2100, table 5, with the system gamma of 1.2 applied to each channel
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        nits = _PEAK_NITS * np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12) ** 1.2
    return np.asarray(nits / _WHITE_NITS, np.float32)


@cache
def _to_srgb() -> NDArray[np.uint8]:
    """IEC 61966-2-1: the coded level of linear light in [0, 1], uint8 `[4096]`."""
    light = np.linspace(0, 1, _STEPS)
    coded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray((coded * 255).round(), np.uint8)
