"""`bench/identities` with few identities: it passes, and it does not pass when one click gets another verdict than it must."""
import importlib.machinery
import importlib.util
import os
import pathlib
import signal
import subprocess

import server

TOOL = server.ROOT / "bench/identities"
SMALL = ["1", "8MiB", "1", "--rate", "200000", "--exact-only"]


def identities(binary, directory):
    """Runs it to its end; what it starts ends with it."""
    started = subprocess.Popen([TOOL, *SMALL, "--directory", directory], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env=server.environment({"TALLY_BINARY": str(binary)}), start_new_session=True)
    try:
        out, err = started.communicate(timeout=2 * server.SECONDS_MAX)
    finally:
        try:
            os.killpg(started.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    assert not list(directory.iterdir()), "what it laid down is gone"
    return started.returncode, out, err


def test_every_click_that_was_laid_down_is_recognised(tmp_path):
    code, out, err = identities(server.BINARY, tmp_path)
    assert code == 0, out + err
    assert out.count("none wrong") == 5, "under load, after it, and after three starts"
    assert " 0 merges" not in out
    assert out.endswith("exact\n")


def test_one_copy_that_is_not_recognised_fails_it(tmp_path):
    """A `tally send` that changes one event_id of those that were laid down."""
    folder = tmp_path / "build"
    folder.mkdir()
    (folder / "bench").symlink_to(pathlib.Path(server.BINARY).parent / "bench")
    changing = folder / "tally"
    changing.write_text(f"""#!/bin/sh
for last; do :; done
case $1-$last in send-*/known.ndjson) sed -i '0,/event_id":"/s//&x/' "$last" ;; esac
exec {server.BINARY} "$@"
""")
    changing.chmod(0o755)
    directory = tmp_path / "data"
    directory.mkdir()
    code, out, err = identities(changing, directory)
    assert code == 1 and "WRONG: under load: judged" in err, out + err
    assert "'duplicate': " in err


def test_a_bar_that_is_missed_is_told():
    loader = importlib.machinery.SourceFileLoader("bench_identities", str(TOOL))
    tool = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(tool)
    bars = tool.Bars(millions=200, rate=0, exact_only=False)
    bars.hold("clicks/s", 300000, least=bars.rate_min)
    bars.hold("seconds", 15, most=bars.start_seconds_max)
    assert not bars.missed
    bars.hold("clicks/s", 299999, least=bars.rate_min)
    bars.hold("seconds", 15.1, most=bars.start_seconds_max)
    assert bars.missed == ["clicks/s: 299999.0, at least 300000 wanted", "seconds: 15.1, at most 15 wanted"]
