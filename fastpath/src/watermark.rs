//! How far the slowpath says that frames are durable, as far as that can be believed.

use anyhow::{Result, ensure};
use shm::{Memory, SlowView};
use topology::Config;

/// Refuses to go on behind `last_seq` while the region `slow` says that more was durable. [`Watermark`] does not
/// believe that only until the new journal has grown beyond it: then it would count frames as archived that nobody
/// has, and the archive lacks what clients were told of.
pub(crate) fn check_start(config: &Config, slow: &Memory, last_seq: u64) -> Result<()> {
    let durable = SlowView::new(slow.clone())?.durable_seq();
    let (region, archive) = (slow.path(), config.archive_dir());
    ensure!(
        durable <= last_seq,
        "{} says that seq {durable} is durable, but archive and journal memory end with seq {last_seq}: restore the \
         archive {}; only if what is missing is lost for good, stop the slowpath, remove the file {}, and start again",
        region.display(),
        archive.display(),
        region.display()
    );
    Ok(())
}

/// Follows another process's progress word: it may stand still, but never goes back and never
/// runs ahead of the journal. What cannot be is counted by the caller and changes nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Watermark {
    believed: u64,
}

impl Watermark {
    /// The progress after the slowpath `said` so much, while the journal ends with `head`; none if
    /// that cannot be.
    pub(crate) fn follow(&mut self, said: u64, head: u64) -> Option<u64> {
        if said < self.believed || said > head {
            return None;
        }
        self.believed = said;
        Some(said)
    }

    /// The last progress that could be.
    pub(crate) fn believed(self) -> u64 {
        self.believed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn believes_neither_a_step_back_nor_one_beyond_the_head() {
        let mut watermark = Watermark::default();
        assert_eq!(watermark.follow(5, 9), Some(5));
        assert_eq!(watermark.follow(4, 9), None);
        assert_eq!(watermark.follow(10, 9), None);
        assert_eq!(watermark.believed(), 5);
        assert_eq!(watermark.follow(9, 9), Some(9));
    }
}
