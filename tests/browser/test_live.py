"""The camera, from a file."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import check, enter
from tests.gateway import Gateway

pytestmark = pytest.mark.browser


def test_the_camera_is_judged_live_until_it_is_stopped(page: Page, gateway: Gateway) -> None:
    enter(page, gateway)
    page.get_by_role("button", name="Camera").click()
    check(page, "live-off")
    page.get_by_role("button", name="Start the camera").click()
    live = page.locator(".live")
    expect(live).to_have_attribute("data-state", "on")
    expect(page.locator(".live .box")).to_have_count(1)
    expect(page.locator(".now")).to_have_attribute("data-verdict", re.compile("real|fake|uncertain"))
    expect(page.locator(".live polyline").first).to_have_attribute("points", re.compile(r"(\S+ ){3}"))
    stage, box = page.locator(".stage").bounding_box(), page.locator(".live .box").bounding_box()
    assert stage and box
    # The astronaut's face is at (178..., 73...) of 512 by 480, shown 64 px to the right in 640 by 480.
    left, top = ((box[side] - stage[side]) / stage["width"] * 640 for side in ("x", "y"))
    assert abs(left - 64 - 178) < 45 and abs(top - 73) < 45, (left, top)
    assert gateway.metric("streams") == 1
    check(page, "live-on")
    page.get_by_role("button", name="Stop").click()
    expect(live).to_contain_text(re.compile(r"Stopped\. \d+ frames sent, \d+ judged, \d+ dropped\."))
    assert page.evaluate("document.querySelector('video').srcObject") is None
    assert gateway.metric("streams") == 0


def test_leaving_the_camera_ends_it(page: Page, gateway: Gateway) -> None:
    enter(page, gateway)
    page.get_by_role("button", name="Camera").click()
    page.get_by_role("button", name="Start the camera").click()
    expect(page.locator(".live .box")).to_have_count(1)
    page.get_by_role("button", name="File", exact=True).click()
    expect(page.get_by_text("Drop a picture or clip here")).to_be_visible()
    page.wait_for_timeout(1500)
    assert gateway.metric("streams") == 0


def test_a_camera_that_is_not_allowed_is_said_with_the_remedy(
    new_context: Callable[..., BrowserContext], gateway: Gateway
) -> None:
    page = new_context(permissions=[]).new_page()
    enter(page, gateway)
    page.get_by_role("button", name="Camera").click()
    page.get_by_role("button", name="Start the camera").click()
    expect(page.get_by_role("heading", name="The camera is not allowed")).to_be_focused()
    check(page, "camera-denied")
