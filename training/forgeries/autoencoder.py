"""Reconstruction fakes: faces through our own autoencoders, made once and kept beside the crop cache.

A synthetic or swapped face has been through a decoder. Small autoencoders with the three common up-sampling layers
(transposed convolution, nearest neighbour and convolution, pixel shuffle) are trained on the training people alone and
then decode every face of the cache; forgeries take their pixels from there. Those trained by mean error are faithful
and soft. Those trained against a discriminator have a narrow latent and make up the detail that it does not carry, as
the decoders of GANs and of latent diffusion do, so that softness alone does not tell a synthetic face (reconstructions
as training fakes: Rajan et al. 2024; patch discriminator and feature matching: Wang et al. 2018, pix2pixHD).
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
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
        latent: Channels between encoder and decoder; None for as many as its deepest layer has.
    """

    def __init__(self, upsampling: Upsampling, *, width: int = 24, latent: int | None = None) -> None:
        super().__init__()
        widths = (width, 2 * width, 3 * width)
        narrow = (
            ()
            if latent is None
            else (nn.Conv2d(widths[2], latent, 1), nn.Conv2d(latent, widths[2], 3, padding=1), *_norm(widths[2]))
        )
        self.layers = nn.Sequential(
            nn.Conv2d(3, widths[0], 4, stride=2, padding=1),
            *_norm(widths[0]),
            nn.Conv2d(widths[0], widths[1], 4, stride=2, padding=1),
            *_norm(widths[1]),
            nn.Conv2d(widths[1], widths[2], 4, stride=2, padding=1),
            *_norm(widths[2]),
            *narrow,
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


class Discriminator(nn.Module):
    """Tells patches of real pictures from decoded ones; `forward` gives every layer's output, the logits last."""

    def __init__(self, *, width: int = 32) -> None:
        super().__init__()
        widths = (3, width, 2 * width, 4 * width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.utils.parametrizations.spectral_norm(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)),
                nn.LeakyReLU(0.2),
            )
            for inputs, outputs in itertools.pairwise(widths)
        )
        self.blocks.append(nn.Conv2d(widths[-1], 1, 4, padding=1))

    def forward(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """Judges pictures `[N, 3, H, W]` in [-1, 1]; positive logits for real ones."""
        outputs = [pictures]
        for block in self.blocks:
            outputs.append(block(outputs[-1]))
        return outputs[1:]


def training_windows(
    cache: CropCache, *, steps: int, count: int, side: int, rng: np.random.Generator
) -> Iterator[torch.Tensor]:
    """Windows of the training people's faces, `[count, 3, side, side]` in [-1, 1], `steps` times."""
    rows = cache.rows("train", 0)
    for _ in range(steps):
        corners = rng.integers(0, CACHE_SIZE - side + 1, (count, 2))
        chosen = rng.choice(rows, count)
        windows = [cache.faces[row, y : y + side, x : x + side] for row, (y, x) in zip(chosen, corners, strict=True)]
        yield _to_pictures(np.stack(windows))


def train_autoencoder(
    cache: CropCache, upsampling: Upsampling, *, steps: int = 400, count: int = 8, side: int = 96, seed: int = 0
) -> Autoencoder:
    """Trains an autoencoder on windows of the training people's faces, by mean absolute error."""
    torch.manual_seed(seed)
    network = Autoencoder(upsampling)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=steps)
    loss = torch.zeros(())
    for pictures in training_windows(cache, steps=steps, count=count, side=side, rng=np.random.default_rng(seed)):
        loss = functional.l1_loss(network(pictures), pictures)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        scheduler.step()
    log.info("autoencoder (%s): mean absolute error %.1f grey levels", upsampling, loss.item() * 127.5)
    return network.eval()


def train_adversarial_autoencoder(
    cache: CropCache,
    upsampling: Upsampling,
    *,
    steps: int = 2000,
    count: int = 8,
    side: int = 96,
    seed: int = 0,
    joins: float = 0.25,
) -> Autoencoder:
    """Trains an autoencoder with a narrow latent against a discriminator, on the training people alone.

    Args:
        cache: Where the faces come from.
        upsampling: How its decoder grows.
        steps: Length of the run.
        count: Windows a step.
        side: Side of a window in pixels.
        seed: Of weights and windows.
        joins: Share of the run after which the discriminator joins, when colours and shapes are there to be judged.
    """
    torch.manual_seed(seed)
    network, critic = Autoencoder(upsampling, latent=16), Discriminator()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, betas=(0.5, 0.99))
    critic_optimizer = torch.optim.AdamW(critic.parameters(), lr=5e-4, betas=(0.5, 0.99))
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, eta_min=1e-4)
    windows = training_windows(cache, steps=steps, count=count, side=side, rng=np.random.default_rng(seed))
    for step, pictures in enumerate(windows):
        decoded = network(pictures)
        loss = error = functional.l1_loss(decoded, pictures)
        if step >= joins * steps:
            real = critic(pictures)
            hinge = functional.relu(1 - real[-1]).mean() + functional.relu(1 + critic(decoded.detach())[-1]).mean()
            critic_optimizer.zero_grad()
            hinge.backward()  # type: ignore[no-untyped-call]
            critic_optimizer.step()
            seen = critic.requires_grad_(False)(decoded)
            critic.requires_grad_(True)
            pairs = zip(seen[:-1], real[:-1], strict=True)
            matching = torch.stack([functional.l1_loss(ours, theirs.detach()) for ours, theirs in pairs]).sum()
            loss = error + 0.5 * matching - 0.1 * seen[-1].mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        scheduler.step()
    log.info("adversarial autoencoder (%s): mean absolute error %.1f grey levels", upsampling, error.item() * 127.5)
    return network.eval()


@torch.inference_mode()
def decode_faces(network: Autoencoder, faces: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Sends faces through an autoencoder: uint8 `[N, S, S, 3]` to the same."""
    decoded = network(_to_pictures(faces)).permute(0, 2, 3, 1)
    return np.asarray(((decoded + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy(), np.uint8)


def write_reconstructions(folder: Path, *, steps: int = 400, adversarial_steps: int = 2000, seed: int = 0) -> Path:
    """Writes `reconstructions.npy`, uint8 `[K, M, S, S, 3]`: every face of a cache through each of K = 6 decoders.

    Args:
        folder: The crop cache.
        steps: Training steps of each of the three autoencoders that learn by mean error.
        adversarial_steps: Of each of the three that learn against a discriminator; 0 leaves them out (K = 3).
        seed: Of their weights and batches.
    """
    cache = CropCache.open(folder)
    path = folder / RECONSTRUCTIONS_FILE
    draft = path.with_suffix(".draft")
    recipes = [(train_autoencoder, steps), (train_adversarial_autoencoder, adversarial_steps)]
    kinds = [(train, length, layer) for train, length in recipes if length for layer in UPSAMPLINGS]
    shape = (len(kinds), *cache.faces.shape)
    bank = np.lib.format.open_memmap(draft, mode="w+", dtype=np.uint8, shape=shape)  # type: ignore[no-untyped-call]
    for index, (train, length, upsampling) in enumerate(kinds):
        network = train(cache, upsampling, steps=length, seed=seed + index)
        for start in range(0, len(cache.faces), 8):
            bank[index, start : start + 8] = decode_faces(network, np.asarray(cache.faces[start : start + 8]))
    bank.flush()
    draft.replace(path)
    return path


def command(crops: Path, steps: int = 400, adversarial_steps: int = 2000, seed: int = 0) -> None:
    """Adds reconstruction fakes to a crop cache.

    Args:
        crops: The crop cache.
        steps: Training steps of each autoencoder that learns by mean error.
        adversarial_steps: Of each that learns against a discriminator; 0 for none of these.
        seed: Of their weights and batches.
    """
    logging.basicConfig(format="%(asctime)s %(message)s")
    logging.getLogger("training").setLevel(logging.INFO)
    log.info("wrote %s", write_reconstructions(crops, steps=steps, adversarial_steps=adversarial_steps, seed=seed))


def _to_pictures(faces: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(np.array(faces)).permute(0, 3, 1, 2).float() / 127.5 - 1
