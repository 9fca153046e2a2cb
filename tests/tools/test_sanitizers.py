"""The sanitizers, set up as the test runner sets them up, stop a program with a planted mistake."""
import os
import subprocess

import pytest
from conftest import load

run_tests = load("run-tests")

RACE = """
#include <pthread.h>
#include <string.h>
static char bytes[100];
static void *fill(void *context) { %s; return context; }
int main(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, fill, NULL);
    fill(NULL);
    pthread_join(thread, NULL);
    return bytes[3];
}
"""
READ_PAST_THE_END = """
#include <stdlib.h>
int main(int count, char **words) {
    (void)words;
    char *bytes = malloc(3);
    bytes[count + 2] = 1;
    return bytes[0];
}
"""
LEAK = """
#include <stdlib.h>
int main(void) {
    void *volatile bytes = malloc(3);
    bytes = NULL;
    return bytes != NULL;
}
"""
OVERFLOW = "int main(int count, char **words) { (void)words; return count + 0x7fffffff; }"
PLANTED = {
    "a read past the end": ("address,undefined", READ_PAST_THE_END, "heap-buffer-overflow"),
    "a leak": ("address,undefined", LEAK, "detected memory leaks"),
    "an overflow": ("address,undefined", OVERFLOW, "signed integer overflow"),
    "a race on a member": ("thread", RACE % "bytes[3]++", "data race"),
    "a race in a library call": ("thread", RACE % "memset(bytes, 0, 50)", "data race"),
}


@pytest.mark.parametrize("sanitizers, source, said", PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_mistake_stops_the_program(tmp_path, sanitizers, source, said):
    (tmp_path / "planted.c").write_text(source)
    flags = ["-g", "-fno-builtin", f"-fsanitize={sanitizers}", "-fno-sanitize-recover=all"]
    subprocess.run(["clang", *flags, "planted.c", "-o", "planted"], check=True, cwd=tmp_path)
    run = subprocess.run([tmp_path / "planted"], capture_output=True, text=True, env=os.environ | run_tests.SANITIZERS)
    assert run.returncode != 0
    assert said in run.stderr
