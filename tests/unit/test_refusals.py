"""What nats-server's log says about refusals, and how it becomes rejects."""

import pytest

from core.reject import Reason
from ingest.columns import Columns, Message
from ingest.feed import Feed
from ingest.guard import Guarded, names_sender
from registry.catalog import Gateway
from service.refusals import Connections, Refusal, Refusals, mqtt_topic, read_line

# Lines of nats-server 2.15.1, as they stood in its log.
PUBLISH = '[20942] 2026/11/21 21:13:53.652941 [ERR] 127.0.0.1:38895 - mid:27 - "gw-1" - Publish Violation - Subject "fs.v1.gw-9.dc//1"'
SUBSCRIBE = '[20942] 2026/11/21 21:13:53.699981 [ERR] 127.0.0.1:38895 - mid:27 - "gw-1" - Subscription Violation - Subject "fs.v1.gw-9.$down.>", SID fs.v1.gw-9.$down.>'
PASSWORD = '[20942] 2026/11/21 21:14:04.241459 [ERR] 127.0.0.1:51849 - mid:40 - "bad" - authentication error - User "gw-1~1"'
OTHERS = [
    "", "Publish Violation",
    '[20942] 2026/11/21 21:14:04.241494 [ERR] 127.0.0.1:51849 - mid:40 - "bad" - unable to connect: authentication error',
    "[20942] 2026/11/21 21:13:53.614855 [INF] Server is ready",
]  # fmt: skip


def test_each_kind_of_line_is_read():
    assert read_line(PUBLISH) == Refusal("publish", 27, "gw-1", "fs/v1/gw-9/dc.1", "")
    assert read_line(SUBSCRIBE) == Refusal("subscription", 27, "gw-1", "fs/v1/gw-9/$down/#", "")
    assert read_line(PASSWORD) == Refusal("authentication", 40, "bad", "", "gw-1~1")


@pytest.mark.parametrize("line", OTHERS)
def test_other_lines_say_nothing(line):
    assert read_line(line) is None


@pytest.mark.parametrize(
    ("subject", "topic"),
    [("a.b", "a/b"), ("a//b.c", "a.b/c"), ("/.a./.b./", "/a//b/"), ("a.*.>", "a/+/#"), ("$SYS.x", "$SYS/x")],
)
def test_subjects_become_topics_again(subject, topic):
    assert mqtt_topic(subject) == topic


class Known(Connections):
    def user(self, cid):
        return {27: "gw-1~3"}.get(cid, "")


class Registry:
    gateways = {"gw-1": Gateway(7, "gw-1", 1)}


def test_a_flood_of_refused_publishes_is_one_reject_of_the_gateway_that_sent_it(tmp_path):
    log, counted = tmp_path / "nats.log", []
    log.write_text(PUBLISH + "\n")
    refusals = Refusals(log, Known(""), lambda what, n: counted.append((what, n)))
    refusals.look()
    assert refusals.take(Registry) == ()
    with log.open("a") as file:
        file.write((PUBLISH + "\n") * 1000 + SUBSCRIBE + "\n" + PUBLISH[:50])
    refusals.look()
    (reject,) = refusals.take(Registry)
    assert (reject.gateway, reject.reason, reject.n) == (7, Reason.WRONG_OWNER, 1000)
    assert reject.topic == "fs/v1/gw-9/dc.1"
    assert "gw-1~3" in reject.detail
    assert sorted(counted) == [("publish", 1000), ("subscription", 1)]
    assert refusals.take(Registry) == ()


def test_a_log_that_is_put_aside_is_followed_and_half_a_line_is_waited_for(tmp_path):
    log = tmp_path / "nats.log"
    log.write_text("old\n")
    refusals = Refusals(log, Known(""))
    log.rename(tmp_path / "nats.log.1")
    log.write_text(PUBLISH[:80])
    refusals.look()
    with log.open("a") as file:
        file.write(PUBLISH[80:] + "\n")
    refusals.look()
    assert [reject.n for reject in refusals.take(Registry)] == [1]


def test_a_client_whose_name_nobody_knows_is_counted_for_nobody(tmp_path):
    log = tmp_path / "nats.log"
    refusals = Refusals(log, Known(""))
    log.write_text(PUBLISH.replace("mid:27", "mid:99") + "\n")
    refusals.look()
    (reject,) = refusals.take(Registry)
    assert reject.gateway == 0
    assert "'gw-1'" in reject.detail


# ── topics that name no gateway ───────────────────────────────────────────────
class Two:
    """A catalog of series 1 of gateway 1, which may use shared topics, and series 2 of gateway 2, which may not."""

    gateways = {"a": Gateway(1, "a", 1, shared_topics=True), "b": Gateway(2, "b", 2)}
    gateway = [0, 1, 2]


class Says:
    """A format whose payload names series."""

    def decode(self, message, catalog, columns):
        for key in message.payload:
            columns.add(key, 1, 1.0)


@pytest.mark.parametrize(
    ("payload", "taken", "refused"), [([1, 1], 2, 0), ([2], 0, 1), ([1, 2, 1], 0, 1), ([], 0, 0)]
)
def test_a_shared_topic_brings_readings_only_of_gateways_that_may_use_it(payload, taken, refused):
    message = Message("v1/gateway/telemetry", bytes(payload), 1)
    columns = Columns([message])
    columns.open()
    Guarded(Says()).decode(message, Two, columns)
    assert len(columns.series) == taken
    assert [reject.reason for reject in columns._rejects] == [Reason.WRONG_OWNER] * refused


def test_feeds_whose_topic_tells_the_sender_need_no_guard():
    feeds = [
        Feed("fs/v1/+/+", "native"), Feed("x/{gateway}/#", "mapping"), Feed("tele/{device}/SENSOR", "tasmota"),
        Feed("plc", "mapping", gateway="gw-1"), Feed("v1/gateway/telemetry", "thingsboard"),
    ]  # fmt: skip
    assert [names_sender(feed) for feed in feeds] == [True, True, True, True, False]
