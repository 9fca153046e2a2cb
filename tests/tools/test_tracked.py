"""What a fuzzer leaves behind is not taken for a part of the project."""
import re
import subprocess

import pytest

from conftest import ROOT

LEFT_BY_A_FUZZER = re.compile(r"(.*/)?(crash|leak|oom|timeout|slow-unit)-[0-9a-f]{40}")


def git(*arguments, cwd=ROOT):
    done = subprocess.run(["git", *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"not in a git repository: {done.stderr.strip().splitlines()[0]}")
    return done.stdout.splitlines()


def left_by_a_fuzzer(root):
    return [path for path in git("ls-files", cwd=root) if LEFT_BY_A_FUZZER.fullmatch(path)]


def test_nothing_that_a_fuzzer_left_is_tracked():
    assert len(git("ls-files")) > 100
    assert left_by_a_fuzzer(ROOT) == []


@pytest.mark.parametrize("kind", ["crash", "leak", "oom", "timeout", "slow-unit"])
def test_what_a_fuzzer_left_is_seen_and_ignored(tmp_path, kind):
    git("init", "-q", cwd=tmp_path)
    (tmp_path / ".gitignore").write_bytes((ROOT / ".gitignore").read_bytes())
    planted = f"{kind}-da39a3ee5e6b4b0d3255bfef95601890afd80709"
    (tmp_path / planted).write_text("x")
    git("add", "--all", cwd=tmp_path)
    assert git("ls-files", cwd=tmp_path) == [".gitignore"]
    git("add", "--force", planted, cwd=tmp_path)
    assert left_by_a_fuzzer(tmp_path) == [planted]
