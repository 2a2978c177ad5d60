"""`awarenet models`: bringing models here, verifying them, building their TensorRT plans."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from awarenet.delivery import complain, deliver
from awarenet.errors import AwareNetError, InvalidInput
from awarenet.options import BAD_USAGE
from awarenet.repository import ModelRepository

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

_FAILED = 1


@app.callback()
def _commands() -> None:
    """Brings model repositories here, verifies them, builds their TensorRT plans."""


@app.command()
def fetch(
    source: Annotated[
        str,
        typer.Argument(
            help="A folder or mounted volume, an archive in a file, s3://bucket/prefix, gs://bucket/prefix, "
            "az://account/container/prefix, https://host/models.tar.zst#sha256=... (or .tar.gz), or "
            "oci://registry/repository:tag. A sha256 after # pins the manifest of a folder, or an archive."
        ),
    ],
    destination: Annotated[Path, typer.Argument(help="Made, or switched to the new version once it is verified.")],
) -> None:
    """Brings a model repository here; whatever goes wrong, the one that was there stays.

    Nothing is downloaded again that is there already. Credentials come from where the clouds' own tools look.
    """
    with _failing("fetch"):
        from awarenet.models.fetch import fetch as bring

        _tell("fetch", destination, bring(source, destination))


@app.command()
def verify(folder: Annotated[Path, typer.Argument(help="A model repository.")]) -> None:
    """Holds every file of a model repository against its manifest, and the policy against the models."""
    with _failing("verify"):
        _tell("verify", folder, ModelRepository.open(folder))


@app.command()
def plans(
    folder: Annotated[Path, typer.Argument(help="A model repository that was fetched.")],
    cache: Annotated[Path, typer.Option(help="Folder that keeps plans by model, GPU and TensorRT version.")],
    required: Annotated[
        bool, typer.Option("--required", help="Exit with 1 where TensorRT cannot serve these models.")
    ] = False,
) -> None:
    """Builds the TensorRT plans of a repository on the GPU that will serve it.

    Prints `tensorrt`, or `onnxruntime` where there is no GPU or no TensorRT; `awarenet serve` takes the same by itself.
    """
    with _failing("plans"):
        from awarenet.models.plans import install_plans

        target = install_plans(folder, cache)
        deliver("models plans", f"{target}\n")
        if required and target != "tensorrt":
            raise typer.Exit(_FAILED)


@contextmanager
def _failing(name: str) -> Iterator[None]:
    """Tells errors and turns them into exit codes: 2 for what makes no sense, 1 for the rest."""
    try:
        yield
    except AwareNetError as error:
        complain(f"models {name}", error)
        raise typer.Exit(BAD_USAGE if isinstance(error, InvalidInput) else _FAILED) from error
    except ImportError as error:
        complain(f"models {name}", f"{error}; install what it needs with `pip install 'awarenet[models]'`")
        raise typer.Exit(_FAILED) from error


def _tell(name: str, folder: Path, repository: ModelRepository) -> None:
    policy = repository.policy
    deliver(f"models {name}", f"{folder}: models {policy.model_version}, policy {policy.version}\n")
