//! Restarts behind a snapshot: nobody can tell them from a replay of everything.

use super::rig::{Rig, messages, order, reports, resting};
use crate::recovery::{Replayed, Sources, replay};
use domain::{Command, Genesis, Seq, SessionId, Side, Stamp};
use engine::Engine;
use journal::{
    Chain, Frame, SEGMENT_HEADER_BYTES, SegmentHeader, SegmentName, SnapshotHeader, SnapshotName,
};
use shm::{LogReader, MAX_FRAME_WORDS, Read};
use std::path::{Path, PathBuf};
use wire::order_entry::Message;
use zerocopy::IntoBytes as _;

/// A rig with traders that have traded, its journal in an archive of many segments, and snapshots at
/// all of its checkpoints.
struct Written {
    rig: Rig,
    genesis: Genesis,
    snapshots: Vec<Seq>,
}

fn trading_rig() -> Rig {
    let mut rig = Rig::with(1 << 18, |config| config.engine.checkpoint_interval = 20);
    let (mut maker, mut taker) = (rig.client(1), rig.client(2));
    for round in 0..60 {
        let price = 100 + i64::try_from(round % 5).unwrap();
        maker.send(
            2 * round + 1,
            &[
                order(2 * round + 1, Side::Sell, price, 5),
                resting(2 * round + 2),
            ],
        );
        taker.send(round + 1, &[order(round + 1, Side::Buy, 102, 3)]);
        rig.settle();
    }
    maker.receive();
    taker.receive();
    rig
}

/// Writes a segment for every ten frames, and the snapshot of every checkpoint.
fn write(rig: Rig) -> Written {
    let (archive, folder) = (rig.config.archive_dir(), rig.config.snapshot_dir());
    for folder in [&archive, &folder] {
        std::fs::create_dir_all(folder).unwrap();
    }
    let memory = LogReader::new(rig.regions.journal.clone(), 1).unwrap();
    let mut buffer = Box::new([0; MAX_FRAME_WORDS]);
    let (mut chain, mut engine) = (Chain::new(rig.config.instance.shard), Engine::new());
    let (mut effects, mut segment) = (domain::Effects::new(), (Seq(1), Vec::new()));
    let (mut genesis, mut snapshots) = (None, Vec::new());
    for seq in 1..=memory.head() {
        let Read::Frame(words) = memory.read_at(seq, &mut buffer) else {
            panic!("memory has all frames");
        };
        let frame = Frame::parse(&buffer[..words]).unwrap();
        if seq % 10 == 1 {
            finish(&archive, &segment);
            let header = SegmentHeader {
                shard: chain.shard,
                epoch: frame.header.epoch,
                first_seq: Seq(seq),
                prev_crc: chain.last_crc,
            };
            segment = (Seq(seq), header.encode().to_vec());
        }
        segment.1.extend_from_slice(buffer[..words].as_bytes());
        chain.check(&frame).unwrap();
        let (seq, time) = (frame.header.seq, frame.header.engine_time);
        engine.apply(Stamp { seq, time }, &frame.request(), &mut effects);
        if let Command::Genesis(command) = frame.command {
            genesis = Some(command);
        }
        if matches!(frame.command, Command::Checkpoint(_)) {
            snapshots.push(seq);
            let mut body = Vec::new();
            engine.save(&mut body);
            let hash = engine.state_hash();
            let header = SnapshotHeader::of(&chain, engine.version(), hash, &body);
            let bytes = [header.encode().as_slice(), &body].concat();
            std::fs::write(folder.join(SnapshotName(seq).to_string()), bytes).unwrap();
        }
    }
    finish(&archive, &segment);
    assert!(snapshots.len() > 4, "{snapshots:?}");
    Written {
        rig,
        genesis: genesis.unwrap(),
        snapshots,
    }
}

fn finish(archive: &Path, (first, bytes): &(Seq, Vec<u8>)) {
    if !bytes.is_empty() {
        std::fs::write(segment(archive, *first), bytes).unwrap();
    }
}

fn segment(archive: &Path, first: Seq) -> PathBuf {
    archive.join(SegmentName(first).to_string())
}

impl Written {
    fn replayed(&self, behind_snapshot: bool, with_memory: bool, sent: u64) -> Replayed {
        let memory = LogReader::new(self.rig.regions.journal.clone(), 1).unwrap();
        let snapshots = self.rig.config.snapshot_dir();
        let sources = Sources {
            archive: &self.rig.config.archive_dir(),
            snapshots: behind_snapshot.then_some(snapshots.as_path()),
            shard: self.rig.config.instance.shard,
            memory: with_memory.then_some(&memory),
        };
        replay(&sources, sent).unwrap()
    }

    /// Makes a segment between the genesis and the last snapshots unreadable: whoever begins at the
    /// first frame is refused.
    fn damage_the_past(&self) {
        let path = segment(&self.rig.config.archive_dir(), Seq(31));
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[SEGMENT_HEADER_BYTES + 20] ^= 1;
        std::fs::write(path, bytes).unwrap();
    }
}

#[test]
fn a_replay_behind_a_snapshot_leads_where_the_whole_one_leads() {
    let written = write(trading_rig());
    let head = written.rig.head();
    for with_memory in [true, false] {
        // The frame sent last decides which snapshot is used, down to none at all.
        for sent in (1..=head).step_by(7).chain([head]) {
            let whole = written.replayed(false, with_memory, sent);
            let rest = written.replayed(true, with_memory, sent);
            let hash = |replayed: &Replayed| replayed.engine.state_hash();
            assert_eq!(hash(&whole), hash(&rest), "sent {sent}");
            assert_eq!(whole.chain, rest.chain);
            if with_memory {
                assert_eq!(whole.told, rest.told, "sent {sent}");
            }
            rest.engine.check_invariants().unwrap();
        }
    }
}

#[test]
fn what_the_snapshot_covers_is_not_read() {
    let written = write(trading_rig());
    let (head, engine) = (written.rig.head(), written.rig.engine());
    written.damage_the_past();
    for with_memory in [true, false] {
        let rest = written.replayed(true, with_memory, head);
        assert_eq!(rest.engine.state_hash(), engine.state_hash());
    }
    let archive = written.rig.config.archive_dir();
    let sources = |snapshots| Sources {
        archive: &archive,
        snapshots,
        shard: 0,
        memory: None,
    };
    assert!(replay(&sources(None), head).is_err(), "it is damaged");
    let memory = LogReader::new(written.rig.regions.journal.clone(), 1).unwrap();
    let folder = written.rig.config.snapshot_dir();
    let too_early = Sources {
        memory: Some(&memory),
        ..sources(Some(&folder))
    };
    let sent = written.snapshots[0].0 - 1;
    assert!(
        replay(&too_early, sent).is_err(),
        "no snapshot is old enough"
    );
}

/// Clients see nothing but a pause: same epoch, same numbers, same reports.
#[test]
fn a_restart_behind_a_snapshot_does_not_show() {
    let mut written = write(trading_rig());
    written.damage_the_past();
    let mut client = written.rig.client(2);
    client.send(61, &[order(61, Side::Sell, 500, 1)]);
    written.rig.settle();
    let before = reports(&client.receive());
    let (epoch, hash_of) = (client.epoch, |rig: &Rig| rig.engine().session(SessionId(2)));
    let session = hash_of(&written.rig);

    let mut rig = written.rig.restart(|_| {});
    assert_eq!(rig.tiles.matching.sequencer.epoch(), epoch);
    assert_eq!(hash_of(&rig), session);
    client.send(61, &[order(61, Side::Sell, 500, 1)]);
    rig.settle();
    assert_eq!(
        reports(&client.receive()),
        before,
        "a duplicate is answered as before"
    );
    client.hello(5);
    rig.settle();
    let cookie = super::rig::challenge(&client.receive());
    client.establish(5, cookie);
    rig.settle();
    let [Message::Established(told)] = messages(&client.receive())[..] else {
        panic!("it is established again");
    };
    let session = session.unwrap();
    assert_eq!(told.epoch_report_no, session.epoch_report_no);
    assert_eq!(told.next_report_no, session.next_report_no);
    assert_eq!(told.last_seq_no, 61);
    rig.check_engine();
}

/// A new epoch begins behind a snapshot of the old one: its first reports are counted from there.
#[test]
fn the_first_reports_of_an_epoch_are_known_without_its_past() {
    let written = write(trading_rig());
    let rest = written.replayed(true, false, 0);
    let mut engine = rest.engine;
    let before = engine.session(SessionId(1)).unwrap();
    assert!(
        before.next_report_no > 100 && before.epoch_report_no == 1,
        "{before:?}"
    );
    let mut body = Vec::new();
    let number = engine.last_number(domain::Source::SEQUENCER) + 1;
    let recovered = domain::Request {
        source: domain::Source::SEQUENCER,
        source_seq: number,
        receive_time: domain::Nanos(0),
        command: Command::Recovered(domain::Recovered {
            epoch: engine.epoch() + 1,
            pad: [domain::Zero::Zero; 4],
            grace: domain::Nanos(0),
        }),
    };
    let stamp = Stamp {
        seq: rest.chain.next_seq,
        time: rest.chain.engine_time,
    };
    engine.apply(stamp, &recovered, &mut domain::Effects::new());
    engine.save(&mut body);
    let loaded = Engine::load(&body, Some(&written.genesis), 0).unwrap();
    let after = loaded.session(SessionId(1)).unwrap();
    assert_eq!(after.epoch_report_no, before.next_report_no);
}

/// Memory of another journal is refused behind a snapshot as it is in a whole replay.
#[test]
fn memory_of_another_journal_is_refused_behind_a_snapshot() {
    let written = write(trading_rig());
    let other = trading_rig();
    let memory = LogReader::new(other.regions.journal.clone(), 1).unwrap();
    let folder = written.rig.config.snapshot_dir();
    let sources = Sources {
        archive: &written.rig.config.archive_dir(),
        snapshots: Some(&folder),
        shard: 0,
        memory: Some(&memory),
    };
    let at = written.snapshots.last().unwrap().0;
    let refused = replay(&sources, at).err().unwrap().to_string();
    assert!(
        refused.contains(&format!("seq {at} is not the same frame")),
        "{refused}"
    );
}
