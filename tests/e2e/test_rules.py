"""Counting rules are proposals; wrong ones are refused with both values."""
import pytest

from clicks import click

HOUR = 3_600_000


def refused(new_server, server, *flags, env=None):
    """Exit code 2 and what it says."""
    other = new_server(server.directory)
    other.starts = 100
    other.launch(*flags, env=env)
    assert other.exit_code() == 2, other.log()
    return other.log()


@pytest.fixture
def stopped(new_server):
    server = new_server().start()
    server.post(click().log_line(), "text/plain")
    server.stop()
    return server


@pytest.mark.every_build
def test_a_horizon_below_the_lateness_is_refused_with_both_values(new_server):
    said = refused(new_server, new_server(), "--horizon", "1h", "--lateness", "24h")
    assert "1h" in said and "24h" in said and "horizon" in said and "lateness" in said


@pytest.mark.parametrize("horizon, lateness, good", [("24h1m", "24h", True), ("24h59s", "24h", False), ("1m", "0s", True)])
def test_the_horizon_is_at_least_the_lateness_and_a_minute(new_server, horizon, lateness, good):
    if good:
        server = new_server().start("--horizon", horizon, "--lateness", lateness)
        server.stop()
    else:
        refused(new_server, new_server(), "--horizon", horizon, "--lateness", lateness)


def test_a_refused_start_leaves_no_journal(new_server):
    server = new_server()
    refused(new_server, server, "--horizon", "1h", "--lateness", "24h")
    assert not list(server.data.glob("journal/*"))
    server.start("--lateness", "1h")
    assert server.status()["rules"]["lateness_ms"] == HOUR


def test_a_horizon_is_held_against_the_lateness_of_the_journal(new_server, stopped):
    said = refused(new_server, stopped, "--horizon", "1h")
    assert "horizon" in said and "lateness" in said
    assert ("1h" in said or "3600 s" in said) and ("24h" in said or "86400 s" in said)


@pytest.mark.every_build
def test_another_number_of_partitions_is_refused_with_both_values(new_server, stopped):
    said = refused(new_server, stopped, "--partitions", "5")
    assert "partitions" in said and "5" in said and "4" in said
    refused(new_server, stopped, env={"TALLY_JOURNAL_PARTITIONS": "3"})
    stopped.start("--partitions", "4")
    assert stopped.settled()["counted"] == 1


def test_a_changed_lateness_is_taken_and_shown_and_stays(new_server):
    server = new_server().start()
    assert server.status()["rules"] | {"lateness_ms": 24 * HOUR, "number": 1} == server.status()["rules"]
    server.stop()
    server.start("--lateness", "96h")
    rules = server.status()["rules"]
    assert (rules["lateness_ms"], rules["horizon_ms"], rules["number"]) == (96 * HOUR, 96 * HOUR + 60_000, 2)
    server.stop()
    server.start()
    assert server.status()["rules"] == rules, "what is not given changes nothing"
    server.kill()
    server.start(env={"TALLY_TIME_LATENESS": "2h"})
    assert server.status()["rules"] | {"lateness_ms": 2 * HOUR, "horizon_ms": 96 * HOUR + 60_000, "number": 3} == \
        server.status()["rules"]


def test_the_same_rules_again_write_no_record(new_server):
    server = new_server().start("--lateness", "2h", "--delay", "5s", "--partitions", "2")
    rules, records = server.status()["rules"], server.status()["journal"]["records"]
    server.stop()
    server.start("--lateness", "2h", "--delay", "5s", "--partitions", "2")
    assert server.status()["rules"] == rules and server.status()["journal"]["records"] == records


def test_new_rules_open_nothing_that_was_sealed(new_server):
    server = new_server().start("--partitions", "1", "--lateness", "1m")
    server.post_lines([click(time=f"2021-01-01 12:{minute:02}:00").log_line() for minute in (0, 10, 20)])
    server.settled()
    server.stop()
    server.start("--lateness", "24h")
    server.post(click(time="2021-01-01 12:05:00", user="late").log_line(), "text/plain")
    assert server.settled() | {"counted": 3, "too_late": 1} == server.settled()
