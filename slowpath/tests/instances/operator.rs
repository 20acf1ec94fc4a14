//! The operator's command, on instances in all states of life.

use crate::instance::{Fastpath, Instance, wait};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use topology::instruments::{address_number, matching, process, tile_kind};

#[test]
fn status_of_nothing_says_what_is_missing() {
    let instance = Instance::new("");
    let status = instance.sluice(&["status"]);
    assert_eq!(status.code, 2, "{status:?}");
    for region in ["journal", "fast", "slow"] {
        assert!(
            status.out.contains(&format!(
                "no region {region} of instance test: `sluice start`"
            )),
            "{status:?}"
        );
    }
    let json = instance.sluice(&["status", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["health"], "unknown");
}

#[test]
fn status_of_a_live_instance_is_healthy_and_that_of_a_dead_slowpath_is_not() {
    let instance = Instance::new("");
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    let mut slowpath = instance.start_slowpath();
    fastpath.trade(40);
    instance.wait_archived(fastpath.head());
    wait("it is checked", || {
        instance.slow().shadow_seq() >= fastpath.head()
    });
    fastpath.fast.tile(0).counter(3).add(41);
    fastpath.fast.histogram(0).record(1500);
    fastpath.beat();
    let json = instance.sluice(&["status", "--json"]);
    assert_eq!(json.code, 0, "{json:?}");
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["health"], "healthy");
    let head = fastpath.head().to_string();
    assert_eq!(json["journal"]["head"], head);
    assert_eq!(json["slowpath"]["durable"]["seq"], head);
    assert_eq!(json["slowpath"]["shadow"]["lag"], "0");
    let hash = format!("{:016x}", fastpath.state_hash());
    assert_eq!(json["slowpath"]["shadow"]["state_hash"], hash);
    assert_eq!(
        json["fastpath"]["tiles"][0]["counters"][3]["name"],
        "accepted"
    );
    assert_eq!(json["fastpath"]["tiles"][0]["counters"][3]["count"], "41");
    assert_eq!(json["fastpath"]["tiles"][0]["busy_per_mille"], 250);
    assert_eq!(json["fastpath"]["stages"][0]["max"], "1500");

    slowpath.kill_unnoticed();
    fastpath.trade(300);
    let status = instance.sluice(&["status"]);
    assert_eq!(status.code, 1, "{status:?}");
    assert!(
        status.out.contains(&format!(
            "the slowpath (pid {}) is dead, it was not stopped: `sluice start`",
            slowpath.pid()
        )),
        "{status:?}"
    );
    assert!(status.out.contains("lag 301"), "{status:?}");
    assert!(
        status.out.contains("29.3 % full"),
        "301 of 1024 frames wait: {status:?}"
    );
}

#[test]
fn the_port_that_the_system_chose_is_shown() {
    let instance = Instance::new("[port]\nbind = \"127.0.0.1:0\"\n");
    let fastpath = Fastpath::start(&instance);
    let shown = || instance.sluice(&["status"]).out;
    assert!(shown().contains("  port 127.0.0.1:0  "), "not said yet");
    let own = fastpath.fast.tile(3);
    own.set_kind(tile_kind::PROCESS);
    own.counter(process::order_port).set(45_678);
    assert!(shown().contains("  port 127.0.0.1:45678  "), "{}", shown());
}

#[test]
fn what_the_running_fastpath_promises_is_shown_and_not_what_the_file_says_since() {
    let instance = Instance::new("");
    let fastpath = Fastpath::start(&instance);
    instance.configure("[feed]\ndestination = \"127.0.0.1:7499\"\n");
    let shown = || instance.sluice(&["status"]).out;
    assert!(shown().contains("  feed 127.0.0.1:7499  "), "not said yet");
    let own = fastpath.fast.tile(3);
    own.set_kind(tile_kind::PROCESS);
    own.counter(process::ack).set(2);
    assert!(shown().contains("  ack durable  "), "{}", shown());
    assert!(shown().contains("  feed none  "), "{}", shown());
    let address = "239.1.1.1:7401";
    own.counter(process::feed)
        .set(address_number(address.parse().unwrap()));
    assert!(
        shown().contains(&format!("  feed {address}  ")),
        "{}",
        shown()
    );
    drop(fastpath);
    assert!(shown().contains("  feed 127.0.0.1:7499  "), "{}", shown());
}

#[test]
fn a_pid_that_is_anothers_is_no_process_of_the_instance() {
    let instance = Instance::new("");
    let fastpath = Fastpath::start(&instance);
    let pid = std::process::id();
    let status = instance.sluice(&["status"]);
    assert!(
        status
            .out
            .contains(&format!("fastpath   pid {pid} running")),
        "{status:?}"
    );
    // Its locks fall, and its pid, which is this test's, lives on.
    drop(fastpath);
    let status = instance.sluice(&["status"]);
    let says = format!("the fastpath (pid {pid}) is dead");
    assert!(status.out.contains(&says), "{status:?}");
    assert!(
        instance
            .sluice(&["stop"])
            .out
            .contains("the fastpath does not run")
    );
}

#[test]
fn a_slowpath_that_was_stopped_is_told_from_one_that_was_killed() {
    let instance = Instance::new("");
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    let mut slowpath = instance.start_slowpath();
    instance.wait_archived(fastpath.head());
    let said_of = |pid: u32, how: &str| {
        fastpath.beat();
        let status = instance.sluice(&["status"]);
        assert_eq!(status.code, 1, "{status:?}");
        let says = format!("the slowpath (pid {pid}) {how}");
        assert!(status.out.contains(&says), "{says}: {status:?}");
        let json = instance.sluice(&["status", "--json"]);
        let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
        json["slowpath"]["state"].as_str().unwrap().to_owned()
    };
    let stopped = slowpath.pid();
    assert_eq!(slowpath.stop().code(), Some(0));
    assert_eq!(said_of(stopped, "was stopped in an orderly way"), "stopped");

    let mut slowpath = instance.start_slowpath();
    slowpath.wait_for("archiving from");
    assert_eq!(instance.sluice(&["status"]).code, 0, "a start clears it");
    let killed = slowpath.pid();
    slowpath.kill();
    assert_eq!(said_of(killed, "is dead, it was not stopped"), "killed");

    // Progress that cannot be: the start fails after it has taken its region.
    let own = instance.own_region();
    own.writer.set_durable_seq(fastpath.head() + 7);
    drop(own);
    let mut slowpath = instance.start_slowpath();
    let failed = slowpath.pid();
    assert_eq!(slowpath.end().code(), Some(1));
    assert_eq!(said_of(failed, "has ended with an error"), "failed");
}

#[test]
fn who_is_not_permitted_is_told_so_and_what_to_do() {
    let instance = Instance::new("");
    let _fastpath = Fastpath::start(&instance);
    let slowpath = instance.start_slowpath();
    slowpath.wait_for("archiving from");
    let folder = instance.config.region_dir();
    let status = instance.sluice_without(&folder, &["status"]);
    assert_eq!(status.code, 2, "{status:?}");
    for region in ["journal", "fast", "slow"] {
        let says = format!("{}/{region}: user ", folder.display());
        assert!(status.out.contains(&says), "{says}: {status:?}");
    }
    for part in ["is not permitted to read it", "run this as the user that"] {
        assert_eq!(status.out.matches(part).count(), 3, "{part}: {status:?}");
    }
    assert!(!status.out.contains("there is no region"), "{status:?}");
    let printed = instance.sluice_without(&folder, &["journal", "print"]);
    assert_eq!(printed.code, 1, "{printed:?}");
    assert!(printed.err.contains("is not permitted"), "{printed:?}");

    // The folder is open, one file in it is not.
    let everybody = Permissions::from_mode(0o755);
    std::fs::set_permissions(&folder, everybody).unwrap();
    let status = instance.sluice_without(&folder.join("slow"), &["status"]);
    let says = format!("{}/slow: user ", folder.display());
    assert!(status.out.contains(&says), "{status:?}");
}

#[test]
fn a_silent_tile_and_impossible_progress_are_wrong() {
    let instance = Instance::new("");
    let fastpath = Fastpath::start(&instance);
    let slowpath = instance.start_slowpath();
    slowpath.wait_for("archiving from");
    fastpath.beat();
    assert_eq!(instance.sluice(&["status"]).code, 0);
    fastpath.fast.tile(1).beat(1);
    let silent = instance.sluice(&["status"]);
    assert_eq!(silent.code, 1);
    assert!(
        silent.out.contains("tile match has been silent"),
        "{silent:?}"
    );
    fastpath.beat();
    for counter in [matching::gate_faults, matching::ring_faults] {
        fastpath.fast.tile(1).counter(counter).add(1);
        let fault = instance.sluice(&["status"]);
        assert_eq!(fault.code, 1);
        assert!(fault.out.contains("impossible 1 times"), "{fault:?}");
        fastpath.fast.tile(1).counter(counter).set(0);
    }
    assert_eq!(instance.sluice(&["status"]).code, 0);
}

/// A fastpath that recovers, or waits for room, lives and serves nobody.
#[test]
fn a_fastpath_whose_tiles_do_not_run_is_wrong() {
    let instance = Instance::new("");
    let fastpath = Fastpath::start(&instance);
    let slowpath = instance.start_slowpath();
    slowpath.wait_for("archiving from");
    fastpath.fast.tile(2).set_state(shm::TileState::Boot);
    let status = instance.sluice(&["status"]);
    assert_eq!(status.code, 1, "{status:?}");
    let says = "the fastpath serves nobody, out not running";
    assert!(status.out.contains(says), "{status:?}");
    (0..3).for_each(|slot| fastpath.fast.tile(slot).set_kind(0));
    let status = instance.sluice(&["status"]);
    let says = "the fastpath serves nobody, net, match, out not running";
    assert!(status.out.contains(says), "{status:?}");
}

#[test]
fn a_dead_instance_is_printed_and_verified_from_archive_and_memory() {
    let instance = Instance::new("");
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    let mut slowpath = instance.start_slowpath();
    fastpath.trade(10);
    instance.wait_archived(fastpath.head());
    slowpath.kill();
    fastpath.trade(4);
    let (head, hash) = (fastpath.head(), fastpath.state_hash());
    drop(fastpath);

    let verified = instance.sluice(&["journal", "verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    assert!(
        verified
            .out
            .contains(&format!("frames        {head} (5 of them")),
        "{verified:?}"
    );
    assert!(verified.out.contains("trades        7\n"), "{verified:?}");
    assert!(
        verified.out.contains(&format!("state hash    {hash:016x}")),
        "{verified:?}"
    );
    assert_eq!(
        verified.out.matches(" conserved:").count(),
        2,
        "{verified:?}"
    );
    let json = instance.sluice(&["journal", "verify", "--archive-only", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["last_seq"], (head - 5).to_string());
    assert_eq!(
        (&json["valid"], &json["trades"]),
        (&true.into(), &"5".into())
    );

    let printed = instance.sluice(&["journal", "print", "--json"]);
    let lines: Vec<serde_json::Value> = printed
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len() as u64, head);
    assert!(
        lines
            .iter()
            .zip(1_u64..)
            .all(|(line, seq)| line["seq"] == *format!("{seq}"))
    );
    assert_eq!(lines[0]["command"]["kind"], "Genesis");
}

#[test]
fn a_range_or_a_session_can_be_printed() {
    let instance = Instance::new("");
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    let first = fastpath.head() + 1;
    fastpath.trade(2);
    let (from, to) = (first.to_string(), (first + 1).to_string());
    // There is no archive yet, only memory.
    let printed = instance.sluice(&["journal", "print", "--from", &from, "--to", &to]);
    let lines: Vec<&str> = printed.out.lines().collect();
    assert_eq!(printed.code, 0, "{printed:?}");
    let order = "epoch 1 session 1 #1 NewOrder market=0 side=Sell order_type=Limit";
    assert!(
        lines[0].starts_with(&format!("{first} 1970-01-01T00:00:01")),
        "{printed:?}"
    );
    assert!(lines[0].contains(order), "{printed:?}");
    let kinds: Vec<&str> = lines[1..3]
        .iter()
        .map(|line| line.split(' ').nth(4).unwrap())
        .collect();
    assert_eq!(kinds, ["Accepted", "BookAdd"]);

    for (args, says) in [
        (["--from", "1000", "--to", "1001"], "ends before seq 1000"),
        (["--from", "3", "--to", "2"], "--to 2 is before"),
        (["--from", "1", "--session", "77"], "none of these frames"),
    ] {
        let printed = instance.sluice(&[&["journal", "print"], &args[..]].concat());
        assert_eq!((printed.code, printed.out.as_str()), (0, ""), "{printed:?}");
        assert!(printed.err.contains(says), "{printed:?}");
    }

    let of_one = instance.sluice(&["journal", "print", "--session", "1", "--json"]);
    let lines: Vec<serde_json::Value> = of_one
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        lines.len(),
        2,
        "its order, and the other's that filled it: {of_one:?}"
    );
    assert_eq!(lines[0]["events"].as_array().unwrap().len(), 2);
    assert_eq!(lines[1]["source"], "session 2");
    let fills = lines[1]["events"].as_array().unwrap();
    assert_eq!((fills.len(), &fills[0]["liquidity"]), (1, &"Maker".into()));
}

#[test]
fn damage_in_the_archive_is_refused_by_name() {
    let instance = Instance::new("");
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    let mut slowpath = instance.start_slowpath();
    instance.wait_archived(fastpath.head());
    assert_eq!(slowpath.stop().code(), Some(0));
    drop(fastpath);
    let segment = instance.last_segment();
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[200] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let verified = instance.sluice(&["journal", "verify", "--archive-only"]);
    assert_eq!(verified.code, 1, "{verified:?}");
    assert!(
        verified
            .out
            .contains("NOT VALID: archive: 00000000000000000001.seg"),
        "{verified:?}"
    );
    let verify = ["journal", "verify", "--archive-only"];
    assert_eq!(instance.sluice_unread(&verify), Some(1));
    // What only prints ends with its reader.
    let print = ["config", "show"];
    assert_eq!(instance.sluice_unread(&print), Some(0));
}

#[test]
fn a_session_secret_is_that_of_the_host() {
    let instance = Instance::new("");
    let said = instance.sluice(&["session-secret", "--session", "2"]);
    assert_eq!(said.code, 0, "{said:?}");
    let host = topology::secret::load_or_create(&instance.config.secret_file()).unwrap();
    let host = wire::auth::HostSecret::from_bytes(host);
    let secret = wire::auth::SessionSecret::from_hex(&said.out).unwrap();
    assert_eq!(
        secret.expose(),
        host.session_secret(domain::SessionId(2)).expose()
    );
    assert!(said.err.contains("can trade as session 2"), "{said:?}");
    let unknown = instance.sluice(&["session-secret", "--session", "9"]);
    assert!(unknown.err.contains("has no session 9"), "{unknown:?}");
}
