//! What was measured and on what: commit, compiler, machine, and what disturbed the run.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::programs::workspace_root;

/// Boot options that keep CPUs for tiles.
const ISOLATION: [&str; 4] = ["isolcpus", "nohz_full", "rcu_nocbs", "idle"];

/// One line: commit, compiler, profile.
#[must_use]
pub fn system() -> String {
    let commit = said("git", &["rev-parse", "--short=12", "HEAD"]);
    let changed = said("git", &["status", "--porcelain", "--untracked-files=no"]);
    let dirty = if changed.is_empty() {
        ""
    } else {
        " with uncommitted changes"
    };
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    let flags = if flags.is_empty() {
        "default target-cpu".to_owned()
    } else {
        format!("RUSTFLAGS {flags}")
    };
    format!(
        "commit {commit}{dirty}; {}; profile release as shipped (fat LTO, one codegen unit, overflow \
         checks on), {flags}",
        said("rustc", &["--version"])
    )
}

/// The command line that repeats this run.
#[must_use]
pub fn repeat() -> String {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    format!("cargo run --release --bin bench -- {}", arguments.join(" "))
}

/// What a command prints in the workspace; "unknown" if it cannot be run.
fn said(program: &str, arguments: &[&str]) -> String {
    let out = workspace_root().and_then(|root| {
        Ok(Command::new(program)
            .args(arguments)
            .current_dir(root)
            .output()?)
    });
    match out {
        Ok(out) if out.status.success() => String::from_utf8_lossy(&out.stdout).trim().to_owned(),
        _ => "unknown".to_owned(),
    }
}

/// A machine.
#[derive(Clone, Debug)]
pub struct Host {
    /// What is known of it, in one line.
    pub text: String,
    /// A hypervisor is below.
    pub virtualised: bool,
}

impl Host {
    /// This one.
    #[must_use]
    pub fn look() -> Self {
        let cpuinfo = read("/proc/cpuinfo");
        let virtualised = is_virtual(&cpuinfo);
        let cpus = std::thread::available_parallelism().map_or(0, usize::from);
        let kernel = read("/proc/sys/kernel/osrelease");
        let clock = read("/sys/devices/system/clocksource/clocksource0/current_clocksource");
        let governor = read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
        let governor = if governor.is_empty() {
            "not visible".into()
        } else {
            governor
        };
        let smt = match read("/sys/devices/system/cpu/smt/active").as_str() {
            "1" => "SMT on",
            "0" => "no SMT visible",
            _ => "SMT unknown",
        };
        let virtually = if virtualised {
            "virtual machine"
        } else {
            "no hypervisor"
        };
        let text = format!(
            "{} (family {}, model {}, microcode {}), {cpus} CPUs, {smt}, {virtually}; kernel {kernel}, \
             {}; governor {governor}; clock {clock}",
            field(&cpuinfo, "model name"),
            field(&cpuinfo, "cpu family"),
            field(&cpuinfo, "model"),
            field(&cpuinfo, "microcode"),
            isolation(&read("/proc/cmdline")),
        );
        Self { text, virtualised }
    }
}

/// Whether a hypervisor is below, by what the kernel says of the CPUs.
pub(crate) fn is_virtual(cpuinfo: &str) -> bool {
    let mut flags = field(cpuinfo, "flags").split_whitespace();
    flags.any(|flag| flag == "hypervisor")
}

/// What the kernel was told about keeping CPUs free.
pub(crate) fn isolation(cmdline: &str) -> String {
    let given: Vec<&str> = cmdline
        .split_whitespace()
        .filter(|option| {
            ISOLATION
                .iter()
                .any(|name| option.split('=').next() == Some(name))
        })
        .collect();
    if given.is_empty() {
        "no isolated CPUs".to_owned()
    } else {
        given.join(" ")
    }
}

fn field<'a>(cpuinfo: &'a str, name: &str) -> &'a str {
    cpuinfo
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map_or("unknown", |(_, value)| value.trim())
}

/// What a small file of the kernel says; nothing if there is none.
pub(crate) fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// What took CPU time from the run, since the machine or the process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disturbance {
    /// Times that threads of the fastpath were taken off their CPU, if it is ours.
    pub fastpath_preempted: u64,
    /// Ticks of all CPUs that the hypervisor gave to others.
    pub stolen: u64,
    /// Ticks of all CPUs that were used, whoever did.
    pub used: u64,
    /// Ticks of all CPUs that the processes of the run used.
    pub own: u64,
    /// Ticks of all CPUs.
    pub ticks: u64,
}

impl Disturbance {
    /// Now, for a run of this process and an exchange of ours: `fastpath` and `slowpath`.
    #[must_use]
    pub fn look(fastpath: Option<u32>, slowpath: Option<u32>) -> Self {
        let cpus = Cpus::parse(&read("/proc/stat"));
        let own = [Some(std::process::id()), fastpath, slowpath];
        let used_by = |pid| used_by_process(&read(format!("/proc/{pid}/stat")));
        Self {
            fastpath_preempted: fastpath.map_or(0, |pid| {
                let tasks = fs::read_dir(format!("/proc/{pid}/task"));
                let tasks = tasks.into_iter().flatten().flatten();
                tasks
                    .map(|task| preempted(&read(task.path().join("status"))))
                    .sum()
            }),
            stolen: cpus.stolen,
            used: cpus.used,
            own: own.into_iter().flatten().map(used_by).sum(),
            ticks: cpus.ticks,
        }
    }

    /// What came since an earlier look.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        let since = |now: u64, before: u64| now.saturating_sub(before);
        Self {
            fastpath_preempted: since(self.fastpath_preempted, before.fastpath_preempted),
            stolen: since(self.stolen, before.stolen),
            used: since(self.used, before.used),
            own: since(self.own, before.own),
            ticks: since(self.ticks, before.ticks),
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            fastpath_preempted: self.fastpath_preempted + other.fastpath_preempted,
            stolen: self.stolen + other.stolen,
            used: self.used + other.used,
            own: self.own + other.own,
            ticks: self.ticks + other.ticks,
        }
    }

    /// A part of all ticks, in percent.
    #[must_use]
    pub fn share(&self, part: u64) -> String {
        let hundredths = part * 10_000 / self.ticks.max(1);
        format!("{}.{:02} %", hundredths / 100, hundredths % 100)
    }

    /// Ticks that processes used which are no part of the run; the kernel's own threads are among
    /// them.
    #[must_use]
    pub fn others(&self) -> u64 {
        self.used.saturating_sub(self.own)
    }
}

/// Times that the calling thread was taken off its CPU, since it started.
#[must_use]
pub fn preempted_here() -> u64 {
    preempted(&read("/proc/thread-self/status"))
}

/// Involuntary context switches, as a `status` file has them.
fn preempted(status: &str) -> u64 {
    field(status, "nonvoluntary_ctxt_switches")
        .parse()
        .unwrap_or(0)
}

/// The first line of `/proc/stat`, in ticks since the machine started.
#[derive(Debug, PartialEq, Eq)]
struct Cpus {
    used: u64,
    stolen: u64,
    ticks: u64,
}

impl Cpus {
    fn parse(stat: &str) -> Self {
        let line = stat.lines().next().unwrap_or_default();
        // user nice system idle iowait irq softirq steal; guest time is part of user's.
        let mut ticks = [0; 8];
        for (ticks, word) in ticks.iter_mut().zip(line.split_whitespace().skip(1)) {
            *ticks = word.parse().unwrap_or(0);
        }
        let [user, nice, system, idle, iowait, irq, softirq, stolen] = ticks;
        let used = user + nice + system + irq + softirq;
        Self {
            used,
            stolen,
            ticks: used + idle + iowait + stolen,
        }
    }
}

/// User and system ticks of all threads of a process, as its `stat` file has them.
fn used_by_process(stat: &str) -> u64 {
    // The name in parentheses may hold anything; the state after it is the third field.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let times = after_name.split_whitespace().skip(11).take(2);
    times.filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_read_as_they_are_written() {
        let cpus = Cpus {
            used: 190,
            stolen: 80,
            ticks: 360,
        };
        assert_eq!(
            Cpus::parse("cpu  10 20 30 40 50 60 70 80 90 100\ncpu0 1"),
            cpus
        );
        assert_eq!(Cpus::parse("").ticks, 0);
        let stat = "42 (a) b) S 1 2 3 4 5 6 7 8 9 10 300 45 0 0";
        assert_eq!(used_by_process(stat), 345);
        assert_eq!(used_by_process(""), 0);
        let status = "Name:\tx\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t31\n";
        assert_eq!(preempted(status), 31);
        let cpuinfo = "model\t\t: 2\nmodel name\t: AMD EPYC\n";
        assert_eq!(field(cpuinfo, "model name"), "AMD EPYC");
        assert_eq!(field(cpuinfo, "microcode"), "unknown");
        assert!(
            is_virtual("flags\t: fpu hypervisor sse") && !is_virtual("flags\t: fpu hypervisors")
        );
        assert_eq!(
            isolation("console=ttyS0 isolcpus=1-3 nohz_full=1-3 quiet"),
            "isolcpus=1-3 nohz_full=1-3"
        );
        assert_eq!(isolation("console=ttyS0 idlex=1"), "no isolated CPUs");
    }

    #[test]
    fn this_machine_can_be_described() {
        let host = Host::look();
        assert!(
            host.text.contains("CPUs") && host.text.contains("kernel"),
            "{}",
            host.text
        );
        let now = Disturbance::look(Some(std::process::id()), None);
        assert!(now.ticks > 0);
        assert_eq!(now.since(now), Disturbance::default());
        assert_eq!(now.and(now).since(now), now);
    }
}
