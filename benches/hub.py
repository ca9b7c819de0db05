"""Runs the release binary and measures it from outside: wall time of RUN PIPELINE at the client, CPU and memory of the server's process."""
import os
import re
import shutil
import socket
import subprocess
import time

import psycopg

import data


class Hub:
    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        self.start()

    def start(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.log = open(f"{self.folder}/log", "a")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("WEIR_")} | {"WEIR_ADMIN_PASSWORD": "bench"}
        address = f"127.0.0.1:{self.port}"
        command = [self.binary, "serve", "--data-dir", f"{self.folder}/data", "--pg", address, "--http", "127.0.0.1:0", "--set", "log.level=warn"]
        self.process = subprocess.Popen(command, stderr=self.log, env=environment)
        self.client = self.connect()
        self.runs = 0

    def connect(self):
        deadline = time.monotonic() + 60
        while True:
            try:
                return psycopg.connect(f"host=127.0.0.1 port={self.port} user=admin password=bench dbname=weir", autocommit=True)
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise SystemExit(f"the hub did not start: see {self.folder}/log")
                time.sleep(0.05)

    def sql(self, text):
        with self.client.cursor() as cursor:
            cursor.execute(text, prepare=False)
            return cursor.fetchall() if cursor.description else []

    def open_source(self, csv):
        columns = ", ".join(f"{name} {kind}" for name, kind in data.COLUMNS)
        self.sql("CREATE SCHEMA IF NOT EXISTS bench")
        self.sql(f"CREATE CONNECTION bench.files TYPE local WITH (root = '{os.path.dirname(csv)}')")
        self.sql(
            f"CREATE SOURCE bench.orders ({columns}) FROM CONNECTION bench.files FORMAT csv (header = true) "
            f"WITH (path = '{os.path.basename(csv)}', settle = '0 s')"
        )

    def load(self, rules):
        """One pipeline, run once into a new table; returns its measures and the table."""
        self.runs += 1
        table = f"bench.t{self.runs}"
        clauses = "\n".join(f"  CONSTRAINT {name} EXPECT ({rule.format(matches='regexp_like')})" for name, rule in rules)
        names = ", ".join(name for name, _ in data.COLUMNS)
        self.sql(f"CREATE PIPELINE bench.p{self.runs} INTO {table} APPEND\n{clauses}\nAS SELECT {names} FROM STREAM(bench.orders)")
        self.reset_peak()
        started, spent = time.perf_counter(), self.cpu()
        self.sql(f"RUN PIPELINE bench.p{self.runs}")
        wall, spent = time.perf_counter() - started, self.cpu() - spent
        return {"wall": wall, "cpu": spent, "rss": self.peak()}, table

    def table_folder(self, table):
        schema, name = table.split(".")
        base = f"{self.folder}/data/lake/{schema}"
        found = [f"{base}/{entry}" for entry in os.listdir(base) if entry == name or re.match(rf"{name}[-_.]", entry)]
        if len(found) != 1:
            raise SystemExit(f"cannot tell which folder holds {table}: {found}")
        return found[0]

    def dead_letters_folder(self):
        return f"{self.folder}/data/lake/hub/dead_letters"

    def cpu(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def reset_peak(self):
        with open(f"/proc/{self.process.pid}/clear_refs", "w") as out:
            out.write("5")

    def peak(self):
        status = open(f"/proc/{self.process.pid}/status").read()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) * 1024

    def restart(self):
        """A process that knows nothing yet, on the same data."""
        self.close()
        self.start()
        self.sql("SELECT 1")

    def close(self):
        self.client.close()
        self.process.terminate()
        self.process.wait(60)
        self.log.close()
