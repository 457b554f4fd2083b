"""docs/alerts.md says what the code does."""

import re
from pathlib import Path

import pytest
from fakes.note import NOTE

from alerts.notify import ALL
from alerts.notify.contract import ErrorKind
from alerts.notify.webhook.channel import document, sign
from alerts.state import NEXT, Cause, State

PAGE = (Path(__file__).resolve().parents[2] / "docs/alerts.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("|")
]


def test_the_page_shows_the_state_table():
    shown = {row[0].split("`")[1]: row[3:6] for row in ROWS if row[0].split("`")[1:2] and len(row) == 6}
    for state in State:
        expected = ["–" if NEXT[state, cause] == state else f"`{NEXT[state, cause]}`" for cause in Cause]
        assert shown[state] == expected


def test_the_page_names_every_channel_and_every_kind_of_error():
    for kind in ALL:
        assert any(row[0].startswith(f"`{kind}`") for row in ROWS), kind
    for kind in ErrorKind:
        assert any(row[0] == kind for row in ROWS), kind


@pytest.fixture
def genuine(monkeypatch):
    (snippet,) = (one for one in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "def genuine" in one)
    names = {}
    exec(snippet, names)
    monkeypatch.setattr("time.time", lambda: 1_795_222_800.0)
    return names["genuine"]


def test_the_pages_receiver_believes_us_and_nobody_else(genuine):
    import msgspec

    body, stamp = msgspec.json.encode(document(NOTE)), "1795222790"
    headers = {"Fengsui-Timestamp": stamp, "Fengsui-Signature": f"v1={sign('s3cret', stamp, body)}"}
    assert genuine("s3cret", headers, body)
    assert not genuine("other", headers, body)
    assert not genuine("s3cret", headers, body + b" ")
    assert not genuine("s3cret", headers | {"Fengsui-Timestamp": "1795222791"}, body)
    assert not genuine("s3cret", {}, body)
    old = "1795222000"
    assert not genuine(
        "s3cret", {"Fengsui-Timestamp": old, "Fengsui-Signature": f"v1={sign('s3cret', old, body)}"}, body
    )
