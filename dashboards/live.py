"""The first dashboard: live readings and open alerts, and whether the service itself is well."""

from __future__ import annotations

import inspect
from typing import Any

from core.levels import Level
from dashboards import sql
from dashboards.look import COLOURS, GOOD, coloured_level, lines, number, rows, steps, with_unit
from dashboards.query import SQL_SOURCE, Sql, prom, prom_now
from dashboards.sdk import dashboard, model

UID = "fengsui-live"


def _count(level: Level) -> Any:
    query = f"SELECT count(*) FROM alerts_open WHERE level = {int(level)}"  # noqa: S608 - an int
    return number(
        f"{level.zh}色预警 {level.en.capitalize()}",
        Sql(query),
        thresholds=steps((None, GOOD), (1, COLOURS[level])),
    )


def _variable(name: str, label: str, query: str, *, chosen: str = "") -> Any:
    """Return a variable that is filled by SQL; "All" unless something is chosen."""
    variable = (
        dashboard.QueryVariable(name).label(label).query(inspect.cleandoc(query)).datasource(SQL_SOURCE)
    )
    option = (
        model.VariableOption(selected=True, text=chosen, value=chosen)
        if chosen
        else model.VariableOption(selected=True, text="All", value="$__all")
    )
    variable = variable.multi(True).include_all(True).current(option)
    return variable.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(
        model.VariableSort.ALPHABETICAL_ASC
    )


def build() -> model.Dashboard:
    """Return the dashboard."""
    board = (
        dashboard.Dashboard("烽燧 实时数据与预警 · Live readings and open alerts")
        .uid(UID)
        .tags(["fengsui"])
        .timezone("browser")
        .refresh("10s")
        .time("now-1h", "now")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .with_variable(
            dashboard.DatasourceVariable("db").label("数据库 Database").type("grafana-postgresql-datasource")
        )
        .with_variable(dashboard.DatasourceVariable("metrics").label("指标 Metrics").type("prometheus"))
        .with_variable(_variable("enterprise", "企业 Enterprise", sql.ENTERPRISES))
        .with_variable(_variable("device", "设备 Device", sql.DEVICES))
        .with_variable(_variable("signal", "信号 Signal", sql.SIGNALS, chosen="hopper_temperature"))
    )
    for section in (_alerts, _readings, _service):
        board = section(board)
    return board.build()


def _alerts(board: Any) -> Any:
    board = board.with_row(dashboard.Row("预警 Alerts"))
    for level in reversed(Level):
        board = board.with_panel(_count(level))
    board = board.with_panel(
        number(
            "网关在线率 Gateways online",
            Sql(sql.ONLINE),
            unit="percentunit",
            thresholds=steps((None, COLOURS[Level.RED]), (0.8, COLOURS[Level.YELLOW]), (0.95, GOOD)),
        )
    ).with_panel(
        number("每秒读数 Readings per second", prom_now("sum(rate(fengsui_received_total[1m]))", ""))
    )
    alerts = coloured_level(rows("未关闭预警 Open alerts", Sql(sql.OPEN_ALERTS)), "等级 Level")
    return board.with_panel(with_unit(alerts, "持续 Open for", "dtdurations"))


def _readings(board: Any) -> Any:
    latest = with_unit(rows("最新值 Latest values", Sql(sql.LATEST)), "距上次到达 Age", "dtdurations")
    return (
        board.with_row(dashboard.Row("读数 Readings"))
        .with_panel(
            lines("原始读数 Readings", Sql(sql.READINGS, "time_series"), description="最多 20,000 点")
        )
        .with_panel(lines("每分钟平均 One-minute averages", Sql(sql.MINUTES, "time_series")))
        .with_panel(latest)
    )


def _service(board: Any) -> Any:
    stage = "histogram_quantile(0.99, sum by (le, stage) (rate(fengsui_stage_seconds_bucket[5m])))"
    return (
        board.with_row(dashboard.Row("服务 Service"))
        .with_panel(
            lines(
                "读数去向 What became of readings",
                prom("sum(rate(fengsui_received_total[1m]))", "received", "A"),
                prom("sum(rate(fengsui_stored_total[1m]))", "stored", "B"),
                prom("sum(rate(fengsui_duplicate_total[1m]))", "duplicate", "C"),
                prom("sum by (reason) (rate(fengsui_rejected_total[1m]))", "rejected: {{reason}}", "D"),
                unit="ops",
                description="received = stored + duplicate + rejected + in flight",
            )
        )
        .with_panel(lines("每批各阶段耗时 p99 Stage time", prom(stage, "{{stage}}"), unit="s"))
        .with_panel(
            lines(
                "在途与批量 In flight, batch size",
                prom("sum(fengsui_in_flight)", "in flight", "A"),
                prom(
                    "sum(rate(fengsui_batch_readings_sum[1m])) / sum(rate(fengsui_batch_readings_count[1m]))",
                    "readings per batch",
                    "B",
                ),
            )
        )
        .with_panel(
            lines(
                "通知 Notifications",
                prom(
                    "sum by (channel, result) (increase(fengsui_notifications_total[5m]))",
                    "{{channel}} {{result}}",
                    "A",
                ),
                prom("max(fengsui_outbox_age_seconds)", "oldest waiting, s", "B"),
                prom("sum by (level, state) (fengsui_alerts_open)", "open {{level}} {{state}}", "C"),
            )
        )
    )
