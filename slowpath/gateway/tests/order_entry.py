"""Order entry over UDP in as few lines as can be, written from docs/WIRE.md alone: what http_test.py needs to see
that a log-on opens a session of the binary port."""

import hashlib
import hmac
import os
import socket
import struct
import time

import base58
from nacl.bindings import crypto_scalarmult, crypto_scalarmult_base

CONTEXT, HELLO, CHALLENGE, ESTABLISH, ESTABLISHED, REFUSED = 1, 2, 3, 4, 5, 7
NEW_ORDER, CANCEL_ORDER = 16, 17
ACCEPTED, REJECTED, CANCELED = 32, 33, 35


def hkdf(ikm, salt, info, length):
    key = hmac.new(salt, ikm, hashlib.sha256).digest()
    return hmac.new(key, info + b"\x01", hashlib.sha256).digest()[:length]


def siphash(key, data):
    """SipHash-2-4."""
    mask = (1 << 64) - 1
    rotate = lambda x, n: ((x << n) | (x >> (64 - n))) & mask
    k0, k1 = struct.unpack("<QQ", key)
    v = [
        k0 ^ 0x736F6D6570736575,
        k1 ^ 0x646F72616E646F6D,
        k0 ^ 0x6C7967656E657261,
        k1 ^ 0x7465646279746573,
    ]

    def rounds(count):
        for _ in range(count):
            v[0] = (v[0] + v[1]) & mask
            v[1] = rotate(v[1], 13) ^ v[0]
            v[0] = rotate(v[0], 32)
            v[2] = (v[2] + v[3]) & mask
            v[3] = rotate(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & mask
            v[3] = rotate(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & mask
            v[1] = rotate(v[1], 17) ^ v[2]
            v[2] = rotate(v[2], 32)

    last = (len(data) & 0xFF) << 56
    whole = len(data) - len(data) % 8
    words = [word for (word,) in struct.iter_unpack("<Q", data[:whole])]
    words.append(last | int.from_bytes(data[whole:], "little"))
    for word in words:
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(4)
    return struct.pack("<Q", v[0] ^ v[1] ^ v[2] ^ v[3])


class ExchangeKey:
    """The client's half of the agreement."""

    def __init__(self):
        self.secret = os.urandom(32)
        self.public = crypto_scalarmult_base(self.secret)
        self.text = base58.b58encode(self.public).decode()

    def session_secret(self, session, exchange_key):
        exchange_key = base58.b58decode(exchange_key)
        shared = crypto_scalarmult(self.secret, exchange_key)
        info = struct.pack("<I", session) + self.public + exchange_key
        return hkdf(shared, b"sluice session v2", info, 32)


class Port:
    """A session of the binary port, as the answer to a log-on describes it."""

    def __init__(self, opened, key):
        host, port = opened["address"].split(":")
        self.session, self.shard = opened["session"], opened["shard"]
        self.secret = key.session_secret(self.session, opened["exchange_key"])
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect((host, int(port)))
        self.epoch, self.next = 0, 1

    def close(self):
        self.socket.close()

    def key(self, direction, epoch):
        shard = self.shard if epoch else 0
        info = struct.pack("<BHII", direction, shard, self.session, epoch)
        return hkdf(self.secret, b"sluice mac v1", info, 16)

    def send(self, epoch, number, template, block):
        context = struct.pack("<IIQQHHI", self.session, epoch, number, 0, self.shard if epoch else 0, 0, 0)
        data = struct.pack("<HHHH", len(context), CONTEXT, 1, 0) + context
        data += struct.pack("<HHHH", len(block), template, 1, 0) + block
        self.socket.send(data + siphash(self.key(0, epoch), data))

    def receive(self, wait):
        """The messages of the next datagram with a right MAC, as (template, block); none after `wait` seconds."""
        self.socket.settimeout(wait)
        while True:
            try:
                data = self.socket.recv(2048)
            except TimeoutError:
                return []
            except ConnectionRefusedError:
                # Nobody listens at the moment.
                time.sleep(wait)
                return []
            _, epoch = struct.unpack_from("<II", data, 8)
            if siphash(self.key(1, epoch), data[:-8]) != data[-8:]:
                continue
            messages, at = [], 40
            while at < len(data) - 8:
                length, template, _, _ = struct.unpack_from("<HHHH", data, at)
                messages.append((template, data[at + 8 : at + 8 + length]))
                at += 8 + length
            return messages

    def ask(self, epoch, number, template, block, wanted, tries=20):
        """Sends until one of `wanted` templates comes, as a client must: datagrams may be lost."""
        for _ in range(tries):
            self.send(epoch, number, template, block)
            while messages := self.receive(0.25):
                for found, content in messages:
                    if found in wanted:
                        return found, content
        return None, b""

    def establish(self, tries=20):
        """Whether the exchange knows this session by this secret."""
        nonce = struct.unpack("<Q", os.urandom(8))[0]
        hello = struct.pack("<Q", nonce)
        found, challenge = self.ask(0, 0, HELLO, hello, [CHALLENGE], tries)
        if found is None:
            return False
        found, answer = self.ask(0, 0, ESTABLISH, challenge[:16], [ESTABLISHED], tries)
        if found is None:
            return False
        self.epoch, self.shard = struct.unpack_from("<IH", answer, 8)
        self.next = struct.unpack_from("<Q", answer, 16)[0] + 1
        return True

    def command(self, template, block, wanted):
        found, content = self.ask(self.epoch, self.next, template, block, wanted)
        self.next += 1
        return found, content

    def place(self, side, price, quantity, client_order_id):
        """The number of the accepted order, or minus its reject reason."""
        block = struct.pack(
            "<QqQIBBBBQQQqBBHI",
            client_order_id, price, quantity, 0, {"Bid": 0, "Ask": 1}[side], 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        )
        found, content = self.command(NEW_ORDER, block, [ACCEPTED, REJECTED])
        if found == ACCEPTED:
            return struct.unpack_from("<Q", content, 32)[0]
        assert found == REJECTED, found
        return -struct.unpack_from("<H", content, 48)[0]

    def cancel(self, order_id):
        """Whether it is cancelled."""
        block = struct.pack("<QQQ", order_id, 0, 0)
        found, _ = self.command(CANCEL_ORDER, block, [CANCELED, REJECTED])
        return found == CANCELED
