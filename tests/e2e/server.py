"""The program under test as processes: one `tally serve` on a directory of its own, and any other verb run to its end."""
import ctypes
import dataclasses
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = str(pathlib.Path(os.environ.get("TALLY_BINARY", ROOT / "build" / "tally")).resolve())
SECONDS_MAX = 60  # for anything that a sanitizer's build on a busy machine still does in time
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


def wait_until(reached, what, seconds=SECONDS_MAX):
    """Asks until the answer is true, and returns it."""
    deadline = time.monotonic() + seconds
    while True:
        answer = reached()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


def die_with_parent():
    """In the child: nothing that we start outlives us, even when we are killed."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def environment(more=None):
    """Ours, without settings of tally that happen to stand there."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TALLY_")}
    return kept | (more or {})


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def tally(*arguments, stdin="", env=None, cwd=None):
    """Runs a verb to its end; stdout and stderr are text."""
    return subprocess.run([BINARY, *map(str, arguments)], input=stdin, capture_output=True, text=True, env=environment(env),
                          cwd=cwd, timeout=SECONDS_MAX * 2, preexec_fn=die_with_parent, check=False)


@dataclasses.dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def type(self):
        return self.headers.get_content_type()

    @property
    def json(self):
        return json.loads(self.body)


def read_answer(response):
    return Answer(response.status, response.headers, response.read())


class Server:
    """Not started until start(). Every start goes to the same directory."""

    def __init__(self, directory, port=0):
        self.directory = pathlib.Path(directory)
        self.data = self.directory / "data"
        self.port = port
        self.process = None
        self.starts = 0
        self.url = None

    # --- its life ---

    def launch(self, *flags, env=None, wrap=(), in_child=None):
        """The process, without waiting for anything. `wrap` goes before the command, which it must exec."""
        assert self.process is None or self.process.poll() is not None, "it runs already"
        self.starts += 1
        self.url = None
        flags = [str(flag) for flag in flags]
        if "--segment-size" not in flags:
            flags += ["--segment-size", "4MiB"]  # is allocated whole at once, on what may be a small disk

        def prepare():
            die_with_parent()
            if in_child is not None:
                in_child()

        with self.log_path.open("wb") as log:
            command = [*wrap, BINARY, "serve", "--data", str(self.data), "--listen", f"127.0.0.1:{self.port}", *flags]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment(env),
                                            preexec_fn=prepare)
        return self

    def start(self, *flags, **options):
        self.launch(*flags, **options)
        return self.start_waiting()

    def start_waiting(self):
        """Behind launch(); AssertionError when it ends instead."""
        wait_until(lambda: self.listening() and self.is_ready(), "ready")
        return self

    @property
    def log_path(self):
        return self.directory / f"serve-{self.starts}.log"

    def log(self):
        return self.log_path.read_text(errors="replace")

    def events(self, name=None):
        """What it logged: all, or those of one name. A line that is not whole yet is left for later; others may stand
        between (a sanitizer's)."""
        lines = [line for line in self.log().splitlines(keepends=True) if line.startswith("{") and line.endswith("}\n")]
        return [event for event in map(json.loads, lines) if name in (None, event["event"])]

    def listening(self):
        assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self.log()}"
        for event in self.events("listening"):
            self.url = event["url"]
            self.port_now = int(self.url.rsplit(":", 1)[1])
        return self.url is not None

    def is_ready(self):
        try:
            return self.get("/readyz").status == 200
        except OSError:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self.log()}"
            return False

    def exit_code(self):
        """Of a server that ends by itself."""
        return self.process.wait(timeout=SECONDS_MAX)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        assert self.exit_code() == -signal.SIGKILL, self.log()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.exit_code() == 0, self.log()

    def end(self):
        """Whatever its state: for the end of a test."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    # --- requests ---

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port_now, timeout=SECONDS_MAX)

    def connect_raw(self):
        return socket.create_connection(("127.0.0.1", self.port_now), timeout=SECONDS_MAX)

    def ask(self, method, path, body=None, headers=None):
        connection = self.connect()
        try:
            connection.request(method, path, body=body, headers=headers or {})
            return read_answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path):
        return self.ask("GET", path)

    def post(self, body, content_type="application/x-ndjson", query="", headers=None):
        if isinstance(body, str):
            body = body.encode()
        return self.ask("POST", "/v1/clicks" + query, body, {"Content-Type": content_type} | (headers or {}))

    def post_lines(self, lines, content_type="text/plain", query=""):
        return self.post("".join(line + "\n" for line in lines), content_type, query)

    # --- what it says ---

    def status(self):
        answer = self.get("/v1/status")
        assert answer.status == 200 and answer.type == "application/json"
        check_laws(answer.json)
        return answer.json

    def totals(self):
        return self.status()["totals"]

    def settled(self):
        """Totals once questions see all that was accepted."""
        return wait_until(lambda: [totals for totals in [self.totals()] if totals["pending"] == 0], "nothing pending")[0]

    def count(self, ad_in_path, query=""):
        answer = self.get(f"/v1/ads/{ad_in_path}/aggregated_cnt{query}")
        assert answer.status == 200, answer.body
        return answer.json["count"]

    def export(self):
        self.settled()
        answer = self.get("/v1/export?table=cells")
        assert answer.status == 200 and answer.type == "text/csv"
        return answer.body.decode()

    def export_offline(self):
        done = tally("export", "--table", "cells", "--data", self.data)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def journal_files(self, pattern="*.seg"):
        return sorted((self.data / "journal").glob(pattern))


VERDICTS = ("counted", "duplicate", "conflict", "too_late", "invalid")


def check_laws(status):
    """Conservation, at any moment."""
    totals = status["totals"]
    assert totals["received"] == totals["accepted"] + totals["rejected"]
    assert totals["rejected"] == sum(totals["rejected_by"].values())
    assert totals["accepted"] == totals["pending"] + sum(totals[verdict] for verdict in VERDICTS)
    assert totals["invalid"] == 0
    for verdict in VERDICTS:
        assert totals[verdict] == sum(partition[verdict] for partition in status["partitions"])
    assert status["conservation"] == {"intake": True, "partitions": True, "cells": True}
