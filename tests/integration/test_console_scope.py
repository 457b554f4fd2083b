"""Who sees what in the pages and the API: an enterprise itself, an inspector the area, nobody without a scope anything."""

import base64

import pytest
from conftest import ROOT

from core.time import clock_ns
from tests.fakes.django_site import site
from tests.fakes.night import fall

PASSWORD = "correct horse"
TOML = (ROOT / "docs" / "registry.md").read_text("utf-8").split("```toml\n")[1].split("```")[0]
# A second enterprise in another street of the same district.
MORE = """
[[area]]
code = "990101002"
name = "临河街道"
level = "street"
parent = "990101"
[[enterprise]]
code = "E02"
name = "示例家具厂"
area = "990101002"
department = "消防救援局"
[[gateway]]
code = "gw-e02"
enterprise = "E02"
[[device]]
gateway = "gw-e02"
code = "dc-9"
name = "9号除尘器"
profile = "dry_dust_collector"
series = [{ signal = "hopper_temperature" }]
"""
WHO = {
    "own": {"kind": "enterprise", "enterprise": "E01"},
    "other": {"kind": "enterprise", "enterprise": "E02"},
    "street": {"kind": "area", "area": "990101001"},
    "elsewhere": {"kind": "area", "area": "990101002"},
    "province": {"kind": "area", "area": "99"},
    "safety": {"kind": "department", "department": "应急管理局"},
    "fire": {"kind": "department", "department": "消防救援局"},
    "centre": {"kind": "platform"},
    "watcher": {"kind": "platform", "may_act": False},
    "nobody": None,
}
# All alerts of the night are of E01.
SEES = {"own", "street", "province", "safety", "centre", "watcher"}


@pytest.fixture
def night(database, tmp_path):
    with site(database):
        from django.contrib.auth import get_user_model
        from django.core.cache import cache

        from console.models import Account
        from registry.importer.run import import_town
        from registry.models import Area, Enterprise

        cache.clear()
        (tmp_path / "town.toml").write_text(TOML + MORE, "utf-8")
        import_town(tmp_path / "town.toml")
        for name, scope in WHO.items():
            user = get_user_model().objects.create_user(name, "", PASSWORD, is_staff=True)
            if scope is not None:
                given = dict(scope)
                for key, model in (("enterprise", Enterprise), ("area", Area)):
                    if key in given:
                        given[key] = model.objects.get(code=given[key])
                account = Account(user=user, **given)
                account.full_clean()
                account.save()
        fall(database, clock_ns() // 1000 * 1000)
        yield database
        cache.clear()


def client_of(name, **headers):
    from django.contrib.auth import get_user_model
    from django.test import Client

    client = Client(headers={"accept-language": "zh-hans", **headers})
    client.force_login(get_user_model().objects.get(username=name))
    return client


@pytest.mark.parametrize("name", WHO)
def test_pages_show_what_is_in_scope(night, name):
    client = client_of(name)
    home, closed = client.get("/").content.decode(), client.get("/closed/").content.decode()
    page = client.get("/alerts/RED00001")
    seen = {
        "RED00001" in home, "SILENT01" in home, "CLOSED01" in closed, page.status_code == 200,
        "gw-e01" in home,
    }  # fmt: skip
    assert seen == {name in SEES}
    assert ("gw-e02" in home) == (name in {"other", "elsewhere", "province", "fire", "centre", "watcher"})
    if name not in SEES:
        assert page.status_code == 404
        assert "示例铝制品厂" not in home + closed + page.content.decode()


@pytest.mark.parametrize("name", WHO)
def test_the_api_answers_what_is_in_scope(night, name):
    token = base64.b64encode(f"{name}:{PASSWORD}".encode()).decode()
    from django.test import Client

    api = Client(headers={"authorization": f"Basic {token}"})
    found = {
        len(api.get("/api/alerts").json()) == 4, len(api.get("/api/alerts?state=closed").json()) == 1,
        api.get("/api/alerts/RED00001").status_code == 200, api.get("/api/series/1/readings").status_code == 200,
    }  # fmt: skip
    assert found == {name in SEES}
    if name not in SEES:
        assert api.get("/api/alerts").json() == []


@pytest.mark.parametrize("name", WHO)
def test_commands_outside_of_the_scope_are_refused(night, name):
    from django.db import connection

    client = client_of(name)
    page = client.post("/alerts/RED00001/ask/", {"kind": "ack"})
    api = client.post("/api/alerts/RED00001/ack", {"note": ""}, content_type="application/json")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM command WHERE by_whom = %s", [name])
        (n,) = cursor.fetchone()
    if name in SEES - {"watcher"}:
        assert (page.status_code, api.status_code, n) == (302, 202, 2)
    else:
        expected = 403 if name == "watcher" else 404
        assert (page.status_code, api.status_code, n) == (expected, expected, 0)


def test_an_alert_of_another_looks_like_one_that_is_not_there(night):
    api = client_of("other")
    assert api.get("/api/alerts/RED00001").json() == {"detail": "no alert RED00001"}
    assert api.get("/api/alerts/NOSUCH").json() == {"detail": "no alert NOSUCH"}


@pytest.mark.parametrize("name", WHO)
def test_the_registry_is_for_those_who_may_see_everything(night, name):
    assert (client_of(name).get("/admin/").status_code == 200) == (name in {"centre", "watcher"})


def test_a_scope_that_is_taken_away_ends_at_once(night):
    from console.models import Account

    client = client_of("own")
    assert client.get("/alerts/RED00001").status_code == 200
    Account.objects.filter(user__username="own").delete()
    assert client.get("/alerts/RED00001").status_code == 404


@pytest.mark.parametrize(
    "scope",
    [
        {"kind": "enterprise"},
        {"kind": "area"},
        {"kind": "department"},
        {"kind": "platform", "department": "x"},
    ],
)
def test_a_scope_names_exactly_what_it_is_of(night, scope):
    from django.contrib.auth import get_user_model
    from django.core.exceptions import ValidationError

    from console.models import Account

    user = get_user_model().objects.create_user("new", "", PASSWORD)
    with pytest.raises(ValidationError):
        Account(user=user, **scope).full_clean()


# ── signing in ────────────────────────────────────────────────────────────────
@pytest.fixture
def patience(settings_of):
    return settings_of(SIGN_IN_ATTEMPTS=3)


@pytest.fixture
def settings_of():
    from django.test import override_settings

    entered = []

    def begin(**values):
        entered.append(override_settings(**values))
        entered[-1].enable()

    yield begin
    for one in entered:
        one.disable()


def sign_in(password, *, name="own", address="10.0.0.1"):
    from django.test import Client

    client = Client(headers={"accept-language": "zh-hans"}, REMOTE_ADDR=address)
    return client.post("/login/", {"username": name, "password": password})


def test_after_too_many_wrong_passwords_not_even_the_right_one_is_asked_for(night, patience):
    for _ in range(3):
        assert sign_in("wrong").status_code == 200
    answer = sign_in(PASSWORD)
    assert answer.status_code == 200
    assert "密码错误次数过多" in answer.content.decode()
    # Neither another account nor the same from elsewhere suffers from it.
    assert sign_in(PASSWORD, name="street").status_code == 302
    assert sign_in(PASSWORD, address="10.0.0.2").status_code == 302


def test_the_api_counts_too(night, patience):
    from django.test import Client

    def ask(password):
        token = base64.b64encode(f"own:{password}".encode()).decode()
        return Client(headers={"authorization": f"Basic {token}"}).get("/api/alerts").status_code

    assert [ask("wrong") for _ in range(3)] == [401] * 3
    assert ask(PASSWORD) == 401


def test_one_address_cannot_try_every_account(night, patience):
    for k in range(15):
        sign_in("wrong", name=f"guess-{k}")
    assert "密码错误次数过多" in sign_in(PASSWORD).content.decode()


def test_right_passwords_are_not_counted(night, patience):
    assert [sign_in(PASSWORD).status_code for _ in range(6)] == [302] * 6
