"""What people do on the page, and what it says, state by state."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from awarenet.verdict import schema
from gateway.access import REMEMBERED_S
from gateway.identity import Role
from gateway.provenance import ContentCredentials, CredentialAction
from gateway.settings import Settings
from gateway.state import open_state
from tests.browser.conftest import PHONE, check, enter, give
from tests.gateway import Gateway

pytestmark = pytest.mark.browser

NewContext = Callable[..., BrowserContext]


def key_of(gateway: Gateway, role: Role, **limits: int) -> str:
    """A new key, made as the command line makes it."""
    state = open_state(Settings.load(state_folder=gateway.state))
    _, key = state.keys.create(f"{role.value} {time.monotonic_ns()}", {role}, **limits)
    state.close()
    return key


# The key.


def test_the_page_asks_for_a_key_and_keeps_it_in_the_tab_alone(page: Page, gateway: Gateway) -> None:
    page.goto(gateway.url)
    expect(page.get_by_role("heading", name="Is it real?")).to_be_visible()
    expect(page.get_by_text("sent to this gateway alone")).to_be_visible()
    check(page, "key")
    enter(page, gateway)
    expect(page.get_by_text("Drop a picture or clip here")).to_be_visible()
    assert page.evaluate("sessionStorage.getItem('awarenet.key')") == gateway.key
    assert gateway.key not in page.evaluate("JSON.stringify(localStorage) + document.cookie + location.href")
    page.reload()
    expect(page.get_by_text("Drop a picture or clip here")).to_be_visible()
    check(page, "choose")
    page.get_by_role("button", name="Forget the key").click()
    expect(page.get_by_label("Your API key")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0


def test_a_wrong_key_is_refused_in_words_and_another_can_be_entered(page: Page, gateway: Gateway) -> None:
    enter(page, gateway, "awk_0000_wrong")
    expect(page.get_by_role("alert")).to_contain_text("The key is not accepted")
    expect(page.get_by_label("Your API key")).to_be_focused()
    assert page.evaluate("sessionStorage.length") == 0
    check(page, "key-wrong")
    page.get_by_label("Your API key").fill(gateway.key)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Drop a picture or clip here")).to_be_visible()


def test_a_key_that_is_revoked_while_in_use_is_asked_for_again(page: Page, gateway: Gateway, media: Path) -> None:
    key = key_of(gateway, Role.ANALYST)
    enter(page, gateway, key)
    expect(page.get_by_text("Drop a picture or clip here")).to_be_visible()
    state = open_state(Settings.load(state_folder=gateway.state))
    state.keys.revoke(key.split("_")[1])
    state.close()
    page.wait_for_timeout(1000 * REMEMBERED_S)  # The gateway takes a key that was good as good for so long.
    give(page, media / "wall.png")
    expect(page.get_by_role("alert")).to_contain_text("The key is not accepted")


# Pictures.


def test_a_picture_gets_the_gateways_verdict_with_its_box_where_the_face_is(
    page: Page, gateway: Gateway, media: Path
) -> None:
    enter(page, gateway)
    give(page, media / "portrait.png")
    with gateway.client() as client:
        verdict = client.post("/v1/detect", content=(media / "portrait.png").read_bytes()).json()
    result = page.locator("article")
    expect(result).to_have_attribute("data-verdict", verdict["verdict"])
    expect(page.locator("#verdict")).to_be_focused()
    number = f"{100 * verdict['probability']:.0f} %" if 0.1 <= verdict["probability"] <= 0.9 else " %"
    expect(result.locator(".probability")).to_contain_text(number)
    expect(result.get_by_text("What it does not mean")).to_be_visible()
    expect(result.get_by_text(re.compile("The fast filter says"))).to_be_visible()
    expect(result.locator("img")).to_have_js_property("complete", True)
    picture, box = result.locator("img").bounding_box(), result.locator(".box").bounding_box()
    assert picture and box
    scale = picture["width"] / 512
    shown = [(box["x"] - picture["x"]) / scale, (box["y"] - picture["y"]) / scale, box["width"] / scale]
    assert shown == pytest.approx(verdict["faces"][0]["box"][:3], abs=1.5)
    page.get_by_label("Show boxes").uncheck()
    expect(result.locator(".box")).to_have_count(0)
    page.get_by_label("Show boxes").check()
    check(page, "picture")


def test_verdict_and_report_can_be_taken_along(page: Page, gateway: Gateway, media: Path, tmp_path: Path) -> None:
    enter(page, gateway)
    give(page, media / "two.png")
    expect(page.locator(".box")).to_have_count(2)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download JSON").click()
    content = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert content.pop("content_credentials")["state"] == "absent"
    assert content.pop("request_id") and download.value.suggested_filename == "two.verdict.json"
    jsonschema.validate(content, schema())
    with page.expect_download() as download:
        page.get_by_role("button", name="Download report").click()
    download.value.save_as(tmp_path / download.value.suggested_filename)
    assert download.value.suggested_filename == "two.report.html"
    alone = page.context.browser
    assert alone is not None
    context = alone.new_context(offline=True, java_script_enabled=False)
    kept = context.new_page()
    kept.goto((tmp_path / "two.report.html").as_uri())
    expect(kept.locator(".box")).to_have_count(2)
    expect(kept.get_by_text("What it does not mean")).to_be_visible()
    expect(kept.get_by_text(content["policy_version"])).to_be_visible()
    expect(kept.get_by_role("button")).to_have_count(0)
    assert kept.locator("img").evaluate("image => image.naturalWidth") == 1024
    assert kept.locator(".box").first.evaluate("box => getComputedStyle(box).position") == "absolute"
    context.close()


def test_where_the_score_comes_from_is_shown_on_request(page: Page, gateway: Gateway, media: Path) -> None:
    enter(page, gateway)
    give(page, media / "portrait.png")
    button = page.get_by_role("button", name="Show where the score comes from")
    button.click()
    picture = page.get_by_alt_text("Face 1, bright where it speaks for a forgery")
    expect(picture).to_be_visible()
    assert page.evaluate("document.querySelector('.heatmap img').naturalWidth") == 224
    expect(page.get_by_text("not what was forged")).to_be_visible()
    check(page, "heatmap")
    button.click()
    expect(picture).to_have_count(0)
    button.click()
    expect(picture).to_be_visible()


def test_no_face_is_an_answer_of_its_own(page: Page, gateway: Gateway, media: Path) -> None:
    enter(page, gateway)
    give(page, media / "wall.png")
    expect(page.locator("article")).to_have_attribute("data-verdict", "no_face")
    expect(page.get_by_text("This says nothing about whether it is real")).to_be_visible()
    expect(page.locator(".probability")).to_have_count(0)
    check(page, "no-face")


def test_a_picture_can_be_dropped_on_the_page(page: Page, gateway: Gateway, media: Path) -> None:
    enter(page, gateway)
    expect(page.get_by_text("Drop a picture or clip here")).to_be_visible()
    files = page.evaluate_handle(
        """async (address) => {
            const transfer = new DataTransfer();
            const canvas = Object.assign(document.createElement("canvas"), { width: 80, height: 80 });
            const picture = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
            transfer.items.add(new File([picture], "dropped.png", { type: "image/png" }));
            return transfer;
        }"""
    )
    page.dispatch_event("main", "dragover", {"dataTransfer": files})
    expect(page.get_by_text("Let go to judge this file")).to_be_visible()
    page.dispatch_event("main", "drop", {"dataTransfer": files})
    expect(page.locator("article")).to_contain_text("dropped.png")


def test_content_credentials_stand_beside_the_verdict_as_text(page: Page, gateway: Gateway, media: Path) -> None:
    credentials = ContentCredentials(
        "valid",
        issuer="<b>Made-up</b> Newsroom",
        actions=(CredentialAction("c2pa.created", "trainedAlgorithmicMedia", "Maker"),),
        says_ai=True,
    )

    with gateway.client() as client:
        answer = client.post("/v1/detect", content=(media / "wall.png").read_bytes()).json()
    # `gateway.provenance` reads them, but answers do not have them yet: they are added on the way.
    answer["content_credentials"] = credentials.to_dict()
    page.route("**/v1/detect", lambda route: route.fulfill(json=answer))
    enter(page, gateway)
    give(page, media / "wall.png")
    expect(page.locator("article")).to_have_attribute("data-verdict", "no_face")
    beside = page.get_by_role("complementary", name="Content credentials")
    expect(beside).to_contain_text("signed by somebody unknown here")
    expect(beside).to_contain_text("a trained model made this")
    expect(beside).to_contain_text("<b>Made-up</b> Newsroom")
    check(page, "credentials")


# Clips.


def test_a_clip_shows_a_timeline_whose_moments_can_be_gone_to(page: Page, gateway: Gateway, media: Path) -> None:
    enter(page, gateway)
    give(page, media / "clip.mp4")
    people = page.locator(".person")
    expect(people).to_have_count(2)  # One in each scene: the cut parts them.
    expect(people.locator(".cut")).to_have_count(2)
    expect(people.locator(".interval")).to_have_count(2)
    timeline, video = page.get_by_role("slider").first, page.locator("video")
    expect(page.locator(".box")).to_have_count(1)  # The most suspicious frame is shown first.
    chip = page.locator(".chip").last
    chip.click()
    moment = float((chip.text_content() or "").split(" s")[0])
    page.wait_for_function("time => Math.abs(document.querySelector('video').currentTime - time) < 0.1", arg=moment)
    plot = timeline.bounding_box()
    assert plot
    timeline.click(position={"x": plot["width"] * 0.97, "y": 20})
    late = video.evaluate("clip => clip.duration * 0.97")
    page.wait_for_function("time => Math.abs(document.querySelector('video').currentTime - time) < 0.2", arg=late)
    before = video.evaluate("clip => clip.currentTime")
    timeline.press("ArrowLeft")
    page.wait_for_function("time => document.querySelector('video').currentTime < time - 0.02", arg=before)
    expect(timeline).to_have_attribute("aria-valuetext", re.compile(r"^\d\.\d s, .+ % fake$"))
    check(page, "clip")


def test_a_clip_that_is_cancelled_is_deleted(page: Page, gateway: Gateway, media: Path) -> None:
    key = key_of(gateway, Role.ANALYST)
    enter(page, gateway, key)
    give(page, media / "long.mp4")
    expect(page.get_by_role("progressbar")).to_be_visible()
    with gateway.client(headers={"X-API-Key": key}) as client:
        while not client.get("/v1/jobs").json()["jobs"]:
            time.sleep(0.05)
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_text("Drop a picture or clip here")).to_be_visible()
        expect(page.get_by_role("status").filter(has_text="Cancelled")).to_have_count(1)
        deadline = time.monotonic() + 20
        while client.get("/v1/jobs").json()["jobs"]:
            assert time.monotonic() < deadline
            time.sleep(0.1)


# What goes wrong.


@pytest.mark.parametrize(
    ("file", "title", "detail"),
    [
        ("notes.txt", "Not a picture or clip that is read here", "notes.txt: "),
        ("broken.jpg", "The file is damaged", "broken.jpg: "),
    ],
)
def test_a_file_that_cannot_be_judged_is_named_with_the_remedy(
    page: Page, gateway: Gateway, media: Path, file: str, title: str, detail: str
) -> None:
    enter(page, gateway)
    give(page, media / file)
    expect(page.get_by_role("heading", name=title)).to_be_focused()
    expect(page.locator(".said")).to_contain_text(detail)
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    check(page, f"problem-{file.split('.')[0]}")
    page.get_by_role("button", name="Back to the start").click()
    expect(page.get_by_text("Drop a picture or clip here")).to_be_visible()


def test_a_file_that_is_too_large_is_not_even_sent(page: Page, gateway: Gateway, media: Path) -> None:
    enter(page, gateway)
    sent: list[str] = []
    page.on("request", lambda request: request.method == "POST" and sent.append(request.url))
    give(page, media / "large.bmp")
    expect(page.get_by_role("heading", name="The file is too large")).to_be_visible()
    assert not sent


def test_a_clip_that_is_damaged_says_so_as_a_picture_does(page: Page, gateway: Gateway, media: Path) -> None:
    broken = media / "broken.mp4"
    broken.write_bytes((media / "clip.mp4").read_bytes()[:400])
    enter(page, gateway)
    give(page, broken)
    expect(page.locator(".problem")).to_have_attribute("data-code", re.compile("damaged_media|unsupported_media"))


def test_a_key_whose_quota_is_used_up_is_told_when_to_come_back(page: Page, gateway: Gateway, media: Path) -> None:
    enter(page, gateway, key_of(gateway, Role.ANALYST, requests_per_day=1))
    give(page, media / "wall.png")
    expect(page.get_by_role("heading", name="Too many requests")).to_be_visible()
    expect(page.get_by_text(re.compile("The gateway asks to wait: "))).to_be_visible()
    check(page, "problem-quota")


def test_a_key_that_may_not_judge_is_told_which_role_may(page: Page, gateway: Gateway, media: Path) -> None:
    enter(page, gateway, key_of(gateway, Role.VIEWER))
    give(page, media / "wall.png")
    expect(page.get_by_role("heading", name="Your key may not do this")).to_be_visible()
    expect(page.locator(".said")).to_contain_text("viewer")


# How it is used.


def test_everything_can_be_done_with_the_keyboard(page: Page, gateway: Gateway, media: Path) -> None:
    page.goto(gateway.url)
    expect(page.get_by_label("Your API key")).to_be_visible()

    def tab_to(selector: str) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                outline = page.evaluate(
                    """() => [document.activeElement, document.activeElement.parentElement].some(
                        (element) => getComputedStyle(element).outlineStyle === "solid")"""
                )
                assert outline, f"the focus on {selector} cannot be seen"
                return
        pytest.fail(f"{selector} is not reached with Tab")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    tab_to("#key")
    page.keyboard.type(gateway.key)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Drop a picture or clip here")).to_be_visible()
    tab_to('input[type="file"]')
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(media / "clip.mp4")
    expect(page.locator("#verdict")).to_be_focused()
    tab_to('input[type="range"]')
    page.keyboard.press("ArrowRight")
    tab_to("footer button")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Models and limits")).to_be_visible()
    check(page, "limits")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_it_speaks_german_to_german_browsers_and_can_be_switched(
    new_context: NewContext, gateway: Gateway, media: Path
) -> None:
    page = new_context(locale="de-AT").new_page()
    page.goto(gateway.url)
    expect(page.get_by_role("heading", name="Ist das echt?")).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "de"
    page.get_by_label("Ihr API-Schlüssel").fill(gateway.key)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Bild oder Clip hier ablegen")).to_be_visible()
    give(page, media / "two.png")
    expect(page.get_by_text("Was das nicht heißt")).to_be_visible()
    check(page, "picture-german")
    page.get_by_label("Sprache").select_option("en")
    expect(page.get_by_text("What it does not mean")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Is it real?")).to_be_visible()


def test_a_phone_sees_the_verdict_without_scrolling_sideways(
    new_context: NewContext, gateway: Gateway, media: Path
) -> None:
    page = new_context(viewport=PHONE, has_touch=True, is_mobile=True, device_scale_factor=2).new_page()
    enter(page, gateway)
    give(page, media / "clip.mp4")
    expect(page.locator(".person")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    timeline = page.get_by_role("slider").first
    plot = timeline.bounding_box()
    assert plot and plot["width"] > 200 and plot["height"] >= 44
    timeline.tap(position={"x": plot["width"] * 0.75, "y": 30})
    page.wait_for_function("document.querySelector('video').currentTime > 1.8")
    for button in page.get_by_role("button").all():
        if (size := button.bounding_box()) is not None:
            assert size["height"] >= 24, button.text_content()


def test_the_cards_of_the_models_are_one_click_away(page: Page, gateway: Gateway) -> None:
    page.goto(gateway.url)
    page.get_by_role("link", name="Model cards").click()
    expect(page.get_by_role("heading", name="Model card: fast_filter")).to_be_visible()
    expect(page.locator("article")).to_have_count(5)
    assert page.locator("table").count() > 5 and page.locator("script").count() == 0
