//! What the counters and histograms of the `fast` region mean: kinds of tile, their counters, the
//! stages that are timed. Writers (the tiles) and readers (`sluice status`, the demo) share these
//! numbers; they are part of the region's layout, so a new one goes to the end of its list.

use std::net::SocketAddrV4;

/// Kinds of tile, as a tile's block names them; 0 is no tile.
pub mod tile_kind {
    /// Datagrams in.
    pub const NET: u64 = 1;
    /// Sequencing and matching.
    pub const MATCH: u64 = 2;
    /// Datagrams out.
    pub const OUT: u64 = 3;
    /// The process itself: its supervisor's block.
    pub const PROCESS: u64 = 4;

    /// The kind's name.
    #[must_use]
    pub fn name(kind: u64) -> &'static str {
        match kind {
            NET => "net",
            MATCH => "match",
            OUT => "out",
            PROCESS => "process",
            _ => "unknown",
        }
    }
}

macro_rules! numbered {
    ($(#[$doc:meta])* $module:ident { $($(#[doc = $item_doc:literal])* $name:ident),* $(,)? }) => {
        $(#[$doc])*
        #[expect(non_upper_case_globals, non_camel_case_types, reason = "names are shown as they are")]
        pub mod $module {
            enum Number { $($name),* }
            $($(#[doc = $item_doc])* pub const $name: usize = Number::$name as usize;)*
            /// The names, by number.
            pub const NAMES: &[&str] = &[$(stringify!($name)),*];
            /// What they mean, by number.
            pub const HELP: &[&str] = &[$(concat!($($item_doc),*)),*];
        }
    };
}

numbered! {
    /// Counters of the net tile.
    net {
        /// Datagrams that the port gave.
        datagrams,
        /// Datagrams too long for the port.
        oversize,
        /// Polls of the port that found nothing.
        empty_polls,
        /// Messages handed to the match tile.
        accepted,
        /// Messages with a number that was accepted before.
        duplicates,
        /// Messages answered with `Busy`.
        busy,
        /// Datagrams that do not start with a context.
        garbage,
        /// Datagrams of a session that does not exist.
        unknown_session,
        /// Datagrams of another epoch.
        wrong_epoch,
        /// Datagrams whose MAC is wrong.
        wrong_mac,
        /// Genuine datagrams that do not parse.
        malformed,
        /// Genuine datagrams of a session that has no address.
        not_established,
        /// Sessions established.
        established,
        /// Establish messages whose cookie is wrong.
        wrong_cookie,
        /// Messages that no client sends.
        unsupported,
        /// Replies given up because the ring to the out tile was full.
        replies_dropped,
        /// Not answered: session messages and duplicates beyond a session's burst, and replies
        /// beyond its share of those that wait.
        throttled,
        /// Datagrams that the system dropped before the port saw them.
        system_drops,
        /// Failed receives.
        port_errors,
    }
}

numbered! {
    /// Counters of the match tile.
    matching {
        /// Requests taken from the net tile.
        from_net,
        /// Requests taken from the slowpath.
        from_slow,
        /// Requests with a number that was applied before.
        stale,
        /// Requests of the slowpath that it may not make, or that are malformed.
        slow_refused,
        /// Requests of the slowpath that were taken after their deadline, and so not taken.
        slow_late,
        /// Turns without room in journal memory.
        no_room,
        /// Progress words of the slowpath that cannot be, since the process was started.
        gate_faults,
        /// Positions of the slowpath's ring that cannot be, since the process was started.
        ring_faults,
    }
}

numbered! {
    /// Counters of the out tile.
    out {
        /// Datagrams handed to the port.
        datagrams,
        /// Times that the port had no free slot.
        port_full,
        /// Datagrams that the port could not send.
        port_errors,
        /// Reports sent for the first time.
        reports,
        /// Reports of sessions without an address; they can be asked for.
        unreachable,
        /// Replies sent: challenges, refusals, resends, outcomes.
        replies,
        /// Replies given up because the port was full.
        replies_dropped,
        /// Frames read again for a resend.
        resent_frames,
        /// Times that the journal overtook the tile, which the gate prevents.
        lapped,
        /// Trades in the frames that were sent.
        trades,
        /// Packets of the feed given to the port, heartbeats and ends of session included.
        feed_packets,
        /// Messages of the feed in them; those repeated after a restart count again.
        feed_messages,
        /// Heartbeats of the feed.
        feed_heartbeats,
        /// Times that the port had no free slot for a packet of the feed.
        feed_blocked,
        /// Words and frames of journal memory that are not what was written: the tile has failed, or met them where it was to send again.
        corrupt,
    }
}

numbered! {
    /// Counters of the process's own block.
    process {
        /// Heap allocations after start-up.
        allocations,
        /// Epoch.
        epoch,
        /// Seq that recovery ended with.
        recovered_seq,
        /// The port's number, which the system chose if the configuration says 0.
        order_port,
        /// UTC less the time since boot, by which the process's clock goes.
        utc_at_boot,
        /// Times that the system's time was found to differ from the exchange's clock by more than `engine.clock_jump_ms`.
        clock_jumps,
        /// Whether it does now: 1 or 0.
        clock_in_trouble,
        /// What its reports promise, `instance.ack` as it began: 1 sequenced, 2 durable; 0: it does not say.
        ack,
        /// Where its feed goes, `feed.destination` as it began, as a number; 0: nowhere.
        feed,
    }
}

/// An address and its port as a counter holds them. None has the number 0.
#[must_use]
pub fn address_number(address: SocketAddrV4) -> u64 {
    u64::from(u32::from(*address.ip())) << 16 | u64::from(address.port())
}

/// The address of such a number; none of 0, and of what is no such number.
#[must_use]
pub fn numbered_address(number: u64) -> Option<SocketAddrV4> {
    let ip = u32::try_from(number >> 16).ok()?;
    let port = u16::try_from(number & u64::from(u16::MAX)).ok()?;
    (number != 0).then(|| SocketAddrV4::new(ip.into(), port))
}

numbered! {
    /// Stages that are timed, in nanoseconds, as histograms.
    stage {
        /// A message's receipt to the commit of its frame.
        receive_to_commit,
        /// A message's receipt until the last report and feed message of its frame is handed to the port,
        /// before the system call that sends it.
        receive_to_send,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_was_written() {
        for text in ["239.255.1.2:7401", "255.255.255.255:65535", "127.0.0.1:1"] {
            let address = text.parse().unwrap();
            assert_eq!(numbered_address(address_number(address)), Some(address));
        }
        assert_eq!([0, u64::MAX].map(numbered_address), [None, None]);
    }
}
