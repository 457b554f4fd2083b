"""The page behind a notification's link: what it shows, what its buttons write, and what does not work."""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import replace
from html import unescape
from pathlib import Path

import psycopg
import pytest
from fakes.django_site import site
from fakes.night import TOML, fall
from fakes.note import NOTE

from alerts.link import Pass, Signer
from core.time import HOUR, clock_ns
from service.embedded.port import free_port

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
KEY = "the key of this test's console"
BASE = "http://testserver"


@pytest.fixture
def night(database, tmp_path):
    """A database with a night in it; Django points to it, under our key."""
    with site(database):
        from django.conf import settings

        from registry.importer.run import import_town

        before, settings.SECRET_KEY = settings.SECRET_KEY, KEY
        (tmp_path / "town.toml").write_text(TOML, "utf-8")
        import_town(tmp_path / "town.toml")
        fall(database, clock_ns() // 1000 * 1000)
        yield database
        settings.SECRET_KEY = before


def link(alert="RED00001", recipient="E01-safety", *, good_s=3600.0, base=BASE, now=None):
    created = clock_ns() if now is None else now
    note = replace(NOTE, alert=alert, recipient=recipient, link=f"{base}/alerts/{alert}", created=created)
    return Signer(base, KEY, good_s).sign(note).link


def path(*words, **options):
    return link(*words, **options).removeprefix(BASE)


@pytest.fixture
def phone(night):
    from django.test import Client

    return Client(headers={"accept-language": "zh-CN"}, enforce_csrf_checks=True)


def text_of(answer):
    text = re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", answer.content.decode(), flags=re.DOTALL)
    return " ".join(unescape(text).split())


def ticket_of(answer):
    return re.search(r'name="ticket" value="([^"]+)"', answer.content.decode())[1]


def press(phone, where, do="ack"):
    return phone.post(where, {"do": do, "ticket": ticket_of(phone.get(where))}, follow=True)


def execute(dsn, statement, *parameters):
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else None


def commands(dsn):
    return execute(dsn, "SELECT kind, alert, by_whom FROM command ORDER BY id")


# ── what it shows ─────────────────────────────────────────────────────────────
def test_it_shows_the_alert_with_its_evidence_without_an_account_a_script_or_a_second_request(phone):
    answer = phone.get(path())
    page, text = answer.content.decode(), text_of(answer)
    assert answer.status_code == 200
    for word in (
        "红 · 1号除尘器 灰斗温度",
        "73.24 ℃ > 70 ℃",
        "示例铝制品厂",
        "响应：我已知悉并前往处置",
        "转交：",
        "仅限安全员使用",
    ):
        assert word in text
    assert "<svg" in page
    assert "<polyline" in page
    assert "<script" not in page
    assert not re.findall(r'(?:src|href)="(?!/alerts/)[^"]+"', page), "nothing else is fetched"
    assert len(page) < 40_000
    assert "no-store" in answer["Cache-Control"]
    assert answer["Referrer-Policy"] == "no-referrer"
    assert "noindex" in answer["X-Robots-Tag"]
    assert "sessionid" not in answer.cookies


def test_a_phone_that_speaks_english_gets_english(night):
    from django.test import Client

    assert "Acknowledge: I have seen it" in text_of(Client(headers={"accept-language": "en"}).get(path()))


def test_everything_else_still_asks_for_an_account(phone):
    for where in ("/", "/closed/", "/alerts/RED00001", "/api/alerts", "/alerts/RED00001/ask/"):
        answer = phone.get(where)
        assert answer.status_code in (302, 401, 405), where
        assert "灰斗温度" not in answer.content.decode()


# ── what it does ──────────────────────────────────────────────────────────────
def test_a_robot_that_fetches_the_link_ahead_acknowledges_nothing(phone, night):
    for ask in (phone.get, phone.head, phone.get):
        assert ask(path()).status_code == 200
    assert phone.options(path()).status_code == 405
    assert phone.post(path()).status_code == 403, "a robot that posts has not read the page"
    assert phone.post(path(), {"do": "ack"}).status_code == 403
    assert phone.post(path(), {"do": "ack", "ticket": "x"}).status_code == 403
    assert commands(night) == []


def test_acknowledging_writes_one_command_in_the_recipients_name(phone, night):
    answer = press(phone, path())
    assert answer.redirect_chain[0][1] == 302
    assert "已确认" in text_of(answer)
    assert "响应：我已知悉" not in text_of(answer)
    assert commands(night) == [("ack", "RED00001", "E01-safety")]


def test_a_link_that_was_used_says_so_and_changes_nothing_more(phone, night):
    where = path()
    ticket = ticket_of(phone.get(where))
    for _ in range(3):
        answer = phone.post(where, {"do": "ack", "ticket": ticket}, follow=True)
        assert "已确认" in text_of(answer)
    # The desk has carried it out meanwhile, and the link is opened again a day later.
    execute(night, "UPDATE alert SET state = 'acked', acked_by = 'E01-safety', acked_ns = %s", clock_ns())
    execute(night, "UPDATE command SET answered_ns = 1")
    assert "已确认" in text_of(phone.get(where))
    assert "E01-safety" in text_of(phone.get(where))
    assert len(commands(night)) == 1


def test_pressed_on_two_phones_at_once_it_is_one_command(night):
    from django.db import connection
    from django.test import Client

    where = path()
    ticket = ticket_of(Client().get(where))
    ready = threading.Barrier(6)

    def tap():
        ready.wait()
        Client().post(where, {"do": "ack", "ticket": ticket})
        connection.close()

    phones = [threading.Thread(target=tap) for _ in range(6)]
    for one in phones:
        one.start()
    for one in phones:
        one.join()
    assert len(commands(night)) == 1


def test_an_alert_that_came_again_asks_for_a_new_answer_by_the_old_link_too(phone, night):
    press(phone, path())
    execute(night, "UPDATE command SET answered_ns = 1")
    execute(night, "UPDATE alert SET expected_ns = %s WHERE id = 'RED00001'", clock_ns())
    assert "响应：我已知悉" in text_of(phone.get(path()))
    press(phone, path())
    assert len(commands(night)) == 2


def test_handing_on_asks_for_the_next_and_still_lets_one_acknowledge(phone, night):
    answer = press(phone, path(), "hand_on")
    assert commands(night) == [("hand_on", "RED00001", "E01-safety")]
    assert "已转交" in text_of(answer)
    assert "响应：我已知悉" in text_of(answer)
    press(phone, path())
    assert [kind for kind, *_ in commands(night)] == ["hand_on", "ack"]


def test_what_the_desk_refuses_is_said_and_may_be_asked_again(phone, night):
    press(phone, path(), "hand_on")
    execute(night, "UPDATE command SET answered_ns = 1, problem = '没有可转交的上一级人员'")
    answer = phone.get(path())
    assert "没有可转交的上一级人员" in text_of(answer)
    assert 'value="hand_on"' in answer.content.decode()


def test_a_service_that_is_behind_tells_people_to_call(phone, night):
    press(phone, path())
    assert "致电" not in text_of(phone.get(path()))
    execute(night, "UPDATE command SET asked_ns = asked_ns - 60000000000")
    execute(night, "UPDATE alert SET expected_ns = 0")
    assert "致电" in text_of(phone.get(path()))


def test_a_closed_alert_has_no_buttons(phone):
    answer = phone.get(path("CLOSED01"))
    assert "清灰完毕" in text_of(answer)
    assert "<form" not in answer.content.decode()


# ── what does not work ────────────────────────────────────────────────────────
def test_an_expired_link_shows_nothing_and_does_nothing(phone, night):
    old = path(now=clock_ns() - 2 * HOUR)
    one = Pass("RED00001", "E01-safety", int(old.split("/")[-2], 16))
    for answer in (phone.get(old), phone.post(old, {"do": "ack", "ticket": one.ticket(KEY)})):
        assert answer.status_code == 410
        assert "链接已过期" in text_of(answer)
        assert "灰斗" not in text_of(answer)
    assert commands(night) == []


def test_a_link_is_good_for_its_own_alert_and_recipient_only(phone, night):
    _, _a, alert, recipient, until, mac = path().split("/")
    later = f"{int(until, 16) + 3600:x}"
    wrong = [
        f"/a/ORANGE01/{recipient}/{until}/{mac}",
        f"/a/{alert}/E01-principal/{until}/{mac}",
        f"/a/{alert}/{recipient}/{later}/{mac}",
        f"/a/{alert}/{recipient}/{until}/{mac[:-1]}A{'' if mac[-1] != 'A' else 'B'}",
    ]
    for where in wrong:
        answer = phone.get(where)
        assert answer.status_code == 404
        assert "链接无效" in text_of(answer)
        assert "灰斗" not in text_of(answer)
    other = path("ORANGE01")
    ticket = ticket_of(phone.get(path()))
    assert phone.post(other, {"do": "ack", "ticket": ticket}).status_code == 403, "another page's ticket"
    assert phone.get(path("NOSUCH01")).status_code == 404


# ── a real browser ────────────────────────────────────────────────────────────
@pytest.fixture
def console(night, tmp_path):
    """The address of a console that runs as it does in service."""
    port = free_port()
    log = (tmp_path / "log").open("w")
    env = os.environ | {"FENGSUI_DATABASE__DSN": night, "FENGSUI_CONSOLE__SECRET_KEY": KEY}
    process = subprocess.Popen(
        [sys.executable, "-W", "error::Warning", "-m", "uvicorn", "console.asgi:application", "--port", str(port),
         "--lifespan", "off", "--log-level", "warning"],
        cwd=ROOT, env=env, stderr=log,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 30
        while not answers(f"{address}/readyz"):
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait(20)
        log.close()


def answers(url):
    try:
        return urllib.request.urlopen(url, timeout=2).status == 200
    except (urllib.error.URLError, OSError):
        return False


@pytest.mark.skipif(not CHROMIUM, reason="no chromium here")
def test_on_a_phone_without_javascript_one_tap_acknowledges(console, night, tmp_path):
    from playwright.sync_api import sync_playwright

    where = link(base=console)
    folder = Path(os.environ.get("FENGSUI_SCREENSHOTS") or tmp_path)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(
            viewport={"width": 360, "height": 740},
            device_scale_factor=2,
            locale="zh-CN",
            java_script_enabled=False,
        )
        page = context.new_page()
        page.set_default_timeout(20_000)
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(where)
        page.screenshot(path=folder / "phone-1-open.png", full_page=True)
        assert asked == [where], "one request is all that a bad connection has to carry"
        button = page.locator("button.go").bounding_box()
        assert button["height"] >= 44
        assert button["width"] > 300
        assert page.locator("body").bounding_box()["width"] <= 360
        page.click("button.go")
        page.wait_for_selector("text=已确认")
        page.screenshot(path=folder / "phone-2-acknowledged.png", full_page=True)
        assert commands(night) == [("ack", "RED00001", "E01-safety")]
        page.goto(link(base=console, now=clock_ns() - 2 * HOUR))
        page.wait_for_selector("text=链接已过期")
        page.screenshot(path=folder / "phone-3-expired.png", full_page=True)
        browser.close()
