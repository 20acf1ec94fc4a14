"""A real instance as its operator sees it: start, stop, logs, figures.

`cargo xtask test operate` runs it with the release binaries; BINARIES names their folder. The figures are read by
Prometheus's own parser.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

from exchange import BINARIES, OPERATOR, Exchange, User, Wallet, free_port
from prometheus_client.parser import text_string_to_metric_families

OPERATING = pathlib.Path(__file__).parents[3] / "docs" / "OPERATING.md"


def scrape(port):
    """All families by name, and all samples by name and labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        text = answer.read().decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families.values()
        for sample in family.samples
    }
    return families, samples


def wait(what, is_so, seconds=30):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if is_so():
            return
        time.sleep(0.02)
    raise AssertionError(f"waited in vain until {what}")


def lives(pid):
    """Whether a process can still do something: who has ended and is not waited for cannot."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


class Figures(unittest.TestCase):
    def up(self, exchange, process):
        return scrape(exchange.metrics_port)[1][("sluice_up", ("process", process))]

    def test_figures_follow_the_exchange_and_outlive_the_fastpath(self):
        exchange = Exchange()
        users = [User(exchange, Wallet(seed)) for seed in (1, 2)]
        before = scrape(exchange.metrics_port)[1]
        for number in range(20):
            self.assertEqual(users[0].place("Ask", 100, 1, 2 * number + 1)[0], 201)
            self.assertEqual(users[1].place("Bid", 100, 1, 2 * number + 1)[0], 201)
        families, after = scrape(exchange.metrics_port)
        rise = lambda *key: after[key] - before.get(key, 0)
        self.assertEqual(rise("sluice_match_from_slow_total"), 40)
        self.assertEqual(rise("sluice_out_trades_total"), 20)
        self.assertGreaterEqual(rise("sluice_journal_head_seq"), 40)
        orders = ("method", "POST"), ("route", "/api/v1/orders"), ("status", "201")
        self.assertEqual(rise("sluice_gateway_requests_total", *orders), 40)
        self.assertEqual(after[("sluice_gateway_log_ons_total",)], 2)
        for process in ("fastpath", "slowpath"):
            self.assertEqual(after[("sluice_up", ("process", process))], 1)
        self.assertEqual(after[("sluice_shadow_agrees",)], 1)
        self.assertEqual(after[("sluice_epoch",)], 1)
        self.assertEqual(after[("sluice_fastpath_allocations_total",)], 0)
        self.check_form(families)

        exchange.kill("fastpath")
        self.assertEqual(self.up(exchange, "fastpath"), 0)
        self.assertEqual(self.up(exchange, "slowpath"), 1)
        killed = ("process", "fastpath"), ("state", "killed")
        dead = scrape(exchange.metrics_port)[1]
        self.assertEqual(dead[("sluice_process_state", *killed)], 1)
        self.assertEqual(dead[("sluice_tile_up", ("tile", "match"))], 0)
        refusal = ""

        def is_refused():
            nonlocal refusal
            status, refusal = exchange.call("GET", "/ready", raw=True)
            return status == 503

        wait("it is not ready", is_refused)
        self.assertIn("the fastpath does not answer", refusal)
        self.assertEqual(exchange.call("GET", "/health", raw=True)[0], 200)
        exchange.start("fastpath")
        wait("the fastpath is up", lambda: self.up(exchange, "fastpath") == 1)
        wait(
            "its tiles run",
            lambda: scrape(exchange.metrics_port)[1][("sluice_tile_up", ("tile", "out"))] == 1,
        )
        wait("it is ready", lambda: exchange.call("GET", "/ready", raw=True)[0] == 200)
        self.assertEqual(exchange.stop(), [0, 0])
        shutil.rmtree(exchange.folder)

    def check_form(self, families):
        """Names, helps and histograms as Prometheus wants them, and each one documented."""
        page = OPERATING.read_text()
        for family in families.values():
            name = family.name + ("_total" if family.type == "counter" else "")
            self.assertRegex(name, r"^sluice_[a-z0-9_]+$")
            self.assertTrue(family.documentation, name)
            self.assertIn(f"| `{name}` | {family.type} |", page)
        stages = [family for family in families.values() if family.type == "histogram"]
        self.assertGreaterEqual(len(stages), 3)
        for family in stages:
            counts, buckets = {}, {}
            for sample in family.samples:
                labels = {k: v for k, v in sample.labels.items() if k != "le"}
                key = tuple(sorted(labels.items()))
                if sample.name.endswith("_bucket"):
                    buckets.setdefault(key, []).append((float(sample.labels["le"]), sample.value))
                if sample.name.endswith("_count"):
                    counts[key] = sample.value
            self.assertEqual(counts.keys(), buckets.keys())
            for key, steps in buckets.items():
                self.assertEqual(steps, sorted(steps))
                values = [value for _, value in steps]
                self.assertEqual(values, sorted(values), "cumulative")
                self.assertEqual(values[-1], counts[key])

    def test_they_are_served_without_a_gateway_and_not_on_the_public_port(self):
        exchange = Exchange()
        self.assertEqual(exchange.call("GET", "/metrics")[0], 404)
        self.assertEqual(exchange.stop(), [0, 0])
        shutil.rmtree(exchange.folder)
        instance = Instance("[gateway]\nenabled = false\n")
        started = instance.sluice("start", "--detach")
        self.assertEqual(started.returncode, 0, started.stderr)
        samples = scrape(instance.metrics_port)[1]
        self.assertEqual(samples[("sluice_up", ("process", "fastpath"))], 1)
        stopped = instance.sluice("stop")
        self.assertEqual(stopped.returncode, 0, stopped.stdout + stopped.stderr)


class Logs(unittest.TestCase):
    def test_lines_of_json_tell_requests_and_who_administers(self):
        environment = {"SLUICE_LOG__FORMAT": "json", "SLUICE_LOG__LEVEL": "info,gateway=debug"}
        exchange = Exchange(environment=environment)
        operator = User(exchange, OPERATOR, funds=False)
        self.assertEqual(
            operator.call("POST", "/admin/assets", {"symbol": "JUP", "decimals": 6})[0], 201
        )
        self.assertEqual(exchange.stop(), [0, 0])
        lines = {}
        for program in ("fastpath", "slowpath"):
            text = (exchange.folder / f"{program}.log").read_text()
            lines[program] = [json.loads(line) for line in text.splitlines()]
            self.assertTrue(lines[program])
            for line in lines[program]:
                self.assertRegex(line["timestamp"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
                self.assertIn(line["level"], ("ERROR", "WARN", "INFO", "DEBUG"))
                self.assertTrue(line["target"] and line["message"])
        self.assertTrue(any(line["message"].startswith("ready ") for line in lines["fastpath"]))
        asked = "administration was asked for"
        administers = [line for line in lines["slowpath"] if line["message"] == asked]
        self.assertEqual([line["wallet"] for line in administers], [OPERATOR.text])
        span = administers[0]["span"]
        self.assertEqual((span["method"], span["route"]), ("POST", "/api/v1/admin/assets"))
        answered = [
            line
            for line in lines["slowpath"]
            if line["message"] == "answered" and line["span"]["id"] == span["id"]
        ]
        self.assertEqual([line["status"] for line in answered], [201])
        shutil.rmtree(exchange.folder)

    def test_tables_that_are_still_being_made_are_no_warning(self):
        instance = Instance()
        (instance.folder / "state").mkdir()
        store = sqlite3.connect(instance.folder / "state" / "store.db", isolation_level=None)
        store.execute("PRAGMA journal_mode = WAL")
        store.execute("BEGIN IMMEDIATE")
        start = subprocess.Popen(instance.command("start", "--detach"), stderr=subprocess.DEVNULL)
        problem = ""

        def waits_for_tables():
            nonlocal problem
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{instance.port}/ready")
            except urllib.error.HTTPError as error:
                problem = error.read().decode()
            except urllib.error.URLError:
                pass
            return "the tables of its history are being made" in problem

        wait("the gateway waits for the tables", waits_for_tables)
        store.execute("ROLLBACK")
        store.close()
        self.assertEqual(start.wait(60), 0)
        log = (instance.folder / "state" / "slowpath.log").read_text()
        self.assertNotIn("warn", log)
        self.assertEqual(instance.sluice("stop").returncode, 0)

    def test_the_level_changes_while_it_runs_and_an_answer_names_its_request(self):
        instance = Instance()
        self.assertEqual(instance.sluice("start", "--detach").returncode, 0)
        ask = lambda: urllib.request.urlopen(f"http://127.0.0.1:{instance.port}/health")
        first = ask().headers["x-request-id"]
        self.assertEqual(instance.sluice("log-level", "info,gateway=debug").returncode, 0)
        log = instance.folder / "state" / "slowpath.log"
        wait("the level is another", lambda: "log level is info,gateway=debug" in log.read_text())
        second = ask().headers["x-request-id"]
        wait("the request is logged", lambda: second in log.read_text())
        self.assertNotIn(first, log.read_text())
        self.assertEqual(instance.sluice("stop").returncode, 0)


class Instance:
    """Files of an instance; `sluice` starts and stops it."""

    def __init__(self, more=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-operate-"))
        self.port = free_port(socket.SOCK_STREAM)
        self.metrics_port = free_port(socket.SOCK_STREAM)
        self.order_port = free_port(socket.SOCK_DGRAM)
        self.name = f"operate-{os.getpid()}-{self.port}"
        genesis = subprocess.check_output([BINARIES / "sluice", "config", "default", "--genesis"])
        (self.folder / "genesis.toml").write_bytes(genesis)
        (self.folder / "sluice.toml").write_text(
            f"""
[instance]
name = "{self.name}"
[memory]
journal_mib = 8
[port]
bind = "127.0.0.1:{self.order_port}"
[metrics]
bind = "127.0.0.1:{self.metrics_port}"
"""
            + (more or f'[gateway]\nbind = "127.0.0.1:{self.port}"\n')
        )
        unittest.addModuleCleanup(self.clean_up)

    def command(self, *arguments):
        return [BINARIES / "sluice", *arguments, "--config", self.folder / "sluice.toml"]

    def sluice(self, *arguments):
        return subprocess.run(
            self.command(*arguments), capture_output=True, text=True, timeout=120
        )

    def pids(self):
        status = json.loads(self.sluice("status", "--json").stdout)
        return {name: int(status[name]["pid"]) for name in ("fastpath", "slowpath")}

    def health(self):
        return json.loads(self.sluice("status", "--json").stdout)["health"]

    def clean_up(self):
        self.sluice("stop")
        shutil.rmtree(self.folder)
        shutil.rmtree(f"/dev/shm/sluice-{self.name}", ignore_errors=True)


class StartAndStop(unittest.TestCase):
    def test_in_the_foreground_what_dies_comes_back_and_a_stop_is_in_order(self):
        instance = Instance()
        output = open(instance.folder / "output", "w+")
        start = subprocess.Popen(
            instance.command("start"), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            said = lambda: (instance.folder / "output").read_text()
            wait("both are ready", lambda: "is ready: fastpath" in said())
            self.assertEqual(instance.health(), "healthy")
            for program in ("fastpath", "slowpath"):
                before = instance.pids()
                os.kill(before[program], signal.SIGKILL)
                wait("it is back", lambda: instance.pids()[program] != before[program])
                wait("all is well", lambda: instance.health() == "healthy")
                self.assertIn(f"the {program} died with signal: 9", said())
                pid = instance.pids()[program]
                wait("it is said to be ready", lambda: f"the {program} (pid {pid}) is ready again" in said())
                self.assertIn(f"the {program} was started again (pid {pid})", said())
            start.send_signal(signal.SIGTERM)
            self.assertEqual(start.wait(60), 0, said())
            fastpath = said().rindex("stopped: seq ")
            slowpath = said().rindex("stopped: all is archived and checked")
            self.assertLess(fastpath, slowpath)
        finally:
            if start.poll() is None:
                start.kill()
            output.close()

    def test_a_start_that_fails_is_tried_again_and_leaves_nothing_unwatched(self):
        instance = Instance()
        programs = instance.folder / "programs"
        programs.mkdir()
        for program in ("fastpath", "slowpath"):
            (programs / program).symlink_to(BINARIES / program)
        start = subprocess.Popen(
            instance.command("start", "--programs", programs),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            self.assertIn("is ready", start.stderr.readline())
            before = instance.pids()
            slowpath = programs / "slowpath"
            slowpath.rename(programs / "aside")
            os.kill(before["slowpath"], signal.SIGKILL)
            self.assertIn("the slowpath died with signal: 9", start.stderr.readline())
            for _ in range(2):
                self.assertRegex(start.stderr.readline(), r"start .*/slowpath.*: trying again in \d+ ms")
            self.assertTrue(lives(before["fastpath"]))
            (programs / "aside").rename(slowpath)
            wait("all is well", lambda: instance.health() == "healthy")
            self.assertEqual(instance.pids()["fastpath"], before["fastpath"])
            start.send_signal(signal.SIGTERM)
            self.assertEqual(start.wait(60), 0)
        finally:
            if start.poll() is None:
                start.kill()
            start.stderr.close()

    def test_one_that_is_missing_is_started_and_the_other_left_alone(self):
        instance = Instance()
        self.assertEqual(instance.sluice("start", "--detach").returncode, 0)
        before = instance.pids()
        os.kill(before["fastpath"], signal.SIGKILL)
        wait("it is dead", lambda: not lives(before["fastpath"]))
        again = instance.sluice("start", "--detach")
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertIn(f"the slowpath runs already (pid {before['slowpath']})", again.stderr)
        after = instance.pids()
        self.assertNotEqual(after["fastpath"], before["fastpath"])
        self.assertEqual(after["slowpath"], before["slowpath"])
        wait("all is well", lambda: instance.health() == "healthy")
        self.assertEqual(instance.sluice("stop").returncode, 0)

    def test_one_that_runs_and_does_not_answer_is_not_called_ready(self):
        instance = Instance("[gateway]\nenabled = false\n")
        self.assertEqual(instance.sluice("start", "--detach").returncode, 0)
        pids = instance.pids()
        for frozen, dead in (("slowpath", "fastpath"), ("fastpath", "slowpath")):
            os.kill(pids[frozen], signal.SIGSTOP)
            try:
                wait("it is silent", lambda: instance.health() == "wrong")
                both = instance.sluice("start", "--detach")
                self.assertEqual(both.returncode, 1)
                says = f"the {frozen} (pid {pids[frozen]}) runs and does not answer"
                self.assertIn(says.removeprefix("the "), both.stderr)
                os.kill(pids[dead], signal.SIGKILL)
                wait("the other is dead", lambda: not lives(pids[dead]))
                started = instance.sluice("start", "--detach")
                self.assertEqual(started.returncode, 1, started.stderr)
                pids = instance.pids()
                self.assertIn(f"is not ready: {dead} {pids[dead]} serves, but {says}", started.stderr)
            finally:
                os.kill(pids[frozen], signal.SIGCONT)
            wait("all is well", lambda: instance.health() == "healthy")
        self.assertEqual(instance.sluice("stop").returncode, 0)

    def test_the_port_of_the_figures_that_the_system_chose_is_said(self):
        instance = Instance("[gateway]\nenabled = false\n")
        config = instance.folder / "sluice.toml"
        config.write_text(config.read_text().replace(f":{instance.metrics_port}", ":0"))
        started = instance.sluice("start", "--detach")
        self.assertEqual(started.returncode, 0, started.stderr)
        port = int(re.search(r"; metrics http://127\.0\.0\.1:(\d+)/metrics", started.stderr)[1])
        self.assertEqual(scrape(port)[1][("sluice_up", ("process", "slowpath"))], 1)
        status = instance.sluice("status").stdout
        self.assertRegex(status, rf"\nmetrics +http://127\.0\.0\.1:{port}/metrics\n")
        self.assertEqual(instance.sluice("stop").returncode, 0)
        self.assertNotIn(f":{port}/", instance.sluice("status").stdout)

    def test_somebody_elses_stop_ends_the_one_in_the_foreground(self):
        instance = Instance()
        start = subprocess.Popen(
            instance.command("start"), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        try:
            self.assertIn("is ready", start.stderr.readline())
            stopped = instance.sluice("stop")
            self.assertEqual(stopped.returncode, 0, stopped.stderr)
            self.assertEqual(start.wait(60), 0)
        finally:
            if start.poll() is None:
                start.kill()
            start.stderr.close()

    def test_detached_they_go_on_and_a_second_start_is_refused_by_pid(self):
        instance = Instance()
        started = instance.sluice("start", "--detach")
        self.assertEqual(started.returncode, 0, started.stderr)
        pids = instance.pids()
        self.assertIn(f"fastpath {pids['fastpath']}, slowpath {pids['slowpath']}", started.stderr)
        metrics = f"http://127.0.0.1:{instance.metrics_port}/metrics"
        self.assertIn(f"; gateway http://127.0.0.1:{instance.port}; metrics {metrics}", started.stderr)
        self.assertEqual(json.loads(instance.sluice("status", "--json").stdout)["metrics"], metrics)
        self.assertNotRegex((instance.folder / "state" / "slowpath.log").read_text(), "does not answer|warning")
        self.assertEqual(instance.health(), "healthy")
        second = instance.sluice("start", "--detach")
        self.assertEqual(second.returncode, 1)
        self.assertIn(f"runs already (pid {pids['fastpath']})", second.stderr)
        stopped = instance.sluice("stop")
        self.assertEqual(stopped.returncode, 0, stopped.stdout + stopped.stderr)
        for pid in pids.values():
            self.assertFalse(lives(pid))
        # And again from where it stopped.
        self.assertEqual(instance.sluice("start", "--detach").returncode, 0)
        self.assertEqual(instance.sluice("stop").returncode, 0)

    def test_another_instances_gateway_at_the_address_makes_none_ready(self):
        first, second = Instance(), Instance()
        config = second.folder / "sluice.toml"
        config.write_text(config.read_text().replace(f":{second.port}", f":{first.port}"))
        started = first.sluice("start", "--detach")
        self.assertEqual(started.returncode, 0, started.stderr)
        gateway = f"http://127.0.0.1:{first.port}"
        self.assertRegex(first.sluice("status").stdout, rf"\ngateway +{gateway}\n")
        refused = second.sluice("start", "--detach", "--wait", "5")
        self.assertEqual(refused.returncode, 1, refused.stderr)
        says = f"the slowpath was not ready within 5 s: no gateway at 127.0.0.1:{first.port}: see `trouble:`"
        self.assertIn(says, refused.stderr)
        self.assertIn("trouble: no gateway, trying again: cannot listen", refused.stderr)
        self.assertEqual(first.health(), "healthy")
        self.assertEqual(first.sluice("stop").returncode, 0)
        started = second.sluice("start", "--detach")
        self.assertEqual(started.returncode, 0, started.stderr)
        self.assertIn(f"; gateway {gateway};", started.stderr)
        self.assertEqual(second.sluice("stop").returncode, 0)

    def test_what_cannot_start_says_why_in_its_own_words_and_nothing_is_left(self):
        instance = Instance()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", instance.order_port))
            started = instance.sluice("start", "--detach")
        self.assertEqual(started.returncode, 1)
        self.assertIn("the fastpath ended with", started.stderr)
        self.assertIn(f"open the order port 127.0.0.1:{instance.order_port}", started.stderr)
        for life in re.findall(r"pid (\d+)", instance.sluice("status").stdout):
            self.assertFalse(lives(life))


if __name__ == "__main__":
    unittest.main(verbosity=2)
