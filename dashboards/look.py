"""How our dashboards look: four colours of levels, panels of one make."""

from __future__ import annotations

from typing import Any

from core.levels import Level
from dashboards.query import METRIC_SOURCE, SQL_SOURCE
from dashboards.sdk import common, common_builders, dashboard, model, stat, table, timeseries

# The four colours of warnings (红橙黄蓝), as they are read on a wall.
COLOURS = {Level.BLUE: "#3274D9", Level.YELLOW: "#F2CC0C", Level.ORANGE: "#FF780A", Level.RED: "#E02F44"}
GOOD, GREY = "#56A64B", "#8E8E8E"


def level_words() -> model.ValueMap:
    """Return the mapping of a level's number to its word and colour."""
    return model.ValueMap(
        options={
            str(int(level)): model.ValueMappingResult(
                text=f"{level.zh} {level.en}", color=colour, index=4 - level
            )
            for level, colour in COLOURS.items()
        }
    )


def steps(*pairs: tuple[float | None, str]) -> Any:
    """Return thresholds: (from which value on, colour); None = from the bottom."""
    thresholds = [model.Threshold(value=value, color=colour) for value, colour in pairs]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(thresholds)


def number(title: str, query: Any, *, unit: str = "short", thresholds: Any = None) -> Any:
    """Return a panel with one number; SQL or PromQL."""
    panel = (
        stat.Panel()
        .title(title)
        .datasource(_source(query))
        .unit(unit)
        .color_mode(common.BigValueColorMode.BACKGROUND)
        .graph_mode(common.BigValueGraphMode.NONE)
        .thresholds(thresholds or steps((None, GREY)))
        .no_value("0")
        .with_target(query)
    )
    return panel.span(4).height(4)


def lines(title: str, *queries: Any, unit: str = "short", description: str = "") -> Any:
    """Return a panel of lines over time; a gap in the data stays a gap."""
    panel = (
        timeseries.Panel()
        .title(title)
        .datasource(_source(queries[0]))
        .unit(unit)
        .description(description)
        .line_width(1)
        .fill_opacity(8)
        .show_points(common.VisibilityMode.AUTO)
        .span_nulls(False)
        .legend(
            common_builders.VizLegendOptions()
            .display_mode(common.LegendDisplayMode.TABLE)
            .placement(common.LegendPlacement.RIGHT)
            .show_legend(True)
            .calcs(["lastNotNull", "min", "max"])
        )
        .tooltip(common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))
    )
    for query in queries:
        panel = panel.with_target(query)
    return panel.span(12).height(9)


def rows(title: str, query: Any, *, description: str = "") -> Any:
    """Return a panel of a table."""
    panel = table.Panel().title(title).datasource(SQL_SOURCE).description(description).with_target(query)
    return panel.span(24).height(9)


def coloured_level(panel: Any, column: str) -> Any:
    """Return the table with a column of level numbers shown as words on their colour."""
    return panel.override_by_name(
        column,
        [
            model.DynamicConfigValue(id_val="mappings", value=[level_words()]),
            model.DynamicConfigValue(
                id_val="custom.cellOptions", value={"type": "color-background", "mode": "basic"}
            ),
            model.DynamicConfigValue(id_val="custom.width", value=110),
        ],
    )


def with_unit(panel: Any, column: str, unit: str) -> Any:
    """Return the table with a unit on a column."""
    return panel.override_by_name(column, [model.DynamicConfigValue(id_val="unit", value=unit)])


def _source(query: Any) -> Any:
    """Return the source of a panel: that of its first query."""
    built = query.build().to_json()["datasource"]
    return METRIC_SOURCE if built.type_val == METRIC_SOURCE.type_val else SQL_SOURCE
