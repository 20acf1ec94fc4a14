//! Storing snapshots on a disk that can lose its power after any step: what is there afterwards holds,
//! and the older ones are there as long as the new one is not durable.

use domain::{Nanos, Seq};
use journal::{Chain, SnapshotError, SnapshotFiles, SnapshotHeader, read_snapshot_header};
use shadow::{SnapshotStorage, store_snapshot};
use std::collections::BTreeMap;
use std::io::{self, Cursor};

/// A file system of which only what was synced survives.
#[derive(Clone, Default)]
struct Disk {
    /// Content and how much of it is durable.
    unfinished: Option<(Vec<u8>, usize)>,
    /// As processes see it.
    named: BTreeMap<Seq, (Vec<u8>, usize)>,
    /// As it would be found after a loss of power.
    durable: BTreeMap<Seq, (Vec<u8>, usize)>,
    /// Steps until one fails; none: all work.
    fails_after: Option<usize>,
    steps: usize,
}

impl Disk {
    fn step(&mut self) -> io::Result<()> {
        if self.fails_after == Some(self.steps) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.steps += 1;
        Ok(())
    }

    /// The power goes and comes back. Names that were not synced are gone or not, as `kept` says, and
    /// bytes that were not synced are gone.
    fn after_power_loss(&self, kept: bool) -> Self {
        let mut files = self.durable.clone();
        if kept {
            files.clone_from(&self.named);
        }
        for (content, synced) in files.values_mut() {
            content.truncate(*synced);
        }
        Self {
            named: files.clone(),
            durable: files,
            ..Self::default()
        }
    }
}

impl SnapshotFiles for Disk {
    type File = Cursor<Vec<u8>>;

    fn seqs(&self) -> io::Result<Vec<Seq>> {
        Ok(self.named.keys().copied().collect())
    }

    fn open(&self, seq: Seq) -> io::Result<(Self::File, u64)> {
        let (content, _) = self.named.get(&seq).ok_or(io::ErrorKind::NotFound)?;
        Ok((Cursor::new(content.clone()), content.len() as u64))
    }
}

impl SnapshotStorage for Disk {
    fn write(&mut self, header: &[u8], body: &[u8]) -> io::Result<()> {
        // Even a write that fails may have written something.
        self.unfinished = Some((header.to_vec(), 0));
        self.step()?;
        self.unfinished = Some(([header, body].concat(), 0));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.step()?;
        let (content, synced) = self.unfinished.as_mut().ok_or(io::ErrorKind::NotFound)?;
        *synced = content.len();
        Ok(())
    }

    fn publish(&mut self, seq: Seq) -> io::Result<()> {
        self.step()?;
        let file = self.unfinished.take().ok_or(io::ErrorKind::NotFound)?;
        self.named.insert(seq, file);
        Ok(())
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        self.step()?;
        self.durable.clone_from(&self.named);
        Ok(())
    }

    fn discard(&mut self) -> io::Result<()> {
        self.unfinished = None;
        Ok(())
    }

    fn remove(&mut self, seq: Seq) -> io::Result<()> {
        self.step()?;
        self.named.remove(&seq);
        // Nothing keeps a removal from being durable at once.
        self.durable.remove(&seq);
        Ok(())
    }
}

fn snapshot(seq: u64) -> (SnapshotHeader, Vec<u8>) {
    let body = vec![u8::try_from(seq).expect("small"); 100];
    let chain = Chain {
        shard: 3,
        next_seq: Seq(seq + 1),
        last_crc: 7,
        epoch: Some(1),
        engine_time: Nanos(9),
    };
    (SnapshotHeader::of(&chain, 1, seq, &body), body)
}

fn store(disk: &mut Disk, seq: u64, keep: usize) -> io::Result<()> {
    let (header, body) = snapshot(seq);
    store_snapshot(disk, &header, &body, keep)
}

/// The seqs that are there, each of which must be whole.
fn whole(disk: &Disk) -> Vec<u64> {
    let seqs = disk.newest_first().expect("it can be listed");
    for &seq in &seqs {
        let header = read_snapshot_header(disk, seq, 3);
        assert_eq!(header.ok(), Some(snapshot(seq.0).0), "seq {seq}");
    }
    seqs.into_iter().map(|seq| seq.0).collect()
}

fn with_three() -> Disk {
    let mut disk = Disk::default();
    for seq in [10, 20, 30] {
        store(&mut disk, seq, 3).expect("nothing fails");
    }
    disk.steps = 0;
    disk
}

#[test]
fn the_newest_are_kept() {
    let mut disk = with_three();
    store(&mut disk, 40, 3).expect("nothing fails");
    assert_eq!(whole(&disk), [40, 30, 20]);
    store(&mut disk, 50, 1).expect("nothing fails");
    assert_eq!(whole(&disk.after_power_loss(false)), [50]);
}

#[test]
fn whatever_step_fails_the_older_ones_are_there_and_nothing_is_half_there() {
    let mut steps = 0;
    loop {
        let mut disk = with_three();
        disk.fails_after = Some(steps);
        let stored = store(&mut disk, 40, 3);
        assert!(disk.unfinished.is_none(), "step {steps}");
        for found in [
            disk.clone(),
            disk.after_power_loss(false),
            disk.after_power_loss(true),
        ] {
            let seqs = whole(&found);
            let older = seqs.iter().filter(|&&seq| seq < 40).count();
            assert!(
                older == 3 || (older >= 2 && seqs[0] == 40),
                "step {steps}: {seqs:?}"
            );
        }
        disk.fails_after = None;
        store(&mut disk, 40, 3).expect("nothing fails any more");
        assert_eq!(whole(&disk), [40, 30, 20], "step {steps}");
        if stored.is_ok() {
            break;
        }
        steps += 1;
    }
    assert_eq!(steps, 5, "written, synced, named, synced, removed");
}

/// After the end of an archive was cut off by hand, snapshots of what is lost are no reason to remove
/// those of what is there.
#[test]
fn snapshots_of_a_lost_future_do_not_push_out_those_of_the_past() {
    let mut disk = Disk::default();
    for seq in [10, 20, 200, 210, 220] {
        store(&mut disk, seq, 9).expect("nothing fails");
    }
    store(&mut disk, 30, 2).expect("nothing fails");
    assert_eq!(whole(&disk), [220, 210, 200, 30, 20]);
}

#[test]
fn a_header_that_is_not_of_its_file_is_refused() {
    let mut disk = with_three();
    let other = disk.named[&Seq(20)].clone();
    disk.named.insert(Seq(30), other);
    let refused = read_snapshot_header(&disk, Seq(30), 3);
    assert!(matches!(refused, Err(SnapshotError::OtherName(Seq(20)))));
    let refused = read_snapshot_header(&disk, Seq(10), 4);
    assert!(matches!(
        refused,
        Err(SnapshotError::Shard {
            expected: 4,
            found: 3
        })
    ));
}
