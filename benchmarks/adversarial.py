"""`python -m benchmarks adversarial`: faces altered on purpose, so little that nobody sees it, to be misjudged.

Whoever has the weights of a stage can follow its gradient: one step (FGSM, Goodfellow et al. 2015, section 4) or ten
small ones (PGD, Madry et al. 2018, section 2.1). Nothing in training resists that, and this command says how much it
takes, and whether what was made against one stage misleads the cascade as it is served (transfer).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from awarenet.evaluation.metrics import auc
from awarenet.runtime.choice import open_runtime
from awarenet.stages import EFFICIENTNET, FAST_FILTER
from benchmarks import machine
from benchmarks.clean_pairs import CleanPairs
from benchmarks.robustness import figures, score

if TYPE_CHECKING:
    from torch import nn

SEED: Final = 23
ATTACKED: Final = (FAST_FILTER, EFFICIENTNET)
BOUNDS: Final = (1, 2, 4)
"""Grey levels of 256 by which an attack may change a pixel."""

_STEPS: Final = 10
_BATCH: Final = 8

Faces = NDArray[np.uint8]
Say = Callable[[str], None]


def measure(
    crops: Path, repository: Path, weights: Path, *, faces: int, server: str | None, in_process: bool, say: Say
) -> dict[str, Any]:
    """Attacks the pairs and scores what comes out.

    Args:
        crops: Crop cache of real faces.
        repository: The models, where they run in this process.
        weights: Folder of the stages' weights, `<stage>.safetensors`, whose gradients are followed.
        faces: Pairs.
        server: URL of a server, or None.
        in_process: Whether the models must run here.
        say: Told how far it is.

    Returns:
        The content of `adversarial.json`.

    Raises:
        DataError: The crop cache holds no people for validation.
        ModelError: There are no weights.
    """
    from training.networks import load

    pairs = CleanPairs.of(crops, faces, SEED)
    results: list[dict[str, Any]] = []
    with closing(open_runtime(server, in_process, repository)) as runtime:
        decide_at = runtime.policy.decide_at
        untouched = figures(pairs, *score(runtime, pairs.faces), decide_at)
        for stage in ATTACKED:
            network = load(weights / stage.name)
            alone = auc(pairs.labels, logits(network, pairs.faces))
            for method in ("FGSM", "PGD"):
                for bound in BOUNDS:
                    say(f"{method} on {stage.name}, {bound} of 256 levels")
                    altered = attack(network, pairs.faces, pairs.labels, method, bound)
                    results.append(
                        {
                            "stage": stage.name,
                            "method": method,
                            "levels": bound,
                            "stage_auc": alone,
                            "stage_auc_attacked": auc(pairs.labels, logits(network, altered)),
                            "cascade": figures(pairs, *score(runtime, altered), decide_at),
                        }
                    )
        policy = runtime.policy
    return {
        "untouched": untouched,
        "attacks": results,
        "pairs": len(pairs.faces) // 2,
        "people": len(set(pairs.groups)),
        "seed": SEED,
        "machine": machine.describe(),
        "model_version": policy.model_version,
        "policy_version": policy.version,
    }


def attack(network: nn.Module, faces: Faces, labels: NDArray[np.int64], method: str, levels: int) -> Faces:
    """Faces altered against their labels.

    Args:
        network: The stage that is attacked, in evaluation mode.
        faces: uint8 `[N, 256, 256, 3]`.
        labels: 0 real, 1 fake, `[N]`.
        method: "FGSM" or "PGD".
        levels: Largest change of a pixel in grey levels.

    Returns:
        The altered faces, rounded to bytes as a file would hold them, uint8 `[N, 256, 256, 3]`. Against one logit its
        sign is all that the loss adds, so both attacks follow the logit itself.
    """
    import torch

    generator = torch.Generator().manual_seed(SEED)
    steps = 1 if method == "FGSM" else _STEPS
    parts = []
    for start in range(0, len(faces), _BATCH):
        part = slice(start, start + _BATCH)
        untouched = torch.from_numpy(faces[part]).float()
        # Up for a real face, so that it passes for fake, and down for a fake.
        wanted = torch.from_numpy(1 - 2 * labels[part]).view(-1, 1, 1, 1)
        altered = untouched
        if method == "PGD":
            altered = altered + levels * (2 * torch.rand(altered.shape, generator=generator) - 1)
        for _ in range(steps):
            altered = altered.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(network(altered)["logit"].sum(), altered)
            size = levels if steps == 1 else levels / 4
            altered = altered.detach() + size * wanted * gradient.sign()
            altered = (untouched + (altered - untouched).clamp(-levels, levels)).clamp(0, 255)
        parts.append(altered.round().to(torch.uint8).numpy())
    return np.concatenate(parts)


def logits(network: nn.Module, faces: Faces) -> NDArray[np.float32]:
    """A stage's logit of each face, `[N]`."""
    import torch

    with torch.inference_mode():
        parts = [network(torch.from_numpy(faces[at : at + _BATCH]))["logit"] for at in range(0, len(faces), _BATCH)]
    joined: NDArray[np.float32] = torch.cat(parts)[:, 0].numpy()
    return joined


def show(result: dict[str, Any], console: Console) -> None:
    """Prints the result of a run."""
    table = Table(title="adversarial faces", title_justify="left", header_style="bold")
    for name in ("attacked", "by", "levels", "its AUC", "cascade AUC", "reals called fake", "fakes called fake"):
        table.add_column(name)
    one = result["untouched"]
    calls = [f"{one[rate]:.0%}" for rate in ("false_positive_rate", "true_positive_rate")]
    table.add_row("none", "", "", "", f"{one['auc']:.3f}", *calls)
    for entry in result["attacks"]:
        cascade = entry["cascade"]
        table.add_row(
            *(entry["stage"], entry["method"], str(entry["levels"])),
            f"{entry['stage_auc']:.3f} -> {entry['stage_auc_attacked']:.3f}",
            f"{cascade['auc']:.3f}",
            f"{cascade['false_positive_rate']:.0%}",
            f"{cascade['true_positive_rate']:.0%}",
        )
    console.print(table)
    console.print(
        f"{result['pairs']} real faces and as many forgeries of {result['people']} people; models "
        f"{result['model_version']}",
        style="dim",
    )
