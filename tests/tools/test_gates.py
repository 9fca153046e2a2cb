"""The format, tidy and completeness gates catch a planted violation, and fail when they looked at nothing."""
import json
import shutil
import subprocess

import pytest

CLEAN = "int main(void) {\n    return 0;\n}\n"
# A null pointer is followed: what clang-tidy's analyzer is for, and no compiler warning says it.
TIDY_VIOLATION = """
int main(int count, char **words) {
    int *at = count > 1 ? &count : 0;
    (void)words;
    return *at;
}
"""


def run(root, tool, *arguments):
    return subprocess.run([root / "tools" / tool, *arguments], capture_output=True, text=True, cwd=root)


@pytest.fixture
def small(copy):
    """A project of one clean file, compiled as build/compile_commands.json says."""
    shutil.rmtree(copy / "src")
    (copy / "src").mkdir()
    (copy / "src/main.c").write_text(CLEAN)
    (copy / "build").mkdir()
    compiled(copy, "src/main.c")
    return copy


def compiled(root, *paths):
    commands = [{"directory": str(root / "build"), "file": f"../{path}", "command": f"clang -c ../{path}"} for path in paths]
    (root / "build/compile_commands.json").write_text(json.dumps(commands))


def test_format_passes_a_clean_file(small):
    assert run(small, "check-format").returncode == 0


@pytest.mark.parametrize("name", ["src/main.c", "src/planted.h", "src/planted.cpp", "tests/planted.c", "bench/planted.c"])
def test_format_catches_a_planted_line(small, name):
    (small / name).parent.mkdir(exist_ok=True)
    (small / name).write_text("int  planted( void );\n")
    assert run(small, "check-format").returncode != 0
    assert run(small, "check-format", "--fix").returncode == 0
    assert run(small, "check-format").returncode == 0
    assert (small / name).read_text() == "int planted(void);\n"


def test_format_fails_when_it_sees_no_file(small):
    (small / "src/main.c").unlink()
    seen = run(small, "check-format")
    assert seen.returncode == 1
    assert "no file matched" in seen.stderr


def test_tidy_passes_a_clean_file(small):
    seen = run(small, "check-tidy", "build")
    assert seen.returncode == 0, seen.stdout


def test_tidy_catches_a_planted_mistake(small):
    (small / "src/main.c").write_text(TIDY_VIOLATION)
    seen = run(small, "check-tidy", "build")
    assert seen.returncode == 1
    assert "clang-analyzer-core.NullDereference" in seen.stdout


def test_tidy_fails_when_it_sees_no_file(small):
    compiled(small)
    seen = run(small, "check-tidy", "build")
    assert seen.returncode == 1
    assert "no file matched" in seen.stderr


def test_listed_passes_when_every_file_is_compiled(small):
    assert run(small, "check-listed", "build", ".").returncode == 0


@pytest.mark.parametrize("name", ["src/base/planted.c", "src/planted.cpp", "tests/unit/base/planted_test.c"])
def test_listed_catches_a_file_that_no_target_compiles(small, name):
    (small / name).parent.mkdir(parents=True, exist_ok=True)
    (small / name).write_text(CLEAN)
    seen = run(small, "check-listed", "build", ".")
    assert seen.returncode == 1
    assert f"{name}: in no meson.build" in seen.stdout


def test_listed_fails_when_it_sees_no_file(small):
    (small / "src/main.c").unlink()
    seen = run(small, "check-listed", "build", ".")
    assert seen.returncode == 1
    assert "no file matched" in seen.stderr


def test_assertions_pass_the_project(copy):
    seen = run(copy, "check-assertions")
    assert seen.returncode == 0, seen.stdout


@pytest.mark.parametrize("added, counts", [
    ("    CHECK(one < 2);\n", True),
    ("    COSTLY_CHECK(holds(one));\n", True),
    ("    CHECKF(one < 2, \"%d\", one);\n", True),
    ("    CHECK(one != NULL);\n", False),  # what the machine checks by itself
    ("    /* CHECK(one < 2); */\n", False),
])
def test_assertions_are_counted(copy, added, counts):
    shutil.rmtree(copy / "src/ads")
    (copy / "src/ads").mkdir()
    (copy / "src/ads/ads.c").write_text("int one(void) {\n" + "    one();\n" * 12 + added + "}\n")
    seen = run(copy, "check-assertions")
    assert ("src/ads: 1 checks" in seen.stdout) == counts
    assert (seen.returncode == 0) == counts


def test_assertions_fail_when_a_folder_has_too_few_or_is_not_seen(copy):
    shutil.copytree(copy / "src/rules", copy / "kept")
    (copy / "src/rules/more.c").write_text("#include <stdio.h>\n" + "int more(void);\n" * 300)
    seen = run(copy, "check-assertions")
    assert seen.returncode == 1 and "src/rules: " in seen.stdout and "are wanted" in seen.stdout
    shutil.rmtree(copy / "src/rules")
    seen = run(copy, "check-assertions")
    assert seen.returncode == 1 and "no code was seen" in seen.stdout
