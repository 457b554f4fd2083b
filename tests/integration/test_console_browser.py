"""The console in a real browser under a real uvicorn: refreshing, acknowledging, and saying when it is cut off."""

import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psycopg
import pytest
from fakes.django_site import site
from fakes.night import TOML, fall

from core.time import clock_ns
from service.embedded.port import free_port

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium here")


@pytest.fixture
def console(database, tmp_path):
    """Yield the address of a console with a night in its database."""
    with site(database):
        from django.contrib.auth import get_user_model
        from django.contrib.auth.hashers import PBKDF2PasswordHasher

        from console.models import Account
        from registry.importer.run import import_town

        (tmp_path / "town.toml").write_text(TOML, "utf-8")
        import_town(tmp_path / "town.toml")
        officer = get_user_model().objects.create(
            username="officer", password=PBKDF2PasswordHasher().encode("correct horse", "salt", 1)
        )
        Account.objects.create(user=officer, kind="platform")
    fall(database, clock_ns() // 1000 * 1000)
    port = free_port()
    log = (tmp_path / "log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-W", "error::Warning", "-m", "uvicorn", "console.asgi:application", "--port", str(port),
         "--lifespan", "off", "--log-level", "warning"],
        cwd=ROOT, env=os.environ | {"FENGSUI_DATABASE__DSN": database}, stderr=log,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: answers(f"{address}/readyz"))
        yield address
    finally:
        process.terminate()
        process.wait(20)
        log.close()
    assert (tmp_path / "log").read_text() == ""


@pytest.fixture
def page(console):
    """A signed-in phone."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_context(viewport={"width": 390, "height": 800}, locale="zh-CN").new_page()
        page.set_default_timeout(20_000)
        page.goto(f"{console}/alerts/RED00001")
        page.fill("#id_username", "officer")
        page.fill("#id_password", "correct horse")
        page.click("button.big")
        page.wait_for_selector("dl")
        yield page
        browser.close()


def answers(url):
    try:
        return urllib.request.urlopen(url, timeout=2).status == 200
    except (urllib.error.URLError, OSError):
        return False


def wait_until(holds, timeout_s=30):
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_officer_acknowledges_sees_it_carried_out_and_is_told_when_cut_off(page, database):
    assert "灰斗温度" in page.text_content("h1")
    # Nothing is wider than the phone.
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    page.click("text=响应：我已知悉并前往处置")
    page.wait_for_selector("text=提交的“响应”尚未执行")

    page.context.set_offline(True)
    page.wait_for_selector("#lost", state="visible")
    assert "与服务器失去联系" in page.text_content("#lost")
    page.context.set_offline(False)
    page.wait_for_selector("#lost", state="hidden")

    with psycopg.connect(database, autocommit=True) as desk:  # what the desk would write
        assert desk.execute("SELECT kind, by_whom FROM command").fetchall() == [("ack", "officer")]
        desk.execute("UPDATE alert SET state = 'acked', acked_by = 'officer' WHERE id = 'RED00001'")
        desk.execute("UPDATE command SET answered_ns = 1")
    # Without a reload by hand the button goes, for there is nothing left to acknowledge.
    page.wait_for_selector("text=响应：我已知悉并前往处置", state="detached")
    assert "已响应" in page.text_content("dl")
