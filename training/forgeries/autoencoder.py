"""Reconstruction fakes: faces through our own autoencoders, made once and kept beside the crop cache.

A synthetic or swapped face has been through a decoder. Small autoencoders with the three common up-sampling layers
(transposed convolution, nearest neighbour and convolution, pixel shuffle) are trained on the training people alone and
then decode every face of the cache; forgeries take their pixels from there.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from training.crops import CACHE_SIZE, RECONSTRUCTIONS_FILE, CropCache

log = logging.getLogger(__name__)

Upsampling = Literal["transposed", "nearest", "shuffle"]
UPSAMPLINGS: tuple[Upsampling, ...] = ("transposed", "nearest", "shuffle")


def _up(inputs: int, outputs: int, upsampling: Upsampling) -> nn.Module:
    """A layer that doubles the side."""
    if upsampling == "transposed":
        # Kernel 3, stride 2: the taps overlap unevenly, which is what leaves checkerboards (Odena et al. 2016).
        return nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)
    if upsampling == "nearest":
        return nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(inputs, outputs, 3, padding=1))
    return nn.Sequential(nn.Conv2d(inputs, 4 * outputs, 3, padding=1), nn.PixelShuffle(2))


def _norm(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.BatchNorm2d(channels), nn.GELU()


class Autoencoder(nn.Module):
    """A convolutional autoencoder of stride 8.

    Args:
        upsampling: How its decoder grows.
        width: Channels of its widest picture-sized layer.
    """

    def __init__(self, upsampling: Upsampling, *, width: int = 24) -> None:
        super().__init__()
        widths = (width, 2 * width, 3 * width)
        self.layers = nn.Sequential(
            nn.Conv2d(3, widths[0], 4, stride=2, padding=1),
            *_norm(widths[0]),
            nn.Conv2d(widths[0], widths[1], 4, stride=2, padding=1),
            *_norm(widths[1]),
            nn.Conv2d(widths[1], widths[2], 4, stride=2, padding=1),
            *_norm(widths[2]),
            _up(widths[2], widths[1], upsampling),
            *_norm(widths[1]),
            _up(widths[1], widths[0], upsampling),
            *_norm(widths[0]),
            _up(widths[0], 3, upsampling),
        )

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Reconstructs pictures `[N, 3, H, W]` in [-1, 1], sides a multiple of 8."""
        # The coarse picture passes beside the latent: colours are right from the start, the decoder learns detail.
        coarse = functional.interpolate(
            functional.avg_pool2d(pictures, 8), scale_factor=8.0, mode="bilinear", align_corners=False
        )
        decoded: torch.Tensor = coarse + self.layers(pictures)
        return decoded


def train_autoencoder(
    cache: CropCache, upsampling: Upsampling, *, steps: int = 400, pairs: int = 8, side: int = 96, seed: int = 0
) -> Autoencoder:
    """Trains an autoencoder on windows of the training people's faces, by mean absolute error."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    rows = cache.rows("train", 0)
    network = Autoencoder(upsampling)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=steps)
    loss = torch.zeros(())
    for _ in range(steps):
        corners = rng.integers(0, CACHE_SIZE - side + 1, (pairs, 2))
        chosen = rng.choice(rows, pairs)
        windows = [cache.faces[row, y : y + side, x : x + side] for row, (y, x) in zip(chosen, corners, strict=True)]
        pictures = _to_pictures(np.stack(windows))
        loss = functional.l1_loss(network(pictures), pictures)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        scheduler.step()
    log.info("autoencoder (%s): mean absolute error %.1f grey levels", upsampling, loss.item() * 127.5)
    return network.eval()


@torch.inference_mode()
def decode_faces(network: Autoencoder, faces: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Sends faces through an autoencoder: uint8 `[N, S, S, 3]` to the same."""
    decoded = network(_to_pictures(faces)).permute(0, 2, 3, 1)
    return np.asarray(((decoded + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy(), np.uint8)


def write_reconstructions(folder: Path, *, steps: int = 400, seed: int = 0) -> Path:
    """Writes `reconstructions.npy`, uint8 `[3, M, S, S, 3]`: every face of a cache through each kind of decoder.

    Args:
        folder: The crop cache.
        steps: Training steps of each autoencoder.
        seed: Of their weights and batches.
    """
    cache = CropCache.open(folder)
    path = folder / RECONSTRUCTIONS_FILE
    draft = path.with_suffix(".draft")
    shape = (len(UPSAMPLINGS), *cache.faces.shape)
    bank = np.lib.format.open_memmap(draft, mode="w+", dtype=np.uint8, shape=shape)  # type: ignore[no-untyped-call]
    for index, upsampling in enumerate(UPSAMPLINGS):
        network = train_autoencoder(cache, upsampling, steps=steps, seed=seed + index)
        for start in range(0, len(cache.faces), 8):
            bank[index, start : start + 8] = decode_faces(network, np.asarray(cache.faces[start : start + 8]))
    bank.flush()
    draft.replace(path)
    return path


def command(crops: Path, steps: int = 400, seed: int = 0) -> None:
    """Adds reconstruction fakes to a crop cache.

    Args:
        crops: The crop cache.
        steps: Training steps of each autoencoder.
        seed: Of their weights and batches.
    """
    logging.basicConfig(format="%(asctime)s %(message)s")
    logging.getLogger("training").setLevel(logging.INFO)
    log.info("wrote %s", write_reconstructions(crops, steps=steps, seed=seed))


def _to_pictures(faces: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(np.array(faces)).permute(0, 3, 1, 2).float() / 127.5 - 1
