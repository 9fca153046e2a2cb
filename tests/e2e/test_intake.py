"""The way of a click in: forms of bodies, of fields, and the answers."""
import gzip
import json

import pytest

from clicks import click, json_line, read_cells
from server import read_answer, wait_until

MINUTE = "?from=2021-01-01T00:00:00Z&to=2021-01-01T00:01:00Z"
LOG_LINE = "[AdClickEvent] ad001, 2021-01-01 00:00:01, user 1, 207.148.22.22, USA"


def accepted(count):
    return {"received": count, "accepted": count, "rejected": 0}


def assert_all_accepted(answer, count):
    assert answer.status == 200, answer.body
    assert answer.type == "application/json"
    assert answer.json == accepted(count)


def assert_problem(answer, status, *words):
    """RFC 9457, with a detail that says what to look at."""
    assert answer.status == status, answer.body
    assert answer.type == "application/problem+json"
    problem = answer.json
    assert problem["status"] == status and problem["type"] and problem["title"]
    for word in words:
        assert word in problem["detail"]
    return problem


def lines_of(problem):
    return [(error["line"], error["code"]) for error in problem["errors"]]


# --- bodies ---

@pytest.mark.every_build
def test_one_json_object_is_one_click(server):
    assert_all_accepted(server.post(json_line(), "application/json"), 1)
    assert server.settled()["counted"] == 1
    assert server.count("ad001", MINUTE) == 1


@pytest.mark.every_build
def test_each_line_of_ndjson_is_a_click(server):
    lines = [json_line(user_id=f"user {number}") for number in range(3)]
    assert_all_accepted(server.post_lines(lines, "application/x-ndjson"), 3)
    server.settled()
    assert server.count("ad001", MINUTE) == 3


@pytest.mark.every_build
def test_each_log_line_is_a_click(server):
    assert_all_accepted(server.post_lines([click(user=f"user {number}").log_line() for number in range(3)]), 3)
    server.settled()
    assert server.count("ad001", MINUTE) == 3


def test_the_same_click_as_json_and_as_log_line_is_one_click(server):
    assert_all_accepted(server.post(LOG_LINE, "text/plain"), 1)
    assert_all_accepted(server.post(json_line(), "application/json"), 1)
    assert_all_accepted(server.post(json_line(click_timestamp="2021-01-01T01:00:01+01:00", country="us")), 1)
    assert server.settled()["duplicate"] == 2


def test_one_json_object_may_be_spread_over_lines(server):
    assert_all_accepted(server.post(json.dumps(json.loads(json_line()), indent=2) + "\n", "application/json"), 1)


def test_two_json_objects_in_a_body_for_one_are_refused(shared_server):
    problem = assert_problem(shared_server.post(json_line() + "\n" + json_line() + "\n", "application/json"), 400)
    assert problem["errors_by_code"] == {"bad_json": 1}


def test_a_last_line_without_its_end_is_a_line(server):
    assert_all_accepted(server.post(LOG_LINE + "\n" + click(user="user 2").log_line(), "text/plain"), 2)
    assert_all_accepted(server.post(json_line(user_id="user 3") + "\n" + json_line(user_id="user 4")), 2)
    assert server.settled()["counted"] == 4


def test_a_carriage_return_before_the_line_end_is_no_part_of_the_line(server):
    body = LOG_LINE + "\r\n" + click(user="user 2").log_line() + "\r\n"
    assert_all_accepted(server.post(body, "text/plain"), 2)
    assert_all_accepted(server.post(LOG_LINE + "\n", "text/plain"), 1)
    assert_all_accepted(server.post(json_line(user_id="user 2") + "\r\n"), 1)
    assert server.settled() | {"counted": 2, "duplicate": 2} == server.settled()


def test_empty_lines_are_skipped_but_numbered(server):
    answer = server.post("\n\r\n" + LOG_LINE + "\n\n\nrubbish\n\n", "text/plain")
    problem = assert_problem(answer, 400)
    assert (problem["received"], problem["accepted"], problem["rejected"]) == (2, 1, 1)
    assert lines_of(problem) == [(6, "bad_log_line")]


def test_an_empty_body_is_no_click(shared_server):
    assert_all_accepted(shared_server.post(""), 0)
    assert_all_accepted(shared_server.post("\n\n", "text/plain"), 0)


def test_good_lines_around_bad_ones_are_kept(server):
    lines = [LOG_LINE, "rubbish", click(user="user 2").log_line(), LOG_LINE.replace("USA", "Atlantis")]
    problem = assert_problem(server.post_lines(lines), 400)
    assert (problem["received"], problem["accepted"], problem["rejected"]) == (4, 2, 2)
    assert lines_of(problem) == [(2, "bad_log_line"), (4, "bad_country")]
    assert all(error["detail"] for error in problem["errors"])
    assert problem["errors_by_code"] == {"bad_log_line": 1, "bad_country": 1}
    totals = server.settled()
    assert totals["counted"] == 2 and totals["rejected_by"] == {"bad_log_line": 1, "bad_country": 1}


def test_the_first_thousand_errors_are_listed_and_all_are_counted(server):
    problem = assert_problem(server.post_lines(["rubbish"] * 1500), 400)
    assert problem["rejected"] == 1500 and problem["errors_by_code"] == {"bad_log_line": 1500}
    assert lines_of(problem) == [(line, "bad_log_line") for line in range(1, 1001)]


@pytest.mark.every_build
def test_a_long_stream_in_chunks_of_any_size_is_counted_whole(server):
    lines = [json_line(user_id=f"user {number}") for number in range(30000)]
    body = "".join(line + "\n" for line in lines).encode()

    def chunks():
        at, size = 0, 1
        while at < len(body):
            yield body[at:at + size]
            at, size = at + size, size * 3 % 100003

    assert_all_accepted(server.ask("POST", "/v1/clicks", chunks(), {"Content-Type": "application/x-ndjson"}), 30000)
    server.settled()
    assert server.count("ad001", MINUTE) == 30000


def test_one_connection_takes_many_requests(server):
    connection = server.connect()
    sockets = set()
    for number in range(20):
        connection.request("POST", "/v1/clicks", json_line(user_id=f"user {number}"), {"Content-Type": "application/json"})
        assert_all_accepted(read_answer(connection.getresponse()), 1)
        sockets.add(connection.sock)
        connection.request("POST", "/v1/clicks", "rubbish", {"Content-Type": "application/json"})
        assert read_answer(connection.getresponse()).status == 400
        sockets.add(connection.sock)
        connection.request("GET", "/v1/status")
        assert read_answer(connection.getresponse()).json["totals"]["accepted"] == number + 1
        sockets.add(connection.sock)
    assert len(sockets) == 1 and None not in sockets, "the connection was closed in between"
    connection.close()


# --- bodies that end early, or wait ---

def head(length=None, more=""):
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return (f"POST /v1/clicks{{}} HTTP/1.1\r\nHost: tally\r\nContent-Type: text/plain\r\n{framing}\r\n{more}\r\n")


def read_head(connection):
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(4096)
        assert part, f"closed after {received!r}"
        received += part
    return received


@pytest.mark.every_build
def test_whole_lines_of_a_body_that_stops_half_way_are_kept(new_server):
    server = new_server().start("--http-idle-timeout", "2s")
    whole = "".join(click(user=f"user {number}").log_line() + "\n" for number in range(2))
    with server.connect_raw() as connection:
        connection.sendall((head(1000).format("") + whole + LOG_LINE[:40]).encode())
    wait_until(lambda: server.totals()["accepted"] == 2, "the two whole lines")
    assert server.settled()["counted"] == 2
    server.stop()
    server.start()
    assert server.settled() | {"received": 2, "accepted": 2, "counted": 2} == server.settled()


def test_whole_lines_of_a_chunked_body_that_stops_half_way_are_kept(new_server):
    server = new_server().start("--http-idle-timeout", "2s")
    whole = "".join(click(user=f"user {number}").log_line() + "\n" for number in range(2)).encode()
    with server.connect_raw() as connection:
        connection.sendall(head().format("").encode() + b"%x\r\n%s\r\n" % (len(whole), whole) + b"ff\r\n" + LOG_LINE.encode())
    wait_until(lambda: server.totals()["accepted"] == 2, "the two whole lines")
    server.stop()
    server.start()
    assert server.totals()["received"] == 2


def test_a_client_that_goes_away_is_noticed_at_once_and_not_when_it_is_idle(server):
    """Its last bytes and its end may be there together, in one look at the socket. The idle timeout is 60 s here."""
    for number in range(40):
        with server.connect_raw() as connection:
            connection.sendall((head(1000).format("") + click(user=f"user {number}").log_line() + "\n[Ad").encode())
    wait_until(lambda: server.totals()["accepted"] == 40, "a line of each", seconds=20)


@pytest.mark.every_build
def test_nothing_is_kept_of_an_atomic_body_that_stops_half_way(server):
    whole = "".join(click(user=f"user {number}").log_line() + "\n" for number in range(2))
    with server.connect_raw() as connection:
        connection.sendall((head(1000).format("?atomic=1") + whole).encode())
    server.stop()  # in order: what was to be journalled is
    server.start()
    assert server.totals()["accepted"] == 0


def test_a_client_that_waits_for_100_continue_gets_it(server):
    body = (LOG_LINE + "\n").encode()
    with server.connect_raw() as connection:
        connection.sendall(head(len(body), "Expect: 100-continue\r\n").format("").encode())
        assert read_head(connection).startswith(b"HTTP/1.1 100 Continue\r\n")
        connection.sendall(body)
        assert read_head(connection).startswith(b"HTTP/1.1 200 ")
    assert server.settled()["counted"] == 1


def test_a_client_that_waits_for_100_continue_is_refused_before_it_sends(shared_server):
    with shared_server.connect_raw() as connection:
        refused = head(10**9, "Expect: 100-continue\r\n").format("").replace("text/plain", "image/png")
        connection.sendall(refused.encode())
        assert read_head(connection).startswith(b"HTTP/1.1 415 ")


# --- limits ---

@pytest.mark.every_build
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-ndjson"])
def test_a_line_over_the_limit_is_rejected_and_the_others_are_kept(server, content_type):
    good = click().log_line() if content_type == "text/plain" else json_line()
    other = click(user="user 2").log_line() if content_type == "text/plain" else json_line(user_id="user 2")
    problem = assert_problem(server.post_lines([good, "x" * 70 * 1024, other], content_type), 413)
    assert (problem["received"], problem["accepted"], problem["rejected"]) == (3, 2, 1)
    assert lines_of(problem) == [(2, "line_too_long")] and problem["errors_by_code"] == {"line_too_long": 1}
    assert server.settled()["counted"] == 2


def test_a_line_of_exactly_64_KiB_is_read_and_one_byte_more_is_not(server):
    room = 65536 - len(json_line(note=""))
    assert_all_accepted(server.post(json_line(note="x" * room) + "\r\n"), 1)
    assert_all_accepted(server.post(json_line(note="x" * room), "application/json"), 1)
    problem = assert_problem(server.post(json_line(note="x" * (room + 1)) + "\n"), 413)
    assert problem["errors_by_code"] == {"line_too_long": 1}
    assert_problem(server.post(json_line(note="x" * (room + 1)), "application/json"), 413)


def test_a_line_that_never_ends_is_skipped_in_little_memory(server):
    def body():
        yield (LOG_LINE + "\n").encode()
        for _ in range(64):
            yield b"x" * 1024 * 1024
        yield ("\n" + click(user="user 2").log_line()).encode()

    answer = server.ask("POST", "/v1/clicks", body(), {"Content-Type": "text/plain"})
    problem = assert_problem(answer, 413)
    assert (problem["received"], problem["accepted"]) == (3, 2) and lines_of(problem) == [(2, "line_too_long")]


def test_an_atomic_body_over_16_MiB_is_refused_whole(server):
    line = click(user="u" * 128).log_line() + "\n"
    answer = server.post(line * (16 * 1024 * 1024 // len(line) + 1), "text/plain", "?atomic=1")
    assert_problem(answer, 413)
    assert server.totals()["accepted"] == 0


# --- atomic ---

def test_an_atomic_batch_of_good_lines_is_accepted(server):
    assert_all_accepted(server.post_lines([LOG_LINE, click(user="user 2").log_line()], query="?atomic=1"), 2)
    assert server.settled()["counted"] == 2


@pytest.mark.every_build
def test_one_bad_line_refuses_an_atomic_batch(server):
    lines = [LOG_LINE, "rubbish", click(user="user 2").log_line()]
    problem = assert_problem(server.post_lines(lines, query="?atomic=1"), 400)
    assert (problem["received"], problem["accepted"], problem["rejected"]) == (3, 0, 3)
    assert lines_of(problem) == [(1, "refused_batch"), (2, "bad_log_line"), (3, "refused_batch")]
    assert problem["errors_by_code"] == {"bad_log_line": 1, "refused_batch": 2}
    totals = server.settled()
    assert totals["accepted"] == 0 and totals["rejected_by"] == {"bad_log_line": 1, "refused_batch": 2}


def test_atomic_0_keeps_the_good_lines(server):
    assert_problem(server.post_lines([LOG_LINE, "rubbish"], query="?atomic=0"), 400)
    assert server.settled()["counted"] == 1


# --- what is refused before the body ---

@pytest.mark.parametrize("content_type", ["application/xml", "application/x-www-form-urlencoded", "text/csv", ""])
def test_another_content_type_is_refused(shared_server, content_type):
    assert_problem(shared_server.post(LOG_LINE, content_type), 415, "Content-Type")


def test_a_missing_content_type_is_refused(shared_server):
    assert_problem(shared_server.ask("POST", "/v1/clicks", LOG_LINE.encode()), 415, "Content-Type")


@pytest.mark.parametrize("content_type", ["TEXT/Plain", "text/plain; charset=utf-8", "text/plain;charset=UTF-8"])
def test_a_content_type_is_read_in_any_case_and_with_parameters(shared_server, content_type):
    assert_all_accepted(shared_server.post(LOG_LINE, content_type), 1)


def test_a_body_in_gzip_is_read(server):
    body = gzip.compress((LOG_LINE + "\n" + click(user="user 2").log_line()).encode())
    assert_all_accepted(server.post(body, "text/plain", headers={"Content-Encoding": "gzip"}), 2)
    assert server.settled()["counted"] == 2


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip"])
def test_a_body_in_another_encoding_is_refused(shared_server, encoding):
    answer = shared_server.post(gzip.compress(LOG_LINE.encode()), "text/plain", headers={"Content-Encoding": encoding})
    assert_problem(answer, 415, "Content-Encoding")


@pytest.mark.parametrize("query, named", [("?colour=red", "colour"), ("?atomic=2", "atomic"), ("?atomic=", "atomic"),
                                          ("?atomic=1&atomic=1", "atomic"), ("?source=", "source"),
                                          ("?source=" + "s" * 129, "source"), ("?source=a%0Ab", "source"),
                                          ("?source=%ff", "source"), ("?source=a&source=b", "source")])
def test_a_parameter_that_is_unknown_or_wrong_is_named(shared_server, query, named):
    before = shared_server.totals()["received"]
    assert_problem(shared_server.post(LOG_LINE, "text/plain", query), 400, named)
    assert shared_server.totals()["received"] == before


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_another_method_is_not_allowed(shared_server, method):
    assert_problem(shared_server.ask(method, "/v1/clicks"), 405)


def test_the_answer_to_a_wrong_method_names_the_right_ones_in_its_head(shared_server):
    """RFC 9110, 15.5.6."""
    assert shared_server.ask("GET", "/v1/clicks").headers["Allow"] == "POST"
    assert "GET" in (shared_server.ask("POST", "/v1/status", b"").headers["Allow"] or "")


# --- fields ---

@pytest.mark.parametrize("form, time", enumerate([
    1609459201000, 1609459201, "1609459201000", "1609459201", "2021-01-01T00:00:01Z", "2021-01-01T00:00:01.250Z",
    "2021-01-01T01:00:01+01:00", "2020-12-31T18:30:01-05:30", "2021-01-01t00:00:01z", "2021-01-01 00:00:01"]))
def test_every_form_of_a_time_is_the_same_minute(shared_server, form, time):
    ad = f"time-{form}"
    assert_all_accepted(shared_server.post(json_line(ad_id=ad, click_timestamp=time)), 1)
    if isinstance(time, str):
        log_line = f"[AdClickEvent] {ad}, {time}, user 2, 207.148.22.22, USA"
        assert_all_accepted(shared_server.post(log_line, "text/plain"), 1)
    shared_server.settled()
    assert shared_server.count(ad, MINUTE) == (2 if isinstance(time, str) else 1)


@pytest.mark.parametrize("ip", ["207.148.22.22", "2001:db8::1", "2001:DB8:0:0:0:0:0:1", "::ffff:207.148.22.22", "::",
                                "207.xxx.xx.22", "207.xxx.xxx.22", "xxx.xxx.xxx.xxx"])
def test_every_form_of_an_ip_is_taken(shared_server, ip):
    assert_all_accepted(shared_server.post(json_line(ip=ip, ad_id="ip " + ip)), 1)
    assert_all_accepted(shared_server.post(f"[AdClickEvent] ip {ip}, 1609459201, user 2, {ip}, USA", "text/plain"), 1)
    shared_server.settled()
    assert shared_server.count("ip%20" + ip, MINUTE) == 2


def test_every_form_of_a_country_is_one_canonical_form(server):
    for number, country in enumerate(["USA", "usa", "Usa", "US", "us", "DEU", "de", "GB", "GBR", None]):
        assert_all_accepted(server.post(json_line(country=country, user_id=f"user {number}")), 1)
    assert_all_accepted(server.post("[AdClickEvent] ad001, 1609459201, user x, 1.2.3.4,", "text/plain"), 1)
    rows = [row.split(",") for row in server.export().splitlines()[1:]]
    assert {row[3]: int(row[4]) for row in rows} == {"USA": 5, "DEU": 2, "GBR": 2, "ZZZ": 2}


def test_ids_of_128_bytes_of_utf8_are_counted_under_their_name(server):
    ad = "ä" * 63 + "zz"
    assert len(ad.encode()) == 128
    assert_all_accepted(server.post(json_line(ad_id=ad, user_id="ü" * 64, event_id="é" * 64)), 1)
    assert read_cells(server.export()) == {(ad, "2021-01-01T00:00:00Z"): 1}


def test_unknown_members_are_ignored(server):
    assert_all_accepted(server.post(json_line(colour="red", price={"amount": [1, 2.5, None]}, big=10**30)), 1)


def test_an_ad_may_have_any_printable_characters(server):
    ads = ['say "hi"', "a,b", "c/d", "e%2Ff", "back\\slash", "smile \N{GRINNING FACE}", "'", " lead", "trail "]
    for ad in ads:
        assert_all_accepted(server.post(json_line(ad_id=ad)), 1)
    assert set(read_cells(server.export())) == {(ad, "2021-01-01T00:00:00Z") for ad in ads}


# --- sources ---

def test_clicks_are_the_same_only_within_a_source(server):
    for query in ("", "?source=default", "?source=shop", "?source=shop", "?source=sh%C3%B6p"):
        assert_all_accepted(server.post(json_line(event_id="e1"), query=query), 1)
        assert_all_accepted(server.post(LOG_LINE, "text/plain", query), 1)
    totals = server.settled()
    assert (totals["counted"], totals["duplicate"]) == (6, 4)
