"""The power goes off under load: an ext4 of its own is shut down at a random moment, with what was not synced lost in
different ways. What was acknowledged is on the disk all the same."""
import collections
import random
import subprocess
import time

import pytest

from faults import SHUTDOWNS, PowerDisk, PowerlessDisk
from load import Load, assert_exact, make_filters, of_now
from server import free_port, wait_until

CUTS, CUTS_SOAK = 12, 201
FLAGS = ("--checkpoint-interval", "100ms", "--flush-interval", "100ms", "--segment-size", "64KiB")


@pytest.fixture
def disk():
    try:
        made = PowerDisk()
    except PowerlessDisk as reason:
        pytest.skip(f"no power can be cut on this machine: {reason}")
    yield made
    made.remove()


def end_without_power(server):
    """It stops by itself once it has seen it; while it starts, or has nothing to write, it may not see it."""
    try:
        code = server.process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        server.kill()
        return "killed"
    assert code == 1, server.log()
    last = server.events()[-1]
    assert last["event"] == "failed", server.log()
    return "stopped"


@pytest.mark.parametrize("cuts", [CUTS, pytest.param(CUTS_SOAK, marks=pytest.mark.soak)])
def test_a_power_cut_loses_nothing_that_was_acknowledged(new_server, disk, cuts):
    chance = random.Random(cuts)
    server = new_server(port=free_port())
    server.data = disk.path / "data"
    load = Load("power", server.port, of_now(), senders=3, size=20, pause=0.02)
    ends = collections.Counter()
    server.start(*FLAGS)
    make_filters(server)
    load.start()
    try:
        for number in range(cuts):
            how = list(SHUTDOWNS)[number % len(SHUTDOWNS)]
            if chance.random() < 0.25:  # while it starts
                server.kill()
                server.launch(*FLAGS)
                time.sleep(chance.uniform(0, 0.1))
            else:
                before = load.acknowledged()
                wait_until(lambda: load.acknowledged() > before, "something is acknowledged")
                time.sleep(chance.uniform(0, 0.4))
            disk.cut_power(how)
            ends[how, end_without_power(server)] += 1
            acknowledged = load.acknowledged()
            disk.power_on()
            server.start(*FLAGS)
            assert server.totals()["accepted"] >= acknowledged
        load.finish()
    finally:
        load.end()
    print(f"{ends.total()} power cuts: {dict(ends)}; {len(server.journal_files('*.torn'))} torn tails; {len(load.clicks())} clicks")
    assert_exact(server, load.clicks(), filtered=True)
    server.stop()
