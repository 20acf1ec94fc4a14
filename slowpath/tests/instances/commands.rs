//! `sluice start`, `validate-config`, `config`, and what their help teaches. `operate_test.py` starts and stops the
//! real processes.

use crate::instance::{Fastpath, Instance, Said, wait};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

fn sluice(instance: &Instance, args: &[&str], environment: &[(&str, &str)]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    command
        .args(args)
        .current_dir(instance.folder.path())
        .envs(environment.iter().copied());
    Said::from(command.output().unwrap())
}

/// A folder with programs that do as told.
fn programs(instance: &Instance, fastpath: &str, slowpath: &str) -> String {
    let folder = instance.folder.path().join("programs");
    fs::create_dir_all(&folder).unwrap();
    for (name, body) in [("fastpath", fastpath), ("slowpath", slowpath)] {
        let path = folder.join(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder.to_str().unwrap().to_owned()
}

#[test]
fn a_process_that_ends_before_it_is_ready_is_quoted_and_the_other_one_stopped() {
    let instance = Instance::new("");
    let stopped = instance.folder.path().join("stopped");
    let waits = format!(
        "trap 'touch {}; kill $!; exit 0' TERM\nsleep 60 & wait",
        stopped.display()
    );
    let folder = programs(
        &instance,
        "echo the port is taken; sleep 0.5; exit 3",
        &waits,
    );
    let said = instance.sluice(&["start", "--detach", "--programs", &folder]);
    assert_eq!(said.code, 1, "{said:?}");
    for part in [
        "the fastpath ended with exit status: 3 before it was ready",
        "fastpath.log",
        "the port is taken",
    ] {
        assert!(said.err.contains(part), "{part}: {said:?}");
    }
    assert!(stopped.exists(), "the slowpath was asked to stop");
}

#[test]
fn whoever_asks_a_start_to_stop_is_heard_from_its_first_moment() {
    let instance = Instance::new("");
    let pipe = instance.hold_configuration();
    let started = instance.folder.path().join("started");
    let starts = format!("touch {}; exec sleep 60", started.display());
    let folder = programs(&instance, &starts, &starts);
    let mut command = instance.command(
        env!("CARGO_BIN_EXE_sluice"),
        &["start", "--programs", &folder],
    );
    let mut start = command.spawn().unwrap();
    let reader = pipe.wait_for_reader();
    kill_process(Pid::from_child(&start), Signal::TERM).unwrap();
    pipe.write(reader);
    assert_eq!(start.wait().unwrap().code(), Some(0));
    assert!(!started.exists(), "nothing was started");
}

/// It was not there yet to hear it.
#[test]
fn a_process_that_ends_by_the_first_signal_before_it_began_left_nothing_undone() {
    let instance = Instance::new("");
    let folder = programs(&instance, "exit 3", "exec sleep 60");
    let said = instance.sluice(&["start", "--detach", "--programs", &folder]);
    assert!(said.err.contains("exit status: 3"), "{said:?}");
    let folder = programs(&instance, "exec sleep 60", "exec sleep 60");
    let mut command = instance.command(
        env!("CARGO_BIN_EXE_sluice"),
        &["start", "--programs", &folder],
    );
    let mut start = command.spawn().unwrap();
    wait("both are started", || children(start.id()) == 2);
    kill_process(Pid::from_child(&start), Signal::TERM).unwrap();
    assert_eq!(start.wait().unwrap().code(), Some(0));
}

/// Whoever sends it to all of them at once kills those that are not there yet to hear it.
#[test]
fn a_process_that_ends_by_the_signal_that_interrupts_a_start_has_not_failed() {
    let instance = Instance::new("");
    let both = "kill -TERM $PPID; kill -TERM $$";
    let folder = programs(&instance, both, "exec sleep 60");
    let said = instance.sluice(&["start", "--programs", &folder]);
    assert_eq!(said.code, 0, "{said:?}");
    let detached = instance.sluice(&["start", "--detach", "--programs", &folder]);
    assert_eq!(detached.code, 1, "{detached:?}");
    let says = "interrupted before instance test was ready: what was started is stopped again";
    assert!(detached.err.contains(says), "{detached:?}");
}

/// How many children of a process run `sleep`.
fn children(of: u32) -> usize {
    let text = fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap_or_default();
    let name = |pid: &&str| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    text.split_whitespace()
        .filter(|pid| name(pid).trim() == "sleep")
        .count()
}

#[test]
fn what_cannot_be_started_is_said_with_what_to_do() {
    let instance = Instance::new("");
    let folder = programs(&instance, "exit 3", "exit 3");
    let program = std::path::Path::new(&folder).join("fastpath");
    // Somebody writes it.
    let writing = fs::File::options().append(true).open(&program).unwrap();
    let said = instance.sluice(&["start", "--detach", "--programs", &folder]);
    assert_eq!(said.code, 1, "{said:?}");
    let says = "it is being written: wait until that is done";
    assert!(said.err.contains(says), "{said:?}");
    drop(writing);
}

#[test]
fn certificate_and_key_that_cannot_be_used_are_said_before_a_start() {
    let instance = Instance::new("");
    let more = "[gateway]\ntls_cert = \"cert.pem\"\ntls_key = \"key.pem\"\n";
    instance.configure(more);
    let folder = instance.folder.path();
    let refused = |says: &str| {
        let checked = instance.sluice(&["validate-config"]);
        assert_eq!(checked.code, 1, "{checked:?}");
        assert!(checked.out.contains(says), "{says}: {checked:?}");
        let started = instance.sluice(&["start", "--detach"]);
        assert_eq!(started.code, 1, "{started:?}");
        assert!(started.err.contains(says), "{says}: {started:?}");
    };
    refused("gateway.tls_cert: cannot read");
    fs::write(folder.join("cert.pem"), "x").unwrap();
    refused("gateway.tls_key: cannot read");
    fs::write(folder.join("key.pem"), "x").unwrap();
    refused("cannot be used");
    instance.configure(&format!("{more}enabled = false\n"));
    assert_eq!(instance.sluice(&["validate-config"]).code, 0);
}

#[test]
fn one_that_does_not_become_ready_in_time_is_named_with_what_is_missing() {
    let instance = Instance::new("");
    let folder = programs(&instance, "exec sleep 60", "exec sleep 60");
    let said = instance.sluice(&["start", "--detach", "--wait", "1", "--programs", &folder]);
    assert_eq!(said.code, 1, "{said:?}");
    let says = "the fastpath was not ready within 1 s: it has not taken its region yet; it said nothing in";
    assert!(said.err.contains(says), "{said:?}");
}

#[test]
fn a_process_whose_region_is_gone_is_not_said_to_have_stopped() {
    let instance = Instance::new("");
    let mut slowpath = instance.start_slowpath();
    slowpath.wait_for("waiting for the fastpath");
    fs::remove_file(instance.config.region_dir().join("slow")).unwrap();
    let said = instance.sluice(&["stop"]);
    let says = format!(
        "the slowpath (pid {}) runs, and its region is gone",
        slowpath.pid()
    );
    assert!(said.out.contains(&says), "{said:?}");
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!(instance.sluice_unread(&["stop"]), Some(1));
    assert_eq!(instance.sluice_unread(&["status"]), Some(1));
    let status = instance.sluice(&["status"]);
    let says = format!(
        "wrong: the slowpath (pid {pid}) runs, and its region slow is gone or has another name, unless it has just \
         begun: `sluice stop` stops the fastpath, then only `kill {pid}` stops it",
        pid = slowpath.pid()
    );
    assert!(status.out.contains(&says), "{status:?}");
    assert!(!status.out.contains("no region slow"), "{status:?}");
    assert_eq!(status.code, 1, "{status:?}");
    slowpath.kill();
    let status = instance.sluice(&["status"]);
    assert!(
        status
            .out
            .contains("no region slow of instance test: `sluice start`"),
        "{status:?}"
    );
    assert_eq!(instance.sluice(&["stop"]).code, 0);
}

#[test]
fn what_runs_already_is_not_started_again_and_what_is_missing_is() {
    let instance = Instance::new("");
    let slowpath = instance.start_slowpath();
    slowpath.wait_for("waiting for the fastpath");
    let folder = programs(
        &instance,
        "echo it was started; exit 3",
        "echo it was started; exit 4",
    );
    let said = instance.sluice(&["start", "--detach", "--programs", &folder]);
    assert_eq!(said.code, 1, "{said:?}");
    for part in [
        format!(
            "the slowpath runs already (pid {}) and is left to itself",
            slowpath.pid()
        ),
        "the fastpath ended with exit status: 3 before it was ready".to_owned(),
    ] {
        assert!(said.err.contains(&part), "{part}: {said:?}");
    }
    assert!(!instance.config.state_dir().join("slowpath.log").exists());
    // Not the code of a panic, which would leave behind what was started.
    let start = ["start", "--detach", "--programs", &folder];
    assert_eq!(instance.sluice_unread(&start), Some(1));
    let stopped = instance.sluice(&["stop"]);
    let says = format!("the slowpath (pid {}) has stopped\n", slowpath.pid());
    assert_eq!(stopped.out, format!("the fastpath does not run\n{says}"));
    assert_eq!(stopped.code, 0, "{stopped:?}");
    assert_eq!(
        instance.sluice(&["stop"]).code,
        0,
        "there is nothing to stop"
    );
}

#[test]
fn a_configuration_is_refused_with_everything_that_is_wrong() {
    let instance = Instance::new("");
    instance.configure("[port]\nbrust = 1\n[feed]\nttl = \"one\"\n[limits]\nnet = 1\n");
    let said = sluice(&instance, &["validate-config", "sluice.toml"], &[]);
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!(said.out.lines().count(), 2, "keys before types: {said:?}");
    assert!(
        said.out
            .contains("port.brust: there is no such key; did you mean `burst`?")
    );
}

#[test]
fn a_cpu_that_this_machine_has_not_is_a_warning_and_an_error_at_a_start() {
    let instance = Instance::new("");
    instance.configure("[slowpath]\ncpus = [0, 900]\n");
    let checked = sluice(&instance, &["validate-config", "sluice.toml"], &[]);
    assert_eq!(checked.code, 0, "{checked:?}");
    let says = "slowpath.cpus: this machine has no CPU 900";
    assert!(
        checked.out.contains(&format!("warning: {says}")),
        "{checked:?}"
    );
    let started = instance.sluice(&["start", "--detach"]);
    assert!(
        started.code == 1 && started.err.contains(says),
        "{started:?}"
    );
    let refused = instance.refused_slowpath();
    assert!(refused.contains(says), "{refused}");
}

/// What a start would find out, said before, and nothing is made.
#[test]
fn what_this_machine_does_not_have_is_said_before_a_start() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, metrics) = (taken.local_addr().unwrap(), listener.local_addr().unwrap());
    let instance = Instance::new("");
    for (more, says) in [
        (
            format!("[port]\nbind = \"{port}\"\n"),
            format!("port.bind: {port} is in use by another process"),
        ),
        (
            format!("[metrics]\nbind = \"{metrics}\"\n"),
            format!("metrics.bind: {metrics} is in use by another process"),
        ),
        (
            "[port]\nbind = \"192.0.2.77:7400\"\n".to_owned(),
            "port.bind: no interface of this machine has the address 192.0.2.77".to_owned(),
        ),
        (
            "[store]\nurl = \"sqlite:gone/store.db\"\n".to_owned(),
            "store.url: there is no folder".to_owned(),
        ),
        (
            "[store]\nurl = \"sqlite:genesis.toml/store.db\"\n".to_owned(),
            "store.url: the database cannot be made in".to_owned(),
        ),
        (
            "[store]\nurl = \"sqlite:shm\"\n".to_owned(),
            "is no file: name one".to_owned(),
        ),
    ] {
        instance.configure(&more);
        let said = instance.sluice(&["validate-config"]);
        assert_eq!(said.code, 1, "{more}: {said:?}");
        assert!(said.out.contains(&says), "{says}: {said:?}");
        assert!(
            said.out.ends_with("; `sluice start` fails here\n"),
            "{said:?}"
        );
    }
    let there = fs::read_dir(instance.folder.path()).unwrap().count();
    assert_eq!(there, 3, "configuration, genesis, and the folder of memory");
}

/// Its own port is one that it may have.
#[test]
fn ports_of_a_running_instance_are_a_warning() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap();
    let instance = Instance::new(&format!("[port]\nbind = \"{port}\"\n"));
    let fastpath = Fastpath::start(&instance);
    let said = instance.sluice(&["validate-config"]);
    let says = format!("warning: port.bind: {port} is in use, and this instance's fastpath runs");
    assert!(said.code == 0 && said.out.contains(&says), "{said:?}");
    drop(fastpath);
    assert_eq!(instance.sluice(&["validate-config"]).code, 1);
}

/// What `sluice start --detach` says with a state folder of 256 KiB, in a mount namespace of its own, which takes the
/// small disk with it when it ends. None: this user may have no such namespace.
fn started_on_a_small_disk(instance: &Instance, before: &str, programs: &str) -> Option<Output> {
    let script = format!(
        "mount -t tmpfs -o size=256k tmpfs \"$1\" || exit 99; {before}; \
         exec \"$2\" start --detach --programs \"$3\" --config \"$4\""
    );
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--mount", "sh", "-c", &script, "sh"]);
    command.arg(instance.config.state_dir());
    command.arg(env!("CARGO_BIN_EXE_sluice")).arg(programs);
    command.arg(instance.folder.path().join("sluice.toml"));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let forbidden = output.status.code() == Some(99) || said.starts_with("unshare:");
    assert!(
        !forbidden || !rustix::process::geteuid().is_root(),
        "{said}"
    );
    (!forbidden).then_some(output)
}

/// A full disk has no room for anybody's words about it.
#[test]
fn a_full_disk_is_said_in_one_line_and_nothing_is_left_running() {
    let instance = Instance::new("");
    let state = instance.config.state_dir();
    let started = instance.folder.path().join("started");
    fs::create_dir_all(&state).unwrap();
    let fill = format!(
        "head -c 1M /dev/zero 2>/dev/null >{}/filler",
        state.display()
    );
    let fills = format!("{fill}; touch {}; exit 3", started.display());
    let programs = programs(&instance, &fills, "exec sleep 60");
    for (before, end, has_started) in [
        (&*fill, "nothing was started", false),
        ("true", "what was started is stopped again", true),
    ] {
        let Some(output) = started_on_a_small_disk(&instance, before, &programs) else {
            return;
        };
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        let says = format!(
            "sluice: no room on the disk of the state folder {} (0 KiB left): make room there, or let \
             instance.state_dir name another disk, and start again; {end}\n",
            state.display()
        );
        assert_eq!(said, says);
        assert_eq!(started.exists(), has_started);
    }
}

#[test]
fn a_file_that_is_missing_is_said_with_the_command_that_writes_it() {
    let instance = Instance::new("");
    let folder = instance.folder.path();
    for (file, says) in [
        (
            "genesis.toml",
            "`sluice config default --genesis > genesis.toml` writes one",
        ),
        (
            "sluice.toml",
            "`sluice config default > sluice.toml` writes one",
        ),
    ] {
        fs::remove_file(folder.join(file)).unwrap();
        let said = sluice(&instance, &["validate-config", "sluice.toml"], &[]);
        assert!(said.code == 1 && said.out.contains(says), "{said:?}");
    }
    fs::write(folder.join("sluice.toml"), [0xFF, 0xFE]).unwrap();
    fs::create_dir(folder.join("folder")).unwrap();
    for (file, says) in [
        ("sluice.toml", "it is no text: name a configuration file"),
        (
            "folder",
            "name a configuration file that this user may read",
        ),
    ] {
        let said = sluice(&instance, &["validate-config", file], &[]);
        assert!(said.code == 1 && said.out.contains(says), "{said:?}");
    }
}

#[test]
fn a_valid_configuration_and_its_genesis_are_said_to_be_so() {
    let instance = Instance::new("");
    let said = sluice(&instance, &["validate-config", "sluice.toml"], &[]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(instance.sluice(&["validate-config"]).out.lines().count(), 3);
    assert_eq!(instance.sluice(&["config", "check"]).code, 0);
    for part in [
        "sluice.toml is valid: profile development",
        "genesis.toml is valid",
    ] {
        assert!(said.out.contains(part), "{said:?}");
    }
    let genesis = instance.folder.path().join("genesis.toml");
    fs::write(
        &genesis,
        topology::DEFAULT_GENESIS.replace("decimals = 9", "decimal = 9"),
    )
    .unwrap();
    let said = sluice(&instance, &["validate-config", "sluice.toml"], &[]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(
        said.out.contains("asset.decimal: there is no such key"),
        "{said:?}"
    );
    let variable = [("SLUICE_PORT__BRUST", "1")];
    for args in [
        &["validate-config", "sluice.toml"][..],
        &["status"],
        &["config", "show"],
    ] {
        let said = sluice(&instance, args, &variable);
        assert_ne!(said.code, 0, "{said:?}");
        let all = format!("{}{}", said.out, said.err);
        assert!(
            all.contains("environment variable SLUICE_PORT__BRUST"),
            "{all}"
        );
    }
}

#[test]
fn a_configuration_of_production_is_warned_of_what_is_seldom_meant() {
    let instance = Instance::new("");
    let production = [("SLUICE_PROFILE", "production")];
    let said = sluice(&instance, &["validate-config"], &production);
    assert_eq!(said.code, 0, "{said:?}");
    let warned =
        "warning: session.public_key in the genesis file: that of session 1, 2 is a test key";
    assert!(said.out.contains(warned), "{said:?}");
}

#[test]
fn the_configuration_in_force_says_where_each_value_comes_from_and_is_one_itself() {
    let instance = Instance::new("");
    let environment = [
        ("SLUICE_PORT__BURST", "9"),
        ("SLUICE_PROFILE", "production"),
        ("SLUICE_STORE__URL", "postgres://u:secret@h/d"),
    ];
    let said = sluice(&instance, &["config", "show"], &environment);
    assert_eq!(said.code, 0, "{said:?}");
    let from = |begins: &str| {
        let line = said
            .out
            .lines()
            .find(|line| line.starts_with(begins))
            .unwrap();
        line.split_once(" # ").unwrap().1.to_owned()
    };
    assert_eq!(
        from("burst = 9 "),
        "environment variable SLUICE_PORT__BURST"
    );
    assert_eq!(from("ack = \"durable\""), "profile production");
    assert!(from("shard = 3").starts_with("sluice.toml: line "));
    assert_eq!(from("net_ring = 1024"), "default");
    assert!(
        said.out.contains("# profile production\n[[core]]"),
        "{said:?}"
    );
    assert!(!said.out.contains("secret"), "{said:?}");
    let shown = topology::Config::parse(&said.out).unwrap();
    assert_eq!((shown.port.burst, shown.instance.shard), (9, 3));
}

#[test]
fn the_file_of_a_profile_can_be_printed() {
    let instance = Instance::new("");
    for profile in topology::Profile::ALL {
        let args = ["config", "default", "--profile", profile.name()];
        assert_eq!(sluice(&instance, &args, &[]).out, profile.file());
    }
    let wrong = sluice(&instance, &["config", "default", "--profile", "prod"], &[]);
    assert!(wrong.err.contains("production"), "{wrong:?}");
}

/// Purpose, an example, exit codes, what to do next.
#[test]
fn help_teaches() {
    let instance = Instance::new("");
    for command in [
        &["start"][..],
        &["stop"],
        &["status"],
        &["init-db"],
        &["validate-config"],
        &["config", "default"],
        &["config", "show"],
        &["log-level"],
    ] {
        let said = sluice(&instance, &[command, &["--help"]].concat(), &[]);
        assert_eq!(said.code, 0);
        let name = command.join(" ");
        for part in [
            "Example",
            "Exit code",
            "Next: ",
            &format!("  sluice {name}"),
        ] {
            assert!(
                said.out.contains(part),
                "{name} lacks {part:?}: {}",
                said.out
            );
        }
    }
}
