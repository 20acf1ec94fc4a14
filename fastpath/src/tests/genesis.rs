//! A start that died within the genesis, and the one that goes on.

use super::rig::Rig;
use crate::boot::recover;
use shm::{LogReader, LogWriter, MAX_FRAME_WORDS, Read};
use tile::Clock;

/// A rig whose journal ends behind seq `last`, which is within its genesis.
fn begun(last: u64) -> Rig {
    let rig = Rig::new();
    let memory = LogReader::new(rig.regions.journal.clone(), 1).unwrap();
    let frames: Vec<Vec<u64>> = (1..=last)
        .map(|seq| {
            let mut buffer = Box::new([0; MAX_FRAME_WORDS]);
            let Read::Frame(words) = memory.read_at(seq, &mut buffer) else {
                panic!("memory has all frames");
            };
            buffer[..words].to_vec()
        })
        .collect();
    rig.regions.journal.wipe().unwrap();
    let mut log = LogWriter::attach(rig.regions.journal.clone()).unwrap();
    log.start_at(1).unwrap();
    for frame in frames {
        log.append(&frame);
    }
    std::fs::remove_file(rig.config.epoch_file()).unwrap();
    rig
}

#[test]
fn a_genesis_goes_on_with_the_file_with_which_it_began_and_no_other() {
    let whole = Rig::new();
    let last = 8;
    assert!(whole.head() > last + 1);
    let rig = begun(last);
    let file = rig.config.genesis_file();
    let text = std::fs::read_to_string(&file).unwrap();
    // The capacity is the first command, and no other says how many orders there can be.
    let (from, to) = ("max_orders = 4096", "max_orders = 8192");
    assert!(text.contains(from));
    std::fs::write(&file, text.replace(from, to)).unwrap();
    let refused = recover(&rig.config, &rig.regions, None, &Clock::now);
    let refusal = refused.err().expect("two files are no genesis").to_string();
    let says = "is not the file with which the genesis began: seq 1 of the journal is a Genesis";
    assert!(refusal.contains(says), "{refusal}");
    let log = LogReader::new(rig.regions.journal.clone(), 1).unwrap();
    assert_eq!(log.head(), last, "nothing is journalled");
    std::fs::write(&file, text).unwrap();
    let rig = rig.restart(|_| {});
    assert_eq!(rig.head(), whole.head());
    assert_eq!(
        rig.engine().session_ids().count(),
        whole.engine().session_ids().count()
    );
    rig.check_engine();
}
