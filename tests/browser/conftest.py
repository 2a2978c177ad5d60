"""The web page in Debian's Chromium, over the real gateway, the real Triton and the shipped models."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from awarenet.runtime.server import TritonServer
from tests.gateway import ROOT, Gateway, running
from tests.samples import astronaut, save, save_clip

pytest.importorskip("playwright.sync_api", reason="the browser tests need Playwright: run `make test-browser`")

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

DIST = ROOT / "clients/web/dist"
AXE = ROOT / "clients/web/node_modules/axe-core/axe.min.js"
REPOSITORY = ROOT / "model_repository"
PHONE = {"width": 360, "height": 740}
WIDE = {"width": 1280, "height": 900}
PATIENCE_MS = 90_000

expect.set_options(timeout=PATIENCE_MS)

StartGateway = Callable[..., Any]


@pytest.fixture(scope="session")
def shipped() -> Iterator[TritonServer]:
    """A running server over the shipped models."""
    with TritonServer(REPOSITORY) as server:
        yield server


@pytest.fixture(scope="session")
def start_gateway(shipped: TritonServer, tmp_path_factory: pytest.TempPathFactory) -> StartGateway:
    """Starts a gateway that serves the built page; `state` and `port` begin one again."""
    assert (DIST / "index.html").is_file(), "the page is not built; run `make web`"

    @contextmanager
    def start(state: Path | None = None, **settings: Any) -> Iterator[Gateway]:
        state = state or tmp_path_factory.mktemp("gateway") / "state"
        # No test is about speed, and the machine may be busy.
        patient = {"picture_timeout_s": 120, "frame_timeout_s": 30}
        settings = {"frames": 12, "web_folder": DIST, "picture_bytes": 2 << 20, **patient, **settings}
        with running(shipped.grpc_url, REPOSITORY, state, **settings) as gateway:
            yield gateway

    return start


@pytest.fixture(scope="session")
def gateway(start_gateway: StartGateway) -> Iterator[Gateway]:
    """A gateway that the tests share: leave it as it is."""
    with start_gateway() as started:
        yield started


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, clips (one of two scenes) and files that are neither."""
    folder = tmp_path_factory.mktemp("media")
    portrait = astronaut()
    save(folder / "portrait.png", portrait)
    save(folder / "two.png", np.concatenate([portrait, portrait[:, ::-1]], axis=1))
    save(folder / "wall.png", np.full((200, 300, 3), 90, np.uint8))
    first = [np.roll(portrait, index, axis=1) for index in range(40)]
    second = [(frame[:, ::-1] * np.linspace(0.3, 0.7, 512)[:, None]).astype(np.uint8) for frame in first]
    save_clip(folder / "clip.mp4", first + second)
    save_clip(folder / "long.mp4", [portrait[:480]] * 750)
    (folder / "notes.txt").write_text("neither a picture nor a clip")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    (folder / "large.bmp").write_bytes(b"BM" + bytes(3 << 20))
    return folder


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium, whose camera shows a portrait that sways."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("there is no chromium; `make test-browser` installs it (as root, on Debian)")
    camera = tmp_path_factory.mktemp("camera") / "camera.mjpeg"
    scene = np.zeros((480, 640, 3), np.uint8)
    with camera.open("wb") as stream:
        for index in range(50):
            scene[:, 64:576] = np.roll(astronaut()[:480], round(12 * np.sin(index * np.pi / 25)), axis=1)
            stream.write(cv2.imencode(".jpg", scene[..., ::-1])[1].tobytes())
    flags = ["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={camera}"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def new_context(chromium: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Makes contexts whose pages must keep to themselves: no error, no breach of the CSP, no other address."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def watch(page: Page) -> None:
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        page.on("console", lambda line: "Content Security Policy" in line.text and faults.append(line.text))
        page.on(
            "request",
            lambda request: (
                request.url.startswith(("http://127.0.0.1:", "blob:", "data:")) or faults.append(f"asked {request.url}")
            ),
        )

    def make(**options: Any) -> BrowserContext:
        context = chromium.new_context(**{"viewport": WIDE, "locale": "en-GB", "reduced_motion": "reduce", **options})
        context.set_default_timeout(PATIENCE_MS)
        context.on("page", watch)
        contexts.append(context)
        return context

    yield make
    for context in contexts:
        context.close()
    assert not faults


@pytest.fixture
def page(new_context: Callable[..., BrowserContext]) -> Page:
    """A page in English, wide."""
    return new_context(permissions=["camera"]).new_page()


def enter(page: Page, gateway: Gateway, key: str | None = None) -> None:
    """Opens the page and gives it a key."""
    page.goto(gateway.url)
    page.get_by_label("Your API key").fill(key or gateway.key)
    page.get_by_role("button", name="Use this key").click()


def give(page: Page, file: Path) -> None:
    """Chooses a file."""
    page.locator('input[type="file"]').set_input_files(file)


def check(page: Page, state: str) -> None:
    """A state of the page must have no fault that axe finds and no sideways scrolling, wide and narrow, light and dark.

    With AWARENET_SCREENSHOTS=FOLDER the states are kept to be looked at.
    """
    before = page.viewport_size
    assert before is not None
    folder = os.environ.get("AWARENET_SCREENSHOTS")
    for size in (WIDE, PHONE):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"{state} scrolls sideways at {size['width']} px"
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            found = axe(page)
            assert not found, f"{state}, {scheme}, {size['width']} px: {found}"
            if folder:
                name = f"{state}-{'wide' if size is WIDE else 'phone'}-{scheme}.png"
                page.screenshot(path=Path(folder) / name, full_page=True)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(before)


def axe(page: Page) -> list[str]:
    """What axe-core finds wrong."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    result = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{fault['id']}: {fault['help']} {[node['html'][:160] for node in fault['nodes']]}"
        for fault in result["violations"]
    ]
