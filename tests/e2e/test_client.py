"""The client's verbs with real files and a real server: send in all its forms, resuming, top, CSV, errors, completion."""
import csv
import gzip
import io
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import subprocess
import time

import pytest

from clicks import click, json_line
from server import BINARY, ROOT, SECONDS_MAX, die_with_parent, environment, free_port, tally, wait_until

LINES = [click(ad=f"ad{number % 5}", user=f"user {number}").log_line() for number in range(4000)]
TEXT = "".join(line + "\n" for line in LINES)
RANGE = ("--from", "2021-01-01T00:00:00Z", "--to", "202101010001")


def send(server, *arguments, **options):
    """Its exit code, its numbers, and what it said."""
    done = tally("send", "--url", server.url, "--format", "json", *arguments, **options)
    return done.returncode, json.loads(done.stdout or "null"), done.stderr


# --- files of every kind ---

def test_compressed_files_are_read_whatever_their_name(server, tmp_path):
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(TEXT[:9000].encode()) + gzip.compress(TEXT[9000:].encode()))
    zst = subprocess.run(["zstd", "-q", "-c"], input=TEXT.encode(), stdout=subprocess.PIPE, check=True).stdout
    (tmp_path / "b.log").write_bytes(zst)
    (tmp_path / "c.gz").write_text(TEXT)
    for name in ("a.log.gz", "b.log", "c.gz"):
        code, numbers, said = send(server, tmp_path / name)
        assert (code, numbers, said) == (0, {"received": 4000, "accepted": 4000, "rejected": 0}, "")
    totals = server.settled()
    assert (totals["counted"], totals["duplicate"]) == (4000, 8000)


def test_compressed_standard_input_is_read(server):
    done = subprocess.run([BINARY, "send", "--url", server.url, "-"], input=gzip.compress(TEXT.encode()), env=environment(),
                          stdout=subprocess.DEVNULL, timeout=SECONDS_MAX, check=False)
    assert done.returncode == 0 and server.settled()["counted"] == 4000


@pytest.mark.parametrize("spoil", [lambda data: data[:-1000], lambda data: data[:-8] + b"\0\0\0\0" + data[-4:]],
                         ids=["cut", "wrong sum"])
def test_what_was_whole_of_a_damaged_file_is_kept_and_the_rest_is_told(server, tmp_path, spoil):
    path = tmp_path / "clicks.log.gz"
    path.write_bytes(spoil(gzip.compress(TEXT.encode())))
    code, numbers, said = send(server, path)
    assert code == 1 and 0 < numbers["accepted"] <= 4000 and numbers["rejected"] == 0
    assert f"{path} is damaged" in said
    assert server.settled()["counted"] == numbers["accepted"]


def test_several_files_and_patterns_that_the_shell_left(server, tmp_path):
    for number in range(3):
        (tmp_path / f"part-{number}.log").write_text(TEXT[number * 3000:(number + 1) * 3000])
    (tmp_path / "odd[1].ndjson").write_text(json_line(user_id="somebody else") + "\n")
    lines = sum(len((tmp_path / f"part-{number}.log").read_text().splitlines()) for number in range(3))
    code, numbers, said = send(server, tmp_path / "part-*.log", tmp_path / "odd[1].ndjson")
    assert numbers["received"] == lines + 1 and code in (0, 4), said
    code, numbers, said = send(server, tmp_path / "part-[0-9].nothing")
    assert (code, numbers) == (1, None) and "no file matches" in said
    code, numbers, said = send(server, tmp_path)
    assert (code, numbers) == (1, None) and "is a directory" in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named_before_anything_is_sent(server, tmp_path):
    good, secret = tmp_path / "good", tmp_path / "secret"
    good.write_text(TEXT)
    secret.write_text(TEXT)
    secret.chmod(0)
    code, _, said = send(server, good, secret)
    assert code == 1 and str(secret) in said and server.totals()["received"] == 0


# --- rejected lines ---

def test_a_file_that_is_not_clicks_is_told_in_a_few_lines(server, tmp_path):
    path, rejects = tmp_path / "numbers.csv", tmp_path / "rejects"
    path.write_text("ad,time,user\n" + "".join(f"ad{number},10:00,me\n" for number in range(10_000)))
    code, numbers, said = send(server, "--rejects", rejects, path)
    assert (code, numbers) == (4, {"received": 10_001, "accepted": 0, "rejected": 10_001})
    assert said.startswith(f"tally: {path}:1: bad_json: ") and "ad,time,user" in said
    assert "[AdClickEvent]" in said and '{"ad_id":' in said and "tally errors bad_json" in said
    assert "bad_json 10,001" in said and len(said.splitlines()) < 12
    listed = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert sorted(entry["line"] for entry in listed) == list(range(1, 10_002))
    assert {(entry["file"], entry["code"]) for entry in listed} == {(str(path), "bad_json")}
    assert all(entry["detail"] for entry in listed)


def test_control_characters_of_a_bad_line_do_not_reach_the_terminal(server, tmp_path):
    path = tmp_path / "evil"
    path.write_bytes(b"\x1b[31mred\x07\xff\n")
    code, _, said = send(server, path)
    assert code == 4 and "red" in said and "\x1b" not in said and "\x07" not in said


# --- resuming ---

def test_a_resumed_file_goes_on_where_the_server_has_answered(server, tmp_path):
    path, state = tmp_path / "clicks.log", tmp_path / "state"
    path.write_text(TEXT)
    for name in (path, tmp_path / "clicks.log.gz"):
        if name != path:
            name.write_bytes(gzip.compress(TEXT.encode()))
        assert send(server, "--resume", state, name)[1]["received"] == 4000
        assert send(server, "--resume", state, name)[1]["received"] == 0
    with path.open("a") as log:
        log.write(click(user="one more").log_line() + "\nrubbish\n")
    code, numbers, said = send(server, "--resume", state, path, tmp_path / "clicks.log.gz")
    assert (code, numbers) == (4, {"received": 2, "accepted": 1, "rejected": 1})
    assert f"{path}:4002: bad_log_line" in said
    path.rename(tmp_path / "clicks.log.1")
    path.write_text(click(user="after the rotation").log_line() + "\n")
    code, numbers, _ = send(server, "--resume", state, tmp_path / "clicks.log.1", path)
    assert (code, numbers["received"]) == (0, 1)
    assert server.settled()["counted"] == 4002


def test_killed_senders_and_servers_lose_and_repeat_nothing_that_counts(new_server, tmp_path):
    server = new_server(port=free_port()).start()
    path, state = tmp_path / "clicks.log", tmp_path / "state"
    path.write_text("".join(click(user=f"user {number}").log_line() + "\n" for number in range(100_000)))
    command = [BINARY, "send", "--url", server.url, "--batch", "100", "--resume", str(state), str(path)]
    for number in range(4):
        before = server.totals()["received"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(),
                                   preexec_fn=die_with_parent)
        try:
            wait_until(lambda: process.poll() is not None or server.totals()["received"] > before + 2000, "some were sent")
            if number == 2:
                server.kill()
                server.start()
                wait_until(lambda: process.poll() is not None or server.totals()["received"] > before + 4000, "more were sent")
        finally:
            process.kill()
            process.wait()
    done = tally(*command[1:])
    assert done.returncode == 0, done.stderr
    assert server.settled()["counted"] == 100_000
    assert json.loads(state.read_text())["files"][0]["lines"] == 100_000


def test_ctrl_c_ends_send_in_order_and_the_state_says_where(server, tmp_path):
    state = tmp_path / "state"
    fifo_like = tmp_path / "clicks.log"
    fifo_like.write_text(TEXT * 200)
    process = subprocess.Popen([BINARY, "send", "--url", server.url, "--batch", "10", "--connections", "1", "--resume",
                                str(state), str(fifo_like)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env=environment(), preexec_fn=die_with_parent)
    try:
        wait_until(lambda: server.totals()["received"] > 0, "some were sent")
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=SECONDS_MAX)
    finally:
        process.kill()
        process.wait()
    received = int(re.search(r"received ([\d,]+) lines", out).group(1).replace(",", ""))
    if process.returncode == 0:
        pytest.skip("the machine was too fast to be interrupted")
    assert process.returncode == 1 and "interrupted" in said
    assert json.loads(state.read_text())["files"][0]["lines"] == received == server.totals()["received"]


@pytest.mark.parametrize("arguments, reason", [(["-"], "standard input"), (["/dev/null"], "/dev/null")])
def test_what_is_no_file_cannot_be_resumed(server, tmp_path, arguments, reason):
    done = tally("send", "--url", server.url, "--resume", tmp_path / "state", *arguments)
    assert (done.returncode, done.stdout) == (2, "") and reason in done.stderr


def test_a_state_of_another_server_or_no_state_at_all_is_refused(server, tmp_path):
    path, state = tmp_path / "clicks.log", tmp_path / "state"
    path.write_text(TEXT)
    assert send(server, "--resume", state, path)[0] == 0
    done = tally("send", "--url", f"http://127.0.0.1:{free_port()}", "--resume", state, path)
    assert (done.returncode, done.stdout) == (2, "") and server.url in done.stderr
    done = tally("send", "--url", server.url, "--resume", path, path)
    assert (done.returncode, done.stdout) == (2, "") and str(path) in done.stderr and path.read_text() == TEXT


# --- where it is sent ---

def test_a_url_that_is_no_server_of_ours_is_one_clear_line(server, tmp_path):
    path = tmp_path / "clicks.log"
    path.write_text(TEXT)
    for url, code in ((server.url + "/api", 1), ("http://no.such.host.invalid", 1), ("ftp://example.org", 2)):
        done = tally("send", "--url", url, "--give-up", "2s", path)
        assert done.returncode == code and url in done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr


# --- on a terminal ---

def run_on_terminal(command, until, send_at_end=None, columns=80):
    """What it shows there, until that has been seen and it has ended."""
    main, other = pty.openpty()
    subprocess.run(["stty", "cols", str(columns), "rows", "24"], stdin=other, check=True)
    process = subprocess.Popen(command, stdin=other, stdout=other, stderr=other, env=environment({"TERM": "xterm"}),
                               preexec_fn=die_with_parent, close_fds=True)
    os.close(other)
    os.set_blocking(main, False)
    shown, deadline, signalled = b"", time.monotonic() + SECONDS_MAX, False
    try:
        while time.monotonic() < deadline:
            try:
                part = os.read(main, 65536)
                if not part:
                    break
                shown += part
            except BlockingIOError:
                time.sleep(0.02)
            except OSError:
                break  # the other side has closed
            if not signalled and send_at_end is not None and until(shown.decode(errors="replace")):
                process.send_signal(send_at_end)
                signalled = True
        code = process.wait(SECONDS_MAX)
    finally:
        process.kill()
        process.wait()
        os.close(main)
    text = shown.decode(errors="replace")
    assert until(text), text
    return code, text


@pytest.fixture
def counted(server):
    server.post_lines([click(ad, user=f"user {number}").json_line()
                       for ad, count in (("ad001", 3), ('c,"d" e', 2), ("x" * 128, 1)) for number in range(count)],
                      "application/x-ndjson")
    server.settled()
    return server


def test_progress_is_for_terminals_only(server, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen(["sh", "-c", f"cat {tmp_path / 'clicks'} > {fifo}; sleep 2.5 > {fifo}"], preexec_fn=die_with_parent):
        (tmp_path / "clicks").write_text(TEXT)
        code, shown = run_on_terminal([BINARY, "send", "--url", server.url, str(fifo)], lambda text: "accepted" in text)
    assert code == 0 and "4,000 lines sent" in shown and "a second" in shown
    done = tally("send", "--url", server.url, "-", stdin=TEXT)
    assert done.stderr == "" and done.stdout.count("\n") == 1


def test_top_live_repaints_on_a_terminal_and_ends_with_ctrl_c(counted):
    command = [BINARY, "top", "--live", "--url", counted.url, "--at", "202101010000"]
    code, shown = run_on_terminal(command, lambda text: text.count("\x1b[H\x1b[J") >= 2, signal.SIGINT)
    assert code == 0 and "ad001" in shown
    ranked = re.findall(r"^ *\d+ +\d+ +\S.*$", shown.replace("\r", ""), re.MULTILINE)
    assert len(ranked) >= 3 and max(map(len, ranked)) <= 80 and "\u2026" in shown


def test_top_live_appends_where_there_is_no_terminal(counted, tmp_path):
    output = tmp_path / "output"
    with output.open("wb") as out:
        process = subprocess.Popen([BINARY, "top", "--live", "--url", counted.url, "--at", "202101010000", "--format", "csv"],
                                   stdout=out, stderr=subprocess.STDOUT, env=environment(), preexec_fn=die_with_parent)
    try:
        wait_until(lambda: output.read_text().count("ad001") >= 2, "two answers")
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS_MAX) == 0
    finally:
        process.kill()
        process.wait()
    assert output.read_text().count("rank,") == 1 and "\x1b" not in output.read_text()


def test_top_live_without_a_server_is_a_failure():
    done = tally("top", "--live", "--url", f"http://127.0.0.1:{free_port()}")
    assert (done.returncode, done.stdout) == (1, "") and "tally serve" in done.stderr


def test_status_fits_100_columns(counted):
    done = tally("status", "--url", counted.url)
    assert done.returncode == 0 and max(map(len, done.stdout.splitlines())) <= 100
    for member in counted.status()["partitions"][0]:
        assert re.search(rf"^ +partition\b.*\b{member}\b|^ +{member}\b", done.stdout, re.MULTILINE), member


# --- for programs ---

def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_top_as_csv_and_ndjson(counted):
    question = ("top", "--url", counted.url, "--at", "202101010000", "--window", "5")
    rows = rows_of(tally(*question, "--format", "csv").stdout)
    assert [(row["rank"], row["ad_id"], row["count"]) for row in rows] == [
        ("1", "ad001", "3"), ("2", 'c,"d" e', "2"), ("3", "x" * 128, "1")]
    assert {row["window"] for row in rows} == {"5"} and {row["update_minute"] for row in rows} == {"2021-01-01T00:00:00Z"}
    lines = [json.loads(line) for line in tally(*question, "--format", "ndjson").stdout.splitlines()]
    in_csv = {"True": "true", "None": ""}
    assert [{name: in_csv.get(str(value), str(value)) for name, value in line.items()} | {"version": ""} for line in lines] == [
        row | {"version": ""} for row in rows]


def test_count_as_csv_and_ndjson(counted):
    question = ("count", "--url", counted.url, *RANGE, 'c,"d" e')
    [row] = rows_of(tally(*question, "--format", "csv").stdout)
    assert (row["ad_id"], row["count"], row["from"]) == ('c,"d" e', "2", "2021-01-01T00:00:00Z")
    line = json.loads(tally(*question, "--format", "ndjson").stdout)
    assert (line["ad_id"], line["count"], line["filter_id"]) == ('c,"d" e', 2, 0)


def test_status_as_csv_and_ndjson(counted):
    values = {row["member"]: row["value"] for row in rows_of(tally("status", "--url", counted.url, "--format", "csv").stdout)}
    assert values["totals/counted"] == "6" and values["partitions/0/partition"] == "0" and values["waits_for"] == ""
    lines = tally("status", "--url", counted.url, "--format", "ndjson").stdout.splitlines()
    assert {"member": "totals/counted", "value": 6} in map(json.loads, lines)


def test_numbers_before_the_first_click_are_printable(server):
    for verb in (["top"], ["count", "nobody"], ["status"]):
        for kind in ("text", "json", "csv", "ndjson"):
            done = tally(*verb, "--url", server.url, "--format", kind)
            assert (done.returncode, done.stderr) == (0, ""), verb


# --- errors, completion ---

def types_in_the_source():
    found = set()
    for path in (ROOT / "src").rglob("*.c"):
        text = path.read_text()
        for call in re.finditer(r'\breply_problem(?:_open)?\(([^"]*(?:\? *)?"[^"]*"(?:\s*:\s*"[^"]*")?)', text):
            found.update(re.findall(r'"([a-z_-]+)"', call.group(1)))
        found.update(re.findall(r"urn:tally:problem:([a-z_-]+)", text))
    assert len(found) > 10
    return found


def test_every_code_and_every_type_of_problem_is_explained():
    everything = tally("errors").stdout
    codes = re.findall(r'X\([A-Z_0-9]+, "([a-z_0-9]+)"', (ROOT / "src/click/reject.h").read_text())
    assert len(codes) > 10
    for code in [*codes, *sorted(types_in_the_source())]:
        done = tally("errors", code)
        assert done.returncode == 0 and done.stdout.startswith(code) and "example:" in done.stdout, code
        assert "do:" in done.stdout and re.search(rf"^  {code} ", everything, re.MULTILINE), code


def test_a_code_that_is_none_gets_a_suggestion():
    done = tally("errors", "bad_jsn")
    assert (done.returncode, done.stdout) == (2, "") and "did you mean bad_json?" in done.stderr


def complete(*words):
    script = tally("completion", "bash").stdout
    assert script
    quoted = " ".join(f"'{word}'" for word in words)
    program = (f"{script}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _tally; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True, env=environment())
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_completes_verbs_flags_choices_and_codes():
    assert complete(BINARY, "com") == ["completion"]
    assert {"send", "serve", "status"} == set(complete(BINARY, "s"))
    assert {"--resume", "--rejects"} == set(complete(BINARY, "send", "--re"))
    assert complete(BINARY, "send", "--url", "http://x", "--batc") == ["--batch"]
    assert complete(BINARY, "top", "--format", "n") == ["ndjson"]
    assert complete(BINARY, "send", "--rejects", "") == []  # a file: left to bash
    assert complete(BINARY, "errors", "bad_j") == ["bad_json"]
    assert complete(BINARY, "config", "ch") == ["check"]
    assert complete(BINARY, "filter", "") == ["--config", "--help", "--url", "add", "list", "show", "delete", "explain"]
    assert complete(BINARY, "filter", "add", "--r") == ["--region", "--ranked"]
    assert complete(BINARY, "filter", "list", "--format", "n") == ["ndjson"]
    assert complete(BINARY, "recalculate", "--f") == ["--filter"]


def test_completion_for_zsh_is_good_zsh():
    done = tally("completion", "zsh")
    assert done.returncode == 0 and "compdef _tally tally" in done.stdout
    if shutil.which("zsh"):
        subprocess.run(["zsh", "-n"], input=done.stdout, text=True, check=True)
    assert tally("completion", "fish").returncode == 2


def test_the_demo_says_what_to_try_next(tmp_path):
    done = tally("demo", "--seconds", "2", "--rate", "100", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for hint in ("the page", "tally top --live", "tally count", "tally send"):
        assert hint in done.stdout
    assert not list(pathlib.Path(tmp_path).iterdir())
