"""Every panel's SQL runs on a real database as the reader that deployments give Grafana; every PromQL on a Prometheus."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psycopg
import pytest

from dashboards import sql
from dashboards.build import DASHBOARDS, render
from dashboards.push import GrafanaError, push
from service.embedded.port import free_port
from service.metrics import NotifierMetrics, PipelineMetrics

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = shutil.which("prometheus")
VARIABLES = {"enterprise": ["REPLAY-FILTER"], "device": ["filter-01"], "signal": ["differential_pressure"]}
TARGETS = [
    (f"{uid}: {panel['title']} {target['refId']}", target)
    for uid in sorted(DASHBOARDS)
    for panel in json.loads(render(uid))["panels"]
    for target in panel.get("targets", ())
]
SQL = [(name, target) for name, target in TARGETS if "rawSql" in target]
PROMQL = [(name, target) for name, target in TARGETS if "expr" in target]


def expand(query):
    """Do what Grafana does with macros and variables."""
    query = re.sub(r"\$__timeFilter\((\S+?)\)", r"\1 BETWEEN now() - interval '1 hour' AND now()", query)
    for name, values in VARIABLES.items():
        query = query.replace("${" + name + ":sqlstring}", ",".join(f"'{value}'" for value in values))
    assert "$" not in query, query
    return query


# ── SQL ───────────────────────────────────────────────────────────────────────
@pytest.fixture
def reader(database):
    """A connection as `grafana`, to a database that holds one filter, its reading and its open alert."""
    fengsui(
        database, "registry", "import", str(ROOT / "simulators" / "mappings" / "filter_clogging.town.toml")
    )
    with psycopg.connect(database) as owner:
        fill(owner)
        make_reader(owner)
        owner.commit()
    with psycopg.connect(database) as connection:
        connection.execute("SET ROLE grafana")
        yield connection
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("DROP OWNED BY grafana")


def fengsui(dsn, *words):
    done = subprocess.run(
        [sys.executable, "-m", "service.cli", *words],
        cwd=ROOT, env=os.environ | {"FENGSUI_DATABASE__DSN": dsn},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def make_reader(owner):
    if not owner.execute("SELECT 1 FROM pg_roles WHERE rolname = 'grafana'").fetchone():
        owner.execute("CREATE ROLE grafana")
    owner.execute("GRANT grafana TO CURRENT_USER WITH SET TRUE")
    owner.execute((ROOT / "deploy" / "reader.sql").read_text("utf-8"))


def fill(owner):
    """Write one reading, one minute, one latest value and one open alert of filter 1."""
    series = owner.execute(
        "SELECT s.id FROM registry_series s JOIN registry_device d ON d.id = s.device_id "
        "WHERE d.code = 'filter-01' AND s.signal = 'differential_pressure'"
    ).fetchone()[0]
    enterprise = owner.execute("SELECT id FROM registry_enterprise").fetchone()[0]
    for table in ("sample", "rollup_1m"):
        owner.execute(f"CREATE TABLE {table}_test PARTITION OF {table} DEFAULT")
    minute_ago = "now() - interval '1 minute'"
    insert(owner, "sample", time=minute_ago, series_id=series, value=512.5, quality=2)
    insert(owner, "rollup_1m", time=minute_ago, series_id=series, n=2, sum=1025.0, min=510.0, max=515.0)
    insert(owner, "latest", time=minute_ago, arrived=minute_ago, series_id=series, value=512.5, quality=2)
    now_ns = time.time_ns()
    insert(
        owner, "alert", id="'A1'", rule="'LIMIT'", rule_version="'v'", subject_kind=1, subject=series,
        series=series, enterprise=enterprise, data_quality="false", state="'unack'", suppression="'none'",
        level=3, level_now=3, raised_ns=now_ns, changed_ns=now_ns, opened_ns=now_ns, value=512.5,
        limit_value=500.0, unit="'Pa'", times=1, recovered_ns=0, acked_ns=0, acked_by="''", closed_ns=0,
        closed_by="''", closing_note="''", evidence="''", seq=1, since_ns=now_ns, last_raise_ns=now_ns,
        last_clear_ns=0, told="'{}'",
    )  # fmt: skip


def insert(owner, table, **columns):
    owner.execute(
        f"INSERT INTO {table} ({','.join(columns)}) VALUES ({','.join(map(str, columns.values()))})"
    )


def test_every_panels_sql_runs_as_the_reader_and_shows_what_is_there(reader):
    found = {}
    for name, target in SQL:
        with reader.cursor() as cursor:
            cursor.execute(expand(target["rawSql"]))
            found[name] = [[column.name for column in cursor.description], cursor.fetchall()]
    by_title = {name.split(": ")[1]: value for name, value in found.items()}
    assert by_title["橙色预警 Orange A"][1] == [(1,)]
    assert by_title["红色预警 Red A"][1] == [(0,)]
    assert by_title["网关在线率 Gateways online A"][1] == [(1.0,)]
    (alert,) = by_title["未关闭预警 Open alerts A"][1]
    assert alert[0] == 3
    assert "1号滤料 进出口风压差" in alert
    assert "未响应 unanswered" in alert
    (latest,) = by_title["最新值 Latest values A"][1]
    assert latest[3] == 512.5


def test_time_series_have_the_columns_that_grafana_needs(reader):
    for name, target in SQL:
        if target["format"] == "time_series":
            with reader.cursor() as cursor:
                cursor.execute(expand(target["rawSql"]))
                assert [column.name for column in cursor.description] == ["time", "value", "metric"], name
                rows = cursor.fetchall()
            assert [row[1:] for row in rows] == [(512.5, "1号滤料 进出口风压差 Pa")], name


def test_variables_offer_what_the_registry_has(reader):
    assert reader.execute(sql.ENTERPRISES).fetchall() == [("REPLAY-FILTER", "除尘滤料回放")]
    assert len(reader.execute(expand(sql.DEVICES)).fetchall()) == 20
    assert ("differential_pressure",) in reader.execute(expand(sql.SIGNALS)).fetchall()


def test_the_reader_sees_no_secret_and_writes_nothing(reader):
    for table in ("registry_contactaddress", "auth_user", "django_session", "outbox", "reject"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute(f"SELECT * FROM {table}")
        reader.rollback()
        reader.execute("SET ROLE grafana")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute("DELETE FROM latest")


# ── PromQL ────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    """A Prometheus that scrapes our own metrics, with something in every one of them."""
    if not PROMETHEUS:
        pytest.skip("prometheus is not installed (apt-get install prometheus)")
    folder = tmp_path_factory.mktemp("prometheus")
    pipeline, notifier = PipelineMetrics(), NotifierMetrics()
    exporters = [export(metrics) for metrics in (pipeline, notifier)]
    port = free_port()
    targets = json.dumps([f"127.0.0.1:{exporter.server_port}" for exporter in exporters])
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 250ms, scrape_timeout: 200ms}\n"
        f"scrape_configs: [{{job_name: fengsui, static_configs: [{{targets: {targets}}}]}}]\n"
    )
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [PROMETHEUS, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"],
            stdout=log, stderr=log,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: scraped(url) == 2, f"see {folder}/log")
        touch(pipeline, notifier)
        wait_until(lambda: ask(url, "fengsui_received_total > 0"), f"see {folder}/log")
        yield url
    finally:
        server.terminate()
        server.wait(20)
        for exporter in exporters:
            exporter.shutdown()
            exporter.server_close()


def export(metrics):
    from prometheus_client import generate_latest

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = generate_latest(metrics.registry)
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def touch(pipeline, notifier):
    """Make something happen in every metric."""
    for counter in (pipeline.received, pipeline.stored, pipeline.duplicate):
        counter.inc(60)
    pipeline.rejected.labels("bad_json").inc(6)
    pipeline.in_flight.set(3)
    pipeline.batch.observe(20)
    pipeline.stage.labels("commit").observe(0.01)
    pipeline.alerts_open.labels("red", "unack").set(1)
    notifier.notifications.labels("log", "sent").inc()
    notifier.outbox_age.set(2)


def wait_until(condition, otherwise, timeout_s=20):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)


def scraped(url):
    try:
        return len(ask(url, "up == 1"))
    except OSError:
        return 0


def ask(url, expression):
    query = urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(f"{url}/api/v1/query?{query}", timeout=5) as answer:
        body = json.load(answer)
    assert body["status"] == "success", body
    return body["data"]["result"]


@pytest.mark.parametrize(("name", "target"), PROMQL, ids=[name for name, _ in PROMQL])
def test_every_panels_promql_finds_our_metrics(prometheus, name, target):
    # A rate needs two scrapes of a label that is new.
    wait_until(lambda: ask(prometheus, target["expr"]), f"{name}: {target['expr']} finds nothing")
    result = ask(prometheus, target["expr"])
    labels = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
    assert labels <= set(result[0]["metric"]), name


# ── push ──────────────────────────────────────────────────────────────────────
@pytest.fixture
def grafana():
    """What Grafana's HTTP API answers to a dashboard; a fake, because no Grafana runs here."""
    taken = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            allowed = self.headers["Authorization"] == "Bearer good"
            if allowed:
                taken.append((self.path, body))
            answer = {"url": f"/d/{body['dashboard']['uid']}/x", "status": "success"}
            reply = json.dumps(answer if allowed else {"message": "Invalid API key"}).encode()
            self.send_response(200 if allowed else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.taken = taken
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_push_overwrites_every_dashboard_and_tells_its_address(grafana):
    url = f"http://127.0.0.1:{grafana.server_port}"
    assert push(url, "good") == [f"{url}/d/{uid}/x" for uid in DASHBOARDS]
    for (path, body), uid in zip(grafana.taken, DASHBOARDS, strict=True):
        assert path == "/api/dashboards/db"
        assert body["overwrite"] is True
        assert body["dashboard"] == json.loads(render(uid))


def test_a_refusal_is_told_in_grafanas_words(grafana):
    with pytest.raises(GrafanaError, match="fengsui-live was not taken: Unauthorized"):
        push(f"http://127.0.0.1:{grafana.server_port}", "bad")


def test_an_address_that_is_none_is_refused():
    with pytest.raises(GrafanaError, match="no address"):
        push("grafana.example.org", "good")
