"""What people and scripts see of the program: usage, exit codes, configuration, the client's verbs, the demo."""
import gzip
import json
import pathlib
import re
import signal
import socket
import subprocess

import pytest

from clicks import click, json_line
from server import BINARY, SECONDS_MAX, die_with_parent, environment, free_port, tally, wait_until

VERBS = ["serve", "send", "count", "top", "filter", "recalculate", "status", "demo", "bench", "export", "version"]
LOG_LINE = click().log_line()


# --- usage ---

def test_help_names_every_verb_on_stdout():
    done = tally("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for verb in VERBS:
        assert re.search(rf"^ +{verb} +\S", done.stdout, re.MULTILINE)
    assert tally("help").stdout == tally("-h").stdout == done.stdout


@pytest.mark.parametrize("part", ["add", "list", "show", "delete", "explain"])
def test_every_part_of_filter_explains_itself_on_stdout(part):
    done = tally("filter", part, "--help")
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith(f"Usage: tally filter {part}")
    assert f"\n{part} " in tally("filter", "--help").stdout


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself_on_stdout(verb):
    done = tally(verb, "--help")
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith(f"Usage: tally {verb}")
    assert tally("help", verb).stdout == done.stdout


def test_without_a_verb_the_usage_goes_to_stderr():
    done = tally()
    assert (done.returncode, done.stdout) == (2, "") and "Usage: tally" in done.stderr


@pytest.mark.parametrize("arguments, meant", [
    (["cuont"], "count"), (["serv"], "serve"), (["exprot", "--table", "cells"], "export"),
    (["serve", "--latness", "1h"], "--lateness"), (["send", "--bach", "5", "-"], "--batch"), (["top", "--windw=5"], "--window")])
def test_a_slip_of_the_pen_gets_a_suggestion(arguments, meant):
    done = tally(*arguments)
    assert (done.returncode, done.stdout) == (2, "") and f"did you mean {meant}?" in done.stderr


@pytest.mark.parametrize("arguments", [
    ["fly"], ["serve"], ["count"], ["count", "a", "b"], ["send"], ["export"], ["export", "--table", "nothing"],
    ["serve", "--data", "/nowhere", "--lateness", "soon"], ["serve", "--data", "/nowhere", "--listen", "here"],
    ["serve", "--data", "/nowhere", "--partitions", "0"], ["top", "--window"], ["top", "--format", "xml"], ["version", "x"]])
def test_wrong_usage_is_exit_code_2_with_a_reason(arguments):
    done = tally(*arguments)
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.startswith("tally: ")


def test_version_prints_the_version(shared_server):
    done = tally("version")
    assert done.returncode == 0 and re.fullmatch(r"tally \d+\.\d+\.\d+\n", done.stdout)
    assert shared_server.status()["version_info"]["version"] == done.stdout.split()[1]
    assert tally("--version").stdout == done.stdout


def test_output_that_cannot_be_written_is_a_failure():
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([BINARY, "--help"], stdout=full, stderr=subprocess.PIPE, env=environment(), check=False)
    assert done.returncode == 1 and b"stdout" in done.stderr


# --- configuration ---

@pytest.mark.parametrize("text, line, key", [
    ("time:\n  lateness: 24x\n", 2, "time.lateness"), ("\n\ntime:\n  latness: 24h\n", 4, "time.latness"),
    ("time:\n  delay: 1s\n  delay: 2s\n", 3, "time.delay"), ("jornal:\n  partitions: 4\n", 1, "jornal"),
    ("journal:\n  partitions: 100\n", 2, "journal.partitions"), ("dedup: {memory: 1}\n", 1, "dedup.memory"),
    ("time: [1, 2]\n", 1, "time"), ("time:\n  lateness: [1h]\n", 2, "time.lateness"),
    ("identity:\n  without_event_id: maybe\n", 2, "identity.without_event_id"), ("time.lateness: 24h\n", 1, "time.lateness")])
def test_a_wrong_setting_in_the_file_is_shown_with_file_line_and_key(tmp_path, text, line, key):
    path = tmp_path / "tally.yaml"
    path.write_text(text)
    for arguments in (["serve", "--data", tmp_path / "data"], ["config", "check"]):
        done = tally(*arguments, "--config", path)
        assert (done.returncode, done.stdout) == (2, "")
        assert re.search(rf'^tally: {re.escape(str(path))}:{line}: "?{re.escape(key)}\b', done.stderr), done.stderr
    assert not (tmp_path / "data").exists()


def test_a_file_that_is_no_yaml_is_shown_with_its_line(tmp_path):
    path = tmp_path / "tally.yaml"
    path.write_text("time:\n  lateness: 24h\n delay: {\n")
    done = tally("serve", "--data", tmp_path / "data", "--config", path)
    assert done.returncode == 2 and re.search(rf"{re.escape(str(path))}:\d+", done.stderr)
    done = tally("serve", "--data", tmp_path / "data", "--config", tmp_path / "missing.yaml")
    assert done.returncode == 2 and "missing.yaml" in done.stderr


def test_a_flag_wins_over_the_environment_and_that_over_the_file(new_server, tmp_path):
    path = tmp_path / "tally.yaml"
    path.write_text("time:\n  delay: 1s\n  lateness: 1h\n  max_skew: 1s\n")
    env = {"TALLY_TIME_LATENESS": "2h", "TALLY_TIME_MAX_SKEW": "2s", "TALLY_CONFIG": str(path)}
    server = new_server().start("--max-skew", "3s", env=env)
    rules = server.status()["rules"]
    assert (rules["delay_ms"], rules["lateness_ms"], rules["max_skew_ms"]) == (1000, 7_200_000, 3000)


def test_a_wrong_or_misspelt_environment_variable_is_named(tmp_path):
    for name, value in (("TALLY_TIME_LATENESS", "soon"), ("TALLY_TIME_LATENES", "1h")):
        done = tally("serve", "--data", tmp_path / "data", env={name: value})
        assert (done.returncode, done.stdout) == (2, "") and name in done.stderr


def test_config_print_says_where_each_value_is_from(tmp_path):
    path = tmp_path / "tally.yaml"
    path.write_text("time:\n  lateness: 96h\n")
    done = tally("config", "print", "--config", path, "--delay", "5s", env={"TALLY_DEDUP_MEMORY": "1GiB"})
    assert done.returncode == 0
    assert re.search(rf"lateness: 96h +# {re.escape(str(path))}:2", done.stdout)
    assert re.search(r"delay: 5s +# flag --delay", done.stdout)
    assert re.search(r"memory: 1GiB +# environment TALLY_DEDUP_MEMORY", done.stdout)
    again = tmp_path / "again.yaml"
    again.write_text(done.stdout)
    assert tally("config", "check", "--config", again).returncode == 0


def test_a_port_in_use_is_a_failure_with_its_address(new_server):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = new_server(port=taken.getsockname()[1]).launch()
        assert server.exit_code() == 1 and str(server.port) in server.log() and "use" in server.log()


# --- send ---

def test_send_reads_log_lines_and_ndjson_and_tells_them_apart(server, tmp_path):
    log, ndjson = tmp_path / "a", tmp_path / "b"
    log.write_text("".join(click(user=f"user {number}").log_line() + "\n" for number in range(10)))
    ndjson.write_text("".join(json_line(user_id=f"user {number}") + "\n" for number in range(5, 20)))
    done = tally("send", "--url", server.url, "--format", "json", log, ndjson)
    assert done.returncode == 0 and json.loads(done.stdout) == {"received": 25, "accepted": 25, "rejected": 0}
    totals = server.settled()
    assert (totals["counted"], totals["duplicate"]) == (20, 5)


def test_send_reads_standard_input(server):
    done = tally("send", "--url", server.url, "-", stdin=LOG_LINE)
    assert done.returncode == 0 and re.search(r"accepted 1\b", done.stdout)
    done = tally("send", "--url", server.url, "--source", "shop", "-", stdin=LOG_LINE + "\n\n")
    assert done.returncode == 0 and server.settled()["counted"] == 2


def test_send_says_which_lines_were_rejected_and_exits_with_4(server, tmp_path):
    path, rejects = tmp_path / "clicks.log", tmp_path / "rejects"
    lines = [click(user=f"user {number}").log_line() for number in range(3000)]
    lines[1499], lines[2998] = "[AdClickEvent] rubbish", lines[2998].replace("USA", "Atlantis")
    path.write_text("\n".join(lines))
    done = tally("send", "--url", server.url, "--format", "json", "--rejects", rejects, path)
    assert done.returncode == 4
    assert json.loads(done.stdout) == {"received": 3000, "accepted": 2998, "rejected": 2}
    assert f"{path}:1500: bad_log_line" in done.stderr and f"{path}:2999: bad_country" in done.stderr
    listed = sorted((entry["line"], entry["code"]) for entry in map(json.loads, rejects.read_text().splitlines()))
    assert listed == [(1500, "bad_log_line"), (2999, "bad_country")]
    assert server.settled()["counted"] == 2998


def test_send_of_a_missing_or_empty_file(server, tmp_path):
    done = tally("send", "--url", server.url, tmp_path / "missing")
    assert done.returncode == 1 and "missing" in done.stderr
    empty = tmp_path / "empty"
    empty.write_text("")
    done = tally("send", "--url", server.url, "--format", "json", empty)
    assert done.returncode == 0 and json.loads(done.stdout) == {"received": 0, "accepted": 0, "rejected": 0}


def test_send_of_a_compressed_file_reads_it_or_says_what_to_do(server, tmp_path):
    path = tmp_path / "clicks.log.gz"
    path.write_bytes(gzip.compress(LOG_LINE.encode()))
    done = tally("send", "--url", server.url, path)
    assert done.returncode == 0 and server.settled()["counted"] == 1 or done.returncode == 1 and "zcat" in done.stderr


def test_send_gives_up_on_a_server_that_is_down(tmp_path):
    path = tmp_path / "clicks.log"
    path.write_text(LOG_LINE)
    url = f"http://127.0.0.1:{free_port()}"
    done = tally("send", "--url", url, "--give-up", "500ms", path)
    assert done.returncode == 1 and url in done.stderr and "gave up" in done.stderr


def test_send_waits_for_a_server_that_comes(new_server, tmp_path):
    server = new_server(port=free_port())
    path = tmp_path / "clicks.log"
    path.write_text(LOG_LINE)
    process = subprocess.Popen([BINARY, "send", "--url", f"http://127.0.0.1:{server.port}", str(path)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(), preexec_fn=die_with_parent)
    try:
        assert b"trying again" in process.stderr.readline()
        server.start()
        process.communicate(timeout=SECONDS_MAX)
        assert process.returncode == 0 and server.settled()["counted"] == 1
    finally:
        process.kill()
        process.wait()


# --- questions ---

@pytest.fixture
def counted(server):
    server.post_lines([click(ad, user=f"user {number}").log_line()
                       for ad, count in (("ad001", 3), ("c/d e", 2)) for number in range(count)])
    server.settled()
    return server


RANGE = ("--from", "2021-01-01T00:00:00Z", "--to", "202101010001")


def test_count_answers_for_people_and_as_json(counted):
    done = tally("count", "--url", counted.url, *RANGE, "ad001")
    assert done.returncode == 0 and done.stderr == "" and re.search(r"^count +3$", done.stdout, re.MULTILINE)
    done = tally("count", "--url", counted.url, *RANGE, "--format", "json", "c/d e")
    assert json.loads(done.stdout) | {"ad_id": "c/d e", "count": 2} == json.loads(done.stdout)
    assert json.loads(tally("count", "--url", counted.url, "--format", "json", "--last", "5", "nobody").stdout)["count"] == 0


def test_top_answers_for_people_and_as_json(counted):
    done = tally("top", "--url", counted.url, "--at", "202101010000", "--window", "5")
    assert done.returncode == 0 and re.search(r"^ *1 +3 +ad001$", done.stdout, re.MULTILINE)
    assert re.search(r"^ *2 +2 +c/d e$", done.stdout, re.MULTILINE)
    done = tally("top", "--url", counted.url, "--at", "202101010000", "--count", "1", "--format", "json")
    assert json.loads(done.stdout)["ads"] == [{"ad_id": "ad001", "count": 3}]


def test_status_answers_for_people_and_as_json(counted):
    done = tally("status", "--url", counted.url)
    assert done.returncode == 0 and re.search(r"^ +accepted +5$", done.stdout, re.MULTILINE)
    done = tally("status", "--format", "json", env={"TALLY_CLIENT_URL": counted.url})
    assert json.loads(done.stdout)["totals"]["counted"] == 5


def test_a_refused_question_shows_the_servers_reason(counted):
    done = tally("count", "--url", counted.url, "--filter", "7", "ad001")
    assert (done.returncode, done.stdout) == (1, "") and "there is no filter 7" in done.stderr
    done = tally("count", "--url", counted.url, "--from", "yesterday", "--to", "202101010001", "ad001")
    assert (done.returncode, done.stdout) != (0, "") and "from" in done.stderr


@pytest.mark.parametrize("arguments", [
    ["count", "ad001"], ["top"], ["status"], ["export", "--table", "cells"], ["filter", "list"], ["filter", "show", "1"],
    ["filter", "add", "1", "--region", "USA"], ["filter", "delete", "1"], ["filter", "explain", "1", LOG_LINE], ["recalculate", "--filter", "1"]])
def test_a_server_that_is_down_is_a_clear_failure(arguments):
    url = f"http://127.0.0.1:{free_port()}"
    done = tally(*arguments, "--url", url)
    assert (done.returncode, done.stdout) == (1, "") and url in done.stderr and "tally serve" in done.stderr


# --- demo ---

DEMO_LINE = re.compile(r"^ *[\d,]+ +[\d,]+ +[\d,]+ +[\d,]+ +(\d\d:\d\d:\d\d|none|-).*$", re.MULTILINE)


def assert_demo(output):
    assert len(DEMO_LINE.findall(output)) >= 2, output
    assert "/v1/status" in output and re.search(r"All [\d,]+ cells agree\.", output), output
    [data] = set(re.findall(r"/tmp/tally-demo-\w+", output))
    assert not pathlib.Path(data).exists()


@pytest.mark.every_build
def test_the_demo_runs_and_proves_its_counts():
    done = tally("demo", "--seconds", "5", "--rate", "2000")
    assert done.returncode == 0, done.stderr
    assert_demo(done.stdout)
    made = int(re.search(r"^ +made +([\d,]+)$", done.stdout, re.MULTILINE).group(1).replace(",", ""))
    assert 4000 <= made <= 12_000


def test_ctrl_c_ends_the_demo_in_order(tmp_path):
    output = tmp_path / "output"
    with output.open("wb") as out:
        process = subprocess.Popen([BINARY, "demo", "--rate", "1000"], stdout=out, stderr=subprocess.STDOUT, env=environment(),
                                   preexec_fn=die_with_parent)
    try:
        wait_until(lambda: len(DEMO_LINE.findall(output.read_text())) >= 2, "two lines")
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS_MAX) == 0, output.read_text()
    finally:
        process.kill()
        process.wait()
    assert_demo(output.read_text())
