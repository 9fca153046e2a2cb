"""Every reason to reject a line, with its number."""
import time

import pytest

from clicks import json_line

GOOD_JSON = json_line()
GOOD_LOG = "[AdClickEvent] ad001, 2021-01-01 00:00:01, user 1, 207.148.22.22, USA"
FUTURE = int(time.time() * 1000) + 7_200_000


def log_line(ad="ad001", when="2021-01-01 00:00:01", user="user 1", ip="207.148.22.22", country="USA"):
    return f"[AdClickEvent] {ad}, {when}, {user}, {ip}, {country}"


JSON_LINES = [
    ("bad_json", "{"), ("bad_json", "rubbish"), ("bad_json", GOOD_JSON + "}"), ("bad_json", GOOD_JSON + GOOD_JSON),
    ("bad_json", GOOD_JSON.replace("}", ",}")), ("bad_json", GOOD_JSON.replace('"', "'")),
    ("bad_json", "[" * 5000), ("bad_json", json_line().replace("1609459201000", "01609459201")),
    ("not_object", "[]"), ("not_object", "12"), ("not_object", '"text"'), ("not_object", "null"), ("not_object", f"[{GOOD_JSON}]"),
    ("missing_field", "{}"), ("missing_field", json_line(ad_id=None)), ("missing_field", json_line(click_timestamp=None)),
    ("missing_field", json_line(user_id=None)), ("missing_field", json_line(ip=None)),
    ("duplicate_field", GOOD_JSON.replace("{", '{"ad_id": "ad001", ')),
    ("duplicate_field", GOOD_JSON.replace("{", '{"\\u0061d_id": "ad002", ')),
    ("wrong_type", json_line(ad_id=1)), ("wrong_type", json_line(click_timestamp=1609459201.5)),
    ("wrong_type", json_line(click_timestamp=True)), ("wrong_type", json_line(user_id=["user"])),
    ("wrong_type", json_line(ip={})), ("wrong_type", json_line(country=1)), ("wrong_type", json_line(event_id=7)),
    ("wrong_type", GOOD_JSON.replace('"ad001"', "null")),
    ("bad_ad_id", json_line(ad_id="")), ("bad_ad_id", json_line(ad_id="a" * 129)), ("bad_ad_id", json_line(ad_id="a\nb")),
    ("bad_ad_id", json_line(ad_id="a\0b")), ("bad_ad_id", json_line(ad_id="\x7f")), ("bad_ad_id", json_line(ad_id="ä" * 65)),
    ("bad_user_id", json_line(user_id="")), ("bad_user_id", json_line(user_id="u" * 129)),
    ("bad_user_id", json_line(user_id="\t")),
    ("bad_event_id", json_line(event_id="")), ("bad_event_id", json_line(event_id="e" * 129)),
    ("bad_event_id", json_line(event_id="\x1b")),
    ("bad_timestamp", json_line(click_timestamp="yesterday")), ("bad_timestamp", json_line(click_timestamp=12)),
    ("bad_timestamp", json_line(click_timestamp=-1609459201)), ("bad_timestamp", json_line(click_timestamp="")),
    ("bad_timestamp", json_line(click_timestamp="2021-02-30 00:00:00")),
    ("bad_timestamp", json_line(click_timestamp="2021-01-01T24:00:00Z")),
    ("bad_timestamp", json_line(click_timestamp="2021-01-01T00:00:60Z")),
    ("bad_timestamp", json_line(click_timestamp="2021-01-01T00:00:01")),
    ("bad_timestamp", json_line(click_timestamp="202101010000")), ("bad_timestamp", json_line(click_timestamp=10**30)),
    ("future_timestamp", json_line(click_timestamp=FUTURE)),
    ("bad_ip", json_line(ip="1.2.3")), ("bad_ip", json_line(ip="1.2.3.256")), ("bad_ip", json_line(ip="1.2.3.010")),
    ("bad_ip", json_line(ip="")), ("bad_ip", json_line(ip="::g")), ("bad_ip", json_line(ip="1.2.3.4/32")),
    ("bad_ip", json_line(ip=" 1.2.3.4")), ("bad_ip", json_line(ip="xxxx.1.2.3")),
    ("bad_country", json_line(country="Atlantis")), ("bad_country", json_line(country="XX")),
    ("bad_country", json_line(country="")), ("bad_country", json_line(country="U")),
    ("bad_utf8", b'{"ad_id": "\xff"}'), ("bad_utf8", GOOD_JSON.encode().replace(b"ad001", b"\xed\xa0\x80")),
    ("bad_utf8", GOOD_JSON.encode().replace(b"ad001", b"\xc0\xaf")),
    ("line_too_long", json_line(note="x" * 66_000)),
]
LOG_LINES = [
    ("bad_log_line", "rubbish"), ("bad_log_line", GOOD_JSON), ("bad_log_line", GOOD_LOG[1:]),
    ("bad_log_line", "[AdClickEvent]"), ("bad_log_line", GOOD_LOG.rsplit(",", 1)[0]), ("bad_log_line", GOOD_LOG + ", USA"),
    ("bad_log_line", " " + GOOD_LOG),
    ("bad_ad_id", log_line(ad="")), ("bad_ad_id", log_line(ad="a" * 129)), ("bad_ad_id", log_line(ad="a\tb")),
    ("bad_user_id", log_line(user="")), ("bad_user_id", log_line(user="u" * 129)),
    ("bad_timestamp", log_line(when="yesterday")), ("bad_timestamp", log_line(when="2021-13-01 00:00:00")),
    ("bad_timestamp", log_line(when="")),
    ("future_timestamp", log_line(when=str(FUTURE))), ("future_timestamp", log_line(when="9999-01-01 00:00:00")),
    ("bad_ip", log_line(ip="localhost")), ("bad_ip", log_line(ip="")),
    ("bad_country", log_line(country="Atlantis")),
    ("bad_utf8", GOOD_LOG.encode().replace(b"user", b"\xfe")),
    ("line_too_long", log_line(user="u" * 66_000)),
]


def as_bytes(line):
    return line if isinstance(line, bytes) else line.encode()


def shown(value):
    return value if isinstance(value, str) and value.isidentifier() else ""


def check_one(server, content_type, code, line):
    before = server.totals()
    answer = server.post(as_bytes(line), content_type)
    assert answer.status == (413 if code == "line_too_long" else 400)
    assert answer.type == "application/problem+json"
    problem = answer.json
    assert (problem["received"], problem["accepted"], problem["rejected"]) == (1, 0, 1)
    assert problem["errors_by_code"] == {code: 1}
    [error] = problem["errors"]
    assert (error["line"], error["code"]) == (1, code) and error["detail"]
    after = server.totals()
    assert after["rejected_by"][code] == before["rejected_by"].get(code, 0) + 1
    assert after["accepted"] == before["accepted"]


@pytest.mark.every_build
@pytest.mark.parametrize("code, line", JSON_LINES, ids=shown)
def test_a_bad_json_line_is_rejected_with_its_code(shared_server, code, line):
    check_one(shared_server, "application/x-ndjson", code, line)


@pytest.mark.parametrize("code, line", JSON_LINES, ids=shown)
def test_a_bad_json_body_is_rejected_with_its_code(shared_server, code, line):
    check_one(shared_server, "application/json", code, line)


@pytest.mark.every_build
@pytest.mark.parametrize("code, line", LOG_LINES, ids=shown)
def test_a_bad_log_line_is_rejected_with_its_code(shared_server, code, line):
    check_one(shared_server, "text/plain", code, line)


@pytest.mark.every_build
@pytest.mark.parametrize("content_type, good, bad", [("application/x-ndjson", GOOD_JSON, JSON_LINES),
                                                     ("text/plain", GOOD_LOG, LOG_LINES)])
def test_all_bad_lines_in_one_body_have_their_numbers_and_cost_no_good_one(new_server, content_type, good, bad):
    server = new_server().start()
    lines, expected = [], []
    for number, (code, line) in enumerate(bad):
        lines += [b""] * (number % 3) + [as_bytes(good)]
        lines.append(as_bytes(line))
        expected.append((len(lines), code))
    answer = server.post(b"\n".join(lines), content_type)
    assert answer.status == 413
    problem = answer.json
    assert [(error["line"], error["code"]) for error in problem["errors"]] == expected
    assert (problem["accepted"], problem["rejected"]) == (len(bad), len(bad))
    assert server.settled() | {"counted": 1, "duplicate": len(bad) - 1} == server.settled()
    assert server.totals()["rejected_by"] == problem["errors_by_code"]


def test_a_click_without_event_id_is_rejected_where_one_is_asked_for(new_server):
    server = new_server().start("--without-event-id", "reject")
    problem = server.post("\n".join([GOOD_JSON, json_line(event_id="e1")])).json
    assert problem["errors_by_code"] == {"missing_field": 1} and "event_id" in problem["errors"][0]["detail"]
    assert server.post(GOOD_LOG, "text/plain").json["errors_by_code"] == {"missing_field": 1}
    assert server.settled()["counted"] == 1


def test_a_detail_does_not_repeat_who_clicked_from_where(shared_server):
    lines = [json_line(user_id="secret-user\x01", ip="203.0.113.77"), json_line(user_id="secret-user", ip="203.0.113.777"),
             json_line(user_id="secret-user", ip="203.0.113.77")[:-1] + " secret-user 203.0.113.77"]
    body = shared_server.post("\n".join(lines)).body
    assert b"secret-user" not in body and b"203.0.113.77" not in body
