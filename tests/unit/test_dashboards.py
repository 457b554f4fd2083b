"""Dashboards as code: what is committed is what the code says, and Grafana's own schema agrees."""

import json

import pytest
from typer.testing import CliRunner

from dashboards.build import DASHBOARDS, FOLDER, render, write
from dashboards.sdk import JSONEncoder, model
from service.cli import application

GRID_WIDTH = 24


def board(uid):
    return json.loads(render(uid))


def panels(uid):
    return [panel for panel in board(uid)["panels"] if panel["type"] != "row"]


@pytest.fixture(params=sorted(DASHBOARDS))
def uid(request):
    return request.param


def test_the_committed_json_is_what_the_code_says(uid):
    assert (FOLDER / f"{uid}.json").read_text("utf-8") == render(uid)


def test_nothing_else_lies_in_the_folder():
    assert {path.stem for path in FOLDER.iterdir()} == set(DASHBOARDS)


def test_the_sdks_schema_reads_it_back_without_losing_anything(uid):
    again = model.Dashboard.from_json(board(uid))
    assert json.loads(json.dumps(again, cls=JSONEncoder)) == board(uid)


def test_panels_lie_side_by_side_on_the_grid(uid):
    taken = set()
    for panel in board(uid)["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= GRID_WIDTH, panel["title"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_target_asks_a_source_that_a_variable_names(uid):
    sources = {
        "${" + variable["name"] + "}": variable["query"]
        for variable in board(uid)["templating"]["list"]
        if variable["type"] == "datasource"
    }
    for panel in panels(uid):
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            assert sources[target["datasource"]["uid"]] == target["datasource"]["type"], panel["title"]


def test_ref_ids_of_a_panel_differ(uid):
    for panel in panels(uid):
        ids = [target["refId"] for target in panel["targets"]]
        assert len(ids) == len(set(ids)), panel["title"]


def test_titles_are_chinese_with_english_beside(uid):
    for panel in board(uid)["panels"]:
        assert any("\u4e00" <= letter <= "\u9fff" for letter in panel["title"]), panel["title"]
        assert any("a" <= letter <= "z" for letter in panel["title"]), panel["title"]


def test_write_makes_one_file_per_dashboard(tmp_path):
    assert sorted(path.name for path in write(tmp_path / "new")) == sorted(
        f"{uid}.json" for uid in DASHBOARDS
    )


def test_build_prints_what_it_wrote(tmp_path):
    done = CliRunner().invoke(application(), ["dashboards", "build", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert done.output.split() == [str(tmp_path / f"{uid}.json") for uid in DASHBOARDS]
