"""A running exchange, and users of its gateway, for http_test.py."""

import atexit
import json
import os
import pathlib
import resource
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import base58
from nacl.signing import SigningKey

BINARIES = pathlib.Path(os.environ["BINARIES"])


def free_port(kind):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def freeze(process):
    """Stops a process, and waits until the last of its threads stands: a busy one runs on for a moment."""
    process.send_signal(signal.SIGSTOP)
    tasks = pathlib.Path(f"/proc/{process.pid}/task")

    def stands(task):
        return (task / "stat").read_text().rpartition(") ")[2][0] == "T"

    while not all(stands(task) for task in tasks.iterdir()):
        time.sleep(0.001)


class Wallet:
    def __init__(self, seed):
        self.key = SigningKey(bytes([seed]) * 32)
        self.text = base58.b58encode(bytes(self.key.verify_key)).decode()

    def sign(self, message):
        return base58.b58encode(self.key.sign(message.encode()).signature).decode()


OPERATOR = Wallet(200)


class Exchange:
    """Both processes, in a folder of their own."""

    def __init__(self, gateway="", ack="sequenced", tls=None, environment=None, files=None):
        """`files`: how many files each process may open; the system's limit unless said."""
        self.files = files
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-http-"))
        self.name = f"http-{os.getpid()}-{free_port(socket.SOCK_STREAM)}"
        self.port = free_port(socket.SOCK_STREAM)
        self.metrics_port = free_port(socket.SOCK_STREAM)
        self.environment = environment or {}
        self.scheme = "http"
        extra = ""
        if "registrations" not in gateway:
            extra += "address_registrations = 100000\nregistrations = 100000\n"
        if "address_connections" not in gateway:
            extra += "address_connections = 0\n"
        if tls:
            self.scheme = "https"
            extra += f'tls_cert = "{tls[0]}"\ntls_key = "{tls[1]}"\n'
        (self.folder / "genesis.toml").write_bytes(
            subprocess.check_output([BINARIES / "sluice", "config", "default", "--genesis"])
        )
        (self.folder / "sluice.toml").write_text(
            f"""
genesis = "genesis.toml"
[instance]
name = "{self.name}"
ack = "{ack}"
[memory]
journal_mib = 8
[engine]
recovery_grace_ms = 0
[metrics]
bind = "127.0.0.1:{self.metrics_port}"
[port]
bind = "127.0.0.1:{free_port(socket.SOCK_DGRAM)}"
[gateway]
bind = "127.0.0.1:{self.port}"
registration = "open"
faucet = true
operators = ["{OPERATOR.text}"]
{extra}{gateway or "address_rate = 100000" + chr(10) + "order_rate = 100000"}
"""
        )
        self.processes = {}
        atexit.register(self.clean_up)
        self.start("fastpath")
        self.start("slowpath")
        self.wait_ready()

    def start(self, program):
        with open(self.folder / f"{program}.log", "ab") as log:
            self.processes[program] = subprocess.Popen(
                [BINARIES / program, "--config", self.folder / "sluice.toml"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
                preexec_fn=self.limit_files,
            )

    def restart(self, change=lambda config: config):
        """Stops the slowpath and starts it with a changed configuration."""
        process = self.processes["slowpath"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        config = self.folder / "sluice.toml"
        config.write_text(change(config.read_text()))
        self.start("slowpath")
        self.wait_ready()

    def limit_files(self):
        if self.files:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.files, self.files))

    def kill(self, program):
        self.processes[program].kill()
        self.processes[program].wait()

    def wait_ready(self):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                if self.call("GET", "/ready", raw=True)[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.02)
        raise AssertionError("not ready:\n" + (self.folder / "slowpath.log").read_text())

    def stop(self):
        """Stops both in order; says their exit codes."""
        codes = []
        for program in ("fastpath", "slowpath"):
            process = self.processes[program]
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            codes.append(process.wait(30))
        self.clean_up()
        return codes

    def clean_up(self):
        """Leaves no process and no memory, however a test ended."""
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
                process.wait()
        shm = pathlib.Path("/dev/shm") / f"sluice-{self.name}"
        if shm.exists():
            for file in shm.iterdir():
                file.unlink()
            shm.rmdir()

    def url(self, path):
        return f"{self.scheme}://127.0.0.1:{self.port}{path}"

    def websocket(self):
        return f"ws://127.0.0.1:{self.port}/api/v1/ws"

    def call(self, method, path, body=None, token=None, raw=False, data=None, headers=None):
        """Status and JSON (or text) of an answer."""
        if body is not None:
            data = json.dumps(body).encode()
        request = urllib.request.Request(self.url(path), method=method, data=data, headers=headers or {})
        if data is not None:
            request.add_header("Content-Type", "application/json")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        context = None
        if self.scheme == "https":
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        try:
            with urllib.request.urlopen(request, timeout=20, context=context) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
            kind = error.headers["Content-Type"]
            assert kind == "application/problem+json", (path, status, kind, text)
        if raw or not text:
            return status, text.decode()
        return status, json.loads(text)


class User:
    """A wallet that has logged on."""

    def __init__(self, exchange, wallet, funds=True):
        self.exchange, self.wallet = exchange, wallet
        self.log_on()
        if funds:
            for asset, amount in (("SOL", "1000000000000"), ("USDC", "100000000000")):
                status, answer = self.call("POST", "/faucet", {"asset": asset, "amount": amount})
                assert status == 200, answer

    def log_on(self):
        status, challenge = self.exchange.call(
            "POST", "/api/v1/auth/challenge", {"wallet": self.wallet.text}
        )
        assert status == 200, challenge
        status, tokens = self.exchange.call(
            "POST",
            "/api/v1/auth/token",
            {
                "wallet": self.wallet.text,
                "nonce": challenge["nonce"],
                "signature": self.wallet.sign(challenge["message"]),
            },
        )
        assert status == 200, tokens
        self.tokens = tokens

    @property
    def token(self):
        return self.tokens["access_token"]

    def call(self, method, path, body=None):
        return self.exchange.call(method, "/api/v1" + path, body, self.token)

    def place(self, side, price, quantity, client_order_id=None, **more):
        body = {
            "market": "SOL/USDC",
            "side": side,
            "order_type": "Limit",
            "price": str(price),
            "quantity": str(quantity),
            **more,
        }
        if client_order_id is not None:
            body["client_order_id"] = str(client_order_id)
        return self.call("POST", "/orders", body)
