"""`awarenet models`: bringing models here, signing and verifying them, building their TensorRT plans."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from awarenet.delivery import complain, deliver
from awarenet.errors import AwareNetError, InvalidInput
from awarenet.models.keys import TrustedKey
from awarenet.options import BAD_USAGE
from awarenet.repository import ModelRepository, sign_manifest
from awarenet.signing import TrustedKeys, make_key

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

_FAILED = 1


@app.callback()
def _commands() -> None:
    """Brings model repositories here, signs and verifies them, builds their TensorRT plans."""


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
    trusted_key: TrustedKey = None,
) -> None:
    """Brings a model repository here; whatever goes wrong, the one that was there stays.

    Nothing is downloaded again that is there already. Credentials come from where the clouds' own tools look.
    """
    with _failing("fetch"):
        from awarenet.models.fetch import fetch as bring

        _tell("fetch", destination, bring(source, destination, trusted=TrustedKeys.named(trusted_key)))


@app.command()
def verify(folder: Annotated[Path, typer.Argument(help="A model repository.")], trusted_key: TrustedKey = None) -> None:
    """Holds every file of a model repository against its manifest, and the policy against the models."""
    with _failing("verify"):
        _tell("verify", folder, ModelRepository.open(folder, TrustedKeys.named(trusted_key)))


@app.command()
def keygen(
    key: Annotated[Path, typer.Argument(help="File of the private key; the public one gets `.pub` behind the name.")],
) -> None:
    """Makes a key to sign models with; prints the public key, for `--trusted-key`."""
    with _failing("keygen"):
        deliver("models keygen", f"{make_key(key)}\n")


@app.command()
def sign(
    folder: Annotated[Path, typer.Argument(help="A model repository, as `python -m export assemble` made it.")],
    key: Annotated[Path, typer.Option(help="Private key that `awarenet models keygen` made.")],
) -> None:
    """Verifies a model repository and signs its manifest; the signature lies beside it, as manifest.sig."""
    with _failing("sign"):
        _tell("sign", folder, sign_manifest(folder, key))


@app.command()
def plans(
    folder: Annotated[Path, typer.Argument(help="A model repository that was fetched.")],
    cache: Annotated[Path, typer.Option(help="Folder that keeps plans by model, GPU and TensorRT version.")],
    required: Annotated[
        bool, typer.Option("--required", help="Exit with 1 where TensorRT cannot serve these models.")
    ] = False,
    trusted_key: TrustedKey = None,
) -> None:
    """Builds the TensorRT plans of a repository on the GPU that will serve it.

    Prints `tensorrt`, or `onnxruntime` where there is no GPU or no TensorRT; `awarenet serve` takes the same by itself.
    """
    with _failing("plans"):
        from awarenet.models.plans import install_plans

        target = install_plans(folder, cache, TrustedKeys.named(trusted_key))
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
