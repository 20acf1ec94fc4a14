//! Where out goes on if the region `fast` does not say so, or says what cannot be.

use crate::boot::sent;
use shm::{
    FastWriter, Identity, LogReader, LogWriter, Memory, SlowWriter, fast_spec, journal_spec,
    slow_spec,
};

const IDENTITY: Identity = Identity {
    shard: 0,
    boot_id: [1, 2],
    epoch: 1,
};

#[test]
fn out_goes_on_where_journal_memory_can_follow() {
    let map = |spec| Memory::anonymous(&spec, &IDENTITY).unwrap();
    let journal = map(journal_spec(1024, 1 << 14));
    let mut log = LogWriter::attach(journal.clone()).unwrap();
    log.start_at(11).unwrap();
    for seq in 11..=20 {
        assert_eq!(log.append(&[7; 9]), seq);
    }
    let log = LogReader::new(journal, 1).unwrap();
    assert_eq!((log.oldest(), log.head()), (11, 20));
    // What out said, how far the archiver is, and what follows.
    for (said, durable, expected) in [
        (15, 20, 15),
        (20, 12, 20),
        (10, 20, 10),
        // Made anew: what is durable counts as told, if memory goes on there.
        (0, 12, 12),
        (0, 20, 20),
        (0, 0, 10),
        (0, 21, 10),
        (21, 9, 10),
    ] {
        let (fast, slow) = (map(fast_spec(1)), map(slow_spec()));
        let writer = FastWriter::new(fast.clone()).unwrap();
        writer.set_out_seq(said);
        SlowWriter::new(slow.clone())
            .unwrap()
            .set_durable_seq(durable);
        assert_eq!(sent(&log, &fast, &slow).unwrap(), expected);
        // The gate, and the tiles, go by this word.
        assert_eq!(writer.view().out_seq(), expected);
    }
}
