"""The README's first minute, word for word: every command between its two markers, in a clean copy of the tree, and what it says
they answer. Replaced are the port and /tmp, which others on this machine may use."""
import json
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import urllib.request

import pytest

import server as servers
from server import wait_until

ROOT = servers.ROOT
BEGIN, END = "<!-- test: first-minute -->", "<!-- test: end -->"
FENCE = re.compile(r"^```[a-z]*\n(.*?)^```$", re.M | re.S)
MOVING = {"version", "watermark", "state"}  # with time
NOT_RUN = ("make test",)  # that is us

# In place of ninja: what is built already, as building it once more takes minutes. `make soak` builds it.
NINJA = """#!/bin/sh
[ "$*" != "-C build --quiet tally" ] || exec cp "$TALLY_BUILT" build/tally
exec {ninja} "$@"
"""


def first_minute(text):
    assert text.count(BEGIN) == 1 and text.count(END) == 1, "README.md has lost the markers of this test"
    return text.split(BEGIN)[1].split(END)[0]


def steps(text):
    """Commands, each with what it answers, or None. An answer is a block that follows its command with nothing between."""
    found, last_end = [], None
    for block in FENCE.finditer(text):
        if last_end is not None and not text[last_end:block.start()].strip():
            assert found[-1][1] is None, "two answers in a row"
            found[-1][1] = block.group(1)
            last_end = None
        else:
            found.append([block.group(1), None])
            last_end = block.end()
    return found


def moves_out(value):
    """Without the values of what moves, their names stay."""
    if isinstance(value, dict):
        return {key: "moves" if key in MOVING else moves_out(item) for key, item in value.items()}
    return [moves_out(item) for item in value] if isinstance(value, list) else value


def shape(answer):
    try:
        return moves_out(json.loads(answer))
    except ValueError:
        answer = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z|\bnone\b", "TIME", answer.strip())
        return re.sub(r"\b(open|closed|sealed)\b", "STATE", answer)


def clean_copy(to):
    """What a clone of the tree as it stands would hold."""
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)


class Walk:
    """One reader: a terminal in a clean copy, and servers that go on in others."""

    def __init__(self, place, build):
        self.tree, self.tmp, self.port = place / "tally", place / "tmp", servers.free_port()
        self.tree.mkdir()
        self.tmp.mkdir()
        clean_copy(self.tree)
        self.env = servers.environment({"ARGS": f"--seconds 3 --listen 127.0.0.1:{self.port}", "TMPDIR": str(self.tmp),
                                        "TALLY_BUILT": servers.BINARY, "TALLY_CLIENT_URL": f"http://127.0.0.1:{self.port}"})
        if not build:
            shim = place / "shim"
            shim.mkdir()
            (shim / "ninja").write_text(NINJA.format(ninja=shutil.which("ninja")))
            (shim / "ninja").chmod(stat.S_IRWXU)
            self.env["PATH"] = f"{shim}:{self.env['PATH']}"
        self.running = []

    def here(self, text):
        return text.replace("8080", str(self.port)).replace("/tmp/", f"{self.tmp}/")

    def run(self, commands):
        commands = "".join(line for line in commands.splitlines(keepends=True) if not line.startswith(NOT_RUN))
        if "tally serve" in commands:
            self.serve(commands)
            return ""
        done = subprocess.run(["bash", "-e", "-c", self.here(commands)], cwd=self.tree, env=self.env, capture_output=True,
                              text=True, preexec_fn=servers.die_with_parent, timeout=900, check=False)
        assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
        if self.running:  # a reader is slower than the publication of what was accepted
            wait_until(lambda: json.load(self.get("/v1/status"))["totals"]["pending"] == 0, "nothing pending")
        return done.stdout

    def serve(self, commands):
        log = self.tree.parent / "serve.log"
        with log.open("wb") as out:
            process = subprocess.Popen(["bash", "-c", "exec " + self.here(commands.strip())], cwd=self.tree, env=self.env,
                                       stdin=subprocess.DEVNULL, stdout=out, stderr=out, preexec_fn=servers.die_with_parent)
        self.running.append(process)

        def ready():
            assert process.poll() is None, log.read_text()
            try:
                return self.get("/readyz").status == 200
            except OSError:
                return False
        wait_until(ready, "the README's server is ready")

    def get(self, path):
        return urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10)  # noqa: S310

    def end(self):
        codes = []
        for process in self.running:
            process.send_signal(signal.SIGINT)
            codes.append(process.wait(timeout=servers.SECONDS_MAX))
        return codes


@pytest.mark.parametrize("build", [False, pytest.param(True, marks=pytest.mark.soak)], ids=["as built", "built anew"])
def test_the_first_minute_is_as_the_readme_says(build):
    text = first_minute((ROOT / "README.md").read_text())
    todo = steps(text)
    assert any("make run" in commands for commands, _ in todo) and any("tally serve" in commands for commands, _ in todo)
    assert sum(answer is not None for _, answer in todo) >= 3
    place = pathlib.Path(tempfile.mkdtemp(prefix="tally-readme-"))
    walk = Walk(place, build)
    try:
        for commands, answer in todo:
            said = walk.run(commands)
            if answer is not None:
                assert shape(said) == shape(walk.here(answer)), f"{commands}\nanswers\n{said}\nthe README says\n{answer}"
        # What it tells to open, once the page is there.
        for path in set(re.findall(r"https?://localhost:8080(/[^\s)>`'\"]*)", FENCE.sub("", text))):
            assert walk.get(path).status == 200
        assert walk.end() == [0] * len(walk.running)
    finally:
        for process in walk.running:
            if process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(place, ignore_errors=True)


@pytest.mark.parametrize("was, now", [
    ('{"count":2,"version":7}', '{"count":3,"version":7}'), ('{"count":2}', '{"count":2,"more":1}'), ("1  2  ad1", "1  3  ad1")])
def test_an_answer_that_differs_is_seen(was, now):
    assert shape(was) != shape(now)


def test_only_what_moves_may_differ():
    assert shape('{"count":2,"version":7,"watermark":null}') == shape('{"count":2,"version":8,"watermark":"x"}')
    assert shape("at 2021-01-01T00:00:00Z, open") == shape("at 2022-01-01T00:00:01.5Z, closed\n")


def test_an_answer_is_the_block_right_after_its_command():
    assert steps("a\n```\none\n```\n```\n1\n```\nb\n```sh\ntwo\n```\nc\n```\nthree\n```\n\n```json\n3\n```\n") == [
        ["one\n", "1\n"], ["two\n", None], ["three\n", "3\n"]]
