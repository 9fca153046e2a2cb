"""The layer check sees every kind of include that it is there to refuse."""
import subprocess

import pytest

PLANTED = {
    "upwards": ("src/base/planted.c", '#include "click/click.h"', 'base may not include "click/click.h"'),
    "upwards from a header": ("src/base/planted.h", '#include "rules/rules.h"', 'base may not include "rules/rules.h"'),
    "a sibling": ("src/dedup/planted.c", '#include "ads/ads.h"', 'dedup may not include "ads/ads.h"'),
    "past the seam": ("src/node/planted.c", '#include "rocks/rocks.h"', 'node may not include "rocks/rocks.h"'),
    "another header of a folder of which one is allowed":
        ("src/oracle/planted.c", '#include "aggregate/partial.h"', 'oracle may not include "aggregate/partial.h"'),
    "a library outside its folder":
        ("src/query/planted.c", "#include <microhttpd.h>", "<microhttpd.h> may be included only in: http"),
    "a library's inner header":
        ("src/store/planted.c", "#include <rocksdb/c.h>", "<rocksdb/c.h> may be included only in: rocks"),
    "a library outside its one file":
        ("src/click/planted.c", "#include <sodium.h>", "<sodium.h> may be included only in: click/identity.c journal os"),
    "a library that nobody listed":
        ("src/base/planted.c", "#include <gmp.h>", "<gmp.h> is a library that tools/layers.txt does not list"),
    "a path beside the folder rule": ("src/base/planted.c", '#include "bytes.h"', '"bytes.h" is no header of src/'),
    "spaces do not hide it": ("src/base/planted.c", '  #  include  "click/click.h"', 'base may not include "click/click.h"'),
    "the C++ shim is read too":
        ("src/simdjson/planted.cpp", '#include "click/click.h"', 'simdjson may not include "click/click.h"'),
    "a folder that nobody listed":
        ("src/planted/planted.c", "#include <stdio.h>", "src/planted: not listed in tools/layers.txt"),
}


def check(root):
    return subprocess.run([root / "tools" / "check-layers", root], capture_output=True, text=True)


def violations(root):
    return check(root).stdout.splitlines()[:-1]


@pytest.mark.parametrize("path, line, said", PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_violation_is_caught(copy, path, line, said):
    before = violations(copy)
    planted = copy / path
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(f"/* planted */\n{line}\n")
    assert check(copy).returncode == 1
    new = [violation for violation in violations(copy) if violation not in before]
    assert len(new) == 1 and said in new[0]


def test_what_a_line_allows_passes(copy):
    before = violations(copy)
    (copy / "src/oracle/planted.c").write_text('#include "aggregate/verdict.h"\n#include <stdio.h>\n#include <sys/stat.h>\n')
    assert violations(copy) == before


def test_a_line_that_names_a_folder_below_it_is_refused(copy):
    layers = copy / "tools/layers.txt"
    text = layers.read_text()
    assert "ads:        base\n" in text
    layers.write_text(text.replace("ads:        base\n", "ads:        base view\n"))
    run = check(copy)
    assert run.returncode == 1
    assert "'ads' names 'view', which does not stand above it" in run.stderr


def test_a_listed_folder_that_is_gone_is_refused(copy):
    layers = copy / "tools/layers.txt"
    layers.write_text(layers.read_text() + "gone: base\n")
    run = check(copy)
    assert run.returncode == 1
    assert "lists 'gone', which is not in src/" in run.stdout


def test_a_check_that_saw_no_include_fails(tmp_path, copy):
    for path in (copy / "src").rglob("*.[ch]*"):
        path.unlink()
    run = check(copy)
    assert run.returncode == 1
    assert "no include matched" in run.stderr
