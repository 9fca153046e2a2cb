"""The power goes off under load: an ext4 of its own is shut down at a random moment, with what was not synced lost in
different ways. What was acknowledged is on the disk all the same."""
import collections
import random
import time

import pytest

from faults import SHUTDOWNS, PowerDisk, PowerlessDisk
from load import Load, assert_exact, make_filters, of_now
from server import free_port, wait_until

CUTS, CUTS_SOAK = 12, 201
# With so little memory identities are in files after some thousand clicks.
FLAGS = ("--checkpoint-interval", "100ms", "--flush-interval", "100ms", "--segment-size", "64KiB", "--dedup-memory", "1MiB",
         "--partitions", "2")


@pytest.fixture
def disk():
    try:
        made = PowerDisk()
    except PowerlessDisk as reason:
        pytest.skip(f"no power can be cut on this machine: {reason}")
    yield made
    made.remove()


@pytest.mark.parametrize("cuts", [CUTS, pytest.param(CUTS_SOAK, marks=pytest.mark.soak)])
def test_a_power_cut_loses_nothing_that_was_acknowledged(new_server, disk, cuts):
    chance = random.Random(cuts)
    server = new_server(port=free_port())
    server.data = disk.path / "data"
    load = Load("power", server.port, of_now(), senders=3, size=100, pause=0.02)
    cut, identities = collections.Counter(), collections.Counter()
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
            disk.cut_power(how, server.process)
            server.kill()
            cut[how] += 1
            acknowledged = load.acknowledged()
            disk.power_on()
            server.start(*FLAGS)
            status = server.status()
            assert status["totals"]["accepted"] >= acknowledged
            identities.update({name: status["dedup"][name] for name in ("partitions_restored", "partitions_rebuilt")})
        load.finish()
    finally:
        load.end()
    print(f"{cut.total()} power cuts: {dict(cut)}; {len(server.journal_files('*.torn'))} torn tails; {len(load.clicks())} clicks; "
          f"of two partitions a start: {dict(identities)}")
    assert identities["partitions_restored"] > 0, "a start went on from files of identities"
    assert_exact(server, load.clicks(), filtered=True)
    # A disk that goes while the machine runs on: the next tick meets it, and the server says why it ends.
    disk.cut_power("not flushed")
    assert server.process.wait(timeout=30) == 1, server.log()
    assert server.events()[-1]["event"] == "failed", server.log()
    disk.power_on()
    server.start(*FLAGS)
    assert_exact(server, load.clicks(), filtered=True)
    server.stop()
