//! Holds what clients were told against what the journal says.
//!
//! The journal is the only truth, so after any number of crashes: every report that a client ever
//! received stands in it with that number and content, every message that a client sent stands in
//! it at most once and as it was sent, reports have no holes, and no trade happened twice.

use anyhow::{Context as _, Result, ensure};
use bench::instance::Instance;
use domain::{Command, Event, Seq, SessionId};
use journal::{ArchiveReader, Frame, FrameBuffer, MemoryRead, Recovery};
use shm::Read;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use wire::order_entry::{FrameStamp, Message};

/// What one client sent and was told, kept by the client itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClientLog {
    pub(crate) session: SessionId,
    /// By number.
    pub(crate) sent: BTreeMap<u64, Command>,
    /// By report number.
    pub(crate) told: BTreeMap<u64, Message>,
}

/// What the journal says, by session.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    reports: BTreeMap<(SessionId, u64), Message>,
    commands: BTreeMap<(SessionId, u64), Command>,
    /// Seq of the last frame.
    pub(crate) frames: u64,
    /// Trades.
    pub(crate) trades: u64,
    /// `Recovered` frames: restarts of the fastpath.
    pub(crate) recoveries: u64,
}

/// What was compared.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Compared {
    pub(crate) reports: u64,
    pub(crate) applied: u64,
    pub(crate) fills: u64,
}

impl Truth {
    /// Reads a whole archive, checking that the journal does not contradict itself.
    pub(crate) fn read(archive: &Path, shard: u16) -> Result<Self> {
        let mut reader = ArchiveReader::open(archive, shard)?;
        let mut truth = Self::default();
        let mut trade_ids = BTreeSet::new();
        while let Some(frame) = reader.next_frame()? {
            truth.frame(&frame, &mut trade_ids)?;
        }
        truth.check_holes()?;
        Ok(truth)
    }

    /// Reads archive and journal memory of a running instance.
    pub(crate) fn read_live(instance: &Instance) -> Result<Self> {
        let log = instance.journal()?;
        let memory = |seq: Seq, buffer: &mut FrameBuffer| match log.read_at(seq.0, buffer) {
            Read::Frame(words) => MemoryRead::Frame(words),
            Read::Empty => MemoryRead::End,
            Read::Lapped => MemoryRead::Gone {
                oldest: Seq(log.oldest()),
            },
            Read::Corrupt => MemoryRead::Corrupt,
        };
        let archive = ArchiveReader::open(&instance.config.archive_dir(), 0)?;
        let mut recovery = Recovery::with_memory(archive, memory, 1..=1);
        let mut truth = Self::default();
        let mut trade_ids = BTreeSet::new();
        while let Some(frame) = recovery.next()? {
            truth.frame(&frame, &mut trade_ids)?;
        }
        truth.check_holes()?;
        Ok(truth)
    }

    fn frame(&mut self, frame: &Frame<'_>, trade_ids: &mut BTreeSet<u64>) -> Result<()> {
        let header = &frame.header;
        self.frames = header.seq.0;
        if matches!(frame.command, Command::Recovered(_)) {
            self.recoveries += 1;
        }
        if let Some(session) = header.source.session() {
            let twice = self
                .commands
                .insert((session, header.source_seq), frame.command);
            ensure!(
                twice.is_none(),
                "seq {}: session {} number {} was applied before",
                header.seq,
                session.0,
                header.source_seq
            );
        }
        let stamp = FrameStamp {
            seq: header.seq,
            engine_time: header.engine_time,
            receive_time: header.receive_time,
            source: header.source,
            source_seq: header.source_seq,
        };
        for event in frame.events() {
            let event = event.with_context(|| format!("seq {}", header.seq))?;
            if let Event::Trade(trade) = event {
                self.trades += 1;
                ensure!(
                    trade_ids.insert(trade.trade_id),
                    "trade {} twice",
                    trade.trade_id
                );
            }
            if let (Some(key), Some(report)) = (event.report(), Message::report(&stamp, &event)) {
                let twice = self.reports.insert(key, report);
                ensure!(
                    twice.is_none(),
                    "session {} report {} twice",
                    key.0.0,
                    key.1
                );
            }
        }
        Ok(())
    }

    fn check_holes(&self) -> Result<()> {
        let mut next: BTreeMap<SessionId, u64> = BTreeMap::new();
        for (session, number) in self.reports.keys() {
            let expected = next.entry(*session).or_insert(1);
            ensure!(
                number == expected,
                "session {} has no report {expected}",
                session.0
            );
            *expected += 1;
        }
        Ok(())
    }

    /// Holds a client's log against the journal.
    pub(crate) fn compare(&self, log: &ClientLog, total: &mut Compared) -> Result<()> {
        let session = log.session;
        for (number, told) in &log.told {
            let written = self.reports.get(&(session, *number)).with_context(|| {
                format!(
                    "session {} was told report {number}, which is lost: {told:?}",
                    session.0
                )
            })?;
            ensure!(
                written == told,
                "session {} report {number}: told {told:?}, written {written:?}",
                session.0
            );
            total.reports += 1;
            total.fills += u64::from(matches!(told, Message::OrderFilled(_)));
        }
        for ((_, number), written) in self.commands.range((session, 0)..=(session, u64::MAX)) {
            let sent = log.sent.get(number).with_context(|| {
                format!(
                    "session {} never sent number {number}: {written:?}",
                    session.0
                )
            })?;
            ensure!(
                sent == written,
                "session {} number {number}: sent {sent:?}, applied {written:?}",
                session.0
            );
            total.applied += 1;
        }
        Ok(())
    }

    /// Reports of a session.
    pub(crate) fn reports_of(&self, session: SessionId) -> u64 {
        self.reports
            .range((session, 0)..=(session, u64::MAX))
            .count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{CancelOrder, ClientOrderId, OrderId, Qty};

    fn cancel(id: u64) -> Command {
        let client_order_id = ClientOrderId(id);
        Command::CancelOrder(CancelOrder {
            order_id: OrderId::NONE,
            client_order_id,
            qty: Qty::ZERO,
        })
    }

    #[test]
    fn a_lost_report_and_a_changed_message_are_found() {
        let session = SessionId(1);
        let mut truth = Truth::default();
        truth.commands.insert((session, 1), cancel(7));
        let mut log = ClientLog {
            session,
            ..ClientLog::default()
        };
        log.sent.insert(1, cancel(8));
        let mut total = Compared::default();
        let error = truth.compare(&log, &mut total).expect_err("other content");
        assert!(error.to_string().contains("number 1"), "{error}");
        log.sent.insert(1, cancel(7));
        truth.compare(&log, &mut total).expect("the same");
        log.told.insert(1, Message::Unknown { template_id: 99 });
        let error = truth.compare(&log, &mut total).expect_err("lost");
        assert!(error.to_string().contains("lost"), "{error}");
    }
}
