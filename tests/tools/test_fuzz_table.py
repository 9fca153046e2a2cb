"""The table of a fuzzing campaign: what ran, and no finding goes by unseen."""
import subprocess

import pytest

from conftest import ROOT

GOOD = """#2\tINITED cov: 10 ft: 12 corp: 2/30b exec/s: 0 rss: 30Mb
#90\tREDUCE cov: 120 ft: 300 corp: 41/1204b lim: 50 exec/s: 30 rss: 40Mb L: 12/50 MS: 1 EraseBytes-
stat::number_of_executed_units: 1234
stat::average_exec_per_sec:     617
"""
CRASH = GOOD + "tally: ../src/a.c:1: check failed: one < 2 \nSUMMARY: libFuzzer: deadly signal\n"


def table(folder):
    return subprocess.run([ROOT / "tools/fuzz-table", folder], capture_output=True, text=True)


def test_a_row_says_what_its_target_did(tmp_path):
    (tmp_path / "fuzz-body.log").write_text(GOOD)
    seen = table(tmp_path)
    assert seen.returncode == 0
    assert "| body | 1,234 | 617 | 120 | 41 | none |" in seen.stdout
    assert "| 1 targets | 1,234 | | | | 0 |" in seen.stdout


@pytest.mark.parametrize("log", [CRASH, GOOD.replace("1234", "0"), ""])
def test_a_finding_or_a_target_that_did_not_run_fails(tmp_path, log):
    (tmp_path / "fuzz-body.log").write_text(GOOD)
    (tmp_path / "fuzz-cells.log").write_text(log)
    seen = table(tmp_path)
    assert seen.returncode == 1
    assert log != CRASH or "check failed: one < 2" in seen.stdout


def test_no_log_is_a_failure(tmp_path):
    assert table(tmp_path).returncode == 1
