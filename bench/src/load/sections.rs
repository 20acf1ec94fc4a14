//! The paragraphs of the report: where, what is left out, load, system, host, noise, correctness, limits.

use hdrhistogram::Histogram;
use std::path::PathBuf;

use super::exchange::{ANSWER_WAIT, Reported};
use super::flow::{AMENDS, DEPTH, Drawn, LARGEST, TAKERS};
use super::host::{self, Disturbance, Host, system};
use super::row::{Percentiles, Row};
use super::target::Work;
use super::{Ack, Arguments};
use crate::disk::FileSystem;
use crate::record::{Section, section};
use crate::report::micros;
use crate::{echo, tuning};

/// What is said about a run.
pub(super) struct Facts<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) host: &'a Host,
    pub(super) rows: &'a [Row],
    pub(super) resting: usize,
    pub(super) drawn: Drawn,
    pub(super) reported: Reported,
    pub(super) disturbance: Disturbance,
    pub(super) repeated: u32,
    pub(super) hiccups: Option<Histogram<u64>>,
    pub(super) work: &'a Work,
    pub(super) files: &'a [PathBuf],
    /// On what the archive lies, if it is ours.
    pub(super) archive: Option<FileSystem>,
}

impl Facts<'_> {
    pub(super) fn sections(&self) -> Vec<Section> {
        let mut sections = vec![
            section("Where", self.level()),
            section("Excludes", self.excludes()),
            section("Load", self.load()),
            section("System", system()),
            section("Host", self.host.text.clone()),
            section("Tuning", tuning::report()),
            section("Placement", self.placement()),
            section("Noise", self.noise()),
            section("Correct", self.work.text.clone()),
            section("Runs", self.runs()),
        ];
        if let Some(folder) = &self.arguments.hlog {
            let files = format!("{} interval logs in {}", self.files.len(), folder.display());
            sections.push(section("Files", files));
        }
        sections.push(section("Repeat", host::repeat()));
        sections.push(section("Limits", self.limits()));
        sections
    }

    fn level(&self) -> String {
        let place = if self.arguments.is_remote() {
            "another machine over the kernel's UDP, not wire to wire"
        } else {
            "host loopback"
        };
        format!(
            "{place}, round trip of the client: from the intended time of a request to the first report of its \
             number, checked and decoded by the client library; echo: to the same datagram, compared"
        )
    }

    fn excludes(&self) -> String {
        if self.arguments.is_remote() {
            return "nothing between the two sockets; the server's ack mode is its own".into();
        }
        let ack = match self.arguments.ack {
            _ if self.arguments.server.is_some() => "; the server's ack mode is its own",
            Ack::Sequenced => {
                ", durability (ack = sequenced; the archiver runs and syncs beside it)"
            }
            Ack::Durable => "",
        };
        format!("network, card and driver{ack}")
    }

    fn load(&self) -> String {
        let Arguments {
            sessions,
            seed,
            poisson,
            ..
        } = self.arguments;
        let arrivals = if *poisson { "Poisson" } else { "constant rate" };
        let Drawn {
            passive,
            cancels,
            amends,
            takers,
        } = self.drawn;
        let all = (passive + cancels + amends + takers).max(1);
        let share = |part: u64| {
            let tenths = part * 1_000 / all;
            format!("{}.{}", tenths / 10, tenths % 10)
        };
        format!(
            "open loop, {arrivals}, one message a datagram, {sessions} sessions in turn over one socket; drawn: passive new {} %, \
             cancel {} %, amend {} %, crossing IOC {} % (asked: amend {AMENDS}, IOC {TAKERS}, the rest in equal parts); {:.2} \
             fills a taker; 1 market, {} resting orders on {DEPTH} prices a side, 1 to {LARGEST} lots; seed {seed}; echo {} \
             bytes each way; an answer is waited for {} ms before the command is sent again",
            share(passive),
            share(cancels),
            share(amends),
            share(takers),
            self.reported.fills as f64 / 2.0 / takers.max(1) as f64,
            self.resting,
            echo::DATAGRAM,
            ANSWER_WAIT / 1_000_000,
        )
    }

    fn placement(&self) -> String {
        let cpu = |cpu: Option<usize>| cpu.map_or_else(|| "any CPU".into(), |n| format!("CPU {n}"));
        let Arguments {
            generator_cpu,
            tiles_cpu,
            slowpath_cpu,
            idle,
            ..
        } = self.arguments;
        if self.arguments.server.is_some() {
            return format!(
                "generator {} (spins); the server's is its own; echo {}, idle {}",
                cpu(*generator_cpu),
                cpu(*tiles_cpu),
                idle.name()
            );
        }
        format!(
            "generator {} (spins); net, match and out on one core, {}, idle {}, and the echo likewise; slowpath {}; burst 32; \
             the exchange is stopped (SIGSTOP) while the echo is measured; archive on {}",
            cpu(*generator_cpu),
            cpu(*tiles_cpu),
            idle.name(),
            cpu(*slowpath_cpu),
            self.archive
                .map_or_else(|| "its own disk".into(), FileSystem::name),
        )
    }

    fn noise(&self) -> String {
        let mut turns: Vec<String> = Vec::new();
        for row in self.rows {
            let p = Percentiles::of(&row.turns);
            turns.push(format!(
                "{} {}/s {} / {}",
                row.subject,
                row.rate,
                micros(p.p99_99),
                micros(Some(p.max))
            ));
        }
        let generator_preempted: u64 = self.rows.iter().map(|row| row.preempted).sum();
        let Disturbance {
            fastpath_preempted,
            stolen,
            ..
        } = self.disturbance;
        let share = |part: u64| self.disturbance.share(part);
        let with_the_server = if self.arguments.server.is_some() && !self.arguments.is_remote() {
            ", the exchange and its slowpath among them,"
        } else {
            ""
        };
        // Of an exchange that is not ours nothing is known.
        let fastpath = match self.arguments.server {
            None => format!("fastpath {fastpath_preempted} times"),
            Some(_) => "fastpath unknown".into(),
        };
        let mut text = format!(
            "taken off its CPU: generator {generator_preempted} times, {fastpath}; CPU time used by other processes{with_the_server} {}, stolen {}; between \
             two turns of the generator, µs, p99.99 / max: {}",
            share(self.disturbance.others()),
            share(stolen),
            turns.join(", ")
        );
        if let Some(hiccups) = &self.hiccups {
            let p = Percentiles::of(hiccups);
            text += &format!(
                "; a sleep of 1 ms ended late by p50 {}, p99 {}, max {} µs",
                micros(p.p50),
                micros(p.p99),
                micros(Some(p.max))
            );
        }
        if let Some(allocations) = self.work.allocations {
            text += &format!("; heap allocations of the fastpath after start-up: {allocations}");
        }
        text
    }

    fn runs(&self) -> String {
        let Arguments {
            seconds,
            warmup,
            rounds,
            ..
        } = self.arguments;
        let repeated = self.arguments.max_others.map_or_else(String::new, |percent| {
            format!(
                "; {} rounds were repeated because other processes used more than {percent} % of the CPUs meanwhile",
                self.repeated
            )
        });
        format!(
            "{rounds} segments of each subject and rate, echo and exchange in turn, {seconds} s measured after {warmup} s of warm-up each; \
             segments of a row are merged as histograms; planned, sent and answered include the warm-up, and so does what \
             fails a row; a percentile is shown if at least 10 samples lie above it{repeated}"
        )
    }

    fn limits(&self) -> String {
        let machine = if self.host.virtualised {
            "virtual machine whose neighbours are unknown"
        } else {
            "machine"
        };
        format!(
            "one {machine}: client and exchange share its caches and, on few CPUs, compete for them; no network; one \
             market; reports of a maker's fills are taken but are nobody's latency"
        )
    }
}
