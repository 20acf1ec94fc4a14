//! Whether an instance is healthy.

use super::collect::{Fastpath, Life, Slowpath, Status};
use crate::decimal::Decimal;
use shm::heartbeat::SILENCE;
use slowpath::counters::{
    ARCHIVE_TROUBLES, ATTESTATION_TROUBLES, GATEWAY_TROUBLES, REPLAY_TROUBLES, SHADOW_TROUBLES,
    SNAPSHOT_TROUBLES, STORE_TROUBLES,
};
use topology::TileKind;

/// Adds what is wrong, and the verdict.
pub(crate) fn judge(status: &mut Status) {
    let mut problems = std::mem::take(&mut status.problems);
    if let Some(fastpath) = &status.fastpath {
        judge_fastpath(fastpath, &mut problems);
    }
    if let Some(slowpath) = &status.slowpath {
        judge_slowpath(slowpath, &mut problems);
    }
    if status
        .journal
        .as_ref()
        .is_some_and(|journal| !journal.this_boot)
    {
        status.unknown.push(
            "journal memory is of another boot of the machine: the fastpath has not been started since, `sluice start` does"
                .to_owned(),
        );
    }
    status.health = if !problems.is_empty() {
        "wrong"
    } else if !status.unknown.is_empty() {
        "unknown"
    } else {
        "healthy"
    };
    status.problems = problems;
}

fn judge_fastpath(fastpath: &Fastpath, problems: &mut Vec<String>) {
    judge_life("fastpath", fastpath.state, fastpath.pid, problems);
    for tile in fastpath.tiles.iter().filter(|tile| tile.is_polling()) {
        if tile.state == "fail" {
            problems.push(format!(
                "tile {} has failed: see the fastpath's output",
                tile.kind
            ));
        } else if fastpath.state == Life::Running && is_silent(tile.heartbeat_age_ns) {
            problems.push(format!(
                "tile {} has been silent for more than 2 s: if somebody suspended the fastpath, `kill -CONT {}` lets it go on; else stop it and `sluice start`",
                tile.kind, fastpath.pid
            ));
        }
    }
    if fastpath.state == Life::Running {
        judge_serving(fastpath, problems);
        if fastpath.clock_is_off {
            problems.push(
                "the system's time has stepped; the exchange's goes on as before, and nothing ends before its time: set \
                 the system's clock right, or see docs/OPERATING.md, \"When the clock steps\""
                    .to_owned(),
            );
        }
    }
    // A ring that was once impossible is not read again by this fastpath.
    for (faults, what, remedy) in [
        (
            fastpath.gate_faults,
            "the archiver's progress",
            "stop the slowpath (SIGTERM), then `sluice start`",
        ),
        (
            fastpath.ring_faults,
            "a position of the command ring",
            "`sluice stop`, then `sluice start`",
        ),
    ] {
        if faults > Decimal(0) {
            problems.push(format!(
                "{what} was impossible {faults} times since the fastpath was started: {remedy}"
            ));
        }
    }
}

/// While it recovers, or waits for room in its journal memory, no tile runs and nobody is served.
fn judge_serving(fastpath: &Fastpath, problems: &mut Vec<String>) {
    let runs = |kind: &&TileKind| {
        let tile = fastpath.tiles.iter().find(|tile| tile.kind == kind.name());
        tile.is_some_and(|tile| matches!(tile.state, "run" | "fail"))
    };
    let idle: Vec<&str> = TileKind::ALL
        .iter()
        .filter(|kind| !runs(kind))
        .map(|kind| kind.name())
        .collect();
    if !idle.is_empty() {
        problems.push(format!(
            "the fastpath serves nobody, {} not running: it starts, recovers or waits for the slowpath, see \
             its output",
            idle.join(", ")
        ));
    }
}

fn judge_slowpath(slowpath: &Slowpath, problems: &mut Vec<String>) {
    judge_life("slowpath", slowpath.state, slowpath.pid, problems);
    if slowpath.state == Life::Running && is_silent(slowpath.heartbeat_age_ns) {
        problems.push(format!(
            "the slowpath (pid {pid}) has been silent for more than 2 s: `kill -CONT {pid}` lets one go on that was \
             suspended, `kill -KILL {pid}` and `sluice start` start it again",
            pid = slowpath.pid
        ));
    }
    if let Some(seq) = slowpath.shadow.diverged_seq {
        problems.push(format!(
            "the shadow engine does not agree with seq {seq}: see `alarm:` in the slowpath's output, and `sluice journal verify`"
        ));
    }
    if let Some(seq) = slowpath.shadow.unreadable_seq {
        problems.push(format!(
            "the shadow engine cannot read seq {seq}: put right what `alarm:` in the slowpath's output says, then stop the slowpath (SIGTERM) and `sluice start`"
        ));
    }
    for (troubles, what) in [
        (
            ARCHIVE_TROUBLES,
            "the archive's storage fails: see `trouble:` in the slowpath's output",
        ),
        (
            SHADOW_TROUBLES,
            "the shadow engine waits for an archive that it cannot read: see `trouble:` in the slowpath's output",
        ),
        (
            SNAPSHOT_TROUBLES,
            "no snapshot can be written: see `trouble:` in the slowpath's output",
        ),
        (
            STORE_TROUBLES,
            "the store falls behind: see `trouble:` or `alarm:` of the store in the slowpath's output",
        ),
        (
            ATTESTATION_TROUBLES,
            "attestations are not checked, or not kept for the next start: see `trouble:` or `alarm:` in the slowpath's \
             output; sessions with a limit to what is not attested may stand at it",
        ),
        (
            REPLAY_TROUBLES,
            "what was lost is not told again: see `trouble:` in the slowpath's output",
        ),
        (
            GATEWAY_TROUBLES,
            "there is no gateway: see `trouble:` in the slowpath's output; if another process has its address, end that \
             one, or name a free port in gateway.bind, `sluice stop` and `sluice start`",
        ),
    ] {
        if slowpath.state == Life::Running && troubles.last(|number| slowpath.count(number)) {
            problems.push(what.to_owned());
        }
    }
}

fn judge_life(name: &str, state: Life, pid: Decimal, problems: &mut Vec<String>) {
    let how = match state {
        Life::Running => return,
        Life::Absent => return problems.push(format!("the {name} has never run: `sluice start`")),
        Life::Stopped => "was stopped in an orderly way: `sluice start` starts it",
        Life::Unfinished => {
            "was stopped and left something undone, see the end of its output; `sluice start` goes on"
        }
        Life::Failed => "has ended with an error: see the end of its output, then `sluice start`",
        Life::Killed => "is dead, it was not stopped: `sluice start` starts it again",
    };
    problems.push(format!("the {name} (pid {pid}) {how}"));
}

/// One that has never been heard of is being started.
fn is_silent(age: Option<Decimal>) -> bool {
    age.is_some_and(|age| age > Decimal(SILENCE))
}
