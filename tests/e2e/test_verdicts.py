"""Counted, duplicate, conflict, too late: by identity and by time."""
import time

import pytest

from clicks import click, json_line, read_cells


def verdicts(server):
    totals = server.settled()
    assert totals["accepted"] == sum(totals[name] for name in ("counted", "duplicate", "conflict", "too_late"))
    return {name: totals[name] for name in ("counted", "duplicate", "conflict", "too_late") if totals[name]}


def send(server, *lines, content_type="text/plain", query=""):
    answer = server.post_lines(lines, content_type, query)
    assert answer.status == 200, answer.body


def send_json(server, *lines, query=""):
    send(server, *lines, content_type="application/x-ndjson", query=query)


# --- identity ---

@pytest.mark.every_build
def test_a_copy_is_a_duplicate_and_another_content_under_one_event_id_is_a_conflict(server):
    send_json(server, json_line(event_id="e1"))
    send_json(server, json_line(event_id="e1"), json_line(event_id="e1", ad_id="ad002"), json_line(event_id="e2"))
    send_json(server, json_line(event_id="e1", ip="1.2.3.4"), json_line(event_id="e1"))
    assert verdicts(server) == {"counted": 2, "duplicate": 2, "conflict": 2}
    assert read_cells(server.export()) == {("ad001", "2021-01-01T00:00:00Z"): 2}


def test_a_conflict_leaves_no_entry(server):
    """The content of a conflict is still another one the next time."""
    send_json(server, json_line(event_id="e1"))
    for _ in range(2):
        send_json(server, json_line(event_id="e1", country="DEU"))
    assert verdicts(server) == {"counted": 1, "conflict": 2}


def test_an_event_id_is_not_a_content(server):
    send_json(server, json_line(event_id="e1"), json_line(), json_line(event_id="e2"), json_line())
    assert verdicts(server) == {"counted": 3, "duplicate": 1}
    assert server.totals()["duplicate_content"] == 1


@pytest.mark.parametrize("other", [{"ad_id": "ad002"}, {"click_timestamp": 1609459201001}, {"user_id": "user 2"},
                                   {"ip": "207.148.22.23"}, {"ip": "207.148.22.xxx"}, {"country": "DEU"}, {"country": None}])
def test_clicks_that_differ_in_one_field_are_two(shared_server, other):
    before = shared_server.settled()["counted"]
    ad = {"user_id": f"user of {sorted(other.items())}"[:100]}
    send_json(shared_server, json_line(**ad), json_line(**(ad | other)))
    assert shared_server.settled()["counted"] == before + 2


def test_event_ids_are_per_source(server):
    for source in ("", "?source=a", "?source=b", "?source=a"):
        send_json(server, json_line(event_id="e1"), query=source)
    assert verdicts(server) == {"counted": 3, "duplicate": 1}


# --- time; one partition, so that the order of lines is the order of offsets ---

def start(new_server, *flags):
    return new_server().start("--partitions", "1", *flags)


def at(when, ad="ad001", user="user 1"):
    return click(ad, f"2021-01-01 {when}", user=user).log_line()


@pytest.mark.every_build
def test_a_late_click_amends_its_closed_minute(new_server):
    server = start(new_server, "--lateness", "10m")
    send(server, at("12:00:10"), at("12:05:00"))
    minute = "?from=202101011200&to=202101011201"
    server.settled()
    assert server.get("/v1/ads/ad001/aggregated_cnt" + minute).json | {"count": 1, "state": "closed"} == \
        server.get("/v1/ads/ad001/aggregated_cnt" + minute).json
    send(server, at("12:00:20"))
    assert verdicts(server) == {"counted": 3}
    assert server.totals()["late_amended"] == 1
    assert server.count("ad001", minute) == 2
    send(server, at("12:00:20"))
    assert verdicts(server) == {"counted": 3, "duplicate": 1}


@pytest.mark.every_build
def test_a_click_behind_the_lateness_is_too_late_and_remembered(new_server):
    server = start(new_server, "--lateness", "2m", "--horizon", "10m")
    send(server, at("12:00:10"), at("12:05:00"), at("12:00:20"), at("12:00:20"), at("12:02:50"), at("12:00:10"))
    # The watermark is 12:04:45, so what ends by 12:02:45 is sealed.
    assert verdicts(server) == {"counted": 3, "too_late": 1, "duplicate": 2}
    assert read_cells(server.export()) == {("ad001", f"2021-01-01T{minute}:00Z"): 1 for minute in ("12:00", "12:02", "12:05")}


def test_the_end_of_a_minute_decides_what_is_too_late(new_server):
    server = start(new_server, "--lateness", "2m", "--delay", "0s")
    send(server, at("12:05:00"), at("12:01:59"), at("12:02:00"), at("12:03:01"), at("12:02:59"))
    # Sealed up to 12:03:00: a minute that ends then is too late, the next is not.
    assert verdicts(server) == {"counted": 2, "too_late": 3}


def test_a_copy_older_than_the_horizon_is_too_late_and_not_counted_again(new_server):
    server = start(new_server, "--lateness", "2m")
    copy = at("12:00:10")
    send(server, copy, *[at(f"12:{minute:02}:00") for minute in range(10, 50, 10)], copy, copy)
    totals = server.settled()
    assert totals["counted"] == 5 and totals["duplicate"] + totals["too_late"] == 2 and totals["too_late"] >= 1
    assert server.count("ad001", "?from=202101011200&to=202101011201") == 1


@pytest.mark.every_build
def test_a_click_from_the_future_is_rejected_unless_the_skew_allows_it(new_server):
    server = start(new_server)
    now = int(time.time() * 1000)
    answer = server.post(json_line(click_timestamp=now + 3_600_000))
    assert answer.status == 400 and answer.json["errors_by_code"] == {"future_timestamp": 1}
    assert server.post(json_line(click_timestamp=now + 30_000)).status == 200
    assert server.totals()["accepted"] == 1
    server.stop()
    server.start("--max-skew", "2h")
    assert server.post(json_line(click_timestamp=now + 3_600_000)).status == 200
    assert server.post(json_line(click_timestamp=now + 10_800_000)).status == 400


def test_one_click_far_ahead_does_not_make_the_others_too_late(new_server):
    server = start(new_server, "--lateness", "1m")
    send(server, at("12:00:10"), at("18:00:00", user="clock is wrong"), at("12:00:20"), at("12:00:50"))
    assert verdicts(server) == {"counted": 4}
    send(server, *[at("18:00:00", user=f"user {number}") for number in range(16)])
    send(server, at("12:00:30"))
    assert verdicts(server) == {"counted": 20, "too_late": 1}


def test_an_idle_moment_does_not_seal_a_historical_load(new_server):
    server = start(new_server, "--lateness", "1m")
    send(server, at("12:00:10"))
    version = server.status()["version"]
    deadline = time.monotonic() + 2.5  # ticks come after a second
    while time.monotonic() < deadline:
        assert server.status()["version"] >= version
        time.sleep(0.05)
    send(server, at("12:00:05"))
    assert verdicts(server) == {"counted": 2}
