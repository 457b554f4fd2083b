"""What a panel asks: SQL of PostgreSQL (the SDK has no class for it) and PromQL."""

from __future__ import annotations

import inspect
from typing import Any, Literal

from dashboards.sdk import Builder, Dataquery, common, prometheus

SQL_SOURCE = common.DataSourceRef(type_val="grafana-postgresql-datasource", uid="${db}")
METRIC_SOURCE = common.DataSourceRef(type_val="prometheus", uid="${metrics}")

Format = Literal["table", "time_series"]


class SqlQuery(Dataquery):
    """A query of Grafana's PostgreSQL data source.

    format   "table", or "time_series": columns time, value and, where there are several lines, metric
    """

    def __init__(self, sql: str, format_: Format, ref_id: str = "A") -> None:
        self.sql = inspect.cleandoc(sql)
        self.format = format_
        self.ref_id = ref_id

    def to_json(self) -> dict[str, object]:
        """Return the target as Grafana stores it."""
        return {
            "refId": self.ref_id,
            "datasource": SQL_SOURCE,
            "editorMode": "code",
            "format": self.format,
            "rawQuery": True,
            "rawSql": self.sql,
        }


class Sql(Builder[SqlQuery]):
    """Builds a SqlQuery, as the SDK's panels want it."""

    def __init__(self, sql: str, format_: Format = "table", ref_id: str = "A") -> None:
        self._query = SqlQuery(sql, format_, ref_id)

    def build(self) -> SqlQuery:
        return self._query


def prom(expression: str, legend: str, ref_id: str = "A") -> Any:
    """Return a query over the dashboard's time range."""
    query = prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(ref_id)
    return query.datasource(METRIC_SOURCE).range()


def prom_now(expression: str, legend: str, ref_id: str = "A") -> Any:
    """Return a query of the present value."""
    query = prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(ref_id)
    return query.datasource(METRIC_SOURCE).instant()
