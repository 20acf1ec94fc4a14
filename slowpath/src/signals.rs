//! What the threads of the process tell each other.

use archive::TroubleKind;
use domain::Seq;
use shm::Word;
use std::sync::{Mutex, PoisonError};

const GO_ON: u64 = u64::MAX;

/// Words between the supervisor and its threads.
pub struct Signals {
    /// The seq at which to stop; [`GO_ON`] as long as nobody asked. Written by the supervisor.
    finish_at: Word,
    /// 1 once the gateway is to let nobody in. Written by the supervisor.
    closing: Word,
    /// 1 once the archive is open, cut to what is durable. Written by the archiver.
    archive_open: Word,
    /// What keeps the archiver from writing. Written by the archiver.
    archive_trouble: Mutex<Option<TroubleKind>>,
    /// What is wrong with the journal, as it was said whole.
    said: Mutex<Option<String>>,
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            finish_at: Word::new(GO_ON),
            closing: Word::new(0),
            archive_open: Word::new(0),
            archive_trouble: Mutex::new(None),
            said: Mutex::new(None),
        }
    }
}

impl Signals {
    /// Whether nobody has said yet that this is wrong with the journal; who asks says it whole then, and else refers to it.
    pub fn is_news(&self, wrong: &str) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = said.as_deref() != Some(wrong);
        if is_news {
            *said = Some(wrong.to_owned());
        }
        is_news
    }

    /// Asks the gateway to answer what it was asked and to let nobody in.
    pub fn close(&self) {
        self.closing.release(1);
    }

    /// Whether somebody asked the gateway to end.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.closing.acquire() == 1
    }

    /// Asks the threads to end when they are done with the frame `seq`.
    pub fn finish_at(&self, seq: Seq) {
        self.finish_at.release(seq.0);
    }

    /// Whether somebody asked to end, and a thread that is done with the frame `seq` may.
    #[must_use]
    pub fn is_finished_at(&self, seq: Seq) -> bool {
        let finish_at = self.finish_at.acquire();
        finish_at != GO_ON && seq.0 >= finish_at
    }

    /// Whether somebody asked to end.
    #[must_use]
    pub fn is_finishing(&self) -> bool {
        self.finish_at.acquire() != GO_ON
    }

    /// The archive is open: what it holds up to the durable seq stays as it is.
    pub fn set_archive_open(&self) {
        self.archive_open.release(1);
    }

    /// What keeps the archiver from writing, or nothing any more.
    pub fn set_archive_trouble(&self, trouble: Option<TroubleKind>) {
        *self
            .archive_trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// What keeps the archiver from writing, if anything does.
    #[must_use]
    pub fn archive_trouble(&self) -> Option<TroubleKind> {
        *self
            .archive_trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the archive is open.
    #[must_use]
    pub fn is_archive_open(&self) -> bool {
        self.archive_open.acquire() == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_goes_on_until_it_has_done_what_was_asked() {
        let signals = Signals::default();
        assert!(!signals.is_closing());
        signals.close();
        assert!(signals.is_closing());
        assert!(!signals.is_finishing() && !signals.is_finished_at(Seq(u64::MAX)));
        signals.finish_at(Seq(7));
        assert!(signals.is_finishing());
        let done = [6, 7, 8].map(|seq| signals.is_finished_at(Seq(seq)));
        assert_eq!(done, [false, true, true]);
    }
}
