"""Reads the golden vectors with the schema alone, and checks MACs and keys with the standard library.

    python3 -m venv VENV
    VENV/bin/pip install --require-hashes -r fastpath/wire/tests/requirements.txt
    VENV/bin/python fastpath/wire/tests/sbe_test.py
"""

import hashlib
import hmac
import json
import pathlib
import struct
import unittest

import sbe

WIRE = pathlib.Path(__file__).resolve().parent.parent
VECTORS = WIRE / "vectors"
MARKET_DATA = VECTORS / "market-data"
HEADER = struct.Struct("<HHHH")
GROUP_SIZE = struct.Struct("<II")
HOST_SECRET = bytes(range(32))
SESSION, SHARD = 7, 3
MOLD_HEADER = struct.Struct(">10sQH")


def load_schema(name="order-entry"):
    with open(WIRE / "schema" / f"{name}.xml", encoding="utf-8") as file:
        return sbe.Schema.parse(file)


def vector(name, folder=VECTORS):
    return bytes.fromhex((folder / f"{name}.hex").read_text())


def as_text(value):
    """A decoded value as the expected values have it."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [{field: as_text(inner) for field, inner in entry.items()} for entry in value]
    return ",".join(value) if isinstance(value, list) else str(value)


def size_of(schema, data):
    """Bytes of the message at the start, and how many numbers it takes: one, or as many as its group has entries."""
    block_length, template_id, _, _ = HEADER.unpack_from(data)
    size = HEADER.size + block_length
    if not any(isinstance(field, sbe.Group) for field in schema.messages[template_id].fields):
        return size, 1
    entry_length, entries = GROUP_SIZE.unpack_from(data, size)
    return size + GROUP_SIZE.size + entries * entry_length, entries


def hkdf_sha256(secret, salt, info, length):
    """RFC 5869; one block is enough for 32 bytes."""
    extracted = hmac.new(salt, secret, hashlib.sha256).digest()
    return hmac.new(extracted, info + b"\x01", hashlib.sha256).digest()[:length]


def mac_key(direction, epoch):
    session_secret = hkdf_sha256(HOST_SECRET, b"sluice session v1", struct.pack("<I", SESSION), 32)
    shard = SHARD if epoch else 0
    info = struct.pack("<BHII", direction, shard, SESSION, epoch)
    return hkdf_sha256(session_secret, b"sluice mac v1", info, 16)


def siphash24(key, data):
    mask = (1 << 64) - 1
    k0, k1 = struct.unpack("<QQ", key)
    v0, v1 = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D
    v2, v3 = k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573

    def rotate(word, by):
        return ((word << by) | (word >> (64 - by))) & mask

    def rounds(count):
        nonlocal v0, v1, v2, v3
        for _ in range(count):
            v0 = (v0 + v1) & mask
            v1 = rotate(v1, 13) ^ v0
            v0 = rotate(v0, 32)
            v2 = (v2 + v3) & mask
            v3 = rotate(v3, 16) ^ v2
            v0 = (v0 + v3) & mask
            v3 = rotate(v3, 21) ^ v0
            v2 = (v2 + v1) & mask
            v1 = rotate(v1, 17) ^ v2
            v2 = rotate(v2, 32)

    end = len(data) // 8 * 8
    last = int.from_bytes(data[end:], "little") | (len(data) & 0xFF) << 56
    for (word,) in [*struct.iter_unpack("<Q", data[:end]), (last,)]:
        v3 ^= word
        rounds(2)
        v0 ^= word
    v2 ^= 0xFF
    rounds(4)
    return struct.pack("<Q", v0 ^ v1 ^ v2 ^ v3)


class GoldenMessages:
    """The tests of a schema's messages; a class below each says which."""

    def setUp(self):
        self.schema = load_schema(self.name)
        self.expected = json.loads((self.folder / "messages.json").read_text())

    def test_every_message_decodes_to_the_expected_values(self):
        decoded_messages = set()
        for name, expected in self.expected.items():
            with self.subTest(name):
                data = vector(name, self.folder)
                block_length, template_id, schema_id, version = HEADER.unpack_from(data)
                message = self.schema.messages[template_id]
                self.assertEqual(message.name, expected["message"])
                self.assertEqual(message.blockLength, block_length)
                self.assertEqual((len(data), 1), size_of(self.schema, data))
                self.assertEqual((schema_id, version), (self.schema_id, 0))
                decoded = self.schema.decode(data)
                values = {field: as_text(value) for field, value in decoded.value.items()}
                self.assertEqual(values, expected["values"])
                decoded_messages.add(message.name)
        names = {message.name for message in self.schema.messages.values()}
        self.assertEqual(decoded_messages, names, "every message has a vector")

    def test_every_message_encodes_to_the_vector(self):
        for name in self.expected:
            with self.subTest(name):
                data = vector(name, self.folder)
                decoded = self.schema.decode(data)
                message = self.schema.messages[HEADER.unpack_from(data)[1]]
                self.assertEqual(self.schema.encode(message, decoded.value), data)

    def test_a_longer_block_of_a_newer_version_decodes(self):
        data = vector(self.telling, self.folder)
        block_length, template_id, schema_id, _ = HEADER.unpack_from(data)
        newer = HEADER.pack(block_length + 8, template_id, schema_id, 1)
        newer += data[HEADER.size:] + b"\xee" * 8
        self.assertEqual(self.schema.decode(newer).value, self.schema.decode(data).value)


class OrderEntry(GoldenMessages, unittest.TestCase):
    name, schema_id, folder, telling = "order-entry", 1, VECTORS, "neworder-telling"


class MarketData(GoldenMessages, unittest.TestCase):
    name, schema_id, folder, telling = "market-data", 2, MARKET_DATA, "trade-telling"


class GoldenDatagrams(unittest.TestCase):
    def setUp(self):
        self.schema = load_schema()
        self.expected = json.loads((VECTORS / "datagrams.json").read_text())

    def test_the_messages_fill_the_datagram(self):
        for name, expected in self.expected.items():
            with self.subTest(name):
                content = vector(name)[:-8]
                templates = []
                while content:
                    template_id = HEADER.unpack_from(content)[1]
                    message = self.schema.messages[template_id]
                    size, numbers = size_of(self.schema, content)
                    decoded = self.schema.decode(content[:size])
                    self.assertEqual(self.schema.encode(message, decoded.value), content[:size])
                    templates.extend([template_id] * numbers)
                    content = content[size:]
                self.assertEqual(templates, [1, *expected["templates"]])

    def test_each_quote_of_a_mass_quote_is_read(self):
        data = vector("datagram-client-quotes")[40:-8]
        decoded = self.schema.decode(data).value
        self.assertEqual((decoded["quoteId"], decoded["slide"]), (5, "Yes"))
        quotes = decoded["quotes"]
        self.assertEqual([quote["marketId"] for quote in quotes], list(range(32)))
        self.assertEqual([quote["askQuantity"] >> 32 for quote in quotes], list(range(1, 33)))

    def test_longer_blocks_and_entries_of_a_newer_version_decode(self):
        data = vector("massquote-telling")
        newer = HEADER.pack(24, 21, 1, 1) + data[8:24] + b"\xee" * 8
        newer += GROUP_SIZE.pack(48, 2) + (data[32:] + b"\xee" * 8) * 2
        expected = self.schema.decode(data).value
        expected["quotes"] *= 2
        self.assertEqual(self.schema.decode(newer).value, expected)

    def test_the_macs_are_right(self):
        for name, expected in self.expected.items():
            with self.subTest(name):
                data = vector(name)
                key = mac_key(expected["direction"], expected["epoch"])
                self.assertEqual(siphash24(key, data[:-8]), data[-8:])


class GoldenPackets(unittest.TestCase):
    def setUp(self):
        self.schema = load_schema("market-data")
        self.expected = json.loads((MARKET_DATA / "packets.json").read_text())

    def test_the_packets_are_moldudp64(self):
        for name, expected in self.expected.items():
            with self.subTest(name):
                packet = vector(name, MARKET_DATA)
                session, sequence, count = MOLD_HEADER.unpack_from(packet)
                self.assertEqual(int(session, 32), expected["shard"] << 32 | expected["epoch"])
                self.assertEqual(session, session.upper())
                self.assertEqual(sequence, int(expected["sequence"]))
                templates = []
                rest = packet[MOLD_HEADER.size:]
                while rest:
                    length = int.from_bytes(rest[:2], "big")
                    message, rest = rest[2:2 + length], rest[2 + length:]
                    self.assertEqual(len(message), length)
                    self.schema.decode(message)
                    templates.append(HEADER.unpack_from(message)[1])
                self.assertEqual(templates, expected["templates"])
                self.assertEqual(count, 0xFFFF if expected["ends"] else len(templates))

    def test_requests_are_headers_of_moldudp64(self):
        for name, expected in json.loads((MARKET_DATA / "requests.json").read_text()).items():
            with self.subTest(name):
                request = vector(name, MARKET_DATA)
                session, first, count = MOLD_HEADER.unpack(request)
                self.assertEqual(int(session, 32), expected["shard"] << 32 | expected["epoch"])
                self.assertEqual((first, count), (int(expected["first"]), expected["count"]))


if __name__ == "__main__":
    unittest.main()
