"""The console against a real database: pages in both languages, the API, and what people may ask of the desk."""

import gettext
import json
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path

import psycopg
import pytest
from django.utils import translation
from fakes.django_site import site
from fakes.night import TOML, fall

from core.time import SECOND, clock_ns, from_datetime, to_datetime
from storage.maintenance import make_ahead

ROOT = Path(__file__).parents[2]
PASSWORD = "correct horse"


@pytest.fixture
def dsn(database, tmp_path):
    with site(database):
        from django.contrib.auth import get_user_model

        from console.models import Account
        from registry.importer.run import import_town

        (tmp_path / "town.toml").write_text(TOML, "utf-8")
        import_town(tmp_path / "town.toml")
        users = get_user_model().objects
        users.create_superuser("chief", "", PASSWORD)
        officer = users.create_user("officer", "", PASSWORD, first_name="值班员")
        Account.objects.create(user=officer, kind="platform")
        yield database


@pytest.fixture
def night(dsn):
    return fall(dsn, clock_ns() // 1000 * 1000)


@pytest.fixture
def visit(dsn):
    """`visit(path, who="officer", language="zh-hans")` returns (status, text of the page)."""
    from django.contrib.auth import get_user_model
    from django.test import Client

    def visit(path, *, who="officer", language="zh-hans", post=None):
        client = Client(headers={"accept-language": language})
        if who:
            client.force_login(get_user_model().objects.get(username=who))
        answer = client.get(path) if post is None else client.post(path, post)
        text = re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", answer.content.decode(), flags=re.DOTALL)
        return answer, " ".join(unescape(text).split())

    return visit


@pytest.fixture
def api(dsn):
    """`api("get", path, …)` asks with HTTP Basic; returns the answer."""
    import base64

    from django.test import Client

    token = base64.b64encode(f"officer:{PASSWORD}".encode()).decode()

    def api(method, path, body=None, *, auth=True, **query):
        client = Client(headers={"authorization": f"Basic {token}"} if auth else {})
        if method == "get":
            return client.get(f"/api/{path}", query)
        return client.post(f"/api/{path}", body, content_type="application/json")

    return api


def execute(dsn, statement, *parameters):
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else None


# ── pages ─────────────────────────────────────────────────────────────────────
def test_the_start_page_shows_the_worst_first_and_counts(night, visit):
    answer, text = visit("/")
    assert answer.status_code == 200
    order = [text.index(word) for word in ("灰斗温度", "进出口风压差", "A相电流", "数据缺失", "网关 gw-e01")]
    assert order == sorted(order)
    assert "73.24 ℃ > 70 ℃" in text
    assert "1 红 1 条未响应" in text
    assert "已 20 分钟无数据" in text
    assert "清灰完毕" not in text


def test_the_start_page_speaks_english_too(night, visit):
    _answer, text = visit("/", language="en")
    assert "Collector 1 Hopper temperature Limit exceeded" in text
    assert "Not answered" in text


def test_an_alerts_page_says_what_its_rule_means_and_what_to_do_until_it_is_closed(night, visit):
    _answer, text = visit(f"/alerts/{night['red']}")
    assert "超过限值" in text
    assert "处置 到现场核实读数" in text
    assert "到现场核实读数" not in visit(f"/alerts/{night['closed']}")[1]


def test_the_language_can_be_chosen_and_stays(night, dsn):
    from django.contrib.auth import get_user_model
    from django.test import Client

    client = Client(headers={"accept-language": "zh-CN"})
    client.force_login(get_user_model().objects.get(username="officer"))
    assert client.post("/language/setlang/", {"language": "en", "next": "/"}).status_code == 302
    assert "Open alerts" in client.get("/").content.decode()


def test_a_level_can_be_chosen(night, visit):
    _answer, text = visit("/?level=3")
    assert "进出口风压差" in text
    assert "灰斗温度" not in text


@pytest.mark.parametrize("path", ["/", "/closed/", "/alerts/RED00001"])
def test_nobody_reads_without_signing_in(night, visit, path):
    answer, _text = visit(path, who=None)
    assert (answer.status_code, answer.url) == (302, f"/login/?next={path}")


def test_nothing_open_and_data_coming_in_says_just_that(dsn, visit):
    now = to_datetime(clock_ns())
    execute(
        dsn,
        "INSERT INTO latest (time, arrived, value, series_id, quality) VALUES (%s, %s, 1, 1, 2)",
        now,
        now,
    )
    _answer, text = visit("/")
    assert "没有未消警的预警。" in text
    assert "没有收到任何数据" not in text


def test_without_data_the_page_says_that_before_anything_else(dsn, visit):
    _answer, text = visit("/")
    assert "没有收到任何数据：现在有没有危险无从得知。 从未收到过数据。" in text
    assert "没有未消警的预警；但目前也没有监测数据。" in text
    old = to_datetime(clock_ns() - 3600 * SECOND)
    execute(
        dsn,
        "INSERT INTO latest (time, arrived, value, series_id, quality) VALUES (%s, %s, 1, 1, 2)",
        old,
        old,
    )
    _answer, text = visit("/")
    assert "1 小时 0 分前" in text
    assert "gw-e01 已 1 小时 0 分无数据" in text


def test_an_empty_registry_says_that_nothing_is_watched(dsn, visit):
    execute(dsn, "UPDATE registry_gateway SET active = false")
    _answer, text = visit("/")
    assert "目前没有监测任何对象" in text


def test_an_alerts_page_says_what_where_why_and_who_was_told(night, visit):
    answer, text = visit("/alerts/RED00001")
    for words in ("73.24 ℃ > 70 ℃", "示例铝制品厂", "示例区望江街道 · 打磨车间", "未响应", "安全员 企业安全员/班组",
                  "预警产生 · 橙 · 61 ℃", "级别变化 · 红", "响应：我已知悉并前往处置"):  # fmt: skip
        assert words in text
    page = answer.content.decode()
    assert page.count("<polyline") >= 2  # the gap is a gap
    assert 'class="limit red"' in page
    assert "secret-address" not in page


def test_a_closed_alert_has_no_buttons(night, visit):
    _answer, text = visit("/alerts/CLOSED01/")
    assert "清灰完毕，温度正常" in text
    assert "核查情况和处置措施" not in text


@pytest.mark.parametrize("path", ["/alerts/NOSUCH", "/alerts/NOSUCH/ask/", "/alerts/a%00b/ask/"])
def test_an_unknown_alert_is_not_found(night, visit, path):
    answer, _text = visit(path, post={"kind": "ack"} if path.endswith("ask/") else None)
    assert answer.status_code == 404


def test_a_persons_wish_becomes_a_command_with_the_persons_name(night, dsn, visit):
    answer, _text = visit("/alerts/RED00001/ask/", post={"kind": "ack"})
    assert (answer.status_code, answer.url) == (302, "/alerts/RED00001")
    assert execute(dsn, "SELECT kind, alert, by_whom, note, problem FROM command") == [
        ("ack", "RED00001", "值班员 (officer)", "", "")
    ]
    _answer, text = visit("/alerts/RED00001")
    assert re.search("值班员 \\(officer\\) 于 .* 提交的“响应”尚未执行。", text)
    assert "未响应" in text  # only the desk moves a state


def test_what_the_desk_refused_is_told(night, dsn, visit):
    visit("/alerts/RED00001/ask/", post={"kind": "close", "note": "x\0y"})
    assert execute(dsn, "SELECT note FROM command")[0][0].startswith("x")
    execute(dsn, "UPDATE command SET answered_ns = 1, problem = 'not acknowledged yet'")
    _answer, text = visit("/alerts/RED00001")
    assert "提交的“消警”未被接受：not acknowledged yet" in text


FEEDBACK = {"kind": "feedback", "measure": "停机清灰", "done": "2026-11-22T07:40", "proof": "IMG-0312"}


@pytest.mark.parametrize(
    ("wish", "command"),
    [
        ({"kind": "handle", "handler": "班组长"}, ("handle", "", {"handler": "班组长"})),
        ({"kind": "handle", "handler": " "}, ("handle", "", None)),
        (
            FEEDBACK,
            (
                "feedback",
                "",
                {"done": "2026-11-22T07:40:00+08:00", "measure": "停机清灰", "proof": "IMG-0312"},
            ),
        ),
        ({"kind": "false_alarm", "note": "传感器进水"}, ("false_alarm", "传感器进水", None)),
        ({"kind": "accept"}, ("accept", "", None)),
        ({"kind": "reject", "note": "照片看不清"}, ("reject", "照片看不清", None)),
    ],
)
def test_what_a_form_says_is_what_the_desk_is_asked(night, dsn, visit, wish, command):
    visit("/alerts/RED00001/ask/", post=wish)
    ((kind, note, detail),) = execute(dsn, "SELECT kind, note, detail FROM command")
    assert (kind, note, json.loads(detail) if detail else None) == command


@pytest.mark.parametrize(
    ("stage", "handler", "there", "not_there"),
    [
        ("new", "", ["受理处置", "反馈处置情况"], ["审核意见", "消警后"]),
        ("handling", "班组长", ["处置中 · 班组长", "反馈处置情况"], ["审核意见"]),
        ("review", "班组长", ["审核通过，消警", "退回处置"], ["反馈处置情况"]),
        ("review", "值班员 (officer)", ["须由处置人、反馈人以外的人审核"], ["退回处置", "反馈处置情况"]),
    ],
)
def test_a_page_offers_what_the_stage_allows_to_this_person(
    night, dsn, visit, stage, handler, there, not_there
):
    execute(dsn, "UPDATE alert SET stage = %s, handler = %s WHERE id = 'RED00001'", stage, handler)
    _answer, text = visit("/alerts/RED00001")
    assert [words for words in there if words not in text] == []
    assert [words for words in not_there if words in text] == []


def test_a_red_alert_is_not_offered_to_be_closed_without_review_a_yellow_one_is(night, visit):
    assert 'value="close"' not in visit("/alerts/RED00001")[0].content.decode()
    assert 'value="close"' in visit("/alerts/YELLOW01")[0].content.decode()


def test_who_may_only_look_is_offered_nothing(night, dsn, visit):
    execute(dsn, "UPDATE console_account SET may_act = false")
    assert 'class="act"' not in visit("/alerts/RED00001")[0].content.decode()


@pytest.mark.parametrize(
    "wish",
    [
        {"kind": "close"},
        {"kind": "close", "note": "  "},
        {"kind": "shelve"},
        {},
        {**FEEDBACK, "measure": ""},
        {**FEEDBACK, "proof": " "},
        {**FEEDBACK, "done": "gestern"},
        {"kind": "reject"},
        {"kind": "false_alarm"},
    ],
)
def test_a_form_that_lacks_something_is_not_handed_in(night, dsn, visit, wish):
    visit("/alerts/RED00001/ask/", post=wish)
    assert execute(dsn, "SELECT count(*) FROM command") == [(0,)]


def test_asking_needs_a_signed_in_person_a_post_and_a_token(night, dsn, visit):
    from django.contrib.auth import get_user_model
    from django.test import Client

    assert visit("/alerts/RED00001/ask/")[0].status_code == 405
    assert visit("/alerts/RED00001/ask/", who=None, post={"kind": "ack"})[0].url.startswith("/login/")
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(get_user_model().objects.get(username="officer"))
    assert strict.post("/alerts/RED00001/ask/", {"kind": "ack"}).status_code == 403
    assert execute(dsn, "SELECT count(*) FROM command") == [(0,)]


def test_what_people_write_is_shown_not_run(night, dsn, visit):
    execute(dsn, "UPDATE registry_device SET name_zh = '<script>alert(1)</script>'")
    answer, _text = visit("/alerts/RED00001")
    assert "<script>alert" not in answer.content.decode()


def test_signing_in_leads_to_the_page_that_was_asked_for(night, dsn):
    from django.test import Client

    client = Client()
    wrong = client.post("/login/?next=/alerts/RED00001", {"username": "officer", "password": "no"})
    assert "用户名或密码不对" in wrong.content.decode()
    right = client.post("/login/", {"username": "officer", "password": PASSWORD, "next": "/alerts/RED00001"})
    assert right.url == "/alerts/RED00001"


# ── API ───────────────────────────────────────────────────────────────────────
def test_the_api_lists_alerts_the_worst_first(night, api):
    listed = api("get", "alerts").json()
    assert [row["id"] for row in listed] == ["RED00001", "ORANGE01", "YELLOW01", "SILENT01"]
    assert listed[0]["subject"] == "1号除尘器 灰斗温度"
    assert [row["id"] for row in api("get", "alerts", state="closed").json()] == ["CLOSED01"]
    assert [row["id"] for row in api("get", "alerts", level=3).json()] == ["ORANGE01"]


def test_the_api_tells_one_alert_with_its_history(night, api):
    told = api("get", "alerts/RED00001").json()
    assert [line["cause"] for line in told["history"]] == ["open", "level"]
    assert told["told"][0]["recipient"] == "E01-safety"
    assert "secret-address" not in str(told)
    assert api("get", "alerts/NOSUCH").status_code == 404


def test_the_api_keeps_microseconds_and_says_when_there_is_more(night, dsn, api):
    at = datetime(2026, 11, 21, 3, 0, 0, 123457, UTC)
    with psycopg.connect(dsn, autocommit=True) as connection:
        make_ahead(connection, "sample", from_datetime(at))
        for second in range(4):
            connection.execute(
                "INSERT INTO sample VALUES (%s, %s, 2, 2)", (at + timedelta(seconds=second), "NaN")
            )
    end = at + timedelta(minutes=1)
    got = api("get", "series/2/readings", limit=3, start=at.isoformat(), end=end.isoformat()).json()
    assert [row["time"] for row in got["samples"]] == [f"2026-11-21T03:00:0{s}.123457Z" for s in range(3)]
    assert got["samples"][0]["value"] is None
    assert (got["more"], got["unit"], got["signal"]) == (True, "Pa", "differential_pressure")
    assert api("get", "series/2/readings", limit=3, start=end.isoformat()).json()["more"] is False
    assert api("get", "series/99/readings").status_code == 404
    assert api("get", "series/1/readings", resolution="1m").json()["samples"] == []
    assert api("get", "series/1/readings", resolution="2m").status_code == 422


def test_a_changed_password_or_a_barred_account_counts_at_once(night, api):
    from django.contrib.auth import get_user_model

    assert api("get", "alerts").status_code == 200
    assert api("get", "alerts").status_code == 200
    officer = get_user_model().objects.get(username="officer")
    officer.set_password("another")
    officer.save()
    assert api("get", "alerts").status_code == 401
    officer.set_password(PASSWORD)
    officer.save()
    assert api("get", "alerts").status_code == 200
    officer.is_active = False
    officer.save()
    assert api("get", "alerts").status_code == 401


def test_the_api_hands_wishes_to_the_desk(night, dsn, api):
    assert api("post", "alerts/RED00001/ack", {"note": "on my way"}).status_code == 202
    assert api("post", "alerts/RED00001/close", {"note": " "}).status_code == 422
    assert api("post", "alerts/NOSUCH/ack", {}).status_code == 404
    assert execute(dsn, "SELECT kind, by_whom, note FROM command") == [
        ("ack", "值班员 (officer)", "on my way")
    ]


@pytest.mark.parametrize("path", ["alerts", "alerts/RED00001", "series/1/readings"])
def test_the_api_is_for_those_who_sign_in(night, api, path):
    assert api("get", path, auth=False).status_code == 401


# ── health ────────────────────────────────────────────────────────────────────
def test_health_and_readiness(dsn, visit):
    assert visit("/healthz", who=None)[0].status_code == 200
    assert visit("/readyz", who=None)[0].status_code == 200


def test_not_ready_without_tables(empty_database):
    with site(empty_database):
        from django.test import Client

        assert Client().get("/healthz").status_code == 200
        answer = Client().get("/readyz")
        assert answer.status_code == 503
        assert "registry_version" in answer.content.decode()


# ── admin ─────────────────────────────────────────────────────────────────────
KINDS = ("area", "enterprise", "contact", "gateway", "device", "series")


@pytest.mark.parametrize(("language", "words"), [("zh-hans", "烽燧台账"), ("en", "Fengsui registry")])
def test_every_admin_page_answers_in_both_languages(dsn, visit, language, words):
    from django.apps import apps

    assert words in visit("/admin/", who="chief", language=language)[1]
    for kind in KINDS:
        key = apps.get_model("registry", kind).objects.values_list("pk", flat=True).first()
        for page in ("", "?q=gw", "add/", f"{key}/change/"):
            answer, text = visit(f"/admin/registry/{kind}/{page}", who="chief", language=language)
            assert answer.status_code == 200, (kind, page)
            assert words in text


def test_the_admin_is_for_staff(dsn, visit):
    assert visit("/admin/", who="officer")[0].status_code == 302


def test_a_series_added_by_hand_gets_its_words_from_the_catalogue(dsn, visit):
    form = {"device": 2, "signal": "cable_temperature_2", "period_s": 10, "active": "on",
            "limits-TOTAL_FORMS": 1, "limits-INITIAL_FORMS": 0, "limits-0-level": 3, "limits-0-side": "high",
            "limits-0-limit": 70, "limits-0-deadband": 5, "limits-0-on_delay_s": 60, "limits-0-off_delay_s": 60}  # fmt: skip
    assert visit("/admin/registry/series/add/", who="chief", post=form)[0].status_code == 302
    assert execute(dsn, "SELECT name_zh, unit FROM registry_series WHERE signal = 'cable_temperature_2'") == [
        ("线缆温度2", "℃")
    ]


def test_a_series_cannot_be_deleted_by_hand(dsn, visit):
    answer, _text = visit("/admin/registry/series/1/delete/", who="chief", post={"post": "yes"})
    assert answer.status_code == 403


def test_a_contact_of_two_masters_is_refused_in_words(dsn, visit):
    form = {"code": "x", "name": "x", "role": "principal", "enterprise": 1, "area": 1,
            "addresses-TOTAL_FORMS": 0, "addresses-INITIAL_FORMS": 0}  # fmt: skip
    _answer, text = visit("/admin/registry/contact/add/", who="chief", post=form)
    assert "二者选一" in text


@pytest.mark.parametrize(
    ("path", "body", "command"),
    [
        ("handle", {"handler": "班组长"}, ("handle", "", {"handler": "班组长"})),
        (
            "feedback",
            {"measure": "清灰", "proof": "IMG-0312", "done": "2026-11-22T07:40:00+08:00", "note": "x"},
            ("feedback", "x", {"done": "2026-11-22T07:40:00+08:00", "measure": "清灰", "proof": "IMG-0312"}),
        ),
        ("false-alarm", {"note": "传感器进水"}, ("false_alarm", "传感器进水", None)),
        ("review", {"accept": True}, ("accept", "", None)),
        ("review", {"accept": False, "note": "照片看不清"}, ("reject", "照片看不清", None)),
    ],
)
def test_a_program_can_ask_for_every_step_of_the_handling(night, dsn, api, path, body, command):
    assert api("post", f"alerts/RED00001/{path}", body).status_code == 202
    ((kind, note, detail),) = execute(dsn, "SELECT kind, note, detail FROM command")
    assert (kind, note, json.loads(detail) if detail else None) == command


@pytest.mark.parametrize(
    ("path", "body"),
    [("feedback", {"measure": "清灰"}), ("false-alarm", {}), ("review", {"accept": False}), ("review", {})],
)
def test_a_step_that_lacks_something_is_refused(night, dsn, api, path, body):
    assert api("post", f"alerts/RED00001/{path}", body).status_code == 422
    assert execute(dsn, "SELECT count(*) FROM command") == [(0,)]


# ── words ─────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("app", ["registry", "console"])
def test_everything_is_translated_and_compiled(app):
    folder = ROOT / app / "locale/zh_Hans/LC_MESSAGES"
    source = (folder / "django.po").read_text("utf-8")
    ids = [eval(found) for found in re.findall(r'^msgid (".+")$', source, re.MULTILINE) if found != '""']
    with (folder / "django.mo").open("rb") as file:
        catalog = gettext.GNUTranslations(file)
    untranslated = [
        word for word in ids if catalog.gettext(word) == word and catalog.ngettext(word, word, 1) == word
    ]
    assert ids
    assert untranslated == []


@pytest.mark.parametrize("app", ["registry", "console"])
def test_no_word_of_the_code_is_left_in_english(app):
    with translation.override("zh-hans"):
        left = {
            word
            for file in (ROOT / app).rglob("*.*")
            if file.suffix in {".py", ".html"}
            for word in re.findall(r'(?:\b_\(|{% translate)\s*"((?:[^"\\]|\\.)+)"', file.read_text("utf-8"))
            if translation.gettext(word) == word
        }
    assert left == set()


def test_an_alerts_page_shows_what_it_rests_on(visit, night, dsn):
    import psycopg

    from storage import evidence

    assert "证据" not in visit(f"/alerts/{night['red']}")[1]
    document = {
        "rule": {"code": "D-10", "version": "v7", "condition": "production_running and not fan_running",
                 "numbers": {"upper": 70.0}},
        "series": [{"series": 1, "signal": "fan_running", "name": "1号除尘器 风机运行", "unit": "",
                    "t_ms": [1_795_222_800_000, 1_795_222_810_000], "value": [1.0, 0.0], "quality": [2, 2]}],
        "seen": [{"name": "slope(pressure, 60)", "signal": "pressure", "unit": "Pa/s", "params": {},
                  "t_ms": [1_795_222_800_000, 1_795_222_810_000], "value": [0.1, 0.4]}],
    }  # fmt: skip
    with psycopg.connect(dsn, autocommit=True) as connection:
        evidence.write(connection, night["red"], 1, document, now=0)
    answer, text = visit(f"/alerts/{night['red']}")
    assert "证据 · D-10 v7" in text
    assert "production_running and not fan_running" in text
    assert "1号除尘器 风机运行" in text
    assert "slope(pressure, 60) (Pa/s)" in text
    assert answer.content.decode().count("<svg") == 3
