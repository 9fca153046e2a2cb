"""Ten thousand connections that do nothing, or hardly anything: they are cut with a reason, and the others don't notice."""
import resource
import select

from clicks import click
from server import wait_until

CROWD = 10_000
ROOM = CROWD + 200  # for what the test and the server have open besides
BEGINNINGS = (
    b"",  # connected and silent
    b"GET /v1/status HTTP/1.1\r\nHost: x\r\n",  # a head that never ends
    b"POST /v1/clicks HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\n[AdClick",  # nor a body
    b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n",  # asks, and never reads the answer
)


def allow_open_files(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, max(hard, count)))


def ended(server):
    text = server.get("/metrics").body.decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
               if line.startswith("tally_connections_ended_total"))


def test_ten_thousand_idle_connections_are_cut_and_the_others_do_not_notice(new_server):
    allow_open_files(ROOM)
    server = new_server().start("--http-connections", ROOM, "--http-idle-timeout", "5s")
    before = ended(server)
    crowd = []
    try:
        for number in range(CROWD):
            crowd.append(server.connect_raw())
            crowd[-1].sendall(BEGINNINGS[number % len(BEGINNINGS)])
        assert server.status()["phase"] == "serving"
        for number in range(50):
            assert server.post_lines([click("ad", f"2021-01-01 00:00:{number:02}", user=f"user {number}").log_line()]).status == 200
        assert server.settled()["counted"] == 50
        assert server.count("ad", "?from=202101010000&to=202101010001") == 50

        def all_cut():
            poller = select.poll()
            for connection in crowd:
                poller.register(connection, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
            return len(poller.poll(0)) == CROWD

        wait_until(all_cut, "all of the crowd is cut")
        assert ended(server) - before >= CROWD * 3 / 4  # those that got their answer may count as ended in order
        assert server.settled()["counted"] == 50
        assert server.post_lines([click("ad", "2021-01-01 00:01:00").log_line()]).status == 200
    finally:
        for connection in crowd:
            connection.close()
