"""The dissector against the golden vectors: every field of every message as the vectors say, and nothing that is broken
off or changed makes it fail otherwise than by saying what is wrong.

    python3 fastpath/wire/tests/dissector_test.py [--tell CAPTURE]

Needs tshark. Wireshark loads no scripts as root, so root runs it as nobody. With `--tell` it prints what the dissector
finds in a capture instead: how many packets are which protocol's, how many messages are of which name, what is wrong.
"""

import collections
import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml

WIRE = pathlib.Path(__file__).resolve().parent.parent
VECTORS = WIRE / "vectors"
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
CONTEXT = struct.pack("<HHHHIIQQHHI", 32, 1, 1, 0, 3, 1, 17, 1_795_000_000_123_456_789, 0, 1, 0)
MAC = bytes(range(8))
SPECIAL = {"sluice.message", "sluice.number", "sluice.mac"}


class Folder:
    """Script, schemas and a capture where nobody may read them."""

    def __enter__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="dissector-", dir="/tmp"))
        for name in ["dissector", "schema"]:
            shutil.copytree(WIRE / name, self.path / name)
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path)

    def tshark(self, capture, *options):
        if capture.parent != self.path:
            capture = shutil.copy(capture, self.path / "capture")
        for path in self.path.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        self.path.chmod(0o755)
        script = f"lua_script:{self.path}/dissector/sluice.lua"
        command = ["tshark", "-n", "-X", script, "-r", str(capture), *options]
        if os.geteuid() == 0:
            command = NOBODY + command
        environment = {**os.environ, "HOME": "/nonexistent"}
        environment.pop("SLUICE_SCHEMA", None)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0 or any(text in done.stderr + done.stdout for text in ["Lua Error", "Lua: Error"]):
            raise AssertionError(f"tshark: {done.returncode} {done.stderr[-2000:]} {done.stdout[-500:]}")
        return done.stdout

    def capture(self, datagrams):
        path = self.path / "made.pcap"
        with path.open("wb") as file:
            # The link type is raw IP.
            file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
            for datagram in datagrams:
                udp = struct.pack(">HHHH", 40000, 41000, 8 + len(datagram), 0) + datagram
                local = bytes([127, 0, 0, 1])
                head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, local, local)
                packet = head + udp
                file.write(struct.pack("<IIII", 0, 0, len(packet), len(packet)) + packet)
        return path

    def dissect(self, datagrams):
        """The tree of the dissector, by datagram; none if no packet of ours was seen in it."""
        root = xml.fromstring(self.tshark(self.capture(datagrams), "-T", "pdml"))
        protocols = ("sluice", "sluice_feed")
        return [
            next((proto for proto in packet.findall("proto") if proto.get("name") in protocols), None)
            for packet in root.findall("packet")
        ]


def vector(path):
    lines = path.read_text().splitlines()
    return bytes.fromhex("".join(line.split("#")[0] for line in lines))


def messages(folder):
    for name, told in json.loads((folder / "messages.json").read_text()).items():
        yield name, told, vector(folder / f"{name}.hex")


def as_datagram(message):
    return (CONTEXT + message if message[2:4] != b"\1\0" else message) + MAC


def as_packet(message):
    return b"0000000001" + struct.pack(">QHH", 9, 1, len(message)) + message


def shown(tree):
    """Field names and values as the dissector shows them, groups as lists of entries."""
    values = {}
    for field in tree.findall("field"):
        name = field.get("name")
        if name in SPECIAL:
            continue
        label = field.get("showname") or field.get("show")
        if not name.startswith("sluice."):
            group = label.rsplit(" ", 1)[0]
            values.setdefault(group, []).append(shown(field))
            continue
        key, value = label.split(": ", 1) if ": " in label else (label.rstrip(":"), "")
        if value.endswith(" UTC)"):
            value = value.split(" (")[0]
        elif value.endswith(")"):
            # "Sell (1)" of an enumeration, "1 (Retransmission)" of flags.
            head, inner = value[:-1].split(" (", 1)
            value = inner if head.isdigit() else head
        values[key] = value
    return values


def told_values(values):
    """As the dissector says them: text ends at its first zero."""
    return {
        name: [told_values(entry) for entry in value] if isinstance(value, list) else value.rstrip("\0")
        for name, value in values.items()
    }


def values_of(tree, name):
    return [field.get("show") for field in tree.findall("field") if field.get("name") == name]


class Dissector(unittest.TestCase):
    maxDiff = None

    def check_values(self, folder, wrap):
        made = list(messages(folder))
        with Folder() as place:
            trees = place.dissect([wrap(message) for _, _, message in made])
        self.assertEqual(len(trees), len(made))
        for (name, told, _), tree in zip(made, trees):
            self.assertIsNotNone(tree, name)
            found = [field for field in tree.findall("field") if field.get("name") == "sluice.message"]
            self.assertEqual(found[-1].get("show"), told["message"], name)
            self.assertEqual(shown(found[-1]), told_values(told["values"]), name)

    def test_orders_and_reports_are_shown_as_the_vectors_say(self):
        self.check_values(VECTORS, as_datagram)

    def test_the_feed_is_shown_as_the_vectors_say(self):
        self.check_values(VECTORS / "market-data", as_packet)

    def test_whole_datagrams_have_their_messages_and_numbers(self):
        told = json.loads((VECTORS / "datagrams.json").read_text())
        schema = xml.parse(WIRE / "schema" / "order-entry.xml").getroot()
        name_of = {int(m.get("id")): m.get("name") for m in schema if m.tag.endswith("}message")}
        id_of = {name: template for template, name in name_of.items()}

        def is_numbered(name):
            return id_of[name] >= 16

        with Folder() as place:
            trees = place.dissect([vector(VECTORS / f"{name}.hex") for name in told])
        for (name, about), tree in zip(told.items(), trees):
            context, *found = (field for field in tree.findall("field") if field.get("name") == "sluice.message")
            number = int(values_of(context, "sluice.next_seq_no")[0])
            templates = []
            for field in found:
                # Of a group each entry takes a number, and the vectors count it.
                entries = max(sum(not f.get("name").startswith("sluice.") for f in field.findall("field")), 1)
                templates += [field.get("show")] * entries
                takes = number != 0 and is_numbered(field.get("show"))
                self.assertEqual(values_of(field, "sluice.number"), [str(number % (1 << 64))] * takes, name)
                number += takes * entries
            self.assertEqual(templates, [name_of[template] for template in about["templates"]], name)

    def test_what_is_broken_is_said_to_be(self):
        message = vector(VECTORS / "massquote-largest.hex")
        whole = as_datagram(message)
        with Folder() as place:
            cut = place.dissect([whole[:length] for length in range(48, len(whole), 8)])
            changed = list(whole)
            changed[len(CONTEXT)] = 8
            short, = place.dissect([bytes(changed)])
            newer, = place.dissect([CONTEXT + struct.pack("<HHHH", 16, 900, 1, 0) + bytes(16) + MAC])
        self.assertIsNotNone(cut[0], "a context and a MAC are a heartbeat")
        for tree in cut[1:]:
            self.assertIn("sluice.wrong", {field.get("name") for field in tree.iter("field")})
        self.assertIn("sluice.wrong", {field.get("name") for field in short.iter("field")})
        names = {field.get("name") for field in newer.iter("field")}
        self.assertIn("sluice.strange", names)
        self.assertNotIn("sluice.wrong", names)

    def test_no_bytes_make_it_fail(self):
        seeded = random.Random(7)
        made = [as_datagram(message) for _, _, message in messages(VECTORS)]
        made += [as_packet(message) for _, _, message in messages(VECTORS / "market-data")]
        broken = []
        for _ in range(1_000):
            datagram = bytearray(seeded.choice(made))
            for _ in range(seeded.randrange(1, 4)):
                datagram[seeded.randrange(len(datagram))] = seeded.choice([0, 1, 255, seeded.randrange(256)])
            broken.append(bytes(datagram[: seeded.choice([len(datagram), seeded.randrange(len(datagram))])]))
        with Folder() as place:
            self.assertEqual(len(place.dissect(broken)), len(broken))


def told(capture):
    fields = ["_ws.col.Protocol", "sluice.message", "sluice.wrong", "sluice.strange", "_ws.malformed"]
    options = [option for field in fields for option in ["-e", field]]
    with Folder() as place:
        text = place.tshark(pathlib.Path(capture), "-T", "fields", *options)
    protocols, found, broken = collections.Counter(), collections.Counter(), 0
    for line in text.splitlines():
        protocol, names, *wrong = line.split("\t")
        protocols[protocol] += 1
        found.update(names.split(",") if names else [])
        broken += any(wrong)
    print(json.dumps({"protocols": protocols, "messages": found, "broken": broken}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--tell"]:
        told(sys.argv[2])
    else:
        unittest.main()
