"""Links that answer an alert without an account: bound to alert, recipient and time, useless without the key."""

from dataclasses import replace

from fakes.note import ALERT, NOTE

from alerts.link import Pass, Signer
from core.time import SECOND

KEY = "a key of the console"
NOW = NOTE.created
SIGNER = Signer("https://watch.example", KEY, 3600)


def parts(note):
    _, alert, recipient, until, mac = note.link.removeprefix("https://watch.example").lstrip("/").split("/")
    return Pass(alert, recipient, int(until, 16)), mac


def test_a_signed_link_is_genuine_for_its_recipient_its_alert_and_its_time_only():
    one, mac = parts(SIGNER.sign(NOTE))
    assert one == Pass(ALERT, "so1", NOW // SECOND + 3600)
    assert one.genuine(KEY, mac)
    for other in (
        replace(one, alert="X"),
        replace(one, recipient="pr1"),
        replace(one, until_s=one.until_s + 1),
    ):
        assert not other.genuine(KEY, mac)
    assert not one.genuine("another key", mac)
    assert not one.genuine(KEY, mac[:-1])
    assert not one.genuine(KEY, "é")


def test_the_ticket_of_the_page_is_no_link_and_a_link_no_ticket():
    one, mac = parts(SIGNER.sign(NOTE))
    assert one.admits(KEY, one.ticket(KEY))
    assert not one.admits(KEY, mac)
    assert not one.genuine(KEY, one.ticket(KEY))


def test_parts_that_run_into_each_other_are_told_apart():
    assert Pass("a", "bc", 1).mac(KEY) != Pass("ab", "c", 1).mac(KEY)


def test_without_a_key_or_with_another_page_the_link_stays_as_it_is():
    assert Signer("https://watch.example", "", 3600).sign(NOTE) == NOTE
    other = replace(NOTE, link="https://watch.example/digest")
    assert SIGNER.sign(other) == other
    one = Pass(ALERT, "so1", 1)
    assert not one.genuine("", one.mac(""))
    assert not one.admits("", one.ticket(""))


def test_every_attempt_sends_the_same_link():
    assert SIGNER.sign(NOTE) == SIGNER.sign(SIGNER.sign(NOTE)) == SIGNER.sign(NOTE)


def test_a_link_fits_into_a_short_message():
    assert len(SIGNER.sign(NOTE).link) < 100
