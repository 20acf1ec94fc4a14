//! The figures that there are: name, kind and meaning of each. docs/OPERATING.md shows this table.

use gateway::Measures;
use prometheus::proto::MetricType;
use std::collections::BTreeMap;
use topology::instruments::{matching, net, out, stage};

/// A figure.
#[derive(Clone, Debug)]
pub struct Described {
    /// What kind it is.
    pub kind: MetricType,
    /// What it means.
    pub help: String,
}

const GAUGE: MetricType = MetricType::GAUGE;
const COUNTER: MetricType = MetricType::COUNTER;

/// Those that are not the counters of a tile, the stages or the gateway's.
const OURS: &[(&str, MetricType, &str)] = &[
    (
        "sluice_info",
        GAUGE,
        "1; its labels name instance, shard, version and profile.",
    ),
    ("sluice_up", GAUGE, "Whether the process runs: 1 or 0."),
    (
        "sluice_process_state",
        GAUGE,
        "1 for the state that the process is in, 0 for the others.",
    ),
    ("sluice_tile_up", GAUGE, "Whether the tile runs: 1 or 0."),
    (
        "sluice_tile_heartbeat_age_seconds",
        GAUGE,
        "Time since the tile was last alive.",
    ),
    (
        "sluice_tile_polls_total",
        COUNTER,
        "Polls of the tile since the fastpath was started.",
    ),
    (
        "sluice_tile_busy_polls_total",
        COUNTER,
        "Polls of the tile that found work, since the fastpath was started.",
    ),
    (
        "sluice_fastpath_allocations_total",
        COUNTER,
        "Heap allocations since the fastpath was ready; there should be none.",
    ),
    (
        "sluice_fastpath_recovered_seq",
        GAUGE,
        "Seq with which the fastpath's last recovery ended.",
    ),
    (
        "sluice_clock_jumps_total",
        COUNTER,
        "Times that the system's time was found to differ from the exchange's clock by more than engine.clock_jump_ms.",
    ),
    (
        "sluice_clock_in_trouble",
        GAUGE,
        "Whether the system's time differs from the exchange's clock by more than engine.clock_jump_ms: 1 or 0.",
    ),
    ("sluice_epoch", GAUGE, "Epoch of the journal."),
    (
        "sluice_journal_head_seq",
        GAUGE,
        "Last seq in journal memory.",
    ),
    (
        "sluice_journal_oldest_seq",
        GAUGE,
        "Oldest seq that journal memory still has.",
    ),
    (
        "sluice_journal_capacity_frames",
        GAUGE,
        "Frames that journal memory can index.",
    ),
    (
        "sluice_journal_size_bytes",
        GAUGE,
        "Size of journal memory.",
    ),
    (
        "sluice_reader_seq",
        GAUGE,
        "Last seq that a reader of the journal is done with.",
    ),
    (
        "sluice_reader_lag_frames",
        GAUGE,
        "Frames by which a reader is behind the journal's head.",
    ),
    (
        "sluice_slowpath_heartbeat_age_seconds",
        GAUGE,
        "Time since the slowpath was last alive.",
    ),
    (
        "sluice_shadow_agrees",
        GAUGE,
        "Whether the shadow engine follows and agrees with the journal: 1 or 0.",
    ),
    (
        "sluice_shadow_lapped_total",
        COUNTER,
        "Times that the shadow engine went back to the archive.",
    ),
    (
        "sluice_rejects_total",
        COUNTER,
        "Commands that the engine refused in frames since the slowpath was started, by reason; absent until the first.",
    ),
    (
        "sluice_shadow_troubles_total",
        COUNTER,
        "Times that the shadow engine began to wait for an archive that it could not read.",
    ),
    (
        "sluice_shadow_in_trouble",
        GAUGE,
        "Whether the shadow engine waits for an archive that it cannot read now: 1 or 0.",
    ),
    (
        "sluice_archive_groups_total",
        COUNTER,
        "Groups of frames that were written and synced.",
    ),
    (
        "sluice_archive_troubles_total",
        COUNTER,
        "Times that the archive's storage began to fail.",
    ),
    (
        "sluice_archive_in_trouble",
        GAUGE,
        "Whether the archive's storage fails now: 1 or 0.",
    ),
    (
        "sluice_store_rows_total",
        COUNTER,
        "Rows that were written to the store.",
    ),
    (
        "sluice_store_troubles_total",
        COUNTER,
        "Times that the store's database began to fail.",
    ),
    (
        "sluice_store_in_trouble",
        GAUGE,
        "Whether the store's database fails now: 1 or 0.",
    ),
    (
        "sluice_gateway_troubles_total",
        COUNTER,
        "Times that the gateway could not listen, or no more.",
    ),
    (
        "sluice_gateway_in_trouble",
        GAUGE,
        "Whether the gateway cannot listen now: 1 or 0.",
    ),
    (
        "sluice_attestations_right_total",
        COUNTER,
        "Attestations whose signatures were found right: of each session the newest, at most every 10 ms.",
    ),
    (
        "sluice_attestations_wrong_total",
        COUNTER,
        "Attestations whose signatures were found wrong; they are never confirmed.",
    ),
    (
        "sluice_attestations_confirmed_total",
        COUNTER,
        "Levels of right attestations that were sent to the engine.",
    ),
    (
        "sluice_attestation_troubles_total",
        COUNTER,
        "Times that the checker of attestations began to wait for its file or the archive, or stopped.",
    ),
    (
        "sluice_attestation_in_trouble",
        GAUGE,
        "Whether the checker of attestations waits now, or has stopped: 1 or 0.",
    ),
    (
        "sluice_replay_troubles_total",
        COUNTER,
        "Times that the port at which is told again could not be had, or the archive not be read for it.",
    ),
    (
        "sluice_replay_in_trouble",
        GAUGE,
        "Whether that is so now: 1 or 0.",
    ),
    (
        "sluice_replay_requests_total",
        COUNTER,
        "Requests and queries of sessions that were taken at slowpath.replay.",
    ),
    (
        "sluice_replay_refused_total",
        COUNTER,
        "Datagrams at slowpath.replay that are not genuine, not whole, of another epoch, or from where the session is not.",
    ),
    (
        "sluice_replay_unknown_total",
        COUNTER,
        "Requests of sessions for what is not issued or not archived yet, and messages that nobody answers there.",
    ),
    (
        "sluice_replay_throttled_total",
        COUNTER,
        "Requests of sessions that were dropped because too many waited.",
    ),
    (
        "sluice_replay_reports_total",
        COUNTER,
        "Reports that were sent again at slowpath.replay.",
    ),
    (
        "sluice_replay_outcomes_total",
        COUNTER,
        "Outcomes of messages that were told at slowpath.replay.",
    ),
    (
        "sluice_feed_requests_total",
        COUNTER,
        "Requests for messages of the feed that were taken.",
    ),
    (
        "sluice_feed_requests_malformed_total",
        COUNTER,
        "Datagrams at feed.requests that are no request.",
    ),
    (
        "sluice_feed_requests_unknown_total",
        COUNTER,
        "Requests for messages of another session, or that are not issued, or not indexed yet.",
    ),
    (
        "sluice_feed_requests_throttled_total",
        COUNTER,
        "Requests for messages of the feed that were dropped because too many waited.",
    ),
    (
        "sluice_feed_repeated_total",
        COUNTER,
        "Messages of the feed that were sent again.",
    ),
    ("sluice_snapshots", GAUGE, "Snapshots on the disk."),
    (
        "sluice_snapshot_troubles_total",
        COUNTER,
        "Times that snapshots began not to be written.",
    ),
    (
        "sluice_snapshot_in_trouble",
        GAUGE,
        "Whether a snapshot cannot be written now: 1 or 0.",
    ),
    (
        "sluice_snapshot_age_seconds",
        GAUGE,
        "Time since the newest snapshot was written; absent until there is one.",
    ),
];

/// Every figure by name.
#[must_use]
pub fn catalogue(measures: &Measures) -> BTreeMap<String, Described> {
    let ours = OURS
        .iter()
        .map(|(name, kind, help)| ((*name).to_owned(), *kind, (*help).to_owned()));
    let tiles = [
        ("net", net::NAMES, net::HELP),
        ("match", matching::NAMES, matching::HELP),
        ("out", out::NAMES, out::HELP),
    ];
    let counters = tiles.into_iter().flat_map(|(tile, names, help)| {
        names
            .iter()
            .zip(help)
            .map(move |(name, help)| (counter(tile, name), COUNTER, sentence(help)))
    });
    let stages = stage::NAMES.iter().zip(stage::HELP);
    let stages =
        stages.map(|(name, help)| (stage_name(name), MetricType::HISTOGRAM, sentence(help)));
    let gateway = measures.gather();
    let gateway = gateway.iter().map(|family| {
        (
            family.name().to_owned(),
            family.get_field_type(),
            family.help().to_owned(),
        )
    });
    ours.chain(counters)
        .chain(stages)
        .chain(gateway)
        .map(|(name, kind, help)| (name, Described { kind, help }))
        .collect()
}

/// The name of a tile's counter.
pub(super) fn counter(tile: &str, name: &str) -> String {
    format!("sluice_{tile}_{name}_total")
}

/// The name of a stage's histogram.
pub(super) fn stage_name(name: &str) -> String {
    format!("sluice_{name}_seconds")
}

/// The words of a comment, which has lines.
fn sentence(comment: &str) -> String {
    comment.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The catalogue as the table of docs/OPERATING.md.
#[must_use]
pub fn table(measures: &Measures) -> String {
    let lines = catalogue(measures).into_iter().map(|(name, described)| {
        let kind = match described.kind {
            MetricType::COUNTER => "counter",
            MetricType::GAUGE => "gauge",
            MetricType::HISTOGRAM => "histogram",
            MetricType::SUMMARY => "summary",
            MetricType::UNTYPED => "untyped",
        };
        format!("| `{name}` | {kind} | {} |\n", described.help)
    });
    lines.collect()
}
