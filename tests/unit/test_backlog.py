"""A gateway's backlog: oldest first, on disk, bounded."""

from simulators.backlog import Backlog


def test_messages_come_back_oldest_first_until_they_are_done():
    backlog = Backlog()
    for number in range(5):
        backlog.add("gw", f"t/{number}", b"x")
    waiting = backlog.oldest("gw", 3)
    assert [topic for _, topic, _ in waiting] == ["t/0", "t/1", "t/2"]
    backlog.done("gw", [waiting[0][0], waiting[2][0]])
    assert [topic for _, topic, _ in backlog.oldest("gw", 9)] == ["t/1", "t/3", "t/4"]
    assert backlog.depth("gw") == 3


def test_gateways_do_not_see_each_other():
    backlog = Backlog()
    backlog.add("a", "a/1", b"")
    assert backlog.oldest("b", 10) == []
    assert backlog.depth("b") == 0


def test_what_waits_survives_the_process(tmp_path):
    backlog = Backlog(tmp_path / "backlog.db")
    backlog.add("gw", "t", b"\x00\xff")
    backlog.close()
    again = Backlog(tmp_path / "backlog.db")
    assert again.depth("gw") == 1
    assert [message[1:] for message in again.oldest("gw", 1)] == [("t", b"\x00\xff")]


def test_a_full_backlog_drops_its_oldest_and_counts_them():
    backlog = Backlog(capacity=3)
    for number in range(5):
        backlog.add("gw", str(number), b"")
    assert [topic for _, topic, _ in backlog.oldest("gw", 9)] == ["2", "3", "4"]
    assert backlog.dropped == 2
    assert backlog.depth("gw") == 3
