"""W11: the PostgreSQL wire, beside PostgreSQL itself: the shortest statement, one row by its key, a million rows out.

Small statements are sent by pgbench. Rows are taken by a client that does nothing but receive, so that it is the server that is measured.
"""
import base64
import hashlib
import hmac
import os
import re
import socket
import statistics
import struct
import subprocess
import time
from urllib.parse import urlparse

import psycopg

from hub import Hub

HERE = os.path.dirname(os.path.abspath(__file__))
ROWS = 1_000_000
COLUMNS = "id int, name text, amount numeric(12,2), at timestamptz, note text"
FILL = (
    "INSERT INTO bench.t SELECT i, 'customer ' || i, (i % 100000) / 100.0, to_timestamp(1704067200 + i), 'some note for row number ' || i"
    " FROM generate_series({first}, {last}) AS g(i)"
)
CHECK = "SELECT count(*), sum(id::bigint), sum(amount), max(at), min(name), sum(length(note)) FROM bench.t"
SCRIPTS = {
    "select 1": "SELECT 1;\n",
    "key lookup": f"\\set id random(1, {ROWS})\nSELECT * FROM bench.t WHERE id = :id;\n",
}


class Postgres:
    """PostgreSQL of the machine's packages, started as for the tests."""

    def __init__(self, state):
        self.state = f"{state}/postgres"
        os.makedirs(self.state, exist_ok=True)
        self.service("down")
        said = self.service("up")
        url = urlparse(re.search(r"^WEIR_TEST_POSTGRES=(.*)$", said, re.M).group(1))
        self.port, self.user, self.password, self.database = url.port, url.username, url.password, "postgres"
        data = open(f"{self.state}/data").read().strip()
        self.pid = int(open(f"{data}/cluster/postmaster.pid").readline())

    def service(self, action):
        return subprocess.run([f"{HERE}/../tests/services/postgres.service", action, self.state], check=True, capture_output=True, text=True).stdout

    def cpu(self):
        """Of the server and of all its processes that have ended."""
        fields = open(f"/proc/{self.pid}/stat").read().rsplit(")", 1)[1].split()
        return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")

    def close(self):
        self.service("down")


class Served:
    """The hub in the same terms."""

    def __init__(self, hub):
        self.hub, self.port, self.user, self.password, self.database = hub, hub.port, "admin", "bench", "weir"

    def cpu(self):
        return self.hub.cpu()


class Raw:
    """A client that logs in, asks and throws away what it gets."""

    def __init__(self, server):
        self.socket = socket.create_connection(("127.0.0.1", server.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray(1 << 20)
        start = b"\0\3\0\0user\0%b\0database\0%b\0\0" % (server.user.encode(), server.database.encode())
        self.socket.sendall(struct.pack("!i", len(start) + 4) + start)
        self.log_in(server.password)
        while self.message()[0] != b"Z":
            pass

    def exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise SystemExit("the server closed the connection")
            data += more
        return data

    def message(self):
        kind = self.exactly(1)
        body = self.exactly(struct.unpack("!i", self.exactly(4))[0] - 4)
        if kind == b"E":
            raise SystemExit(f"the server said: {body}")
        return kind, body

    def send(self, kind, body):
        self.socket.sendall(kind + struct.pack("!i", len(body) + 4) + body)

    def log_in(self, password):
        self.message()
        bare = "n=,r=" + base64.b64encode(os.urandom(18)).decode()
        first = ("n,," + bare).encode()
        self.send(b"p", b"SCRAM-SHA-256\0" + struct.pack("!i", len(first)) + first)
        challenge = self.message()[1][4:].decode()
        nonce, salt, rounds = (part[2:] for part in challenge.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(rounds))
        key = hmac.digest(salted, b"Client Key", "sha256")
        final = f"c=biws,r={nonce}"
        signature = hmac.digest(hashlib.sha256(key).digest(), f"{bare},{challenge},{final}".encode(), "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature))).decode()
        self.send(b"p", f"{final},p={proof}".encode())
        self.message()

    def rows(self, query, binary):
        """Seconds to the first row, to the last, and what the server says it sent."""
        started = time.perf_counter()
        if binary:
            parse, bind = b"\0" + query.encode() + b"\0\0\0", b"\0\0" + struct.pack("!hhhh", 0, 0, 1, 1)
            messages = ((b"P", parse), (b"B", bind), (b"D", b"P\0"), (b"E", b"\0" + struct.pack("!i", 0)), (b"S", b""))
            self.socket.sendall(b"".join(kind + struct.pack("!i", len(body) + 4) + body for kind, body in messages))
        else:
            self.send(b"Q", query.encode() + b"\0")
        while self.exactly(1) not in b"Dd":
            self.exactly(struct.unpack("!i", self.exactly(4))[0] - 4)
        first = time.perf_counter() - started
        tail = b""
        while not tail.endswith(b"Z\0\0\0\x05I"):
            count = self.socket.recv_into(self.buffer)
            if not count:
                raise SystemExit("the server closed the connection")
            tail = (tail + bytes(self.buffer[max(0, count - 64) : count]))[-64:]
        wall = time.perf_counter() - started
        return first, wall, int(re.search(rb"(?:SELECT|COPY) (\d+)\0", tail).group(1))

    def close(self):
        self.send(b"X", b"")
        self.socket.close()


def small(server, state, name, mode, clients, seconds):
    script = f"{state}/w11.sql"
    with open(script, "w") as out:
        out.write(SCRIPTS[name])
    environment = dict(os.environ, PGPASSWORD=server.password, PGSSLMODE="disable")
    command = ["pgbench", "-n", "-h", "127.0.0.1", "-p", str(server.port), "-U", server.user, "-M", mode, "-c", str(clients), "-j", "1"]
    spent = server.cpu()
    done = subprocess.run([*command, "-T", str(seconds), "-f", script, server.database], capture_output=True, text=True, env=environment)
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    failed = re.search(r"number of failed transactions: (\d+)", done.stdout)
    if done.returncode != 0 or not found or (failed and failed.group(1) != "0"):
        raise SystemExit(f"pgbench failed: {done.stderr.strip()}")
    rate = float(found.group(1))
    return {"rate": rate, "cpu": (server.cpu() - spent) / (rate * seconds)}


def fill(server):
    address = f"host=127.0.0.1 port={server.port} user={server.user} password={server.password} dbname={server.database} sslmode=disable"
    with psycopg.connect(address, autocommit=True) as client:
        client.execute("CREATE SCHEMA IF NOT EXISTS bench")
        client.execute(f"CREATE TABLE bench.t ({COLUMNS})")
        client.execute(FILL.format(first=1, last=ROWS))
        if isinstance(server, Postgres):
            client.execute("CREATE INDEX ON bench.t (id)")
            client.execute("VACUUM ANALYZE bench.t")
        return [str(value) for value in client.execute(CHECK).fetchone()]


def line(label, unit, measures, key, scale=1.0, better="more"):
    medians = {name: statistics.median(one[key] for one in all_of) * scale for name, all_of in measures.items()}
    ratio = medians["weir"] / medians["postgres"]
    cells = []
    for name in ("weir", "postgres"):
        values = [one[key] * scale for one in measures[name]]
        cells.append(f"{medians[name]:,.4g} ({min(values):,.4g}..{max(values):,.4g})".ljust(34))
    cpu = {name: statistics.median(one["cpu"] for one in all_of) for name, all_of in measures.items()}
    print(f"{label.ljust(30)} {unit.ljust(8)} {cells[0]} {cells[1]} {ratio:5.2f}x ({better} is better)  CPU {cpu['weir'] * 1e6:,.3g} / {cpu['postgres'] * 1e6:,.3g} us")


def run(options, state):
    seconds, repetitions = options.seconds, options.repetitions
    postgres = Postgres(state)
    hub = Hub(options.weir, f"{state}/hub")
    try:
        servers = {"postgres": postgres, "weir": Served(hub)}
        truth = {name: fill(server) for name, server in servers.items()}
        if truth["weir"] != truth["postgres"]:
            raise SystemExit(f"the tables differ: {truth}")
        print(f"\nW11 the PostgreSQL wire: {ROWS:,} rows of five columns; median (least..most) of {repetitions}, one warm-up thrown away")
        print("what".ljust(30), "unit".ljust(8), "hub".ljust(34), "PostgreSQL".ljust(34), "ratio; CPU of the server for one statement, or for one row")

        def rotate(work):
            names, measures = list(servers), {name: [] for name in servers}
            for repetition in range(repetitions + 1):
                for place in range(len(names)):
                    name = names[(place + repetition) % len(names)]
                    one = work(servers[name])
                    if repetition:
                        measures[name].append(one)
            return measures

        for name in SCRIPTS:
            for mode, clients in (("simple", 1), ("prepared", 1), ("prepared", 8)):
                measures = rotate(lambda server: small(server, state, name, mode, clients, seconds))
                line(f"{name}, {mode}, {clients} client{'s' if clients > 1 else ''}", "per s", measures, "rate")
        for label, query, binary in (
            ("1 M rows, text", "SELECT * FROM bench.t", False),
            ("1 M rows, binary", "SELECT * FROM bench.t", True),
            ("1 M rows, COPY text", "COPY (SELECT * FROM bench.t) TO STDOUT", False),
        ):

            def stream(server):
                client = Raw(server)
                spent = server.cpu()
                first, wall, count = client.rows(query, binary)
                client.close()
                if count != ROWS:
                    raise SystemExit(f"{count} rows came, not {ROWS}")
                time.sleep(0.1)
                return {"first": first, "rate": count / wall, "cpu": (server.cpu() - spent) / count}

            measures = rotate(stream)
            line(label, "rows/s", measures, "rate")
            line(f"  first row of {label}", "ms", measures, "first", 1e3, "less")
        peaks = []
        for count in (ROWS // 10, ROWS, 10 * ROWS):
            hub.reset_peak()
            before = hub.peak()
            client = Raw(servers["weir"])
            query = f"SELECT a.* FROM bench.t AS a, generate_series(1, {max(1, count // ROWS)}) AS g(j)"
            sent = client.rows(f"{query} LIMIT {count}", False)[2]
            client.close()
            peaks.append(f"{sent:,} rows: {hub.peak() / 1e6:.0f} MB (before: {before / 1e6:.0f})")
        print("peak memory of the hub while it sends " + "; ".join(peaks))
    finally:
        hub.close()
        postgres.close()
