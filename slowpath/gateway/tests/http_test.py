"""The gateway of a real exchange: log-on, orders, history, streams, kills, limits, TLS, the API's description.

`cargo xtask test http` runs it with the release binaries; BINARIES names their folder.
"""

import asyncio
import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import base58
import websockets
from nacl.signing import VerifyKey
from exchange import OPERATOR, Exchange, User, Wallet, freeze
from order_entry import ExchangeKey, Port

HERE = pathlib.Path(__file__).parent


class OneExchange(unittest.TestCase):
    """Tests that share an exchange."""

    gateway = ""

    @classmethod
    def setUpClass(cls):
        cls.exchange = Exchange(cls.gateway)

    @classmethod
    def tearDownClass(cls):
        codes = cls.exchange.stop()
        log = (cls.exchange.folder / "slowpath.log").read_text()
        assert codes == [0, 0], (codes, log)
        assert "panicked" not in log and "alarm" not in log, log
        shutil.rmtree(cls.exchange.folder)

    def ok(self, answer, status=200):
        self.assertEqual(answer[0], status, answer[1])
        return answer[1]

    def refused(self, answer, status, code):
        self.assertEqual((answer[0], answer[1]["code"]), (status, code), answer[1])
        self.assertEqual(answer[1]["type"], f"urn:sluice:problem:{code}")
        self.assertTrue(answer[1]["detail"])

    def catch_up(self):
        """Waits until the history has what the exchange has now."""
        now = int(self.ok(self.exchange.call("GET", "/api/v1/system/status"))["sequence"])
        deadline = time.monotonic() + 30
        while int(self.ok(self.exchange.call("GET", "/api/v1/system/status"))["history_sequence"]) < now:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)


class LogOn(OneExchange):
    def challenge(self, wallet):
        return self.ok(
            self.exchange.call("POST", "/api/v1/auth/challenge", {"wallet": wallet.text})
        )

    def answer(self, wallet, challenge, signature=None):
        body = {
            "wallet": wallet.text,
            "nonce": challenge["nonce"],
            "signature": signature or wallet.sign(challenge["message"]),
        }
        return self.exchange.call("POST", "/api/v1/auth/token", body)

    def test_a_challenge_is_answered_once_by_its_wallet(self):
        a, b = Wallet(1), Wallet(2)
        challenge = self.challenge(a)
        self.assertIn(a.text, challenge["message"])
        seconds, nanos = divmod(int(challenge["expires"]), 10**9)
        expires = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
        self.assertTrue(challenge["message"].endswith(f"\nExpires: {expires}.{nanos:09}Z"), challenge)
        # What others try does not use it up.
        self.refused(self.answer(b, challenge), 401, "unauthenticated")
        forged = b.sign(challenge["message"])
        self.refused(self.answer(a, challenge, forged), 401, "unauthenticated")
        tokens = self.ok(self.answer(a, challenge))
        self.assertEqual((tokens["role"], tokens["token_type"]), ("user", "Bearer"))
        self.refused(self.answer(a, challenge), 401, "unauthenticated")

    def test_the_lines_of_the_documentation_sign_for_a_wallet(self):
        text = (HERE.parents[2] / "docs/GATEWAY.md").read_text()
        lines = text.split("```bash\n")[1].split("WALLET=")[0]
        # What their first line fetches is here already.
        script = lines.split("\n", 1)[1] + "sign who </dev/null; printf 'to sign' | sign sign"
        path = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
        with tempfile.TemporaryDirectory() as folder:
            said = subprocess.run(
                ["bash", "-ec", script], cwd=folder, check=True, capture_output=True, text=True,
                env={**os.environ, "PATH": path},
            )
        wallet, signature = said.stdout.split()
        VerifyKey(base58.b58decode(wallet)).verify(b"to sign", base58.b58decode(signature))

    def test_refresh_tokens_work_once_and_a_copy_ends_the_log_on(self):
        user = User(self.exchange, Wallet(3), funds=False)
        refresh = lambda token: self.exchange.call(
            "POST", "/api/v1/auth/refresh", {"refresh_token": token}
        )
        first = user.tokens["refresh_token"]
        second = self.ok(refresh(first))
        # The answer was lost: asked again, it is the same, until what it gave is used.
        self.assertEqual(self.ok(refresh(first))["refresh_token"], second["refresh_token"])
        third = self.ok(refresh(second["refresh_token"]))
        account = lambda token: self.exchange.call("GET", "/api/v1/users/me/account", token=token)
        for tokens in (user.tokens, second, third):
            self.ok(account(tokens["access_token"]))
        self.refused(refresh(first), 401, "unauthenticated")
        self.refused(refresh(third["refresh_token"]), 401, "unauthenticated")
        for tokens in (user.tokens, second, third):
            self.refused(account(tokens["access_token"]), 401, "unauthenticated")
        user.log_on()
        self.ok(account(user.token))

    def test_strangers_have_nothing_written(self):
        with contextlib.closing(sqlite3.connect(self.exchange.folder / "state" / "store.db", isolation_level=None)) as store:
            store.execute("BEGIN IMMEDIATE")
            answer = self.exchange.call("POST", "/api/v1/auth/refresh", {"refresh_token": "x" * 43})
            store.execute("ROLLBACK")
        self.refused(answer, 401, "unauthenticated")

    def test_a_log_on_that_has_ended_takes_its_streams_with_it(self):
        user = User(self.exchange, Wallet(7))

        async def run():
            async with websockets.connect(self.exchange.websocket()) as socket:
                await subscribe(socket, "UserOrders", user.token)
                while (await next_message(socket))["type"] != "OrderSnapshot":
                    pass
                self.assertEqual(user.call("POST", "/auth/revoke")[0], 204)
                user.log_on()
                self.ok(user.place("Bid", 100, 1), 201)
                self.assertEqual((await next_message(socket))["code"], "logged-off")
                with self.assertRaises(websockets.ConnectionClosed) as closed:
                    await next_message(socket)
                self.assertEqual(closed.exception.rcvd.reason, "logged-off")

        asyncio.run(run())

    def test_revoked_and_strange_tokens_are_refused(self):
        user = User(self.exchange, Wallet(4), funds=False)
        self.assertEqual(user.call("POST", "/auth/revoke")[0], 204)
        self.refused(user.call("GET", "/users/me/account"), 401, "unauthenticated")
        for token in ("", "x", "a.b.c", user.token + "x"):
            answer = self.exchange.call("GET", "/api/v1/users/me/account", token=token)
            self.refused(answer, 401, "unauthenticated")

    def test_a_log_on_ends_although_the_store_is_locked_when_it_is_revoked(self):
        """Whether the client repeats it or not: nothing that it gave out works any more."""
        for wallet, repeats in ((Wallet(92), True), (Wallet(93), False)):
            user = User(self.exchange, wallet, funds=False)
            refresh = {"refresh_token": user.tokens["refresh_token"]}
            path = self.exchange.folder / "state" / "store.db"
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as store:
                store.execute("BEGIN IMMEDIATE")
                self.refused(user.call("POST", "/auth/revoke"), 503, "unavailable")
                store.execute("ROLLBACK")
                self.refused(user.call("GET", "/users/me/account"), 401, "unauthenticated")
                if repeats:
                    self.ok(user.call("POST", "/auth/revoke"), 204)
                else:
                    written = "SELECT count(revoked) FROM refresh_tokens WHERE wallet = ?"
                    deadline = time.monotonic() + 60
                    while store.execute(written, (bytes(wallet.key.verify_key),)).fetchone() == (0,):
                        self.assertLess(time.monotonic(), deadline)
                        time.sleep(0.1)
            self.refused(
                self.exchange.call("POST", "/api/v1/auth/refresh", refresh), 401, "unauthenticated"
            )

    def test_a_wallet_has_so_many_log_ons_and_the_one_not_used_for_longest_ends(self):
        wallet = Wallet(98)
        first, second = User(self.exchange, wallet, funds=False), User(self.exchange, wallet, funds=False)
        refreshed = self.ok(
            self.exchange.call(
                "POST", "/api/v1/auth/refresh", {"refresh_token": first.tokens["refresh_token"]}
            )
        )
        for _ in range(31):
            last = User(self.exchange, wallet, funds=False)
        self.refused(second.call("GET", "/users/me/account"), 401, "unauthenticated")
        refresh = {"refresh_token": second.tokens["refresh_token"]}
        self.refused(
            self.exchange.call("POST", "/api/v1/auth/refresh", refresh), 401, "unauthenticated"
        )
        first.tokens = refreshed
        for user in (first, last):
            self.assertEqual(user.call("GET", "/users/me/account")[0], 200)

    def test_one_account_and_session_for_a_wallet_however_often_it_logs_on(self):
        wallet = Wallet(5)
        accounts = set()
        threads = [
            threading.Thread(
                target=lambda: accounts.add(User(self.exchange, wallet, funds=False).tokens["account"])
            )
            for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(accounts), 1)

    def test_operators_administer_and_users_do_not(self):
        operator = User(self.exchange, OPERATOR, funds=False)
        user = User(self.exchange, Wallet(6), funds=False)
        asset = {"symbol": "JUP", "decimals": 6}
        self.refused(user.call("POST", "/admin/assets", asset), 403, "forbidden")
        self.ok(operator.call("POST", "/admin/assets", asset), 201)
        self.refused(operator.call("POST", "/admin/assets", asset), 409, "symbol-used")
        market = {
            "symbol": "JUP/USDC", "base": "JUP", "quote": "USDC", "tick_value": "1", "lot_size": "1000",
            "min_quantity": "1", "price_min": "1", "price_levels": 1000, "maker_fee_ppm": 0,
            "taker_fee_ppm": 100,
        }
        self.ok(operator.call("POST", "/admin/markets", market), 201)
        markets = self.ok(user.call("GET", "/system/markets"))
        self.assertEqual([m["market"] for m in markets], ["SOL/USDC", "JUP/USDC"])
        deposit = {"wallet": user.wallet.text, "asset": "JUP", "amount": "77", "request_id": "jup-1"}
        self.ok(operator.call("POST", "/admin/deposits", deposit), 201)
        balances = self.ok(user.call("GET", "/users/me/balances"))["balances"]
        self.assertEqual([b["available"] for b in balances if b["asset"] == "JUP"], ["77"])
        self.catch_up()
        rows = self.ok(operator.call("GET", "/admin/audit"))["items"]
        commands = [row["command"] for row in rows]
        self.assertLess(commands.index("CreateMarket"), commands.index("CreateAsset"))
        asked = {row["command"]: row.get("asked_by") for row in reversed(rows)}
        for command in ("CreateMarket", "CreateAsset", "Deposit"):
            self.assertEqual(asked[command], OPERATOR.text)
        self.assertIn(("CreateAccount", user.wallet.text), [(r["command"], r.get("asked_by")) for r in rows])
        self.assertNotIn("asked_by", [row for row in rows if row["command"] == "Genesis"][0])
        self.ok(operator.call("PUT", "/admin/roles", {"wallet": user.wallet.text, "role": "auditor"}), 204)
        self.refused(user.call("GET", "/admin/audit"), 403, "forbidden")
        user.log_on()
        self.ok(user.call("GET", "/admin/audit"))
        self.ok(user.call("GET", "/admin/snapshots"))
        given = self.ok(user.call("GET", "/admin/roles"))["items"][0]
        self.assertEqual(
            (given["wallet"], given["role"], given["given_by"]), (user.wallet.text, "auditor", OPERATOR.text)
        )
        self.ok(user.call("GET", f"/users/{OPERATOR.text}/orders"))


class ClosedRegistration(OneExchange):
    def test_a_stranger_is_refused_and_not_kept(self):
        member = User(self.exchange, Wallet(86), funds=False)
        self.exchange.restart(lambda config: config.replace('registration = "open"', 'registration = "closed"'))
        stranger = Wallet(87)
        challenge = self.ok(self.exchange.call("POST", "/api/v1/auth/challenge", {"wallet": stranger.text}))
        body = {
            "wallet": stranger.text,
            "nonce": challenge["nonce"],
            "signature": stranger.sign(challenge["message"]),
        }
        answer = self.exchange.call("POST", "/api/v1/auth/token", body)
        self.refused(answer, 403, "forbidden")
        self.assertIn("gateway.registration", answer[1]["detail"])
        member.log_on()
        with contextlib.closing(sqlite3.connect(self.exchange.folder / "state" / "store.db")) as store:
            kept = {wallet for (wallet,) in store.execute("SELECT wallet FROM users")}
        self.assertEqual(kept, {bytes(member.wallet.key.verify_key)})


class Operators(OneExchange):
    def test_an_operator_that_the_configuration_names_no_more_is_none_and_one_that_was_made_stays(self):
        named, made, stray = User(self.exchange, OPERATOR, funds=False), Wallet(90), Wallet(91)
        give = {"wallet": made.text, "role": "operator"}
        self.ok(named.call("PUT", "/admin/roles", give), 204)
        demote = {"wallet": OPERATOR.text, "role": "user"}
        self.refused(named.call("PUT", "/admin/roles", demote), 409, "named-operator")

        def without_operators(config):
            # As an earlier version left whom it was told in its configuration.
            with contextlib.closing(sqlite3.connect(self.exchange.folder / "state" / "store.db")) as store, store:
                for wallet in (OPERATOR, stray):
                    key = bytes(wallet.key.verify_key)
                    store.execute("INSERT OR REPLACE INTO users (wallet, role, created) VALUES (?, 2, 1)", (key,))
                # And a refresh token that has expired.
                store.execute("INSERT INTO refresh_tokens VALUES (?, 1, ?, 1, 2, NULL, NULL)", (b"x" * 32, b"y" * 32))
            return config.replace(f'operators = ["{OPERATOR.text}"]', "operators = []")

        self.exchange.restart(without_operators)
        refreshed = self.ok(
            self.exchange.call(
                "POST", "/api/v1/auth/refresh", {"refresh_token": named.tokens["refresh_token"]}
            )
        )
        self.assertEqual(refreshed["role"], "user")
        for wallet, role in ((OPERATOR, "user"), (stray, "user"), (made, "operator")):
            user = User(self.exchange, wallet, funds=False)
            self.assertEqual(user.tokens["role"], role)
            self.assertEqual(user.call("GET", "/admin/audit")[0], 200 if role == "operator" else 403)
        with contextlib.closing(sqlite3.connect(self.exchange.folder / "state" / "store.db")) as store:
            expired = "SELECT count(*) FROM refresh_tokens WHERE hash = ?"
            deadline = time.monotonic() + 30
            while store.execute(expired, (b"x" * 32,)).fetchone() != (0,):
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.1)


class Deposits(OneExchange):
    """A deposit is made once for its request id, whatever happens between the asking and the answer."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.operator, cls.user = User(cls.exchange, OPERATOR, funds=False), User(cls.exchange, Wallet(99), funds=False)

    def ask(self, request_id, amount=1000):
        deposit = {"wallet": self.user.wallet.text, "asset": "SOL", "amount": str(amount), "request_id": request_id}
        return self.operator.call("POST", "/admin/deposits", deposit)

    def has(self):
        balances = self.ok(self.user.call("GET", "/users/me/balances"))["balances"]
        return next(int(b["available"]) for b in balances if b["asset"] == "SOL")

    def test_it_names_a_wallet_or_an_account_by_its_number(self):
        before = self.has()
        account = self.ok(self.user.call("GET", "/users/me/account"))["account"]
        ask = lambda **whom: self.operator.call(
            "POST", "/admin/deposits", {**whom, "asset": "SOL", "amount": "7", "request_id": "by-number"}
        )
        self.assertEqual(self.ok(ask(account=account), 201)["id"], account)
        self.assertEqual(self.has(), before + 7)
        self.refused(ask(account=4_000_000), 404, "not-found")
        for whom in ({}, {"account": account, "wallet": self.user.wallet.text}):
            self.refused(ask(**whom), 422, "invalid-request")

    def test_repeated_it_is_answered_as_the_first_time(self):
        before = self.has()
        first = self.ok(self.ask("again"), 201)
        self.assertEqual([self.ok(self.ask("again"), 201) for _ in range(3)], [first] * 3)
        self.assertEqual(self.has(), before + 1000)
        self.refused(self.ask("again", 1001), 409, "request-used")
        self.refused(self.ask("a/b"), 422, "invalid-request")
        found = self.ok(self.operator.call("GET", "/admin/deposits/again"))
        self.assertEqual(
            (found["sequence"], found["amount"], found["asked_by"]), (first["sequence"], "1000", OPERATOR.text)
        )
        self.refused(self.user.call("GET", "/admin/deposits/again"), 403, "forbidden")
        self.refused(self.operator.call("GET", "/admin/deposits/never"), 404, "not-found")
        # Another operator may repeat it. A user's own request ids are not the operators'.
        give = {"wallet": self.user.wallet.text, "role": "operator"}
        self.ok(self.operator.call("PUT", "/admin/roles", give), 204)
        self.user.log_on()
        wish = {"asset": "SOL", "amount": "5", "request_id": "again"}
        for _ in range(2):
            self.ok(self.user.call("POST", "/faucet", wish))
        self.assertEqual(self.has(), before + 1005)
        deposit = {"wallet": self.user.wallet.text, "asset": "SOL", "amount": "1000", "request_id": "again"}
        self.assertEqual(self.ok(self.user.call("POST", "/admin/deposits", deposit), 201), first)
        self.assertEqual(self.has(), before + 1005)

    def test_a_wish_that_was_granted_is_answered_again_when_the_faucet_gives_no_more(self):
        user, most = User(self.exchange, Wallet(89), funds=False), str(10**15)
        wish = lambda name, amount=most: user.call(
            "POST", "/faucet", {"asset": "SOL", "amount": amount, "request_id": name}
        )
        for number in range(10):
            self.ok(wish(f"wish-{number}"))
        self.refused(wish("more", "1"), 409, "faucet-empty")
        self.ok(wish("wish-9"))
        balances = self.ok(user.call("GET", "/users/me/balances"))["balances"]
        self.assertIn(str(10**16), [balance["available"] for balance in balances])

    def test_many_at_once_are_one(self):
        before = self.has()
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(self.ask("crowd"))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len({self.ok(answer, 201)["sequence"] for answer in answers}), 1)
        self.assertEqual(self.has(), before + 1000)

    def test_without_an_answer_it_is_repeated_and_made_once(self):
        before = self.has()
        fastpath = self.exchange.processes["fastpath"]
        freeze(fastpath)
        try:
            for _ in range(2):
                answer = self.ask("silent")
                self.refused(answer, 504, "outcome-unknown")
                self.assertIn("request_id", answer[1]["detail"])
            # What the gateway knew of it is gone; the ring has it still.
            self.exchange.kill("slowpath")
            self.exchange.start("slowpath")
        finally:
            fastpath.send_signal(signal.SIGCONT)
        self.exchange.wait_ready()
        for user in (self.operator, self.user):
            user.log_on()
        made = self.ok(self.ask("silent"), 201)
        self.assertEqual(self.has(), before + 1000)
        self.assertEqual(self.ok(self.ask("silent"), 201), made)
        self.assertEqual(self.has(), before + 1000)

    def test_what_a_crash_leaves_between_store_and_ring_is_made_when_it_is_repeated(self):
        before = self.has()
        self.ok(self.ask("whole"), 201)

        def crash(config):
            # The row of a deposit that never entered the ring, under the number that is next.
            with contextlib.closing(sqlite3.connect(self.exchange.folder / "state" / "store.db")) as store, store:
                store.execute(
                    "INSERT INTO asked SELECT source, number + 1, command, payload, wallet, time, 'operators/half' "
                    "FROM asked WHERE request = 'operators/whole'"
                )
            return config

        self.exchange.restart(crash)
        for user in (self.operator, self.user):
            user.log_on()
        self.refused(self.operator.call("GET", "/admin/deposits/half"), 404, "not-found")
        self.assertEqual(self.has(), before + 1000)
        made = self.ok(self.ask("half"), 201)
        self.assertEqual(self.ok(self.ask("half"), 201), made)
        self.assertEqual(self.has(), before + 2000)


class PortSessions(OneExchange):
    """A log-on opens a session of the binary port, which is then spoken as docs/WIRE.md says."""

    BEYOND_DELEGATION, DELEGATION_EXPIRED = 18, 17

    def delegate(self, wallet, key, **more):
        """The answer to a log-on that delegates."""
        delegation = {"exchange_key": key.text, "public_key": wallet.text, **more}
        status, challenge = self.exchange.call(
            "POST", "/api/v1/auth/challenge", {"wallet": wallet.text, "delegation": delegation}
        )
        if status != 200:
            return status, challenge
        self.assertIn(key.text, challenge["message"])
        body = {
            "wallet": wallet.text,
            "nonce": challenge["nonce"],
            "signature": wallet.sign(challenge["message"]),
        }
        return self.exchange.call("POST", "/api/v1/auth/token", body)

    def open(self, wallet, key, **more):
        return self.ok(self.delegate(wallet, key, **more))["session"]

    def test_a_log_on_opens_a_session_that_trades_within_its_limits(self):
        user, key = User(self.exchange, Wallet(60)), ExchangeKey()
        opened = self.open(user.wallet, key, max_order_notional="1000000")
        port = Port(opened, key)
        self.assertTrue(port.establish())
        order = port.place("Bid", 20, 1, 1)
        self.assertGreater(order, 0)
        # It is the account's, so the API shows it.
        # The port answers as soon as it is in the journal, which the gateway then reads.
        deadline = time.monotonic() + 30
        while user.call("GET", f"/orders/{order}")[0] == 404:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        self.assertEqual(self.ok(user.call("GET", f"/orders/{order}"))["order_id"], str(order))
        self.assertEqual(port.place("Bid", 1000, 10**9, 2), -self.BEYOND_DELEGATION)
        self.assertTrue(port.cancel(order))
        # Killed and started again, the exchange knows it still.
        order = port.place("Bid", 21, 1, 3)
        for program in ("fastpath", "slowpath"):
            self.exchange.kill(program)
            self.exchange.start(program)
            self.exchange.wait_ready()
            self.assertTrue(port.establish())
        self.assertTrue(port.cancel(order))
        port.close()

    def test_the_same_key_gives_the_same_session_and_an_answer_may_be_asked_for_again(self):
        user, key = User(self.exchange, Wallet(61)), ExchangeKey()
        first, again = self.open(user.wallet, key), self.open(user.wallet, key)
        self.assertEqual(
            (first["session"], first["exchange_key"]), (again["session"], again["exchange_key"])
        )
        other = self.open(user.wallet, ExchangeKey())
        self.assertNotEqual(first["session"], other["session"])
        sessions = self.ok(user.call("GET", "/sessions"))["sessions"]
        doors = sorted(session["door"] for session in sessions)
        self.assertEqual(doors, ["gateway", "port", "port"])
        self.assertIn(key.text, [session.get("exchange_key") for session in sessions])

    def test_a_new_key_for_a_session_shuts_the_old_one_out(self):
        user, old, new = User(self.exchange, Wallet(62)), ExchangeKey(), ExchangeKey()
        opened = self.open(user.wallet, old)
        before = Port(opened, old)
        self.assertTrue(before.establish())
        order = before.place("Bid", 22, 1, 1)
        renewed = self.open(user.wallet, new, session=opened["session"])
        self.assertEqual(renewed["session"], opened["session"])
        after = Port(renewed, new)
        self.assertTrue(after.establish())
        self.assertEqual(after.next, 2, "its numbers go on")
        self.assertFalse(before.establish(tries=2))
        self.assertTrue(after.cancel(order))
        before.close()
        after.close()

    def test_a_session_that_has_ended_or_was_revoked_can_only_cancel(self):
        user, key = User(self.exchange, Wallet(63)), ExchangeKey()
        opened = self.open(user.wallet, key)
        port = Port(opened, key)
        self.assertTrue(port.establish())
        order = port.place("Bid", 23, 1, 1)
        self.ok(user.call("DELETE", f"/sessions/{opened['session']}"), 204)
        self.assertEqual(port.place("Bid", 23, 1, 2), -self.DELEGATION_EXPIRED)
        self.assertTrue(port.cancel(order))
        soon = time.time_ns() + 2_000_000_000
        self.open(user.wallet, key, expires=str(soon))
        self.assertGreater(port.place("Bid", 23, 1, 3), 0)
        while time.time_ns() <= soon + 50_000_000:
            time.sleep(0.05)
        self.assertEqual(port.place("Bid", 23, 1, 4), -self.DELEGATION_EXPIRED)
        port.close()

    def test_a_revocation_does_not_bring_back_the_keys_that_were_before(self):
        user, key, newer = User(self.exchange, Wallet(66), funds=False), ExchangeKey(), ExchangeKey()
        session = self.open(user.wallet, key)["session"]
        fastpath, answers = self.exchange.processes["fastpath"], {}

        def ask(name, question):
            thread = threading.Thread(target=lambda: answers.update({name: question()}))
            thread.start()
            time.sleep(0.5)
            return thread

        freeze(fastpath)
        try:
            asked = [
                ask("new", lambda: self.delegate(user.wallet, newer, session=session)),
                ask("end", lambda: user.call("DELETE", f"/sessions/{session}")),
            ]
        finally:
            fastpath.send_signal(signal.SIGCONT)
        for thread in asked:
            thread.join()
        self.assertEqual((answers["new"][0], answers["end"][0]), (200, 204), answers)
        sessions = self.ok(user.call("GET", "/sessions"))["sessions"]
        found = [one for one in sessions if one["session"] == session]
        self.assertEqual([(one["exchange_key"], one["ended"]) for one in found], [(newer.text, True)])

    def test_a_user_delegates_so_often_in_a_minute_and_no_more(self):
        user, key = User(self.exchange, Wallet(67), funds=False), ExchangeKey()
        answers = []
        while len(answers) < 300 and {status for status, _ in answers} <= {200}:
            answers.append(self.delegate(user.wallet, key))
        self.assertGreater(len(answers), 30)
        self.assertEqual(answers[-1][0], 429)
        # Whoever logs on without it is let in, and so is somebody else with it.
        user.log_on()
        other = User(self.exchange, Wallet(68), funds=False)
        self.open(other.wallet, ExchangeKey())

    def test_what_may_not_be_delegated_is_refused(self):
        user, key = User(self.exchange, Wallet(64)), ExchangeKey()
        mine = self.open(user.wallet, key)["session"]
        weak = ExchangeKey()
        weak.text = base58.b58encode(bytes([1]) + bytes(31)).decode()
        self.refused(self.delegate(user.wallet, weak), 422, "invalid-request")
        weak.text = "0OIl"
        self.refused(self.delegate(user.wallet, weak), 422, "invalid-request")
        for expires in ("0", "1", str(2**64 - 1)):
            refused = self.delegate(user.wallet, ExchangeKey(), expires=expires)
            self.refused(refused, 422, "invalid-request")
        thief = User(self.exchange, Wallet(65), funds=False)
        taken = self.delegate(thief.wallet, ExchangeKey(), session=mine)
        self.refused(taken, 404, "not-found")
        self.refused(thief.call("DELETE", f"/sessions/{mine}"), 404, "not-found")
        door = self.ok(user.call("GET", "/users/me/account"))["session"]
        self.refused(user.call("DELETE", f"/sessions/{door}"), 404, "not-found")
        for _ in range(3):
            self.open(user.wallet, ExchangeKey())
        self.refused(self.delegate(user.wallet, ExchangeKey()), 409, "too-many-sessions")
        self.assertEqual(self.open(user.wallet, key)["session"], mine, "what it has it keeps")


class Orders(OneExchange):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.maker, cls.taker = User(cls.exchange, Wallet(10)), User(cls.exchange, Wallet(11))

    def tearDown(self):
        for user in (self.maker, self.taker):
            self.ok(user.call("DELETE", "/orders"))

    def test_an_order_rests_trades_changes_and_goes(self):
        placed = self.ok(self.maker.place("Ask", 20000, 10, 1), 201)
        order = placed["order"]["order_id"]
        self.assertEqual(placed["order"]["status"], "New")
        book = self.ok(self.maker.call("GET", "/orderbook?market=SOL/USDC"))
        self.assertEqual(book["asks"], [["20000", "10"]])
        self.assertGreaterEqual(int(book["sequence_number"]), int(placed["sequence"]))
        trade = self.ok(self.taker.place("Bid", 20005, 4), 201)
        self.assertEqual([r["kind"] for r in trade["reports"]], ["Accepted", "Fill"])
        self.assertEqual(trade["order"]["status"], "Filled")
        changed = self.ok(self.maker.call("PUT", f"/orders/{order}", {"price": "20001", "quantity": "9"}))
        self.assertEqual(
            (changed["order"]["price"], changed["order"]["remaining_quantity"]), ("20001", "5")
        )
        got = self.ok(self.maker.call("GET", f"/orders/{order}"))
        self.assertEqual((got["status"], got["filled_quantity"]), ("PartiallyFilled", "4"))
        self.refused(self.taker.call("DELETE", f"/orders/{order}"), 404, "not-found")
        self.refused(self.taker.call("GET", f"/orders/{order}"), 403, "forbidden")
        gone = self.ok(self.maker.call("DELETE", f"/orders/{order}"))
        self.assertEqual((gone["order"]["status"], gone["order"]["reason"]), ("Cancelled", 200))
        self.refused(self.maker.call("DELETE", f"/orders/{order}"), 404, "not-found")
        self.catch_up()
        self.assertEqual(self.ok(self.maker.call("GET", f"/orders/{order}"))["status"], "Cancelled")
        fills = self.ok(self.maker.call("GET", "/users/me/trades"))["items"]
        self.assertEqual((fills[0]["side"], fills[0]["order_id"]), ("Ask", order))

    def test_a_cancel_tells_what_traded_before_its_turn_came(self):
        one, other = (
            self.ok(self.maker.place(side, price, 10), 201)["order"]["order_id"]
            for side, price in (("Ask", 12000), ("Bid", 11000))
        )
        fastpath, answers = self.exchange.processes["fastpath"], {}
        now = {"time_in_force": "ImmediateOrCancel"}
        questions = {
            "bought": lambda: self.taker.place("Bid", 12000, 4, **now),
            "sold": lambda: self.taker.place("Ask", 11000, 3, **now),
            "one": lambda: self.maker.call("DELETE", f"/orders/{one}"),
            "all": lambda: self.maker.call("DELETE", "/orders"),
        }

        async def watch():
            async with websockets.connect(self.exchange.websocket()) as socket:
                await subscribe(socket, "UserOrders", self.maker.token)
                while (await next_message(socket))["type"] != "OrderSnapshot":
                    pass
                await asyncio.get_running_loop().run_in_executor(None, act)
                ends = {}
                while len(ends) < 2:
                    data = (await next_message(socket))["data"]
                    if data["report"]["kind"] == "Cancelled":
                        ends[data["order"]["order_id"]] = data["order"]
                return ends

        def act():
            freeze(fastpath)
            try:
                # In this order they enter the ring.
                threads = []
                for name, question in questions.items():
                    ask = lambda name=name, question=question: answers.update({name: question()})
                    threads.append(threading.Thread(target=ask))
                    threads[-1].start()
                    time.sleep(0.3)
            finally:
                fastpath.send_signal(signal.SIGCONT)
            for thread in threads:
                thread.join()

        ends = asyncio.run(watch())
        for name in ("bought", "sold"):
            self.assertEqual(self.ok(answers[name], 201)["order"]["status"], "Filled")
        of_all = self.ok(answers["all"])
        # One was gone when the mass cancel's turn came.
        self.assertEqual((of_all["count"], [o["order_id"] for o in of_all["cancelled"]]), ("1", [other]))
        for order, told, filled in (
            (one, self.ok(answers["one"])["order"], "4"), (other, of_all["cancelled"][0], "3")
        ):
            for said in (told, ends[order], self.ok(self.maker.call("GET", f"/orders/{order}"))):
                self.assertEqual(
                    (said["order_id"], said["status"], said["filled_quantity"], said["remaining_quantity"]),
                    (order, "Cancelled", filled, "0"),
                )

    def test_a_client_order_id_makes_an_order_once(self):
        self.ok(self.maker.place("Bid", 100, 1, 50), 201)
        self.refused(self.maker.place("Bid", 100, 1, 50), 409, "client-order-id-used")
        self.ok(self.maker.call("DELETE", "/orders"))
        # At once, while the store is behind, and when it has caught up.
        self.refused(self.maker.place("Bid", 100, 1, 50), 409, "client-order-id-used")
        self.catch_up()
        self.refused(self.maker.place("Bid", 100, 1, 50), 409, "client-order-id-used")
        outcome = self.ok(self.maker.call("GET", "/orders/by-client-id/50"))
        self.assertEqual((outcome["accepted"], outcome["status"]), (True, "Cancelled"))
        self.refused(self.maker.place("Bid", 60000, 800_000, 51), 409, "insufficient-funds")
        self.catch_up()
        outcome = self.ok(self.maker.call("GET", "/orders/by-client-id/51"))
        self.assertEqual((outcome["accepted"], outcome["reason"]), (False, 12))
        self.assertEqual(outcome["reason_name"], "insufficient-funds")
        self.refused(self.maker.call("GET", "/orders/by-client-id/52"), 404, "not-found")

    def test_refusals_say_why(self):
        for more, code in (
            ({"time_in_force": "GoodTillCancelled", "order_type": "Market", "price": "0"}, "invalid-combination"),
            ({"order_type": "Market", "time_in_force": "ImmediateOrCancel", "price": "70000"}, "invalid-price"),
            ({"min_quantity": "2"}, "invalid-quantity"),
            ({"min_quantity": "1", "order_type": "PostOnly"}, "invalid-combination"),
            ({"price": "70000"}, "price-out-of-range"),
            ({"quantity": "0"}, "invalid-quantity"),
        ):
            body = {"side": "Bid", "order_type": "Limit", "price": "100", "quantity": "1", **more}
            answer = self.maker.call("POST", "/orders", body)
            self.refused(answer, 409, code)
            if code == "invalid-combination":
                # The one rule that is broken, by its field.
                self.assertTrue(answer[1]["detail"].startswith(next(iter(more)) + ": "), answer[1])
        for kind in ("Limit", "PostOnly"):
            body = {"side": "Bid", "order_type": kind, "quantity": "1"}
            answer = self.maker.call("POST", "/orders", body)
            self.refused(answer, 400, "price-missing")
            self.assertIn("price is missing", answer[1]["detail"])
        answer = self.maker.place("Bid", 100, 1, time_in_force="GoodTillTime")
        self.refused(answer, 400, "expires-at-missing")
        answer = self.maker.place("Bid", 100, 1, order_type="StopLimit")
        self.refused(answer, 400, "trigger-price-missing")
        self.ok(self.maker.place("Ask", 30000, 1), 201)
        crossing = self.taker.place("Bid", 30000, 1, order_type="PostOnly")
        self.refused(crossing, 409, "would-trade")
        for wrong in (
            {"price": 1.5}, {"price": "1.0"}, {"side": "Buy"}, {"quantity": "-1"}, {"quantity": None},
            {"unknown": 1}, {"self_trade_behavior": "Allow"}, {"self_trade_scope": "Session"}, {"min_quantity": "-1"},
        ):
            body = {"side": "Bid", "order_type": "Limit", "price": "100", "quantity": "1", **wrong}
            answer = self.maker.call("POST", "/orders", body)
            self.refused(answer, 422, "invalid-request")
            self.assertIn(next(iter(wrong)), answer[1]["detail"])
        unknown = self.maker.place("Bid", 1, 1, market="NO/SUCH")
        self.refused(unknown, 404, "not-found")
        self.refused(
            self.exchange.call("POST", "/api/v1/orders", {"side": "Bid"}), 401, "unauthenticated"
        )

    def test_a_market_order_need_not_say_that_it_does_not_stay(self):
        self.ok(self.maker.place("Ask", 30000, 1), 201)
        body = {"side": "Bid", "order_type": "Market", "quantity": "3"}
        order = self.ok(self.taker.call("POST", "/orders", body), 201)["order"]
        self.assertEqual(
            (order["time_in_force"], order["filled_quantity"], order["status"]),
            ("ImmediateOrCancel", "1", "Cancelled"),
        )

    def test_an_amendment_names_only_what_changes(self):
        order = self.ok(self.maker.place("Bid", 100, 5, 31), 201)["order"]["order_id"]
        amend = lambda **change: self.maker.call("PUT", f"/orders/{order}", change)
        what = lambda answer: [answer["order"][name] for name in ("price", "quantity", "client_order_id")]
        self.assertEqual(what(self.ok(amend(price="101"))), ["101", "5", "31"])
        self.assertEqual(what(self.ok(amend(quantity="4"))), ["101", "4", "31"])
        renamed = self.ok(amend(new_client_order_id="32"))
        self.assertEqual(what(renamed), ["101", "4", "32"])
        self.assertTrue(renamed["reports"][0]["kept_priority"])
        # The total: one lot of it has traded.
        self.ok(self.taker.place("Ask", 101, 1), 201)
        self.assertEqual(self.ok(amend(quantity="3"))["order"]["remaining_quantity"], "2")
        self.refused(amend(), 422, "invalid-request")

    def test_a_misspelt_parameter_cancels_nothing(self):
        order = self.ok(self.maker.place("Bid", 100, 5), 201)["order"]["order_id"]
        for path, wrong in (
            (f"/orders/{order}?quanity=3", "quanity"),
            ("/orders?marked=SOL/USDC", "marked"),
            ("/orders?market=SOL/USDC&pricemin=20002", "pricemin"),
        ):
            answer = self.maker.call("DELETE", path)
            self.refused(answer, 422, "invalid-request")
            self.assertIn(f"unknown parameter `{wrong}`", answer[1]["detail"])
        self.assertEqual(self.ok(self.maker.call("GET", f"/orders/{order}"))["remaining_quantity"], "5")
        self.refused(self.maker.call("GET", "/users/me/orders?markt=SOL/USDC"), 422, "invalid-request")

    def test_mass_cancel_takes_what_it_is_asked_for(self):
        for price in (100, 101, 102):
            self.ok(self.maker.place("Bid", price, 1), 201)
        self.ok(self.maker.place("Ask", 40000, 1), 201)
        gone = self.ok(self.maker.call("DELETE", "/orders?side=Ask&market=SOL/USDC"))
        self.assertEqual([o["price"] for o in gone["cancelled"]], ["40000"])
        gone = self.ok(self.maker.call("DELETE", "/orders?price_min=101&price_max=101&request=7"))
        self.assertEqual(([o["price"] for o in gone["cancelled"]], gone["count"]), (["101"], "1"))
        self.assertEqual(len(self.ok(self.maker.call("DELETE", "/orders"))["cancelled"]), 2)
        for wrong in ("price_min=0", "price_max=x", "price_min=5&price_max=4", "side=Buy", "scope=Firm", "request=-1"):
            answer = self.maker.call("DELETE", f"/orders?{wrong}")
            self.refused(answer, 422, "invalid-request")
            self.assertIn(wrong.split("=")[0], answer[1]["detail"])

    def test_lists_come_page_by_page_without_hole_or_double(self):
        for number in range(7):
            self.ok(self.maker.place("Bid", 200 + number, 1), 201)
        self.catch_up()
        seen, cursor = [], ""
        while True:
            page = self.ok(self.maker.call("GET", f"/users/me/orders?open_only=true&limit=2{cursor}"))
            seen += [order["price"] for order in page["items"]]
            if "next_cursor" not in page:
                break
            cursor = "&cursor=" + page["next_cursor"]
        self.assertEqual(seen, [str(206 - number) for number in range(7)])

    def test_funds_are_conserved(self):
        total = lambda: [
            sum(int(u) for user in (self.maker, self.taker) for b in
                self.ok(user.call("GET", "/users/me/balances"))["balances"] if b["asset"] == asset
                for u in (b["available"], b["held"]))
            for asset in ("SOL", "USDC")
        ]
        before = total()
        self.ok(self.maker.place("Ask", 15000, 3), 201)
        fee = sum(int(r["fee"]) for r in self.ok(self.taker.place("Bid", 15000, 3), 201)["reports"]
                  if r["kind"] == "Fill")
        maker_fee = 3 * 15000 * 10 * 100 // 1_000_000
        after = total()
        self.assertEqual((after[0], after[1]), (before[0], before[1] - fee - maker_fee))

    def test_market_data_of_trades(self):
        self.ok(self.maker.place("Ask", 16000, 5), 201)
        self.ok(self.taker.place("Bid", 16000, 5), 201)
        self.catch_up()
        trades = self.ok(self.maker.call("GET", "/trades?market=SOL/USDC&limit=1"))
        self.assertEqual((trades["items"][0]["price"], trades["items"][0]["quantity"]), ("16000", "5"))
        stats = self.ok(self.maker.call("GET", "/market/stats?market=SOL/USDC"))
        self.assertEqual(stats["last_price"], "16000")
        for interval in ("1s", "1m", "5m", "15m", "1h", "4h", "1d"):
            history = self.ok(
                self.maker.call("GET", f"/market/price-history?market=SOL/USDC&interval={interval}")
            )
            self.assertEqual(history["candles"][-1]["close"], "16000")


class Rules(OneExchange):
    """What orders can ask for, and what operators can change."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.operator = User(cls.exchange, OPERATOR, funds=False)

    def setUp(self):
        seed = 120 + 2 * sorted(name for name in dir(self) if name.startswith("test")).index(self._testMethodName)
        self.maker, self.taker = User(self.exchange, Wallet(seed)), User(self.exchange, Wallet(seed + 1))

    def tearDown(self):
        for user in (self.maker, self.taker):
            self.ok(user.call("DELETE", "/orders?scope=Account"))

    def kinds(self, applied):
        return [report["kind"] for report in applied["reports"]]

    def administer(self, method, path, body=None):
        return self.operator.call(method, f"/admin/{path}", body)

    def test_own_orders_do_not_trade_unless_they_may(self):
        meet = lambda quantity, **more: self.maker.place("Bid", 20000, quantity, **more)
        rest = self.ok(self.maker.place("Ask", 20000, 9), 201)["order"]
        self.assertEqual((rest["self_trade_behavior"], rest["self_trade_scope"]), ("None", "Account"))
        self.refused(meet(2, self_trade_behavior="Abort"), 409, "would-self-trade")
        newest = self.ok(meet(2, self_trade_behavior="CancelNewest"), 201)
        self.assertEqual(self.kinds(newest), ["Accepted", "SelfTradePrevented", "Cancelled"])
        self.assertEqual((newest["order"]["status"], newest["order"]["reason"]), ("Cancelled", 204))
        met = newest["reports"][1]
        self.assertEqual(
            (met["maker_order_id"], met["price"], met["quantity"]), (rest["order_id"], "20000", "2")
        )
        smaller = self.ok(meet(4, self_trade_behavior="DecrementAndCancel", self_trade_scope="Firm"), 201)
        self.assertEqual(self.kinds(smaller), ["Accepted", "SelfTradePrevented", "Amended", "Cancelled"])
        left = self.ok(self.maker.call("GET", f"/orders/{rest['order_id']}"))
        self.assertEqual((left["quantity"], left["remaining_quantity"]), ("5", "5"))
        traded = self.ok(meet(1), 201)
        self.assertEqual(traded["order"]["status"], "Filled")
        oldest = self.ok(meet(3, self_trade_behavior="CancelProvide"), 201)
        self.assertEqual(
            (oldest["order"]["status"], oldest["order"]["self_trade_behavior"]), ("New", "CancelOldest")
        )
        self.assertEqual(self.ok(self.maker.call("GET", f"/orders/{rest['order_id']}"))["status"], "Cancelled")
        self.catch_up()
        rows = self.ok(self.maker.call("GET", "/users/me/self-trades?limit=2"))
        more = self.ok(self.maker.call("GET", f"/users/me/self-trades?cursor={rows['next_cursor']}"))
        self.assertEqual(
            [(row["self_trade_behavior"], row["quantity"]) for row in rows["items"] + more["items"]],
            [("CancelOldest", "3"), ("DecrementAndCancel", "4"), ("CancelNewest", "2")],
        )
        self.refused(self.taker.call("GET", f"/users/{self.maker.wallet.text}/self-trades"), 403, "forbidden")

    def test_an_order_asks_for_a_quantity_a_worst_price_or_to_slide(self):
        for price, quantity in ((20000, 3), (20010, 5)):
            self.ok(self.maker.place("Ask", price, quantity), 201)
        take = lambda price, quantity, **more: self.taker.place(
            "Bid", price, quantity, time_in_force="ImmediateOrCancel", **more
        )
        self.refused(take(20000, 6, min_quantity="4"), 409, "cannot-fill")
        some = self.ok(take(20000, 6, min_quantity="3"), 201)["order"]
        self.assertEqual((some["filled_quantity"], some["min_quantity"]), ("3", "3"))
        market = self.ok(take(20005, 2, order_type="Market"), 201)["order"]
        self.assertEqual((market["filled_quantity"], market["price"]), ("0", "20005"))
        slid = self.ok(self.taker.place("Bid", 20020, 1, order_type="PostOnlySlide"), 201)
        self.assertEqual((slid["order"]["price"], slid["order"]["order_type"]), ("20009", "PostOnlySlide"))
        self.assertEqual((slid["reports"][0]["price"], slid["reports"][0]["quantity"]), ("20009", "1"))
        self.catch_up()
        kept = self.ok(self.taker.call("GET", "/users/me/orders?limit=3"))["items"]
        self.assertEqual([o["min_quantity"] for o in kept], ["0", "0", "3"])

    def test_a_part_is_cancelled_and_an_id_replaced(self):
        order = self.ok(self.maker.place("Ask", 21000, 10, 1), 201)["order"]["order_id"]
        part = self.ok(self.maker.call("DELETE", f"/orders/{order}?quantity=4"))
        self.assertEqual((self.kinds(part), part["order"]["remaining_quantity"]), (["Amended"], "6"))
        self.assertTrue(part["reports"][0]["kept_priority"])
        self.ok(self.maker.call("DELETE", "/orders/by-client-id/1?quantity=1"))
        for wrong in ("0", "-1", "x", str(2**64)):
            answer = self.maker.call("DELETE", f"/orders/{order}?quantity={wrong}")
            self.refused(answer, 422, "invalid-request")
            self.assertIn("quantity", answer[1]["detail"])
        change = {"price": "21001", "quantity": "5", "new_client_order_id": "2"}
        replaced = self.ok(self.maker.call("PUT", f"/orders/{order}", change))
        self.assertEqual((replaced["order"]["client_order_id"], replaced["order"]["order_id"]), ("2", order))
        self.refused(self.maker.call("PUT", f"/orders/{order}", change), 409, "client-order-id-used")
        zero = self.maker.call("PUT", f"/orders/{order}", {**change, "new_client_order_id": "0"})
        self.refused(zero, 422, "invalid-request")
        self.assertIn("new_client_order_id", zero[1]["detail"])
        for client_order_id in (1, 2):
            self.refused(self.maker.place("Bid", 1, 1, client_order_id), 409, "client-order-id-used")
            found = self.ok(self.maker.call("GET", f"/orders/by-client-id/{client_order_id}"))
            self.assertEqual(found["order"]["order_id"], order)
        self.ok(self.maker.call("DELETE", f"/orders/{order}?quantity=99"))
        self.assertEqual(self.ok(self.maker.call("GET", f"/orders/{order}"))["status"], "Cancelled")

    def test_whoever_is_stopped_can_cancel_and_an_operator_lets_them_go_on(self):
        self.ok(self.maker.place("Ask", 22000, 1), 201)
        account = self.ok(self.maker.call("GET", "/users/me/account"))
        stopped = self.ok(self.maker.call("POST", "/kill-switch", {"scope": "Account", "request": "9"}))
        self.assertEqual((stopped["count"], stopped["cancelled"][0]["reason"]), ("1", 206))
        refused = self.maker.place("Ask", 22000, 1)
        self.refused(refused, 403, "killed")
        self.assertIn("operator", refused[1]["detail"])
        self.ok(self.maker.call("DELETE", "/orders"))
        self.assertEqual(self.ok(self.maker.call("GET", "/users/me/account"))["stopped_by"], ["Account"])
        off = {"scope": "Account", "target": account["account"], "on": False}
        self.refused(self.maker.call("PUT", "/admin/kill-switches", off), 403, "forbidden")
        on = self.ok(self.administer("GET", "kill-switches"))
        self.assertIn({"scope": "Account", "target": account["account"]}, on)
        self.ok(self.administer("PUT", "kill-switches", off))
        self.ok(self.maker.place("Ask", 22000, 1), 201)
        for switch, code in (
            ({"scope": "Session", "on": True}, 422), ({"scope": "Everyone", "target": 3, "on": True}, 422),
            ({"scope": "Firm", "target": 0, "on": True}, 422), ({"scope": "Account", "target": 4_000_000, "on": True}, 404),
            ({"scope": "Account", "target": -1, "on": True}, 422), ({"scope": "All", "target": 1, "on": True}, 422),
        ):
            answer = self.administer("PUT", "kill-switches", switch)
            self.assertEqual(answer[0], code, answer)
        firm = {"scope": "Firm", "target": account["firm"], "on": True}
        self.ok(self.administer("PUT", "kill-switches", firm))
        self.refused(self.maker.place("Ask", 22000, 1), 403, "killed")
        self.ok(self.administer("PUT", "kill-switches", {**firm, "on": False}))
        self.ok(self.maker.place("Ask", 22001, 1), 201)
        self.ok(self.administer("POST", "orders/cancel", {"scope": "Account", "target": account["account"]}))
        self.assertEqual(self.ok(self.maker.call("GET", "/users/me/account"))["open_orders"], 0)
        self.catch_up()
        rows = self.ok(self.administer("GET", "audit"))["items"]
        asked = {(row["command"], row.get("asked_by")) for row in rows}
        for command in ("KillSwitch", "MassCancel"):
            self.assertIn((command, OPERATOR.text), asked)

    def test_tiers_and_limits_bind_and_rebates_are_paid(self):
        account = self.ok(self.maker.call("GET", "/users/me/account"))
        number = account["account"]
        self.assertEqual((account["tier"], account["own_limits"]), (0, False))
        self.assertEqual(account["limits"]["max_open_orders"], 100)
        limits = {
            "max_order_quantity": "10", "max_order_notional": "0", "max_position": "0", "max_daily_volume": "0",
            "max_unattested_notional": "0", "max_open_orders": 2,
        }
        self.ok(self.administer("PUT", f"accounts/{number}/limits", limits))
        refused = self.maker.place("Ask", 20000, 11)
        self.refused(refused, 409, "quantity-above-limit")
        self.assertIn("max_order_quantity", refused[1]["detail"])
        for _ in range(2):
            self.ok(self.maker.place("Ask", 20000, 1), 201)
        self.refused(self.maker.place("Ask", 20000, 1), 409, "too-many-open-orders")
        seen = self.ok(self.administer("GET", f"accounts/{number}"))
        self.assertEqual((seen["own_limits"], seen["open_orders"], seen["limits"]), (True, 2, limits))
        self.ok(self.administer("DELETE", f"accounts/{number}/limits"))
        self.ok(self.maker.place("Ask", 20000, 11), 201)
        self.ok(self.maker.call("DELETE", "/orders"))

        list_fees = self.ok(self.maker.call("GET", "/system/markets"))[0]
        fees = {"tier": 3, "market": "SOL/USDC", "maker_fee_ppm": -50, "taker_fee_ppm": list_fees["taker_fee_ppm"]}
        self.ok(self.administer("PUT", "fees", fees))
        self.ok(self.administer("PUT", f"accounts/{number}/tier", {"tier": 3}))
        order = self.ok(self.maker.place("Ask", 20000, 100), 201)["order"]["order_id"]
        self.ok(self.taker.place("Bid", 20000, 100), 201)
        self.catch_up()
        trade = self.ok(self.maker.call("GET", "/users/me/trades?limit=1"))["items"][0]
        # 20,000 ticks of 10 for 100 lots.
        self.assertEqual((trade["order_id"], trade["fee"]), (order, "-1000"))
        self.assertGreater(int(self.ok(self.taker.call("GET", "/users/me/trades"))["items"][0]["fee"]), 0)
        account = self.ok(self.maker.call("GET", "/users/me/account"))
        self.assertEqual((account["tier"], account["volume_today"]), (3, "20"))
        self.assertEqual(account["fees"][0]["maker_fee_ppm"], -50)
        tiers = self.ok(self.administer("GET", "tiers"))
        self.assertEqual((len(tiers), tiers[3]["fees"][0]["maker_fee_ppm"]), (16, -50))

        collect = {"account": number, "asset": "USDC", "amount": "1"}
        self.ok(self.administer("POST", "fees/collect", collect))
        for path, body, status, field in (
            ("fees/collect", {**collect, "amount": "0"}, 422, "amount"),
            ("fees/collect", {**collect, "amount": str(2**63)}, 409, "amount"),
            ("fees/collect", {**collect, "account": 4_000_000}, 404, "account"),
        ):
            answer = self.administer("POST", path, body)
            self.assertEqual(answer[0], status, answer)
            self.assertIn(field, answer[1]["detail"])
        for path, body, field in (
            ("fees", {**fees, "tier": 16}, "tier"), ("fees", {**fees, "maker_fee_ppm": 999_999}, "maker_fee_ppm"),
            ("fees", {**fees, "maker_fee_ppm": -1_000_001}, "maker_fee_ppm"),
            ("fees", {**fees, "taker_fee_ppm": 999_999}, "taker_fee_ppm"),
            ("tiers/16/limits", limits, "tier"), ("tiers/x/limits", limits, "tier"),
            (f"accounts/{number}/tier", {"tier": 99}, "tier"),
            (f"accounts/{number}/limits", {**limits, "max_position": "-1"}, "max_position"),
            (f"accounts/{number}/limits", {"max_open_orders": 1}, "max_order_quantity"),
            ("accounts/-1/limits", limits, "account"),
        ):
            answer = self.administer("PUT", path, body)
            self.refused(answer, 422, "invalid-request")
            self.assertIn(field, answer[1]["detail"])
        self.refused(self.administer("PUT", "accounts/4000000/tier", {"tier": 1}), 404, "not-found")
        for path in ("tiers", f"accounts/{number}", "kill-switches"):
            self.refused(self.maker.call("GET", f"/admin/{path}"), 403, "forbidden")

    def test_markets_change_their_states_and_everybody_is_told(self):
        state = lambda state: self.administer("PUT", "markets/state", {"market": "SOL/USDC", "state": state})

        async def watch():
            async with websockets.connect(self.exchange.websocket()) as socket:
                await subscribe(socket, "Markets")
                while (first := await next_message(socket))["type"] != "MarketData":
                    pass
                self.assertEqual(first["data"]["markets"][0]["state"], "Continuous")
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(None, lambda: self.ok(state("PreOpen")))
                told = (await next_message(socket))["data"]["markets"][0]
                self.assertEqual((told["state"], "last_price" in told), ("PreOpen", False))
                await loop.run_in_executor(None, act)
                while "auction" not in (told := (await next_message(socket))["data"]["markets"][0]):
                    pass
                return told

        def act():
            self.ok(self.maker.place("Ask", 20000, 5), 201)
            crossed = self.ok(self.taker.place("Bid", 20010, 3), 201)
            self.assertEqual(self.kinds(crossed), ["Accepted"])
            now = self.taker.place("Bid", 20010, 3, time_in_force="ImmediateOrCancel")
            self.refused(now, 409, "only-resting-orders")
            self.ok(state("Continuous"))

        told = asyncio.run(watch())
        self.assertEqual((told["auction"]["quantity"], told["state"]), ("3", "Continuous"))
        self.catch_up()
        auction = self.ok(self.maker.call("GET", "/market/auctions?market=SOL/USDC"))["items"][0]
        self.assertEqual((auction["price"], auction["quantity"]), (told["auction"]["price"], "3"))
        states = self.ok(self.maker.call("GET", "/market/states?market=SOL/USDC&limit=2"))["items"]
        self.assertEqual([row["state"] for row in states], ["Continuous", "PreOpen"])

        collar = {"market": "SOL/USDC", "reference": "Set", "price": "20000", "width_ppm": 10_000, "halts": True}
        self.ok(self.administer("PUT", "markets/collar", collar))
        shown = lambda: self.ok(self.maker.call("GET", "/system/markets"))[0].get("collar")
        self.assertEqual(shown(), {"reference": "Set", "price": "20000", "width_ppm": 10_000, "halts": True})
        self.refused(self.taker.place("Bid", 20201, 1), 409, "price-beyond-collar")
        self.assertEqual(self.ok(self.maker.call("GET", "/system/markets"))[0]["state"], "Halted")
        self.refused(self.taker.place("Bid", 20000, 1), 409, "market-halted")
        self.ok(self.maker.call("DELETE", "/orders"))
        self.ok(self.administer("PUT", "markets/collar", {"market": "SOL/USDC", "reference": "None"}))
        self.assertIsNone(shown())
        for wrong, refusal in (("CancelOnly", "market-cancel-only"), ("Closed", "market-closed")):
            self.ok(state(wrong))
            self.refused(self.taker.place("Bid", 20000, 1), 409, refusal)
        self.ok(state("Continuous"))
        for path, body, field in (
            ("markets/state", {"market": "SOL/USDC", "state": "Delisted"}, "state"),
            ("markets/state", {"market": "SOL/USDC", "state": "Open"}, "state"),
            ("markets/collar", {**collar, "price": "0"}, "price"),
            ("markets/collar", {**collar, "width_ppm": 0}, "width_ppm"),
            ("markets/collar", {**collar, "reference": "Middle"}, "price"),
            ("markets/collar", {**collar, "reference": "Best"}, "reference"),
        ):
            answer = self.administer("PUT", path, body)
            self.refused(answer, 422, "invalid-request")
            self.assertIn(field, answer[1]["detail"])
        no_such = {"market": "NO/SUCH", "state": "Halted"}
        self.refused(self.administer("PUT", "markets/state", no_such), 404, "not-found")

    def test_a_market_ends_for_ever(self):
        market = {
            "symbol": "SOL/END", "base": "SOL", "quote": "USDC", "tick_value": "10", "lot_size": "1000000",
            "min_quantity": "1", "price_min": "1", "price_levels": 1000, "maker_fee_ppm": 0, "taker_fee_ppm": 0,
        }
        self.refused(self.administer("POST", "markets", {**market, "state": "Delisted"}), 422, "invalid-request")
        self.ok(self.administer("POST", "markets", {**market, "state": "PostOnly"}), 201)
        order = self.ok(self.maker.place("Bid", 10, 1, market="SOL/END"), 201)["order"]["order_id"]
        self.refused(self.maker.place("Ask", 10, 1, market="SOL/END"), 409, "would-trade")
        self.ok(self.administer("POST", "markets/delist", {"market": "SOL/END"}))
        gone = self.ok(self.maker.call("GET", f"/orders/{order}"))
        self.assertEqual((gone["status"], gone["reason"]), ("Cancelled", 207))
        self.refused(self.maker.place("Bid", 10, 1, market="SOL/END"), 409, "market-delisted")
        for method, path, body in (
            ("POST", "markets/delist", {"market": "SOL/END"}),
            ("PUT", "markets/state", {"market": "SOL/END", "state": "Continuous"}),
        ):
            self.refused(self.administer(method, path, body), 409, "market-delisted")


class Later(OneExchange):
    """Orders that wait for a price, show a part of themselves at a time, or end by themselves."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.operator = User(cls.exchange, OPERATOR, funds=False)
        cls.maker, cls.taker = (User(cls.exchange, Wallet(seed)) for seed in (160, 161))
        cls.seeds = iter(range(162, 200))

    def setUp(self):
        self.waiter = User(self.exchange, Wallet(next(self.seeds)))

    def tearDown(self):
        for user in (self.maker, self.taker, self.waiter):
            self.ok(user.call("DELETE", "/orders"))

    def until(self, user, order_id, status):
        """The order, when it has this status."""
        deadline = time.monotonic() + 20
        while (order := self.ok(user.call("GET", f"/orders/{order_id}")))["status"] != status:
            self.assertLess(time.monotonic(), deadline, order)
            time.sleep(0.02)
        return order

    def asks(self):
        """The asks of the book, and of the market's depth."""
        book = self.ok(self.exchange.call("GET", "/api/v1/orderbook?market=SOL/USDC"))["asks"]
        depth = self.ok(self.exchange.call("GET", "/api/v1/market/depth?market=SOL/USDC"))["asks"]
        self.assertEqual(book, [[level["price"], level["quantity"]] for level in depth])
        return book

    def test_an_iceberg_shows_a_part_at_a_time(self):
        async def watch():
            async with websockets.connect(self.exchange.websocket()) as socket:
                await subscribe(socket, "OrderBook")
                while (await next_message(socket))["type"] != "MarketData":
                    pass
                seen, placed = [], self.maker.place("Ask", 20000, 10, display_quantity="3")
                while not seen:
                    seen = (await next_message(socket))["data"]["order_book"]["asks"]
                return seen, self.ok(placed, 201)["order"]

        seen, order = asyncio.run(watch())
        self.assertEqual(seen, [["20000", "3"]])
        parts = lambda order: (order["remaining_quantity"], order["display_quantity"], order.get("hidden_quantity"))
        self.assertEqual(parts(order), ("10", "3", "7"))
        find = lambda: self.ok(self.maker.call("GET", f"/orders/{order['order_id']}"))
        self.assertEqual((parts(find()), self.asks()), (("10", "3", "7"), seen))
        taken = self.ok(self.taker.place("Bid", 20000, 4), 201)
        self.assertEqual([report.get("quantity") for report in taken["reports"]], ["4", "3", "1"])
        self.assertEqual((parts(find()), self.asks()), (("6", "3", "4"), [["20000", "2"]]))
        self.catch_up()
        listed = self.ok(self.maker.call("GET", "/users/me/orders?open_only=true"))["items"][0]
        self.assertEqual(parts(listed), ("6", "3", None))
        shown = lambda **more: self.maker.place("Ask", 20000, 5, **more)
        self.refused(shown(display_quantity="6"), 409, "invalid-quantity")
        at_once = shown(display_quantity="1", time_in_force="ImmediateOrCancel")
        self.refused(at_once, 409, "invalid-combination")

    def test_a_stop_waits_until_the_market_reaches_its_trigger_price(self):
        self.ok(self.maker.place("Ask", 20000, 1), 201)
        self.ok(self.taker.place("Bid", 20000, 1), 201)
        self.ok(self.maker.place("Ask", 20010, 9), 201)
        stop = lambda **more: self.waiter.place("Bid", 20005, 2, **{"order_type": "StopLimit", **more})
        for refused, reason in (
            (stop(trigger_price="70000"), "invalid-trigger"),
            (stop(trigger_price="20000"), "would-trigger"),
            (stop(trigger_price="20010", order_type="Limit"), "invalid-combination"),
            (stop(trigger_price="20010", time_in_force="FillOrKill"), "invalid-combination"),
            (stop(trigger_price="20010", display_quantity="1"), "invalid-combination"),
        ):
            self.refused(refused, 409, reason)
        limit = self.ok(stop(trigger_price="20010"), 201)["order"]
        body = {"side": "Bid", "order_type": "Stop", "quantity": "1", "trigger_price": "20010"}
        market = self.ok(self.waiter.call("POST", "/orders", body), 201)["order"]
        for order, price in ((limit, "20005"), (market, "0")):
            self.assertEqual((order["status"], order["trigger_price"], order["price"]), ("Waiting", "20010", price))
        book = self.ok(self.exchange.call("GET", "/api/v1/orderbook?market=SOL/USDC"))
        self.assertEqual(book["bids"], [])
        change = {"price": "1", "quantity": "3"}
        changed = self.ok(self.waiter.call("PUT", f"/orders/{market['order_id']}", change))["order"]
        self.assertEqual((changed["status"], changed["quantity"], changed["price"]), ("Waiting", "3", "0"))
        self.catch_up()
        waiting = self.ok(self.waiter.call("GET", "/users/me/orders?status=Waiting&open_only=true"))["items"]
        self.assertEqual([order["order_type"] for order in waiting], ["Stop", "StopLimit"])

        self.ok(self.taker.place("Bid", 20010, 1), 201)
        self.assertEqual(self.until(self.waiter, market["order_id"], "Filled")["filled_quantity"], "3")
        rests = self.until(self.waiter, limit["order_id"], "New")
        self.assertEqual((rests["price"], rests["trigger_price"]), ("20005", "20010"))
        book = self.ok(self.exchange.call("GET", "/api/v1/orderbook?market=SOL/USDC"))
        self.assertEqual((book["bids"], book["asks"]), ([["20005", "2"]], [["20010", "5"]]))
        self.assertEqual(
            asyncio.run(self.reports(6)),
            ["Accepted", "Accepted", "Amended", "Triggered", "Triggered", "Fill"],
        )

    async def reports(self, count):
        """The kinds of the waiter's first reports, but for refusals."""
        async with websockets.connect(self.exchange.websocket()) as socket:
            await subscribe(socket, "UserOrders", self.waiter.token, 0)
            seen = []
            while len(seen) < count:
                message = await next_message(socket)
                if message["type"] == "OrderUpdate" and message["data"]["report"]["kind"] != "Rejected":
                    seen.append(message["data"]["report"]["kind"])
            return seen

    def test_an_order_ends_at_its_time_or_with_the_market(self):
        now = int(self.ok(self.exchange.call("GET", "/api/v1/system/status"))["server_time"])
        bid = lambda time_in_force, **more: self.waiter.place("Bid", 100, 1, time_in_force=time_in_force, **more)
        self.refused(bid("GoodTillTime"), 400, "expires-at-missing")
        self.refused(bid("GoodTillTime", expires_at=str(now)), 409, "already-expired")
        self.refused(bid("GoodTillCancelled", expires_at=str(now)), 409, "invalid-combination")
        self.refused(bid("GoodTillTime", expires_at="tomorrow"), 422, "invalid-request")
        answer = bid("GoodTillTime", expires_at="2026-11-26 12:40")
        self.assertIn("or a time of RFC 3339 up to the year 2554, such as 2026-11-26T12:40:00Z", answer[1]["detail"])
        self.refused(bid("GoodTillTime", expires_at="2001-01-01T00:00:00+01:00"), 409, "already-expired")
        far = self.ok(bid("GoodTillTime", expires_at="2100-01-01T01:00:00.000000007+01:00"), 201)["order"]
        self.assertEqual(far["expires_at"], "4102444800000000007")
        self.ok(self.waiter.call("DELETE", f"/orders/{far['order_id']}"))
        ends = str(now + 1_500_000_000)
        timed = self.ok(bid("GoodTillTime", expires_at=ends), 201)["order"]
        self.assertEqual((timed["status"], timed["expires_at"]), ("New", ends))
        closing, staying = (self.ok(bid(how), 201)["order"] for how in ("GoodTillClose", "GoodTillCancelled"))
        self.assertEqual(closing["expires_at"], "0")
        expired = self.until(self.waiter, timed["order_id"], "Cancelled")
        self.assertEqual((expired["reason"], expired["timestamp"] >= ends), (208, True))
        state = lambda state: self.ok(
            self.operator.call("PUT", "/admin/markets/state", {"market": "SOL/USDC", "state": state})
        )
        state("Closed")
        self.assertEqual(self.until(self.waiter, closing["order_id"], "Cancelled")["reason"], 209)
        self.assertEqual(self.until(self.waiter, staying["order_id"], "New")["time_in_force"], "GoodTillCancelled")
        state("Continuous")


class Quotes(OneExchange):
    """What a market maker quotes in many markets at once, and what protects it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        operator = User(cls.exchange, OPERATOR, funds=False)
        market = {
            "symbol": "SOL2/USDC",
            "base": "SOL",
            "quote": "USDC",
            "tick_value": 10,
            "lot_size": 1000000,
            "min_quantity": 1,
            "price_min": 1,
            "price_levels": 100000,
            "maker_fee_ppm": 0,
            "taker_fee_ppm": 100,
        }
        status, answer = operator.call("POST", "/admin/markets", market)
        assert status == 201, answer
        cls.seeds = iter(range(220, 250))

    def setUp(self):
        self.maker, self.taker = (User(self.exchange, Wallet(next(self.seeds))) for _ in range(2))

    def tearDown(self):
        for user in (self.maker, self.taker):
            self.ok(user.call("DELETE", "/orders"))

    def entry(self, bid, ask, lots=4, market="SOL/USDC"):
        """A quote; a side without a price is none."""
        sides = (("bid", bid), ("ask", ask))
        return {
            "market": market,
            **{f"{side}_price": str(price) for side, price in sides if price},
            **{f"{side}_quantity": str(lots) for side, price in sides if price},
        }

    def quote(self, *quotes, **more):
        return self.maker.call("POST", "/quotes", {"quotes": quotes, **more})

    def quoted(self, *quotes, **more):
        """What became of each."""
        answer = self.ok(self.quote(*quotes, **more))
        self.assertEqual(answer["quote_id"], str(more.get("quote_id", answer["quote_id"])))
        return answer["quotes"]

    def sides(self, quoted):
        """Price, lots that remain, quote id and status of bid and ask."""
        fields = ("price", "remaining_quantity", "client_order_id", "status")
        for side in ("bid", "ask"):
            self.assertTrue(quoted.get(side, {"quote": True})["quote"], quoted)
        return [
            tuple(quoted[side][field] for field in fields) if side in quoted else None
            for side in ("bid", "ask")
        ]

    def protect(self, **more):
        limits = {"window": 60 * 10**9, "max_quantity": "5", **more}
        return self.ok(self.maker.call("PUT", "/protection", {"market": "SOL/USDC", **limits}))

    def protection(self):
        found = self.ok(self.maker.call("GET", "/protection"))["protections"]
        self.assertEqual([p["market"] for p in found], ["SOL/USDC"])
        return found[0]

    def take(self, side, price, quantity):
        self.ok(self.taker.place(side, price, quantity, time_in_force="ImmediateOrCancel"), 201)

    def test_a_maker_quotes_two_markets_trades_is_protected_and_pulls(self):
        other = "SOL2/USDC"
        self.assertEqual([r["kind"] for r in self.protect(request=9)["reports"]], ["ProtectionSet"])
        first, refused = self.quoted(
            self.entry(20000, 20010), self.entry(20005, 20005, market=other), quote_id=7
        )
        self.assertEqual(self.sides(first), [("20000", "4", "7", "New"), ("20010", "4", "7", "New")])
        self.assertEqual([r["kind"] for r in first["reports"]], ["Accepted"] * 2)
        self.assertTrue(all(r["quote"] for r in first["reports"]))
        self.assertEqual((refused["market"], self.sides(refused)), (other, [None, None]))
        self.assertEqual((refused["problem"]["code"], refused["problem"]["reason"]), ("quote-crossed", 38))

        first, second = self.quoted(
            self.entry(20000, 20011), self.entry(19990, None, market=other), quote_id=8
        )
        self.assertEqual(self.sides(first), [("20000", "4", "8", "New"), ("20011", "4", "8", "New")])
        self.assertEqual([r["kept_priority"] for r in first["reports"]], [True, False])
        self.assertEqual(self.sides(second), [("19990", "4", "8", "New"), None])
        self.refused(self.maker.call("GET", "/orders/by-client-id/8"), 404, "not-found")
        bid, ask = first["bid"]["order_id"], first["ask"]["order_id"]
        self.refused(self.maker.call("PUT", f"/orders/{bid}", {"quantity": "9"}), 409, "order-is-quote")
        # An order may have the id all the same.
        self.ok(self.maker.place("Bid", 15000, 1, 8), 201)

        self.catch_up()
        before = self.ok(self.maker.call("GET", "/users/me/orders?open_only=true"))["items"]
        self.exchange.restart()
        for user in (self.maker, self.taker):
            user.log_on()
        after = self.ok(self.maker.call("GET", "/users/me/orders?open_only=true"))["items"]
        self.assertEqual(after, before)
        self.assertEqual(sorted(o["quote"] for o in after), [False, True, True, True])

        self.take("Bid", 20011, 4)
        reached = self.protection()
        self.assertEqual(
            (reached["quantity"], reached["fills"], reached["reached"]), ("4", 1, False), reached
        )
        (again,) = self.quoted(self.entry(20000, 20011), quote_id=9)
        self.assertEqual(self.sides(again)[1], ("20011", "4", "9", "New"))
        self.assertNotEqual(again["ask"]["order_id"], ask)
        self.check_protection(bid, again["ask"]["order_id"])

        self.assertEqual(self.protection()["reached"], True)
        (refused,) = self.quoted(self.entry(20000, 20011))
        self.assertEqual((refused["problem"]["code"], refused["problem"]["reason"]), ("protected", 39))
        self.protect(request=10)
        self.assertEqual((self.protection()["quantity"], self.protection()["reached"]), ("0", False))
        self.quoted(self.entry(20000, 20011), quote_id=11)
        pulled = self.ok(self.maker.call("DELETE", "/quotes?market=SOL/USDC"))
        gone = [("20000", "0", "11", "Cancelled"), ("20011", "0", "11", "Cancelled")]
        self.assertEqual(self.sides(pulled), gone)
        self.refused(self.maker.call("DELETE", "/quotes?market=SOL/USDC"), 404, "unknown-order")
        self.assertEqual(self.ok(self.maker.call("GET", f"/orders/{second['bid']['order_id']}"))["status"], "New")
        self.check_history(other)

    def check_protection(self, bid, ask):
        """One lot more trades: what is left of both sides goes, and the stream says why."""

        async def watch():
            async with websockets.connect(self.exchange.websocket()) as socket:
                await subscribe(socket, "UserOrders", self.maker.token)
                while (await next_message(socket))["type"] != "OrderSnapshot":
                    pass
                await asyncio.get_running_loop().run_in_executor(None, self.take, "Bid", 20011, 1)
                return [(await next_message(socket))["data"] for _ in range(4)]

        told = asyncio.run(watch())
        kinds = ["Fill", "ProtectionReached", "Cancelled", "Cancelled"]
        self.assertEqual([data["report"]["kind"] for data in told], kinds)
        reached = told[1]["report"]
        self.assertEqual(
            (reached["market"], reached["quantity"], reached["fills"]), ("SOL/USDC", "5", 2), reached
        )
        for data, order, lots in zip(told[2:], (bid, ask), ("4", "3")):
            self.assertEqual((data["report"]["order_id"], data["report"]["quantity"]), (order, lots))
            self.assertEqual((data["order"]["reason"], data["order"]["reason_name"]), (210, "protection"))

    def check_history(self, other):
        """Orders, reports and what became of an id are told of the history as well."""
        self.catch_up()
        orders = self.ok(self.maker.call("GET", "/users/me/orders"))["items"]
        of = lambda test: [order for order in orders if test(order)]
        self.assertEqual(len(of(lambda o: o["quote"] and o["reason"] == 210)), 2)
        self.assertEqual([o["client_order_id"] for o in of(lambda o: o["market"] == other)], ["8"])
        self.refused(self.maker.call("GET", "/orders/by-client-id/7"), 404, "not-found")
        found = self.ok(self.maker.call("GET", "/orders/by-client-id/8"))["order"]
        self.assertEqual((found["quote"], found["price"]), (False, "15000"))

        async def replay():
            async with websockets.connect(self.exchange.websocket()) as socket:
                await subscribe(socket, "UserOrders", self.maker.token, 0)
                reports = []
                while len(reports) < 16:
                    message = await next_message(socket)
                    if message["type"] == "OrderUpdate":
                        reports.append(message["data"]["report"])
                return reports

        reports = asyncio.run(replay())
        self.assertEqual(
            reports[0], {"kind": "ProtectionSet", "request": "9", "market": "SOL/USDC"}
        )
        reached = [report for report in reports if report["kind"] == "ProtectionReached"]
        self.assertEqual([report["quantity"] for report in reached], ["5"])

    def test_a_quote_that_would_trade_is_refused_or_slides(self):
        self.ok(self.taker.place("Ask", 20020, 1), 201)
        (refused,) = self.quoted(self.entry(20025, 20030))
        self.assertEqual(refused["problem"]["code"], "would-trade")
        (slid,) = self.quoted(self.entry(20025, 20030), slide=True)
        self.assertEqual([side[0] for side in self.sides(slid)], ["20019", "20030"])

    def test_what_is_not_understood_sends_nothing(self):
        good = self.entry(20000, 20010)
        self.refused(self.quote(), 422, "invalid-request")
        self.refused(self.quote(*[good] * 33), 422, "invalid-request")
        self.refused(self.quote(good, {"market": "NO/SUCH"}), 404, "not-found")
        self.refused(self.quote(good, {**good, "bid_prise": "1"}), 422, "invalid-request")
        self.refused(self.quote(good, {"market": "SOL/USDC", "bid_quantity": "1"}), 400, "price-missing")
        self.refused(self.quote(good, quote_id=0), 409, "invalid-client-order-id")
        self.refused(self.maker.call("DELETE", "/quotes"), 422, "invalid-request")
        self.refused(self.maker.call("DELETE", "/quotes?market=SOL/USDC&side=Bid"), 422, "invalid-request")
        unlimited = {"market": "SOL/USDC", "window": "1"}
        self.refused(self.maker.call("PUT", "/protection", unlimited), 409, "invalid-protection")
        self.assertEqual(self.ok(self.maker.call("GET", "/protection"))["protections"], [])
        book = self.ok(self.maker.call("GET", "/orderbook?market=SOL/USDC"))
        self.assertEqual((book["bids"], book["asks"]), ([], []))

    def test_a_quote_whose_outcome_is_unknown_is_named_so_and_never_happens_late(self):
        fastpath = self.exchange.processes["fastpath"]
        self.quoted(self.entry(20000, 20010), quote_id=1)
        freeze(fastpath)
        try:
            self.refused(self.quote(self.entry(20001, 20009), self.entry(20002, 20008)), 504, "outcome-unknown")
        finally:
            fastpath.send_signal(signal.SIGCONT)
        self.exchange.wait_ready()
        pulled = self.ok(self.maker.call("DELETE", "/quotes?market=SOL/USDC"))
        self.assertEqual([side[:3] for side in self.sides(pulled)], [("20000", "0", "1"), ("20010", "0", "1")])


async def subscribe(socket, kind, token=None, resume_from=None, market="SOL/USDC", epoch=None):
    if token:
        await socket.send(json.dumps({"type": "Authenticate", "token": token}))
    wanted = {"type": kind}
    if kind in ("OrderBook", "Trades"):
        wanted["market"] = market
    ask = {"type": "Subscribe", "subscription": wanted}
    if resume_from is not None:
        ask["resume_from"] = str(resume_from)
    if epoch is not None:
        ask["epoch"] = epoch
    await socket.send(json.dumps(ask))


async def next_message(socket, limit=10):
    return json.loads(await asyncio.wait_for(socket.recv(), limit))


class Once(OneExchange):
    """However often an order is sent under one client order id, it is one order, and what became of it is told."""

    def setUp(self):
        self.maker = User(self.exchange, Wallet(70))
        self.taker = User(self.exchange, Wallet(71))
        self.ok(self.maker.place("Ask", 1000, 10_000), 201)

    def take(self, client_order_id, quantity=1):
        more = {"time_in_force": "ImmediateOrCancel"}
        return self.taker.place("Bid", 1000, quantity, client_order_id, **more)

    def ask(self, client_order_id):
        return self.taker.call("GET", f"/orders/by-client-id/{client_order_id}")

    def stop(self):
        freeze(self.exchange.processes["fastpath"])

    def go_on(self):
        self.exchange.processes["fastpath"].send_signal(signal.SIGCONT)

    def test_doubles_at_the_same_time_make_one_order(self):
        for client_order_id in range(1, 11):
            answers = []
            ready = threading.Barrier(8)

            def send():
                ready.wait()
                answers.append(self.take(client_order_id))

            threads = [threading.Thread(target=send) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            accepted = [answer for answer in answers if answer[0] == 201]
            self.assertEqual(len(accepted), 1, answers)
            codes = {answer[1]["code"] for answer in answers if answer[0] != 201}
            self.assertLessEqual(codes, {"client-order-id-used", "client-order-id-under-way"})
        self.refused(self.take(1), 409, "client-order-id-used")

    def test_an_order_that_has_just_ended_is_known_at_once(self):
        for client_order_id in range(100, 130):
            order = self.ok(self.take(client_order_id), 201)["order"]
            outcome = self.ok(self.ask(client_order_id))
            self.assertEqual((outcome["accepted"], outcome["status"]), (True, "Filled"))
            self.assertEqual(outcome["order"]["order_id"], order["order_id"])
            found = self.ok(self.taker.call("GET", f"/orders/{order['order_id']}"))
            self.assertEqual(found["status"], "Filled")
        status, missing = self.ask(131)
        self.assertEqual((status, missing["code"]), (404, "not-found"))
        self.assertGreaterEqual(int(missing["sequence"]), int(outcome["sequence"]))

    def test_what_was_refused_hides_nothing(self):
        self.ok(self.take(200), 201)
        self.refused(self.taker.place("Bid", 1000, 99_000_000, 201), 409, "insufficient-funds")
        while self.ask(201)[0] != 200:
            time.sleep(0.02)
        self.assertEqual(self.ok(self.ask(201))["accepted"], False)
        self.ok(self.take(201), 201)
        self.assertEqual(self.ok(self.ask(201))["accepted"], True)
        self.assertEqual(self.ok(self.ask(200))["accepted"], True)

    def test_an_order_whose_outcome_was_unknown_never_happens_late(self):
        self.stop()
        try:
            self.refused(self.take(300), 504, "outcome-unknown")
            self.refused(self.take(300), 409, "client-order-id-under-way")
            self.refused(self.ask(300), 504, "outcome-unknown")
            time.sleep(0.5)
        finally:
            self.go_on()
        deadline = time.monotonic() + 10
        while (answer := self.ask(300))[0] == 504 and time.monotonic() < deadline:
            time.sleep(0.02)
        self.refused(answer, 404, "not-found")
        self.ok(self.take(300), 201)
        self.refused(self.take(300), 409, "client-order-id-used")
        mine = self.ok(self.taker.call("GET", "/users/me/trades?limit=500"))["items"]
        self.assertLessEqual(len([t for t in mine if t.get("client_order_id") == "300"]), 1)

    def test_an_order_is_answered_when_the_fastpath_goes_on_in_time(self):
        answer = []
        self.stop()
        sender = threading.Thread(target=lambda: answer.append(self.take(301)))
        sender.start()
        time.sleep(0.3)
        self.go_on()
        sender.join()
        self.ok(answer[0], 201)
        self.assertEqual(self.ok(self.ask(301))["accepted"], True)

    def test_a_live_order_is_cancelled_by_its_client_order_id(self):
        self.ok(self.taker.place("Bid", 5, 1, 400), 201)
        gone = self.ok(self.taker.call("DELETE", "/orders/by-client-id/400"))
        self.assertEqual(gone["order"]["status"], "Cancelled")
        for unknown in (400, 401):
            answer = self.taker.call("DELETE", f"/orders/by-client-id/{unknown}")
            self.refused(answer, 404, "not-found")
            self.assertTrue(answer[1]["detail"].endswith(f"with client order id {unknown}"), answer[1])


class Hurry(OneExchange):
    gateway = "request_timeout_ms = 1000\naddress_rate = 100000"

    def test_a_request_that_takes_too_long_has_an_unknown_outcome(self):
        user = User(self.exchange, Wallet(75))
        fastpath = self.exchange.processes["fastpath"]
        freeze(fastpath)
        try:
            self.refused(user.place("Bid", 5, 1, 1), 504, "outcome-unknown")
            # Of one that has no id of its own the answer says which it was given.
            late = user.place("Bid", 6, 1)
            self.refused(late, 504, "outcome-unknown")
            given = late[1]["client_order_id"]
            self.refused(user.call("GET", f"/orders/by-client-id/{given}"), 504, "outcome-unknown")
        finally:
            fastpath.send_signal(signal.SIGCONT)
        # It was taken in time, after its sender had gone.
        deadline = time.monotonic() + 10
        for sent in ("1", given):
            while (answer := user.call("GET", f"/orders/by-client-id/{sent}"))[0] != 200:
                self.assertLess(time.monotonic(), deadline, answer)
                time.sleep(0.02)
            self.assertEqual(answer[1]["status"], "New")

    def ask_without_body(self, method, path, user, begin=b""):
        """Status and problem of a request of which only the head and the begin of its body come."""
        head = (
            f"{method} /api/v1{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {user.token}\r\n"
            "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", self.exchange.port), timeout=20) as client:
            client.sendall(head.encode() + begin)
            answer = b""
            while part := client.recv(4096):
                answer += part
        head, body = answer.split(b"\r\n\r\n", 1)
        return int(head.split()[1]), json.loads(body)

    def test_a_request_whose_body_never_came_has_done_nothing(self):
        user = User(self.exchange, Wallet(76))
        for begin in (b"", b'{"side":"Bid"'):
            self.refused(self.ask_without_body("POST", "/orders", user, begin), 408, "request-timeout")
        # Who does not wait for the body has perhaps done something.
        order = self.ok(user.place("Bid", 5, 1, 2), 201)["order"]["order_id"]
        fastpath = self.exchange.processes["fastpath"]
        freeze(fastpath)
        try:
            answer = self.ask_without_body("DELETE", f"/orders/{order}", user)
        finally:
            fastpath.send_signal(signal.SIGCONT)
        self.refused(answer, 504, "outcome-unknown")


class Streams(OneExchange):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.maker, cls.taker = User(cls.exchange, Wallet(20)), User(cls.exchange, Wallet(21))

    def connect(self):
        return websockets.connect(self.exchange.websocket())

    def trade(self, seed, count):
        rng = random.Random(seed)
        for _ in range(count):
            user = rng.choice((self.maker, self.taker))
            self.ok(user.place(rng.choice(("Bid", "Ask")), 10000 + rng.randint(-5, 5), rng.randint(1, 5)), 201)

    def test_a_book_that_follows_the_stream_is_the_exchanges(self):
        async def run():
            async with self.connect() as socket:
                await subscribe(socket, "OrderBook")
                book = {"bids": {}, "asks": {}}
                last, loop = 0, asyncio.get_running_loop()
                trading = loop.run_in_executor(None, lambda: self.trade(1, 150))
                quiet = 0
                while quiet < 3:
                    try:
                        message = await next_message(socket, 0.5)
                    except asyncio.TimeoutError:
                        quiet += trading.done()
                        continue
                    if message["type"] != "MarketData":
                        continue
                    data = message["data"]["order_book"]
                    number = int(data["sequence_number"])
                    self.assertTrue(number > last or data.get("previous_sequence_number") is None)
                    last = number
                    for side in ("bids", "asks"):
                        for price, quantity in data[side]:
                            if quantity == "0":
                                book[side].pop(int(price), None)
                            else:
                                book[side][int(price)] = quantity
                await trading
                return book

        book = asyncio.run(run())
        truth = self.ok(self.exchange.call("GET", "/api/v1/orderbook?market=SOL/USDC&depth=500"))
        for side in ("bids", "asks"):
            self.assertEqual(book[side], {int(p): q for p, q in truth[side]})
            self.assertTrue(truth[side])

    def test_reports_and_trades_resume_from_any_number(self):
        async def read(kind, count, token=None, resume_from=None):
            async with self.connect() as socket:
                await subscribe(socket, kind, token, resume_from)
                seen = []
                while len(seen) < count:
                    message = await next_message(socket)
                    if message["type"] in ("OrderUpdate", "MarketData") and "trades" not in message["data"]:
                        seen.append(message)
                return seen

        self.trade(2, 40)
        for kind, token in (("UserOrders", self.maker.token), ("Trades", None)):
            all_of_it = asyncio.run(read(kind, 12, token, 0))
            numbers = [int(m["sequence"]) for m in all_of_it]
            self.assertEqual(numbers, list(range(1, 13)))
            again = asyncio.run(read(kind, 5, token, 7))
            for message in all_of_it + again:
                if kind == "UserOrders":
                    order, report = message["data"]["order"], message["data"]["report"]
                    self.assertEqual(order["order_id"], report["order_id"])
            strip = lambda m: {**m, "data": {**m["data"], "order": None}}
            self.assertEqual([strip(m) for m in again], [strip(m) for m in all_of_it[7:]])

    def test_a_number_that_a_stream_has_not_reached_or_of_another_epoch_begins_anew(self):
        self.trade(3, 10)
        kinds = (("OrderBook", None), ("Trades", None), ("Markets", None), ("UserOrders", self.maker.token))

        async def begin(socket, kind, token, *resume):
            """What `Subscribed` says, and the type of the message behind it if it is a snapshot."""
            await subscribe(socket, kind, token, *resume[:1], epoch=resume[1] if resume[1:] else None)
            said = await next_message(socket)
            if said["type"] == "Authenticated":
                said = await next_message(socket)
            self.assertEqual(said["type"], "Subscribed", said)
            if not said["resumed"]:
                first = await next_message(socket)
                self.assertIn("Snapshot", first["type"] + first["data"].get("update_type", ""))
            return said

        async def run():
            async with self.connect() as watching:
                for kind, token in kinds:
                    said = await begin(watching, kind, token)
                    now, epoch = int(said["sequence"]), said["epoch"]
                    for resume, resumed in (
                        ((now,), True), ((now, epoch), True), ((now, epoch + 1), False),
                        ((now + 1_000_000,), False), ((2**64 - 1, epoch), False),
                    ):
                        async with self.connect() as socket:
                            said = await begin(socket, kind, token, *resume)
                            self.assertEqual(said["resumed"], resumed, (kind, resume))
                async with self.connect() as socket:
                    await begin(socket, "OrderBook", None, 2**64 - 1)
                    self.ok(self.maker.place("Bid", 9000, 1), 201)
                    update = await next_message(socket)
                    self.assertEqual(update["data"]["update_type"], "OrderBookUpdate")

        asyncio.run(run())

    def test_private_streams_are_private_and_nonsense_is_answered(self):
        async def run():
            async with self.connect() as socket:
                await subscribe(socket, "UserOrders")
                self.assertEqual((await next_message(socket))["code"], "unauthenticated")
                for text in ("", "{", "[]", '{"type":"Subscribe"}', '{"type":"No"}'):
                    await socket.send(text)
                    self.assertEqual((await next_message(socket))["code"], "invalid-request")
                await subscribe(socket, "OrderBook", market="NO/SUCH")
                self.assertEqual((await next_message(socket))["code"], "not-found")
                await socket.send(json.dumps({"type": "Authenticate", "token": "x"}))
                self.assertEqual((await next_message(socket))["code"], "unauthenticated")
                await socket.send(json.dumps({"type": "Ping"}))
                self.assertEqual((await next_message(socket))["type"], "Pong")
                with self.assertRaises(websockets.ConnectionClosed) as closed:
                    for _ in range(40):
                        await socket.send(json.dumps({"type": "Ping"}))
                    while True:
                        await next_message(socket)
                self.assertEqual(closed.exception.rcvd.reason, "too-many-messages")

        asyncio.run(run())


class EndsOfLogOns(OneExchange):
    gateway = "address_rate = 100000\norder_rate = 100000\naccess_token_s = 10"

    async def listen(self, socket, user):
        await subscribe(socket, "UserOrders", user.token)
        for kind in ("Authenticated", "Subscribed", "OrderSnapshot"):
            self.assertEqual((await next_message(socket))["type"], kind)

    async def end(self, socket):
        """Why the exchange closes it; nothing else may come before."""
        message = await next_message(socket, 15)
        self.assertEqual(message["type"], "Error", message)
        with self.assertRaises(websockets.ConnectionClosed) as closed:
            await next_message(socket)
        self.assertEqual(closed.exception.rcvd.reason, message["code"])
        return message["code"]

    def test_a_stream_ends_with_its_log_on(self):
        user, other = User(self.exchange, Wallet(94)), User(self.exchange, Wallet(95))

        async def run():
            async with websockets.connect(self.exchange.websocket()) as socket, \
                    websockets.connect(self.exchange.websocket()) as others:
                await self.listen(socket, user)
                await self.listen(others, other)
                self.ok(user.call("POST", "/auth/revoke"), 204)
                self.assertEqual(await self.end(socket), "logged-off")
                self.ok(other.place("Bid", 100, 1), 201)
                self.assertEqual((await next_message(others))["type"], "OrderUpdate")

        asyncio.run(run())

    def test_a_stream_ends_with_its_token_unless_a_fresh_one_comes(self):
        user, stranger = User(self.exchange, Wallet(96)), User(self.exchange, Wallet(97), funds=False)

        async def run():
            async with websockets.connect(self.exchange.websocket()) as renewed, \
                    websockets.connect(self.exchange.websocket()) as left:
                await self.listen(renewed, user)
                await self.listen(left, user)
                await renewed.send(json.dumps({"type": "Authenticate", "token": stranger.token}))
                self.assertEqual((await next_message(renewed))["code"], "other-wallet")
                await asyncio.sleep(2)
                user.log_on()
                await renewed.send(json.dumps({"type": "Authenticate", "token": user.token}))
                self.assertEqual((await next_message(renewed))["type"], "Authenticated")
                self.assertEqual(await self.end(left), "token-expired")
                self.ok(user.place("Bid", 100, 1), 201)
                self.assertEqual((await next_message(renewed))["type"], "OrderUpdate")

        asyncio.run(run())


class Kills(unittest.TestCase):
    """Processes are killed while a user trades."""

    def run_with(self, victim, ack):
        exchange = Exchange(ack=ack)
        user = User(exchange, Wallet(30))
        rng = random.Random(30)
        sent, answered, next_id = {}, {}, 1
        for _ in range(4):
            stop = time.monotonic() + rng.uniform(0.2, 0.6)
            killer = threading.Timer(rng.uniform(0.05, 0.3), lambda: exchange.kill(victim))
            killer.start()
            while time.monotonic() < stop:
                side, price = rng.choice((("Bid", 9000), ("Ask", 9000)))
                sent[next_id] = side
                try:
                    status, answer = user.place(side, price, 1, next_id)
                    if status == 201:
                        answered[next_id] = answer
                    else:
                        assert status in (401, 503, 504), answer
                except OSError:
                    pass
                next_id += 1
            killer.join()
            exchange.start(victim)
            exchange.wait_ready()
            user.log_on()
        self.check(exchange, user, sent, answered)
        codes = exchange.stop()
        self.assertEqual(codes, [0, 0], (exchange.folder / "slowpath.log").read_text())
        verify = subprocess.run(
            [str(pathlib.Path(exchange.processes["fastpath"].args[0]).parent / "sluice"), "journal", "verify",
             "--config", exchange.folder / "sluice.toml"],
            capture_output=True, text=True,
        )
        self.assertEqual(verify.returncode, 0, verify.stdout + verify.stderr)
        shutil.rmtree(exchange.folder)

    def check(self, exchange, user, sent, answered):
        """Every order happened once or not at all, and the stream has each of its reports once."""
        time.sleep(0.5)
        outcomes = {}
        for number in sent:
            status, outcome = user.call("GET", f"/orders/by-client-id/{number}")
            assert status in (200, 404), outcome
            if status == 200:
                outcomes[number] = outcome
        missing = set(answered) - set(outcomes)
        self.assertEqual(missing, set(), "answered and not there")
        reports = asyncio.run(self.read_stream(exchange, user))
        numbers = [int(m["sequence"]) for m in reports]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)), "a hole or a double")
        accepted = [m["data"]["report"]["client_order_id"] for m in reports
                    if m["data"]["report"]["kind"] == "Accepted"]
        self.assertEqual(len(accepted), len(set(accepted)), "accepted twice")
        self.assertEqual({int(a) for a in accepted}, {n for n, o in outcomes.items() if o["accepted"]})
        for number, answer in answered.items():
            told = [m for m in reports if m["data"]["report"].get("client_order_id") == str(number)]
            self.assertEqual(told[0]["data"]["report"], answer["reports"][0])
        self.assertGreater(len(answered), 20)

    async def read_stream(self, exchange, user):
        async with websockets.connect(exchange.websocket()) as socket:
            await subscribe(socket, "UserOrders", user.token, 0)
            seen = []
            while True:
                try:
                    message = await next_message(socket, 1.5)
                except asyncio.TimeoutError:
                    return seen
                if message["type"] == "OrderUpdate":
                    seen.append(message)

    def test_the_slowpath_is_killed(self):
        self.run_with("slowpath", "sequenced")

    def test_the_fastpath_is_killed(self):
        self.run_with("fastpath", "sequenced")

    def test_the_slowpath_is_killed_where_answers_are_durable(self):
        self.run_with("slowpath", "durable")


class Limits(OneExchange):
    gateway = "address_rate = 40\norder_rate = 2\nmax_body_kib = 1\nmax_connections = 8\n"

    def test_limits_are_answered_and_cancels_come_through(self):
        user = User(self.exchange, Wallet(40), funds=False)
        time.sleep(1.1)
        answers = [user.place("Bid", 100, 1) for _ in range(5)]
        self.assertIn(429, [status for status, _ in answers])
        time.sleep(1.1)
        self.assertEqual(user.call("DELETE", "/orders")[0], 200)
        many = [user.call("DELETE", "/orders") for _ in range(4)]
        self.assertIn(429, [status for status, _ in many])
        time.sleep(1.1)
        stops = [user.call("POST", "/kill-switch", {"scope": "Session"}) for _ in range(5)]
        self.assertEqual([stops[0][0], stops[-1][0]], [200, 429])
        time.sleep(1.1)
        large = b'{"side":"' + b"x" * 2000 + b'"}'
        status, problem = self.exchange.call("POST", "/api/v1/orders", token=user.token, data=large)
        self.assertEqual((status, problem["status"]), (413, 413))
        self.refused(self.exchange.call("GET", "/api/v1/nothing"), 404, "not-found")
        self.refused(self.exchange.call("PATCH", "/api/v1/orders"), 405, "method-not-allowed")
        statuses = {self.exchange.call("GET", "/health", raw=True)[0] for _ in range(80)}
        self.assertEqual(statuses, {200, 429})

    def test_connections_beyond_the_limit_are_closed_and_those_within_go_on(self):
        time.sleep(1.1)

        async def run():
            opened, refused = [], 0
            for _ in range(12):
                try:
                    opened.append(await websockets.connect(self.exchange.websocket()))
                except (OSError, websockets.InvalidMessage, EOFError):
                    refused += 1
            await opened[0].send(json.dumps({"type": "Ping"}))
            pong = await next_message(opened[0])
            for socket in opened:
                await socket.close()
            return len(opened), refused, pong["type"]

        opened, refused, pong = asyncio.run(run())
        self.assertEqual((opened <= 8, refused >= 4, pong), (True, True, "Pong"))
        time.sleep(0.5)


class Registration(OneExchange):
    """Accounts that anybody may open, and those that are kept."""

    gateway = (
        "address_rate = 100000\naddress_registrations = 3\nregistrations = 5\nreserved_accounts = 1000\n"
        'trusted_proxies = ["127.0.0.1"]\npublic_url = "https://exchange.example"\n'
    )

    def log_on(self, wallet, address):
        forwarded = {"X-Forwarded-For": address}
        status, challenge = self.exchange.call(
            "POST", "/api/v1/auth/challenge", {"wallet": wallet.text}, headers=forwarded
        )
        self.assertEqual(status, 200)
        # What is signed says where it is for.
        self.assertTrue(challenge["message"].startswith("https://exchange.example (Sluice "))
        body = {
            "wallet": wallet.text,
            "nonce": challenge["nonce"],
            "signature": wallet.sign(challenge["message"]),
        }
        return self.exchange.call("POST", "/api/v1/auth/token", body, headers=forwarded)

    def test_an_address_and_all_together_open_so_many_accounts(self):
        for seed in (80, 81, 82):
            self.ok(self.log_on(Wallet(seed), "203.0.113.1"))
        self.refused(self.log_on(Wallet(83), "203.0.113.1"), 429, "rate-limited")
        self.refused(self.log_on(Wallet(83), "198.51.100.1, 203.0.113.1"), 429, "rate-limited")
        self.ok(self.log_on(Wallet(83), "203.0.113.2"))
        self.ok(self.log_on(Wallet(84), "203.0.113.3"))
        self.refused(self.log_on(Wallet(85), "203.0.113.4"), 429, "rate-limited")
        # Whoever has an account logs on all the same, and so does an operator.
        self.ok(self.log_on(Wallet(80), "203.0.113.1"))
        self.ok(self.log_on(OPERATOR, "203.0.113.1"))


class Reserve(OneExchange):
    gateway = (
        "address_rate = 100000\naddress_registrations = 100000\nregistrations = 100000\n"
        "reserved_accounts = 1019\n"
    )

    def test_operators_have_room_when_everybody_else_has_none(self):
        # 1,024 of each, of which the genesis file takes two.
        for seed in (90, 91, 92):
            User(self.exchange, Wallet(seed), funds=False)
        challenge = self.ok(self.exchange.call("POST", "/api/v1/auth/challenge", {"wallet": Wallet(93).text}))
        body = {
            "wallet": Wallet(93).text,
            "nonce": challenge["nonce"],
            "signature": Wallet(93).sign(challenge["message"]),
        }
        self.refused(self.exchange.call("POST", "/api/v1/auth/token", body), 503, "unavailable")
        operator = User(self.exchange, OPERATOR, funds=False)
        self.assertIn("account", operator.tokens)
        self.ok(operator.call("POST", "/admin/accounts", {"wallet": Wallet(93).text}), 201)
        self.assertIn("account", User(self.exchange, Wallet(93), funds=False).tokens)
        # Anybody could sign for these.
        for weak in (bytes(32), bytes([1] + [0] * 31)):
            answer = operator.call("POST", "/admin/accounts", {"wallet": base58.b58encode(weak).decode()})
            self.refused(answer, 422, "invalid-request")


class DeadFastpath(OneExchange):
    def test_nothing_waits_for_a_fastpath_that_is_dead(self):
        user = User(self.exchange, Wallet(94))
        self.exchange.kill("fastpath")
        deadline = time.monotonic() + 30
        while self.exchange.call("GET", "/ready", raw=True)[0] == 200:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        self.refused(self.exchange.call("GET", "/ready"), 503, "unavailable")
        self.refused(user.place("Bid", 100, 1, 7), 503, "unavailable")
        self.refused(user.call("GET", "/orders/by-client-id/7"), 404, "not-found")
        # What needs no command goes on.
        user.log_on()
        operator = User(self.exchange, OPERATOR, funds=False)
        self.assertEqual((operator.tokens["role"], "account" in operator.tokens), ("operator", False))
        self.assertEqual(self.exchange.call("GET", "/health", raw=True)[0], 200)
        self.exchange.start("fastpath")
        self.exchange.wait_ready()
        self.assertEqual(user.place("Bid", 100, 1, 7)[0], 201)

    def test_who_has_an_account_does_not_wait_for_one_who_registers(self):
        member, answered = User(self.exchange, Wallet(95), funds=False), []
        fastpath = self.exchange.processes["fastpath"]
        challenge = self.ok(self.exchange.call("POST", "/api/v1/auth/challenge", {"wallet": Wallet(96).text}))
        body = {
            "wallet": Wallet(96).text,
            "nonce": challenge["nonce"],
            "signature": Wallet(96).sign(challenge["message"]),
        }
        register = threading.Thread(
            target=lambda: answered.append(self.exchange.call("POST", "/api/v1/auth/token", body))
        )
        freeze(fastpath)
        register.start()
        # Whether the registration waits, or is refused because the fastpath is silent: it is not in the way.
        time.sleep(0.3)
        waits = register.is_alive()
        member.log_on()
        overtaken = register.is_alive()
        fastpath.send_signal(signal.SIGCONT)
        register.join()
        self.assertEqual(overtaken, waits)
        self.assertIn(answered[0][0], (200, 503, 504))


class FullJournal(unittest.TestCase):
    def test_what_cannot_be_journalled_is_refused_at_once_until_the_archive_goes_on(self):
        exchange = Exchange(
            environment={"SLUICE_MEMORY__JOURNAL_MIB": "1", "SLUICE_MEMORY__JOURNAL_FRAMES": "1024"}
        )
        user = User(exchange, Wallet(99))
        archive = exchange.folder / "state" / "archive"
        archive.rename(archive.with_name("aside"))
        # The last one may have been sent before that there is no room had shown.
        now = {"time_in_force": "ImmediateOrCancel"}
        while (answer := user.place("Bid", 100, 1, **now))[0] == 201:
            pass
        self.assertIn(answer[1]["code"], ("busy", "outcome-unknown"))
        reason = "journal memory is full (the archive's storage fails: check the disk), so nothing was sent"
        self.assertEqual(exchange.call("GET", "/ready", raw=True)[0], 503)
        for status, problem in (exchange.call("GET", "/ready"), user.place("Bid", 100, 1)):
            self.assertEqual((status, problem["code"]), (503, "busy"), problem)
            self.assertIn(reason, problem["detail"])
        archive.with_name("aside").rename(archive)
        exchange.wait_ready()
        status, answer = user.place("Bid", 100, 1)
        self.assertEqual(status, 201, answer)
        self.assertEqual(exchange.stop(), [0, 0])
        shutil.rmtree(exchange.folder)


class Ending(unittest.TestCase):
    def test_what_was_asked_is_answered_when_the_slowpath_is_stopped(self):
        exchange = Exchange()
        user = User(exchange, Wallet(97))
        freeze(exchange.processes["fastpath"])
        answers = []
        orders = [
            threading.Thread(target=lambda n=n: answers.append(user.place("Bid", 100, 1, n))) for n in range(1, 6)
        ]
        for order in orders:
            order.start()
        time.sleep(0.3)
        exchange.processes["slowpath"].send_signal(signal.SIGTERM)
        time.sleep(0.3)
        exchange.processes["fastpath"].send_signal(signal.SIGCONT)
        for order in orders:
            order.join()
        self.assertEqual([status for status, _ in answers], [201] * 5)
        self.assertEqual(exchange.processes["slowpath"].wait(30), 0)
        self.assertEqual(exchange.stop()[1], 0)
        shutil.rmtree(exchange.folder)


class Connections(OneExchange):
    gateway = "address_rate = 100000\naddress_connections = 10\n"

    def connect(self, sent=b""):
        connection = socket.create_connection(("127.0.0.1", self.exchange.port), timeout=90)
        connection.sendall(sent)
        return connection

    def ended(self, connection):
        """Whether the exchange has closed it; waits if it has not."""
        try:
            while connection.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True

    def test_an_address_has_so_many_connections_and_gets_them_back(self):
        request = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
        opened = [self.connect(request) for _ in range(10)]
        self.assertTrue(all(connection.recv(65536) for connection in opened))
        self.assertTrue(self.ended(self.connect()))
        opened.pop().close()
        deadline = time.monotonic() + 30
        while True:
            again = self.connect(request)
            try:
                if again.recv(65536):
                    break
            except ConnectionResetError:
                pass
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        for connection in [again, *opened]:
            connection.close()

    def test_http_2_is_not_spoken(self):
        settings = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
        connection = self.connect(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings)
        try:
            answer = connection.recv(65536)
        except ConnectionResetError:
            answer = b""
        self.assertEqual(answer, b"")

    def test_connections_that_ask_for_nothing_are_closed(self):
        request = b"GET /health HTTP/1.1\r\nHost: a\r\n"
        silent, partial, idle = self.connect(), self.connect(request), self.connect(request + b"\r\n")
        self.assertIn(b"200 OK", idle.recv(65536))
        for connection in (silent, partial, idle):
            self.assertTrue(self.ended(connection))


class Descriptors(unittest.TestCase):
    FILES = 600

    def test_connections_leave_the_archive_its_descriptors(self):
        exchange = Exchange("max_connections = 12000\naddress_connections = 0\n", ack="durable", files=self.FILES)
        user = User(exchange, Wallet(52))
        slowpath = exchange.processes["slowpath"].pid
        used = lambda: len(os.listdir(f"/proc/{slowpath}/fd"))
        address = ("127.0.0.1", exchange.port)
        # Silent ones are closed after a while, so what counts is the most that was ever seen.
        silent, most = [], 0
        for _ in range(self.FILES + 50):
            silent.append(socket.create_connection(address, timeout=30))
            most = max(most, used())
        deadline = time.monotonic() + 60
        rose = time.monotonic()
        while most < 300 or time.monotonic() < rose + 1:
            self.assertLess(time.monotonic(), deadline, f"{most} descriptors at most")
            time.sleep(0.01)
            if (now := used()) > most:
                most, rose = now, time.monotonic()
        self.assertLess(most, self.FILES - 150)
        for connection in silent:
            connection.close()
        while True:
            try:
                status = user.place("Bid", 100, 1)[0]
                break
            except OSError:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.05)
        self.assertEqual(status, 201)
        log = (exchange.folder / "slowpath.log").read_text()
        self.assertIn("gateway.max_connections", log)
        self.assertEqual(exchange.stop(), [0, 0])
        shutil.rmtree(exchange.folder)


class Tls(unittest.TestCase):
    def certificate(self, folder, name):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-days", "2", "-subj", f"/CN={name}"],
            check=True, capture_output=True,
        )

    def alpn(self, port, offered):
        text = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-alpn", offered],
            input="", capture_output=True, text=True,
        ).stdout
        return next((line for line in text.splitlines() if line.startswith("ALPN protocol")), None)

    def subject(self, port):
        text = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}"], input="", capture_output=True, text=True,
        ).stdout
        return next(line for line in text.splitlines() if line.startswith("subject"))

    def test_a_new_certificate_is_taken_over_without_a_restart(self):
        import tempfile

        folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-tls-"))
        self.certificate(folder, "first")
        exchange = Exchange(tls=(folder / "cert.pem", folder / "key.pem"))
        user = User(exchange, Wallet(50))
        self.assertEqual(user.place("Bid", 100, 1)[0], 201)
        self.assertIn("first", self.subject(exchange.port))
        self.certificate(folder, "second")
        deadline = time.monotonic() + 30
        while "second" not in self.subject(exchange.port):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.5)
        self.assertEqual(user.place("Bid", 100, 1)[0], 201)
        self.assertEqual(self.alpn(exchange.port, "h2,http/1.1"), "ALPN protocol: http/1.1")
        self.assertIsNone(self.alpn(exchange.port, "h2"))
        self.assertEqual(exchange.stop(), [0, 0])
        shutil.rmtree(exchange.folder)
        shutil.rmtree(folder)


class Description(OneExchange):
    def test_the_first_page_is_that_of_the_documentation(self):
        status, page = self.exchange.call("GET", "/", raw=True)
        self.assertEqual((status, "swagger" in page.lower()), (200, True))

    def test_schemathesis_finds_nothing(self):
        operator = User(self.exchange, OPERATOR)
        result = subprocess.run(
            [pathlib.Path(sys.executable).parent / "st", "--config-file", HERE / "schemathesis.toml", "run",
             self.exchange.url("/api/v1/openapi.json"), "-H", f"Authorization: Bearer {operator.token}",
             "--exclude-path", "/api/v1/auth/revoke", "--max-examples", "25", "--seed", "1",
             "--phases", "examples,coverage,fuzzing,stateful"],
            capture_output=True, text=True, cwd=self.exchange.folder,
        )
        self.assertEqual(result.returncode, 0, result.stdout[-6000:] + result.stderr[-2000:])


if __name__ == "__main__":
    unittest.main(verbosity=2)
