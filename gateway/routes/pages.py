"""Pages for people: the web page where it is built, else one that says what this is; and the documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import jinja2
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, Response
from markdown_it import MarkdownIt
from starlette.staticfiles import StaticFiles

from awarenet import __version__
from awarenet.errors import kinds
from awarenet.stages import STAGES
from gateway.services import services

_HERE: Final = Path(__file__).parents[1] / "pages"
_TEMPLATES: Final = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True
)

_MARKDOWN: Final = MarkdownIt("commonmark", {"html": False}).enable("table")

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def documentation(request: Request) -> HTMLResponse:
    """The OpenAPI document and the kinds of problems, to be read; without scripts."""
    operations = [
        {"method": method.upper(), "path": path, **operation}
        for path, methods in request.app.openapi()["paths"].items()
        for method, operation in methods.items()
    ]
    page = _TEMPLATES.get_template("docs.html")
    document = request.app.openapi()
    return HTMLResponse(page.render(info=document["info"], operations=operations, problems=_problems()))


@router.get("/cards")
async def cards(request: Request) -> HTMLResponse:
    """The cards of the models that judge here: data, training, figures, limits."""
    folder = services(request).settings.model_repository
    files = [file for stage in STAGES if (file := folder / stage.name / "README.md").is_file()]
    shown = [_MARKDOWN.render(file.read_text(encoding="utf-8")) for file in files]
    return HTMLResponse(_TEMPLATES.get_template("cards.html").render(cards=shown))


@router.get("/page.css")
async def style() -> Response:
    """The style of these pages."""
    return Response((_HERE / "page.css").read_text(encoding="utf-8"), media_type="text/css")


async def home(request: Request) -> HTMLResponse:
    """What this service is."""
    policy = services(request).models.known
    page = _TEMPLATES.get_template("home.html")
    return HTMLResponse(page.render(version=__version__, model_version=policy.model_version if policy else None))


def install(app: FastAPI, web_folder: Path | None) -> None:
    """Adds the pages; the web page goes last, because it answers every path that nothing else does."""
    app.include_router(router)
    if web_folder is not None and (web_folder / "index.html").is_file():
        app.mount("/", StaticFiles(directory=web_folder, html=True), name="web")
    else:
        app.add_api_route("/", home, include_in_schema=False)


def _problems() -> list[dict[str, Any]]:
    return [
        {"code": code, "status": kind.status, "meaning": (kind.__doc__ or "").splitlines()[0]}
        for code, kind in sorted(kinds().items())
    ]
