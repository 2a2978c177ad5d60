"""The gateway goes away and comes back while the page is open."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import StartGateway, check, enter, give
from tests.gateway import Gateway

pytestmark = pytest.mark.browser


class Restartable:
    """A gateway that can be stopped, and started again where it was."""

    def __init__(self, start: StartGateway) -> None:
        self._start = start
        self._stack = ExitStack()
        self.gateway: Gateway = self._stack.enter_context(start(drain_timeout_s=1))

    def stop(self) -> None:
        self._stack.close()

    def start(self) -> None:
        _, port = self.gateway.address
        self.gateway = self._stack.enter_context(self._start(self.gateway.state, port=port, drain_timeout_s=1))


@pytest.fixture(scope="module")
def restartable(start_gateway: StartGateway) -> Iterator[Restartable]:
    """Each test finds it running and leaves it running."""
    one = Restartable(start_gateway)
    yield one
    one.stop()


def test_a_gateway_that_is_gone_is_looked_for_and_the_picture_sent_again(
    page: Page, restartable: Restartable, media: Path
) -> None:
    enter(page, restartable.gateway)
    expect(page.get_by_text("Drop a picture or clip here")).to_be_visible()
    restartable.stop()
    give(page, media / "portrait.png")
    expect(page.get_by_role("heading", name="The gateway does not answer")).to_be_focused()
    check(page, "offline")
    restartable.start()
    expect(page.locator(".good")).to_have_text("The gateway answers again.")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("article .box")).to_have_count(1)


def test_a_clip_is_judged_to_the_end_though_the_gateway_restarts(
    page: Page, restartable: Restartable, media: Path
) -> None:
    enter(page, restartable.gateway)
    give(page, media / "long.mp4")
    with restartable.gateway.client() as client:
        while not client.get("/v1/jobs").json()["jobs"]:
            time.sleep(0.02)
        state = client.get("/v1/jobs").json()["jobs"][0]["state"]
    assert state in {"queued", "running"}, "the clip is too short for this test"
    restartable.stop()
    expect(page.locator("p.fault")).to_contain_text("The connection is lost. The job goes on without it")
    check(page, "clip-lost")
    restartable.start()
    expect(page.locator("article .person")).to_have_count(1, timeout=60_000)


def test_a_gateway_that_is_draining_says_so_and_when_to_try_again(
    page: Page, restartable: Restartable, media: Path
) -> None:
    enter(page, restartable.gateway)
    expect(page.get_by_text("Drop a picture or clip here")).to_be_visible()
    with restartable.gateway.client() as client:
        assert client.post("/drain").status_code == 200
    give(page, media / "portrait.png")
    expect(page.locator(".problem")).to_have_attribute("data-code", "unavailable")
    expect(page.locator(".problem")).to_contain_text("It can be tried again now.")
    check(page, "draining")
    restartable.stop()
    restartable.start()


def test_a_live_stream_is_taken_up_again_after_a_restart(page: Page, restartable: Restartable) -> None:
    enter(page, restartable.gateway)
    page.get_by_role("button", name="Camera").click()
    page.get_by_role("button", name="Start the camera").click()
    expect(page.locator(".live .box")).to_have_count(1)
    restartable.stop()
    expect(page.locator(".live")).to_have_attribute("data-state", "reconnecting")
    check(page, "live-lost")
    restartable.start()
    expect(page.locator(".live")).to_have_attribute("data-state", "on")
    expect(page.locator(".live .box")).to_have_count(1)
