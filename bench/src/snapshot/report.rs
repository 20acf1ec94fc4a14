//! What is recorded of the starts.

use super::{Found, Start};
use crate::disk::FileSystem;
use crate::instance::Instance;
use crate::load::host::{Host, repeat, system};
use crate::record::{Record, Section, Table, section};
use crate::tuning;

pub(super) fn record(instance: &Instance, found: &Found) -> Record {
    let host = Host::look();
    let (behind, replay) = (middle(&found.behind), middle(&found.replays));
    let ready = format!(
        "ready {behind} ms (middle of {}) after its start behind a snapshot of {} orders, {} accounts and {} markets, with at most {} MiB of memory; {replay} ms by replay of {} frames",
        found.behind.len(),
        found.size.orders,
        found.size.accounts,
        found.size.markets,
        found
            .behind
            .iter()
            .map(|start| start.memory >> 20)
            .max()
            .unwrap_or(0),
        found.written.frames
    );
    Record {
        tables: vec![starts(found), slowpath(found)],
        sections: sections(instance, found, host.text),
        ..Record::new(
            "Start-up behind a snapshot of a large state, beside a replay",
            host.virtualised,
            Vec::new(),
            &ready,
        )
    }
}

/// Milliseconds of the middle one.
fn middle(starts: &[Start]) -> u128 {
    let mut millis: Vec<u128> = starts.iter().map(|start| start.ready.as_millis()).collect();
    millis.sort_unstable();
    millis.get(millis.len() / 2).copied().unwrap_or(0)
}

fn starts(found: &Found) -> Table {
    let row = |kind: &str, start: &Start| {
        vec![
            kind.to_owned(),
            start.ready.as_millis().to_string(),
            (start.memory >> 20).to_string(),
            start.said.clone(),
        ]
    };
    let replays = found.replays.iter().map(|start| row("replay", start));
    let behind = found.behind.iter().map(|start| row("behind", start));
    Table {
        caption: "From the start of the process to its line `ready`, ms:".into(),
        columns: ["start", "ready after", "memory, MiB", "it said"]
            .map(str::to_owned)
            .to_vec(),
        rows: replays.chain(behind).collect(),
    }
}

fn slowpath(found: &Found) -> Table {
    let row = |what: &str, said: &str| vec![what.to_owned(), said.to_owned()];
    Table {
        caption: "The slowpath:".into(),
        columns: ["what", "it said"].map(str::to_owned).to_vec(),
        rows: vec![
            row("written", &found.snapshot),
            row("shadow", &found.shadow),
        ],
    }
}

fn sections(instance: &Instance, found: &Found, host: String) -> Vec<Section> {
    let archive = FileSystem::of(instance.folder())
        .map_or_else(|error| format!("unknown ({error:#})"), FileSystem::name);
    vec![
        section(
            "Where",
            "the fastpath's process, started without journal memory as after a loss of power; what it printed of its own times stands beside",
        ),
        section(
            "Excludes",
            "a cold page cache (what was written a moment ago is read); sessions in the hundred thousands; clients",
        ),
        section(
            "Load",
            format!(
                "{} resting orders in {} markets, {} accounts, {} sessions: {} frames, {} bytes of archive, every frame an order that rests or what it needs",
                found.size.orders,
                found.size.markets,
                found.size.accounts,
                found.size.sessions,
                found.written.frames,
                found.written.bytes
            ),
        ),
        section("System", system()),
        section("Host", host),
        section("Tuning", tuning::report()),
        section(
            "Placement",
            format!("tiles and slowpath any CPU; archive on {archive}"),
        ),
        section(
            "Noise",
            format!(
                "CPU time used by all processes, ours among them, {}, stolen {}",
                found.disturbance.share(found.disturbance.used),
                found.disturbance.share(found.disturbance.stolen)
            ),
        ),
        section(
            "Correct",
            "every start behind the snapshot says that it loaded it, which checks its CRC and its state hash",
        ),
        section(
            "Runs",
            format!(
                "{} starts of each kind, one after the other",
                found.behind.len()
            ),
        ),
        section("Repeat", repeat()),
        section(
            "Limits",
            "one virtual or real machine, one journal; the middle of few starts",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::archive::{Size, Written};
    use super::*;
    use crate::instance::Plan;
    use crate::load::host::Disturbance;
    use crate::report::check;
    use std::time::Duration;

    #[test]
    fn the_record_may_be_reported() {
        let plan = Plan::UNIT;
        let starts = |millis: [u64; 3]| {
            let start = |millis| Start {
                ready: Duration::from_millis(millis),
                memory: 900 << 20,
                said: "recovered".into(),
            };
            millis.map(start).into_iter().collect()
        };
        let found = Found {
            size: Size {
                orders: 10,
                accounts: 4,
                sessions: 2,
                markets: 1,
            },
            written: Written {
                frames: 30,
                bytes: 4_000,
            },
            replays: starts([900, 700, 800]),
            behind: starts([300, 500, 400]),
            snapshot: "snapshot of seq 30: 64 bytes".into(),
            shadow: "the shadow engine begins".into(),
            disturbance: Disturbance::default(),
        };
        let instance = Instance::create(&plan).expect("files");
        let record = record(&instance, &found);
        assert_eq!(check(&record), Ok(()));
        assert!(
            record
                .headline
                .starts_with("headline: ready 400 ms (middle of 3)")
                && record.headline.ends_with("800 ms by replay of 30 frames"),
            "{}",
            record.headline
        );
    }
}
