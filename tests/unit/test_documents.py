"""What the front pages say is there: links, commands, folders, make targets; both languages say the same."""

import re
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from service.cli import application

ROOT = Path(__file__).resolve().parents[2]
README, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"
PAGES = [
    README,
    CHINESE,
    ROOT / "CONTRIBUTING.md",
    ROOT / "docs" / "simulators.md",
    ROOT / "docs" / "deployment.md",
]
LINK = re.compile(r"\]\((?!https?://)([^)#]+)[^)]*\)")


def code(page):
    return "\n".join(re.findall(r"```\n(.*?)```", page.read_text("utf-8"), re.DOTALL))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in LINK.findall(page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_their_options_exist(page):
    for line in re.findall(r"^fengsui .*|(?<=`)fengsui [^`]+(?=`)", page.read_text("utf-8"), re.MULTILINE):
        words = re.split(r"[#>]", line)[0].split()[1:]
        command, path = typer.main.get_command(application()), []
        while words and hasattr(command, "commands") and words[0] in command.commands:
            path.append(words.pop(0))
            command = command.commands[path[-1]]
        assert path, f"no command in {line!r}"
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known, line


@pytest.mark.parametrize("page", [README, CHINESE, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_make_targets_exist(page):
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = set(re.findall(r"^make (\w+)|`make (\w+)`", page.read_text("utf-8"), re.MULTILINE))
    assert {one or other for one, other in named} <= targets


def test_both_languages_show_the_same_commands_and_links():
    without_comments = [re.sub(r"\s*#.*", "", code(page)).split("\n") for page in (README, CHINESE)]
    assert without_comments[0] == without_comments[1]
    english, chinese = (set(LINK.findall(page.read_text("utf-8"))) for page in (README, CHINESE))
    assert english - {"README.zh-CN.md"} == chinese - {"README.md"}


def test_every_package_is_on_the_contributors_map():
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    rows = re.findall(
        r"^\| `(\w+)/` \| .* \| (.+) \|$", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.MULTILINE
    )
    assert packages <= {name for name, _ in rows}
    for name, first in rows:
        for file in re.findall(r"`([\w/.]+)`", first):
            assert (ROOT / name / file).is_file() or (ROOT / file).is_file(), f"{name}: {file}"


def test_the_changelog_knows_this_version():
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)[1]
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_mappings_that_ship_are_described():
    from simulators.mapping import shipped

    text = (ROOT / "docs" / "simulators.md").read_text("utf-8")
    assert all(f"`{name}`" in text for name in shipped())
    done = CliRunner().invoke(application(), ["replay", "--help"])
    assert done.exit_code == 0
