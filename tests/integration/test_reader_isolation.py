"""Readers of the database see their own enterprises, whatever SQL they write."""

import contextlib
from datetime import UTC, datetime

import psycopg
import pytest
from psycopg import sql

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
# Two streets of one district, and one elsewhere; four enterprises, each with one gateway, device, series, limit.
TOWN = """
INSERT INTO registry_area (id, code, name, level, parent_id) VALUES
    (1, '99', 'district', 'county', NULL), (2, '9901', 'street', 'street', 1), (3, '9902', 'street', 'street', 1),
    (4, '98', 'other', 'county', NULL);
INSERT INTO registry_enterprise (id, code, name, name_en, area_id, address, industry, category, sector, department, dust_kind, dust_workers, active)
    SELECT k, 'E' || k, 'enterprise', '', CASE k WHEN 1 THEN 2 WHEN 2 THEN 3 ELSE 4 END, '', '', '', '',
           CASE WHEN k IN (2, 4) THEN 'fire' ELSE '' END, 'none', 0, true FROM generate_series(1, 4) k;
INSERT INTO registry_gateway (id, code, enterprise_id, zone, lenient, active)
    SELECT k, 'g' || k, k, 'UTC', false, true FROM generate_series(1, 4) k;
INSERT INTO registry_device (id, gateway_id, code, name_zh, name_en, place, profile, model, active)
    SELECT k, k, 'd', 'd', '', '', 'other', '', true FROM generate_series(1, 4) k;
INSERT INTO registry_series (id, device_id, signal, name_zh, name_en, unit, period_s, mandatory, active)
    SELECT k, k, 'current_a', 'c', '', 'A', 10, false, true FROM generate_series(1, 4) k;
INSERT INTO registry_limit (series_id, level, side, "limit", deadband, on_delay_s, off_delay_s)
    SELECT k, 1, 'high', 1, 0, 0, 0 FROM generate_series(1, 4) k;
CREATE TABLE sample_now PARTITION OF sample FOR VALUES FROM ('2026-11-21') TO ('2026-11-22');
CREATE TABLE r1m PARTITION OF rollup_1m FOR VALUES FROM ('2026-11-21') TO ('2026-11-22');
CREATE TABLE r1h PARTITION OF rollup_1h FOR VALUES FROM ('2026-11-21') TO ('2026-11-22');
CREATE TABLE reject_now PARTITION OF reject FOR VALUES FROM ('2026-11-21') TO ('2026-11-22');
INSERT INTO sample SELECT '2026-11-21 09:00Z', k, k, 2 FROM generate_series(1, 4) k;
INSERT INTO rollup_1m SELECT '2026-11-21 09:00Z', k, 1, k, k, k FROM generate_series(1, 4) k;
INSERT INTO rollup_1h SELECT '2026-11-21 09:00Z', k, 1, k, k, k FROM generate_series(1, 4) k;
INSERT INTO latest SELECT now(), now(), k, k, 2 FROM generate_series(1, 4) k;
INSERT INTO reject SELECT '2026-11-21 09:00Z', 1, k, k, 'bad_json', 't', '', 'x' FROM generate_series(0, 4) k;
INSERT INTO gateway_ledger SELECT k, 1, 1, 0, 0 FROM generate_series(0, 4) k;
INSERT INTO alert (id, rule, rule_version, subject_kind, subject, series, enterprise, data_quality, state, suppression, level,
    level_now, raised_ns, changed_ns, opened_ns, value, limit_value, unit, times, recovered_ns, acked_ns, acked_by, closed_ns,
    closed_by, closing_note, evidence, seq, since_ns, last_raise_ns, last_clear_ns, told)
    SELECT 'A' || k, 'LIMIT', '', 1, k, k, k, false, 'unack', 'none', 4, 4, 1000, 1000, 1000, 1, 1, '', 1, 0, 0, '', 0, '', '',
           '', 1, 1, 1, 1, '{}' FROM generate_series(1, 4) k;
"""
# What each view or table says about whom: the column, and the enterprise of a row.
VIEWS = {
    "readings": "series_id", "readings_1m": "series_id", "readings_1h": "series_id", "latest": "series_id",
    "series_info": "series_id", "alerts": "enterprise", "alerts_open": "series", "ledger": "gateway",
    "rejects": "gateway", "registry_enterprise": "id", "registry_gateway": "enterprise_id",
    "registry_device": "gateway_id", "registry_series": "device_id", "registry_limit": "series_id",
    "transitions": "right(alert, 1)::int", "notifications": "right(alert, 1)::int", "findings": "subject",
}  # fmt: skip
EVENTS = {
    "transition": "INSERT INTO transition ({}) SELECT {} FROM generate_series(1, 4) k",
}
SCOPES = {
    "an enterprise": ("enterprise_id", 3, {3}),
    "a street": ("area_id", 2, {1}),
    "a district with its streets": ("area_id", 1, {1, 2}),
    "a department": ("department", "fire", {2, 4}),
    "everything": ("everything", True, {1, 2, 3, 4}),
}


@pytest.fixture
def site(database, postgres_server):
    """The service's connection, and `reader(scope)` that gives a connection of a role that has it."""
    made = []
    with contextlib.ExitStack() as stack:
        service = stack.enter_context(psycopg.connect(database, autocommit=True))
        service.execute(TOWN)
        for table, id_ in (("transition", "alert"), ("outbox", "alert"), ("finding", "subject")):
            fill(service, table, id_)

        def reader(*scope):
            role = f"reader_{len(made)}_{service.info.dbname}"
            service.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x' IN ROLE fengsui_reader").format(
                    sql.Identifier(role)
                )
            )
            made.append(role)
            if scope:
                column, value, _ = scope
                service.execute(
                    sql.SQL("INSERT INTO reader_scope (role, {}) VALUES (%s, %s)").format(
                        sql.Identifier(column)
                    ),
                    [role, value],
                )
            connection = stack.enter_context(psycopg.connect(database, autocommit=True))
            connection.execute(sql.SQL("SET SESSION AUTHORIZATION DEFAULT"))
            service.execute(
                sql.SQL("GRANT {} TO CURRENT_USER WITH SET TRUE, INHERIT FALSE").format(sql.Identifier(role))
            )
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
            return connection

        yield service, reader
    with psycopg.connect(postgres_server.dsn("postgres"), autocommit=True) as connection:
        for role in made:
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def fill(connection, table, about):
    """Put one row per enterprise into a table, with any value in the columns that have no default."""
    columns = connection.execute(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s "
        "AND is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO' ORDER BY 1", [table]
    ).fetchall()  # fmt: skip
    values = {"text": "k::text", "boolean": "false", "ARRAY": "'{}'", "jsonb": "'{}'"}
    given = {name: values.get(kind, "k") for name, kind in columns} | (
        {"subject_kind": "1"} if about == "subject" else {}
    )
    given[about] = "'A' || k" if about == "alert" else "k"
    given |= {"state": "'todo'"} if table == "outbox" else {}
    connection.execute(
        f"INSERT INTO {table} ({', '.join(given)}) SELECT {', '.join(given.values())} FROM generate_series(1, 4) k"
    )


def seen(connection, view):
    return {row[0] for row in connection.execute(f"SELECT {VIEWS[view]} FROM {view}")}


@pytest.mark.parametrize("scope", SCOPES.values(), ids=SCOPES)
def test_a_reader_sees_what_is_in_scope_and_nothing_else(site, scope):
    connection = site[1](*scope)
    whole = scope[0] == "everything"
    for view in VIEWS:
        # Gateway 0 are senders that nobody knows: only who sees everything sees them.
        strangers = {0} if whole and view in ("ledger", "rejects") else set()
        assert seen(connection, view) == scope[2] | strangers, view


def test_a_role_without_a_scope_sees_nothing(site):
    connection = site[1]()
    assert {view: seen(connection, view) for view in VIEWS} == {view: set() for view in VIEWS}


def test_the_service_itself_sees_everything(site):
    assert all(seen(site[0], view) >= {1, 2, 3, 4} for view in VIEWS)


@pytest.mark.parametrize(
    "trick",
    [
        "SET fengsui.scope = 'all'; SELECT count(*) FROM alerts WHERE enterprise <> 3",
        "SELECT count(*) FROM alerts_open WHERE enterprise <> 3",
        "SELECT count(*) FROM readings r JOIN registry_series s ON s.id = r.series_id WHERE r.series_id <> 3",
        "SELECT count(*) FROM readings WHERE series_id <> 3 OR pg_sleep(0) IS NOT NULL AND series_id <> 3",
    ],
)
def test_no_query_reaches_the_rows_of_others(site, trick):
    assert site[1]("enterprise_id", 3, None).execute(trick.split("; ")[-1]).fetchone() == (0,)


@pytest.mark.parametrize(
    "forbidden",
    [
        "SELECT * FROM sample", "SELECT * FROM alert", "SELECT * FROM outbox", "SELECT * FROM reject", "SELECT * FROM batch_log",
        "SELECT * FROM registry_contact", "SELECT * FROM registry_contactaddress", "SELECT * FROM registry_credential",
        "SELECT * FROM auth_user", "SELECT * FROM reader_scope",
        "INSERT INTO reader_scope (role, everything) VALUES (current_user, true)",
        "UPDATE registry_enterprise SET name = 'x'", "DELETE FROM latest",
    ],
)  # fmt: skip
def test_what_holds_addresses_secrets_or_everything_is_out_of_reach(site, forbidden):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        site[1]("everything", True, None).execute(forbidden)


def test_a_function_of_the_readers_does_not_see_rows_before_the_filter(site):
    service, reader = site
    service.execute("CREATE TABLE leaked (n int); GRANT INSERT ON leaked TO PUBLIC")
    service.execute(
        "CREATE FUNCTION leak(n int) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS "
        "$$ BEGIN INSERT INTO leaked VALUES (n); RETURN true; END $$"
    )
    reader("enterprise_id", 3, None).execute("SELECT * FROM readings WHERE leak(series_id)")
    assert service.execute("SELECT DISTINCT n FROM leaked").fetchall() == [(3,)]


def test_one_series_is_still_found_by_its_index(site):
    service, _ = site
    service.execute("SET enable_seqscan = off")
    plan = "\n".join(
        row[0]
        for row in service.execute(
            "EXPLAIN SELECT * FROM readings WHERE series_id = 2 AND time > '2026-11-21 08:00Z'"
        )
    )
    assert "Index Cond: ((series_id = 2)" in plan
