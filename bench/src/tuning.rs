//! What of a machine is set as a low-latency host should be, each with what was found.
//!
//! Nothing is changed here: a reader is to see on what kind of machine a number was measured.

use crate::load::host::{is_virtual, read};

/// How a stage stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Pass,
    Fail,
    /// The machine does not show it.
    Unknown,
}

impl Standing {
    fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "FAIL",
            Self::Unknown => "unknown",
        }
    }
}

/// A stage: its name, where the kernel shows it, and how what it shows is judged.
struct Stage {
    name: &'static str,
    file: &'static str,
    judge: fn(&str) -> Standing,
}

const STAGES: [Stage; 8] = [
    Stage {
        name: "isolated CPUs",
        file: "/sys/devices/system/cpu/isolated",
        judge: |found| is(!found.is_empty()),
    },
    Stage {
        name: "no ticks (nohz_full)",
        file: "/sys/devices/system/cpu/nohz_full",
        judge: |found| is(!found.is_empty() && !found.contains("null")),
    },
    Stage {
        name: "governor performance",
        file: "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
        judge: |found| known(found, |found| found == "performance"),
    },
    Stage {
        name: "SMT off",
        file: "/sys/devices/system/cpu/smt/active",
        judge: |found| known(found, |found| found == "0"),
    },
    Stage {
        name: "clock from the TSC",
        file: "/sys/devices/system/clocksource/clocksource0/current_clocksource",
        judge: |found| known(found, |found| found == "tsc"),
    },
    Stage {
        name: "no transparent huge pages unasked",
        file: "/sys/kernel/mm/transparent_hugepage/enabled",
        judge: |found| known(found, |found| !found.contains("[always]")),
    },
    Stage {
        name: "no balancing over NUMA nodes",
        file: "/proc/sys/kernel/numa_balancing",
        judge: |found| known(found, |found| found == "0"),
    },
    Stage {
        name: "busy threads may run on (RT throttling off)",
        file: "/proc/sys/kernel/sched_rt_runtime_us",
        judge: |found| known(found, |found| found == "-1"),
    },
];

fn is(so: bool) -> Standing {
    if so { Standing::Pass } else { Standing::Fail }
}

fn known(found: &str, good: impl Fn(&str) -> bool) -> Standing {
    if found.is_empty() {
        Standing::Unknown
    } else {
        is(good(found))
    }
}

/// Every stage with how it stands, in one line.
#[must_use]
pub fn report() -> String {
    let kind = if is_virtual(&read("/proc/cpuinfo")) {
        "FAIL (virtual)"
    } else {
        "pass"
    };
    let stages = STAGES.iter().map(|stage| say(stage, &read(stage.file)));
    let stages: Vec<String> = stages.collect();
    format!(
        "nothing was tuned for this run; as found: bare metal: {kind}; {}; stolen time stands under Noise",
        stages.join("; ")
    )
}

fn say(stage: &Stage, found: &str) -> String {
    let standing = (stage.judge)(found).name();
    let found = if found.is_empty() { "nothing" } else { found };
    format!("{}: {standing} ({found})", stage.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_judged_by_what_the_kernel_shows() {
        let judged = |name: &str, found: &str| {
            let stage = STAGES.iter().find(|stage| stage.name.starts_with(name));
            say(stage.expect("there is such a stage"), found)
        };
        assert_eq!(judged("isolated", ""), "isolated CPUs: FAIL (nothing)");
        assert_eq!(judged("isolated", "2-5"), "isolated CPUs: pass (2-5)");
        assert!(judged("governor", "").ends_with("unknown (nothing)"));
        assert!(judged("governor", "powersave").ends_with("FAIL (powersave)"));
        assert!(judged("no transparent", "always [madvise] never").contains("pass"));
        assert!(judged("no transparent", "[always] madvise never").contains("FAIL"));
        assert!(judged("no ticks", "(null)").contains("FAIL"));
    }

    #[test]
    fn this_machine_is_reported_stage_by_stage() {
        let report = report();
        assert_eq!(report.matches("; ").count(), 2 + STAGES.len(), "{report}");
    }
}
