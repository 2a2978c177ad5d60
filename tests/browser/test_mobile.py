"""The on-device app on an emulated phone: real models in the real Chromium, served by a plain file server."""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import jsonschema
import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from awarenet.faces import FaceBox, crop_face, overlap
from awarenet.repository import ModelRepository
from awarenet.runtime.inprocess import InProcessRuntime
from awarenet.stages import FEATURES, META_MODEL
from awarenet.trees import CompiledTrees
from awarenet.verdict import schema
from tests.browser.conftest import PATIENCE_MS, REPOSITORY, check, give
from tests.gateway import ROOT
from tests.samples import ASTRONAUT_FACE, astronaut

pytestmark = pytest.mark.browser

DIST = ROOT / "clients/mobile/dist"
PHONE = {"viewport": {"width": 412, "height": 839}, "device_scale_factor": 2.625, "is_mobile": True, "has_touch": True}
LOADING_MS = 6 * PATIENCE_MS
"""Compiling the runtime and asking every network for its known answer, on a machine that may be busy."""

NewContext = Callable[..., BrowserContext]


class Files(SimpleHTTPRequestHandler):
    """Serves the built app without any header of its own, as the plainest host does."""

    extensions_map: ClassVar[dict[str, str]] = {
        **SimpleHTTPRequestHandler.extensions_map,
        ".wasm": "application/wasm",
        ".js": "text/javascript",
    }

    def log_message(self, format: str, *arguments: Any) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    assert (DIST / "index.html").is_file(), "the app is not built; run `make mobile`"
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(DIST))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def app(chromium: Browser, address: str) -> Iterator[Page]:
    """The app, loaded once for all tests, with every fault and every request on record."""
    context = chromium.new_context(**PHONE, locale="en-GB", reduced_motion="reduce", permissions=["camera"])
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    asked: list[str] = []
    faults: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: line.type == "error" and faults.append(line.text))
    page.goto(address)
    check(page, "mobile-loading")
    ready(page)
    yield page
    context.close()
    assert not faults
    assert any(url.endswith("models/genconvit.onnx") for url in asked)
    assert [url for url in asked if not url.startswith((address, "blob:", "data:"))] == []


def ready(page: Page) -> None:
    """Waits until the models are loaded."""
    expect(page.get_by_role("navigation")).to_be_visible(timeout=LOADING_MS)


def judge(page: Page, file: Path) -> None:
    """Chooses a file, wherever the app is."""
    page.get_by_role("button", name="Picture", exact=True).click()
    give(page, file)


def test_a_picture_gets_the_verdict_that_python_gives_the_same_crop(app: Page, media: Path) -> None:
    check(app, "mobile-choose")
    judge(app, media / "portrait.png")
    result = app.locator("article")
    expect(result).to_have_attribute("data-verdict", re.compile("fake|real|uncertain"))
    expect(app.locator("#verdict")).to_be_focused()
    expect(result.locator(".probability")).to_contain_text("probability of fake")
    expect(result.get_by_text(re.compile("The fast filter says"))).to_be_visible()
    expect(result.get_by_text(re.compile("judged on this device .* faces found by BlazeFace"))).to_be_visible()
    expect(result.locator(".box")).to_have_count(1)
    check(app, "mobile-picture")
    with app.expect_download() as download:
        app.get_by_role("button", name="Download JSON").click()
    verdict = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    jsonschema.validate(verdict, schema())
    (face,) = verdict["faces"]
    box = FaceBox(*face["box"], 1.0)
    assert overlap(box, ASTRONAUT_FACE)[0] > 0.7
    crop = crop_face(astronaut(), box)
    runtime = InProcessRuntime(REPOSITORY)
    decided = runtime.score(crop.face[None], np.array([crop.face_px], np.float32))
    runtime.close()
    assert verdict["face_engine"] == "blazeface" and verdict["policy_version"] == runtime.policy.version
    assert face["exit_stage"] == decided.exit_stage[0]
    for name, expected in zip(face["evidence"], decided.evidence[0], strict=True):
        near = 0.1 * max(1.0, abs(float(expected)))  # What INT8 and a grey level may do to a logit.
        assert math.isnan(expected) or abs(face["evidence"][name] - expected) <= near, (name, face, decided)
    # Trees jump: the same evidence must give the same probability, near evidence need not.
    trees = CompiledTrees(ModelRepository.open(REPOSITORY).model_path(META_MODEL))
    evidence = np.array([[np.nan if face["evidence"][name] is None else face["evidence"][name] for name in FEATURES]])
    assert face["probability"] == pytest.approx(float(trees.predict(evidence.astype(np.float32))[0]), abs=1e-6)


def test_no_face_is_an_answer_of_its_own(app: Page, media: Path) -> None:
    judge(app, media / "wall.png")
    expect(app.locator("article")).to_have_attribute("data-verdict", "no_face")
    expect(app.get_by_text("This says nothing about whether it is real")).to_be_visible()
    expect(app.locator(".probability")).to_have_count(0)
    check(app, "mobile-no-face")


@pytest.mark.parametrize(("file", "words"), [("notes.txt", "Not a picture"), ("clip.mp4", "Not a picture")])
def test_what_is_no_picture_is_refused_in_words(app: Page, media: Path, file: str, words: str) -> None:
    judge(app, media / file)
    expect(app.get_by_role("heading", name=re.compile(words))).to_be_focused()
    check(app, f"mobile-refused-{file.split('.')[1]}")
    app.get_by_role("button", name="Back to the start").click()
    expect(app.get_by_role("heading", name="Choose a picture")).to_be_visible()


def test_the_camera_is_judged_live_and_late_frames_are_dropped(app: Page) -> None:
    app.get_by_role("button", name="Camera", exact=True).click()
    expect(app.get_by_text("stays on this device")).to_be_visible()
    app.get_by_role("button", name="Start the camera").click()
    expect(app.locator(".live .box")).to_have_count(1)
    expect(app.locator(".now")).to_have_attribute("data-verdict", re.compile("real|fake|uncertain"))
    stage, box = app.locator(".stage").bounding_box(), app.locator(".live .box").bounding_box()
    assert stage and box
    left, top = ((box[side] - stage[side]) / stage["width"] * 640 for side in ("x", "y"))
    assert abs(left - 64 - 178) < 60 and abs(top - 73) < 60, (left, top)
    check(app, "mobile-live")
    app.get_by_role("button", name="Stop").click()
    expect(app.locator(".live")).to_contain_text(
        re.compile(r"Stopped\. \d+ frames seen, [1-9]\d* judged, \d+ dropped\.")
    )
    assert app.evaluate("document.querySelector('video').srcObject") is None


def test_it_speaks_german_and_says_what_judges(app: Page) -> None:
    app.get_by_label("Language").select_option("de")
    expect(app.get_by_text("Urteilt auf diesem Gerät")).to_be_visible()
    assert app.evaluate("document.documentElement.lang") == "de"
    app.get_by_label("Sprache").select_option("en")
    app.get_by_role("button", name="Models and limits").click()
    expect(app.get_by_role("dialog").get_by_text("Faces are found by BlazeFace")).to_be_visible()
    check(app, "mobile-limits")
    app.get_by_role("button", name="Close").click()


def test_without_a_network_it_opens_and_judges_and_can_be_installed(app: Page, address: str, media: Path) -> None:
    manifest = app.evaluate("fetch('app.webmanifest').then((answer) => answer.json())")
    assert manifest["display"] == "standalone" and {"192x192", "512x512"} <= {i["sizes"] for i in manifest["icons"]}
    app.context.set_offline(True)
    try:
        app.goto(address)
        ready(app)
        expect(app.locator("[data-offline=true]")).to_be_visible()
        judge(app, media / "portrait.png")
        expect(app.locator("article")).to_have_attribute("data-verdict", re.compile("fake|real|uncertain"))
    finally:
        app.context.set_offline(False)


@pytest.mark.parametrize(
    ("change", "heading"), [("altered", "The models were changed"), ("absent", "The models are not here")]
)
def test_models_that_are_not_the_built_ones_judge_nothing(
    new_context: NewContext, address: str, change: str, heading: str
) -> None:
    page = new_context(**PHONE, service_workers="block").new_page()

    def answer(route: Route) -> None:
        if change == "absent":
            route.fulfill(status=404)
        else:
            content = bytearray((DIST / "models/genconvit.onnx").read_bytes())
            content[1000] ^= 1
            route.fulfill(body=bytes(content))

    page.route("**/models/genconvit.onnx", answer)
    page.goto(address)
    expect(page.get_by_role("heading", name=heading)).to_be_focused()
    expect(page.get_by_text("genconvit.onnx")).to_be_visible()
    expect(page.locator("input")).to_have_count(0)
    check(page, f"mobile-models-{change}")


def test_the_page_itself_can_reach_no_other_host(chromium: Browser, address: str) -> None:
    context = chromium.new_context(service_workers="block")
    page = context.new_page()
    page.route("**/models/*", lambda route: route.fulfill(status=404))
    page.goto(address)
    other = address.replace("127.0.0.1", "localhost")
    assert (
        page.evaluate("(other) => fetch(other, { mode: 'no-cors' }).then(() => 'reached', () => 'refused')", other)
        == "refused"
    )
    context.close()
