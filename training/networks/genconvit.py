"""`genconvit`: a ConvNeXt-Swin hybrid over a face and its reconstructions (after Wodajo et al. 2023, section 3).

Two generative branches reconstruct the face: an autoencoder and a variational autoencoder, both with convolutional
latents. Each branch then looks at the face and at what its reconstruction missed, |x - x_hat|, through the same small
ConvNeXt; the two maps are fused and read by the same Swin blocks; every branch has its own fusion, mask head and logit.

Where this differs from the paper: latents are maps and not vectors (a flat latent of a 256-pixel face costs most of the
paper's parameters); the residual is looked at, not the reconstruction alone; backbones are shared by the branches.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from awarenet.stages import FACE_SIZE
from training.networks.classifier import MASK_STRIDE, MaskHead, backbone
from training.networks.preprocessing import Preprocessing
from training.networks.stage_network import StageNetwork

from timm.models.swin_transformer import SwinTransformerBlock  # isort: skip

BRANCHES = ("autoencoder", "variational")


def _convolution(inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding=(kernel - stride + 1) // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.GELU(),
    )


class Reconstruction(nn.Module):
    """A convolutional autoencoder of stride 16; variational (Kingma & Welling 2014) if asked.

    Args:
        width: Channels of its first layer.
        latent: Channels of the latent map.
        variational: Whether the latent is drawn from a distribution in training. At inference it is its mean.
    """

    def __init__(self, *, width: int = 32, latent: int = 16, variational: bool = False) -> None:
        super().__init__()
        self.variational = variational
        self.encoder = nn.Sequential(
            _convolution(3, width, kernel=4, stride=4),
            _convolution(width, 2 * width, stride=2),
            _convolution(2 * width, 3 * width, stride=2),
            nn.Conv2d(3 * width, latent * (2 if variational else 1), 1),
        )
        self.decoder = nn.Sequential(
            _convolution(latent, 3 * width, kernel=1),
            nn.Upsample(scale_factor=2, mode="nearest"),
            _convolution(3 * width, 2 * width),
            nn.Upsample(scale_factor=2, mode="nearest"),
            _convolution(2 * width, width),
            nn.Conv2d(width, 3 * 16, 3, padding=1),
            nn.PixelShuffle(4),
        )

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Reconstructs pictures `[N, 3, H, W]`.

        Returns:
            The reconstruction and the Kullback-Leibler divergence of the latent from a standard normal, a mean over
            its elements (Kingma & Welling 2014, appendix B); 0 without a distribution.
        """
        latent = self.encoder(pictures)
        if not self.variational:
            return self.decoder(latent), latent.new_zeros(())
        mean, log_variance = latent.float().chunk(2, dim=1)
        if not self.training:
            return self.decoder(mean), mean.new_zeros(())
        log_variance = log_variance.clamp(-10, 10)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
        noise = torch.randn_like(mean)
        return self.decoder(mean + noise * (0.5 * log_variance).exp()), divergence


class GenConViT(StageNetwork):
    """Face and reconstruction, seen by a ConvNeXt-Swin hybrid.

    Args:
        convnext: timm's name of the ConvNeXt; its first three stages (to stride 16) are used.
        convnext_options: Passed to timm.
        resolution: Side in pixels to which a face is resized inside the network.
        swin_width: Channels of the Swin blocks (stride 32).
        swin_blocks: How many; every second one shifts its windows.
        swin_heads: Attention heads.
        swin_window: Side of a window in tokens.
        reconstruction_width: Channels of the first layer of both autoencoders.
        latent: Channels of their latents.
        reconstruction_weight: Of the mean absolute error in the loss.
        divergence_weight: Of the variational branch's Kullback-Leibler divergence in the loss.
        drop: Dropout before the last layers.
        pretrained: As in `training.networks.classifier.backbone`.
    """

    outputs = ("logit", "residual")
    logits = BRANCHES
    convnext: Any

    def __init__(
        self,
        *,
        convnext: str = "convnext_atto_ols",
        convnext_options: dict[str, Any] | None = None,
        resolution: int = FACE_SIZE,
        swin_width: int = 320,
        swin_blocks: int = 4,
        swin_heads: int = 10,
        swin_window: int = 4,
        reconstruction_width: int = 32,
        latent: int = 16,
        reconstruction_weight: float = 1.0,
        divergence_weight: float = 1e-3,
        drop: float = 0.1,
        pretrained: str = "auto",
    ) -> None:
        super().__init__()
        self.reconstruction_weight = reconstruction_weight
        self.divergence_weight = divergence_weight
        self.preprocessing = Preprocessing(resolution)
        self.reconstructions = nn.ModuleDict(
            {
                name: Reconstruction(width=reconstruction_width, latent=latent, variational=name == "variational")
                for name in BRANCHES
            }
        )
        self.convnext = backbone(
            convnext, pretrained=pretrained, features_only=True, out_indices=(2,), **(convnext_options or {})
        )
        width = self.convnext.feature_info.channels()[-1]
        self.feature_channels = (1 + len(BRANCHES)) * width
        self.mask_heads = nn.ModuleDict({name: MaskHead(2 * width) for name in BRANCHES})
        self.fusions = nn.ModuleDict({name: nn.Conv2d(2 * width, swin_width, 2, stride=2) for name in BRANCHES})
        side = resolution // (2 * MASK_STRIDE)
        self.swin = nn.Sequential(
            *(
                SwinTransformerBlock(
                    swin_width,
                    (side, side),
                    num_heads=swin_heads,
                    window_size=swin_window,
                    shift_size=swin_window // 2 * (index % 2),
                    always_partition=True,
                    dynamic_mask=True,
                )
                for index in range(swin_blocks)
            ),
            nn.LayerNorm(swin_width),
        )
        self.drop = nn.Dropout(drop)
        self.classify = nn.ModuleDict({name: nn.Linear(swin_width + MaskHead.EVIDENCE, 1) for name in BRANCHES})

    def detailed(self, faces: torch.Tensor) -> dict[str, torch.Tensor]:
        """Scores faces, uint8 `[N, S, S, 3]`.

        Returns:
            `logit` `[N, 2]` (autoencoder branch, variational branch; positive: fake) and `residual` `[N, 1]`: the mean
            absolute error of the autoencoder's reconstruction, as a share of white; `mask`
            `[N, 2, S / 16, S / 16]`, `features` and the losses `loss_reconstruction` and `loss_divergence`.
        """
        pictures = self.preprocessing(faces)
        missed, divergence = [], pictures.new_zeros(())
        for name in BRANCHES:
            reconstruction, part = self.reconstructions[name](pictures)
            missed.append((pictures - reconstruction.to(pictures.dtype)).abs())
            divergence = divergence + part
        # Face and both residuals go through the ConvNeXt as one batch, and all tokens through the Swin blocks.
        views = torch.stack([pictures, *missed], dim=1)
        maps = self.convnext(views.flatten(0, 1))[0]
        maps = maps.unflatten(0, (-1, 1 + len(BRANCHES)))
        fused, masks, evidence = [], [], []
        for index, name in enumerate(BRANCHES, start=1):
            both = torch.cat([maps[:, 0], maps[:, index]], dim=1)
            mask, strongest = self.mask_heads[name](both)
            masks.append(mask)
            evidence.append(strongest)
            fused.append(self.fusions[name](both))
        tokens = torch.stack(fused, dim=1).flatten(0, 1).permute(0, 2, 3, 1)
        pooled = self.swin(tokens).mean((1, 2)).unflatten(0, (-1, len(BRANCHES)))
        logits = [
            self.classify[name](torch.cat([self.drop(pooled[:, index]), evidence[index]], dim=1))
            for index, name in enumerate(BRANCHES)
        ]
        white = 1 / (255 * self.preprocessing.scale)
        errors = torch.stack([view.float().mean() for view in missed])
        return {
            "logit": torch.cat(logits, dim=1).float(),
            "residual": (missed[0] * white).float().mean((1, 2, 3)).unsqueeze(1),
            "mask": torch.stack(masks).mean(0),
            "features": maps.flatten(1, 2),
            "loss_reconstruction": self.reconstruction_weight * errors.mean(),
            "loss_divergence": self.divergence_weight * divergence,
        }
