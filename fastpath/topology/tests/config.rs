//! The configuration file: what ships is the default and documents every key; what cannot be is refused by name.

use std::collections::BTreeSet;
use std::path::Path;
use topology::{
    Ack, Config, Cpu, DEFAULT_CONFIG, DEFAULT_GENESIS, Genesis, Idle, Profile, TileKind,
};

fn refusal(text: &str) -> String {
    Config::parse(text).expect_err("it cannot be").to_string()
}

#[test]
fn the_shipped_file_is_the_default() {
    let shipped = Config::parse(DEFAULT_CONFIG).unwrap();
    assert_eq!(shipped, Config::parse("").unwrap());
    assert_eq!(shipped, Config::default());
    assert_eq!(shipped.instance.ack, Ack::Sequenced);
    assert_eq!(shipped.limits.duplicate_window, 4096);
}

/// Every key that the parser knows, as `section.key`.
fn every_key() -> BTreeSet<String> {
    topology::every_key().into_iter().collect()
}

/// The keys that stand in a text, set or commented out, each under its section.
fn keys_in(text: &str) -> BTreeSet<String> {
    let mut section = String::new();
    let mut keys = BTreeSet::new();
    for line in text.lines() {
        if line.starts_with('[') {
            line.trim_matches(['[', ']']).clone_into(&mut section);
        }
        let line = line.strip_prefix("# ").unwrap_or(line);
        if let Some((key, _)) = line.split_once(" = ")
            && key
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        {
            keys.insert(format!("{section}.{key}"));
        }
    }
    keys
}

#[test]
fn the_shipped_file_has_every_key() {
    let keys = every_key();
    assert!(
        keys.len() > 20 && keys.contains("memory.hugetlbfs"),
        "{keys:?}"
    );
    assert_eq!(keys_in(DEFAULT_CONFIG), keys);
}

#[test]
fn the_optional_keys_parse_as_the_shipped_file_shows_them() {
    let text: String = DEFAULT_CONFIG
        .lines()
        .map(|line| {
            let optional = [
                "hugetlbfs",
                "busy_poll_us",
                "dir",
                "replay",
                "tls_cert",
                "tls_key",
                "public_url",
                "destination",
                "interface",
                "requests",
            ];
            let key = line
                .strip_prefix("# ")
                .and_then(|rest| rest.split_once(" = "));
            let line = match key {
                Some((key, _)) if optional.contains(&key) => &line[2..],
                _ => line,
            };
            format!("{line}\n")
        })
        .collect();
    let config = Config::parse(&text).unwrap();
    assert_eq!(
        config.memory.hugetlbfs.as_deref(),
        Some(Path::new("/dev/hugepages"))
    );
    assert_eq!(config.port.busy_poll_us, Some(50));
    assert_eq!(config.archive_dir(), Path::new("/srv/sluice/archive"));
    assert_eq!(
        config.slowpath.replay.map(|address| address.port()),
        Some(7402)
    );
    assert_eq!(
        config.feed.destination,
        Some("127.0.0.1:7401".parse().unwrap())
    );
    assert_eq!(
        config.feed.requests,
        Some("127.0.0.1:7403".parse().unwrap())
    );
    assert_eq!(
        config.gateway.public_url.as_deref(),
        Some("https://exchange.example")
    );
}

#[test]
fn the_three_cores_of_the_shipped_comment_parse() {
    let indented: String = DEFAULT_CONFIG
        .lines()
        .filter_map(|line| line.strip_prefix("#     "))
        .map(|line| format!("{line}\n"))
        .collect();
    let config = Config::parse(&indented).unwrap();
    let seen: Vec<_> = config
        .cores
        .iter()
        .map(|core| (core.cpu, core.idle, &*core.tiles))
        .collect();
    let expected: Vec<_> = TileKind::ALL
        .iter()
        .zip(1..)
        .map(|(tile, cpu)| (Cpu::Number(cpu), Idle::Spin, std::slice::from_ref(tile)))
        .collect();
    assert_eq!(seen, expected);
}

#[test]
fn syntax_errors_have_line_and_column() {
    let text = refusal("[port]\nbind = \"127.0.0.1:7400\"\nbrust = 32\n");
    assert!(
        text.contains("line 3, column 1") && text.contains("brust"),
        "{text}"
    );
    let text = refusal("[[core]]\ncpu = \"all\"\nidle = \"spin\"\ntiles = []\n");
    assert!(
        text.contains("line 2") && text.contains("or \"any\""),
        "{text}"
    );
    let text = refusal("[instance]\nack = \"never\"\n");
    assert!(
        text.contains("line 2") && text.contains("durable"),
        "{text}"
    );
}

/// Nobody who writes a file should have to know Rust.
#[test]
fn values_of_the_wrong_kind_are_refused_in_plain_words() {
    for (text, says) in [
        (
            "[port]\nburst = \"x\"",
            "port.burst: invalid type: string \"x\", expected a whole number, 0 or more",
        ),
        ("[feed]\nttl = 256", "expected a whole number from 0 to 255"),
        (
            "[instance]\nshard = -1",
            "expected a whole number from 0 to 65535",
        ),
        ("[gateway]\nenabled = 1", "expected true or false"),
        ("[instance]\nname = 1", "expected a text in quotes"),
        ("[slowpath]\ncpus = 1", "expected a list, as in [1, 2]"),
        (
            "gateway = 1",
            "gateway: invalid type: integer `1`, expected a section with keys of its own",
        ),
        (
            "[port]\nbind = 7400",
            "expected an address with a port in quotes",
        ),
        (
            "[port]\nbind = \"[::1]:7400\"",
            "port.bind: is no address of IPv4 with a port: write it as in \"127.0.0.1:7400\"",
        ),
        (
            "[gateway]\nbind = \"localhost:7480\"",
            "gateway.bind: is no address with a port",
        ),
        (
            "[feed]\ninterface = \"eth0\"",
            "feed.interface: is no address of IPv4",
        ),
    ] {
        let message = refusal(text);
        assert!(message.contains(says), "{text}\n{message}");
        for rust in ["usize", "u8", "u16", "struct", "syntax"] {
            assert!(!message.contains(rust), "{rust}: {message}");
        }
    }
}

#[test]
fn unknown_keys_are_refused_by_name_and_line_in_every_section() {
    let sections: BTreeSet<String> = every_key()
        .iter()
        .filter_map(|key| Some(key.split_once('.')?.0.to_owned()))
        .filter(|section| !section.is_empty())
        .collect();
    assert!(sections.len() >= 14, "{sections:?}");
    for section in sections {
        let header = if section == "core" {
            "[[core]]".to_owned()
        } else {
            format!("[{section}]")
        };
        let message = refusal(&format!("# a comment\n{header}\nnonsense = 1\n"));
        let says =
            format!("configuration: line 3, column 1: {section}.nonsense: there is no such key");
        assert!(message.starts_with(&says), "{message}");
    }
    let message = refusal("\nnonsense = 1");
    assert!(message.starts_with("configuration: line 2, column 1: nonsense: there is no such key"));
    let message = refusal("[nonsense]\n");
    assert!(message.starts_with("configuration: line 1, column 2: nonsense: there is no such key"));
}

#[test]
fn what_was_probably_meant_is_said() {
    let meant = refusal("[port]\nbrust = 1");
    assert!(meant.ends_with("did you mean `burst`?"), "{meant}");
    let meant = refusal("[gatewya]");
    assert!(meant.ends_with("did you mean `gateway`?"), "{meant}");
    let meant = refusal("ack = \"durable\"");
    assert!(meant.contains("under [instance]"), "{meant}");
    let far = refusal("[port]\ncolour = 1");
    assert!(far.contains("there are backend, bind, burst"), "{far}");
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let problems = Config::parse("[port]\nburst = \"x\"\nbind = 7\n[limits]\nnet_ring = []\n");
    let problems = problems.unwrap_err().problems();
    assert_eq!(problems.len(), 3, "{problems:?}");
    for (problem, begins) in problems.iter().zip([
        "configuration: line 2, column 9: port.burst: invalid type",
        "configuration: line 3, column 8: port.bind: ",
        "configuration: line 5, column 12: limits.net_ring: invalid type",
    ]) {
        assert!(problem.starts_with(begins), "{problem}");
    }
    let problems = Config::parse("[port]\nburst = 0\n[limits]\nnet_ring = 1000\nsession_burst = 0");
    assert_eq!(problems.unwrap_err().problems().len(), 3);
    let problems = Config::parse("a = 1\nb = 1\n[port]\nc = 1")
        .unwrap_err()
        .problems();
    assert_eq!(problems.len(), 3, "{problems:?}");
}

#[test]
fn a_key_that_stands_twice_is_refused_by_name_and_line() {
    let message = refusal("[port]\nburst = 1\nburst = 2");
    assert!(
        message.contains("line 3, column 1: burst: duplicate key"),
        "{message}"
    );
    let message = refusal("[port]\nburst = 1\n[feed]\n[port]\n");
    assert!(message.contains("line 4"), "{message}");
}

#[test]
fn the_feed_goes_to_an_address_or_a_group() {
    let text = "[feed]\ndestination = \"239.1.1.1:7401\"\nttl = 0\ninterface = \"127.0.0.1\"";
    let feed = Config::parse(text).unwrap().feed;
    assert!(feed.destination.unwrap().ip().is_multicast() && feed.loopback);
    assert_eq!(feed.ttl, 0);
    assert_eq!(Config::parse("").unwrap().feed.destination, None, "unasked");
}

/// Each text, the key that the refusal must name, and something that it must say.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "[feed]\ndestination = \"127.0.0.1:0\"",
        "feed.destination",
        "and a port",
    ),
    (
        "[feed]\ndestination = \"0.0.0.0:7401\"",
        "feed.destination",
        "is nowhere",
    ),
    (
        "[feed]\ndestination = \"127.0.0.1:7400\"",
        "feed.destination",
        "another port",
    ),
    (
        "[feed]\ndestination = \"127.0.0.1:9\"\n[port]\nbind = \"0.0.0.0:9\"",
        "feed.destination",
        "another port",
    ),
    (
        "[feed]\nrequests = \"127.0.0.1:7403\"",
        "feed.requests",
        "there is no feed",
    ),
    (
        "[feed]\ndestination = \"127.0.0.1:7401\"\nrequests = \"127.0.0.1:0\"",
        "feed.requests",
        "and a port",
    ),
    (
        "[feed]\ndestination = \"127.0.0.1:7401\"\nrequests = \"239.1.1.1:7403\"",
        "feed.requests",
        "of this machine",
    ),
    (
        "[feed]\ndestination = \"127.0.0.1:7401\"\nrequests = \"0.0.0.0:7401\"",
        "feed.requests",
        "is that of feed.destination",
    ),
    (
        "[feed]\ndestination = \"127.0.0.1:7401\"\nrequests = \"127.0.0.1:7400\"",
        "feed.requests",
        "is that of port.bind",
    ),
    (
        "[feed]\nrequests_rate = 0",
        "feed.requests_rate",
        "use 1 to 1000000",
    ),
    (
        "[feed]\ninterface = \"239.1.1.1\"",
        "feed.interface",
        "of this machine",
    ),
    (
        "[gateway]\nbind = \"127.0.0.1:7490\"\n[metrics]\nenabled = true",
        "metrics.bind",
        "127.0.0.1:7490 is the gateway's port",
    ),
    (
        "[metrics]\nbind = \"0.0.0.0:7480\"",
        "metrics.bind",
        "use another",
    ),
    (
        "[metrics]\nbind = \"[::ffff:127.0.0.1]:7480\"",
        "metrics.bind",
        "use another",
    ),
    ("[instance]\nname = \"\"", "instance.name", "1 to 32"),
    ("[instance]\nname = \"Main\"", "instance.name", "a-z"),
    ("[instance]\nname = \"../etc\"", "instance.name", "a-z"),
    (
        "[instance]\nname = \"abcdefghijklmnopqrstuvwxyz0123456\"",
        "instance.name",
        "1 to 32",
    ),
    (
        "[instance]\nstate_dir = \"\"",
        "instance.state_dir",
        "name a path",
    ),
    ("genesis = \"\"", "genesis", "name a path"),
    (
        "[memory]\njournal_mib = 3",
        "memory.journal_mib",
        "power of two",
    ),
    (
        "[memory]\njournal_mib = 131072",
        "memory.journal_mib",
        "65536",
    ),
    (
        "[memory]\njournal_frames = 100000",
        "memory.journal_frames",
        "power of two",
    ),
    (
        "[memory]\njournal_frames = 512",
        "memory.journal_frames",
        "1024",
    ),
    ("[memory]\nshm_dir = \"shm\"", "memory.shm_dir", "from /"),
    (
        "[memory]\nhugetlbfs = \"huge\"",
        "memory.hugetlbfs",
        "from /",
    ),
    ("[port]\nburst = 0", "port.burst", "1 to 1024"),
    ("[port]\nburst = 1025", "port.burst", "1 to 1024"),
    (
        "[port]\nbind = \"239.0.0.1:7400\"",
        "port.bind",
        "of this machine",
    ),
    ("[port]\nrecv_buffer_kib = 4", "port.recv_buffer_kib", "16"),
    (
        "[port]\nsend_buffer_kib = 1048576",
        "port.send_buffer_kib",
        "524288",
    ),
    ("[port]\nbusy_poll_us = 0", "port.busy_poll_us", "1 to"),
    (
        "[limits]\nsession_burst = 0",
        "limits.session_burst",
        "1 to 4096",
    ),
    (
        "[limits]\ncommand_ring_share = 0",
        "limits.command_ring_share",
        "1 to 4096",
    ),
    (
        "[limits]\nnet_ring = 1000",
        "limits.net_ring",
        "power of two",
    ),
    (
        "[limits]\nduplicate_window = 2048",
        "limits.duplicate_window",
        "4096",
    ),
    (
        "[engine]\ncheckpoint_interval = 1",
        "engine.checkpoint_interval",
        "2 to",
    ),
    (
        "[engine]\nrecovery_grace_ms = 86400001",
        "engine.recovery_grace_ms",
        "86400000",
    ),
    (
        "[archive]\nsegment_mib = 0",
        "archive.segment_mib",
        "1 to 4096",
    ),
    (
        "[archive]\ngroup_max_ms = 1001",
        "archive.group_max_ms",
        "1000",
    ),
    ("[archive]\ndir = \"\"", "archive.dir", "leave it out"),
    (
        "[snapshots]\nevery_frames = 0",
        "snapshots.every_frames",
        "use 1 to",
    ),
    ("[snapshots]\nkeep = 0", "snapshots.keep", "use 1 to 1000"),
    (
        "[snapshots]\nkeep = 1001",
        "snapshots.keep",
        "use 1 to 1000",
    ),
    ("[store]\nurl = \"\"", "store.url", "leave it out"),
    ("[store]\nurl = \"mysql://x\"", "store.url", "sqlite:PATH"),
    ("[store]\nurl = \"sqlite:\"", "store.url", "sqlite:PATH"),
    (
        "[store]\nurl = \"sqlite:a?mode=ro\"",
        "store.url",
        "without options",
    ),
    (
        "[store]\nenabled = false",
        "store.enabled",
        "gateway.enabled = false",
    ),
    (
        "[gateway]\noperators = [\"zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz\"]",
        "gateway.operators",
        "base58",
    ),
    (
        "[gateway]\npublic_url = \"https://exchange.example/\"",
        "gateway.public_url",
        "without a path",
    ),
    (
        "[gateway]\npublic_url = \"exchange.example\"",
        "gateway.public_url",
        "is no address of a site",
    ),
    (
        "[gateway]\npublic_url = \"ftp://exchange.example\"",
        "gateway.public_url",
        "is no address of a site",
    ),
    (
        "[gateway]\npublic_url = \"https://\"",
        "gateway.public_url",
        "is no address of a site",
    ),
    (
        "[gateway]\npublic_url = \"https://:443\"",
        "gateway.public_url",
        "is no address of a site",
    ),
    (
        "[gateway]\npublic_url = \"https://::1\"",
        "gateway.public_url",
        "is no address of a site",
    ),
    (
        "[gateway]\npublic_url = \"https://exchange.example:0\"",
        "gateway.public_url",
        "is no address of a site",
    ),
    (
        "[gateway]\npublic_url = \"https://exchange.example:65536\"",
        "gateway.public_url",
        "is no address of a site",
    ),
    (
        "[gateway]\npublic_url = \"https://exchange.example:+1\"",
        "gateway.public_url",
        "is no address of a site",
    ),
    (
        "[gateway]\npublic_url = \"https://exchange..example\"",
        "gateway.public_url",
        "is no address of a site",
    ),
    (
        "[gateway]\npublic_url = \"https://-exchange.example\"",
        "gateway.public_url",
        "is no address of a site",
    ),
    (
        "[gateway]\npublic_url = \"https://[::1\"",
        "gateway.public_url",
        "is no address of a site",
    ),
    (
        "[gateway]\npublic_url = \"https://[localhost]\"",
        "gateway.public_url",
        "is no address of a site",
    ),
    (
        "[gateway]\npublic_url = \"http://a b\"",
        "gateway.public_url",
        "is no address of a site",
    ),
    (
        "[gateway]\nbind = \"127.0.0.1:0\"",
        "gateway.bind",
        "name a port",
    ),
    (
        "[store]\nurl = \"sqlite::memory:\"",
        "store.url",
        "sqlite:PATH",
    ),
    (
        "[store]\nurl = \"postgres://\"",
        "store.url",
        "postgres://USER@HOST/DATABASE",
    ),
    (
        "[slowpath]\nreplay = \"127.0.0.1:0\"",
        "slowpath.replay",
        "and a port",
    ),
    (
        "[slowpath]\nreplay = \"0.0.0.0:7402\"",
        "slowpath.replay",
        "clients are told",
    ),
    (
        "[slowpath]\nreplay = \"127.0.0.1:7400\"",
        "slowpath.replay",
        "is that of port.bind",
    ),
    (
        "[slowpath]\nreplay_rate = 0",
        "slowpath.replay_rate",
        "use 1 to 1000000",
    ),
    ("core = []", "core.tiles", "\"net\" stands 0 times"),
    (
        "[[core]]\ncpu = 0\nidle = \"spin\"\ntiles = [\"net\", \"match\"]",
        "core.tiles",
        "\"out\" stands 0 times",
    ),
    (
        "[[core]]\ncpu = 0\nidle = \"spin\"\ntiles = [\"net\", \"match\", \"out\", \"net\"]",
        "core.tiles",
        "\"net\" stands 2 times",
    ),
    (
        "[[core]]\ncpu = 0\nidle = \"spin\"\ntiles = [\"net\", \"match\", \"out\"]\n\
         [[core]]\ncpu = 1\nidle = \"spin\"\ntiles = []",
        "core.tiles",
        "is empty",
    ),
    (
        "[[core]]\ncpu = 1\nidle = \"spin\"\ntiles = [\"net\", \"match\"]\n\
         [[core]]\ncpu = 1\nidle = \"spin\"\ntiles = [\"out\"]",
        "core.cpu",
        "1 stands in two",
    ),
    (
        "[[core]]\ncpu = 1\nidle = \"spin\"\ntiles = [\"net\", \"match\", \"out\"]\n\
         [slowpath]\ncpus = [0, 1]",
        "slowpath.cpus",
        "CPU 1 polls tiles",
    ),
];

#[test]
fn values_that_cannot_be_are_refused_by_key() {
    for (text, key, says) in REFUSED {
        let message = refusal(text);
        let named = format!(": {key}: ");
        assert!(
            message.starts_with("configuration: line ")
                && message.contains(&named)
                && message.contains(says),
            "{text}\n{message}"
        );
    }
}

#[test]
fn the_ends_of_the_ranges_are_accepted() {
    for text in [
        "[instance]\nname = \"a\"\nshard = 65535",
        "[instance]\nname = \"abcdefghijklmnopqrstuvwxyz-01234\"",
        "[memory]\njournal_mib = 1\njournal_frames = 1024",
        "[memory]\njournal_mib = 65536\njournal_frames = 1073741824",
        "[port]\nburst = 1\nbind = \"0.0.0.0:0\"\nrecv_buffer_kib = 16",
        "[port]\nburst = 1024\nsend_buffer_kib = 524288",
        "[limits]\nnet_ring = 64\nduplicate_window = 65536",
        "[engine]\ncheckpoint_interval = 2\nrecovery_grace_ms = 0",
        "[archive]\nsegment_mib = 4096\ngroup_max_ms = 0",
        "[slowpath]\ncpus = [0, 1]",
        "[metrics]\nbind = \"127.0.0.1:0\"",
        "[gateway]\nenabled = false\nbind = \"127.0.0.1:0\"",
        "[gateway]\npublic_url = \"http://127.0.0.1:7480\"",
        "[gateway]\npublic_url = \"https://[2001:db8::1]\"",
        "[gateway]\npublic_url = \"https://[::1]:65535\"",
        "[gateway]\npublic_url = \"https://a-b.exchange.example\"",
        "[gateway]\nbind = \"127.0.0.1:9\"\n[metrics]\nbind = \"127.0.0.2:9\"",
        "[metrics]\nenabled = false\nbind = \"127.0.0.1:7480\"",
        // UDP: another port of the same number.
        "[port]\nbind = \"127.0.0.1:7480\"",
    ] {
        Config::parse(text).unwrap_or_else(|error| panic!("{text}\n{error}"));
    }
}

#[test]
fn relative_paths_are_relative_to_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sluice.toml");
    std::fs::write(&file, "[instance]\nstate_dir = \"data\"\nname = \"x\"\n").unwrap();
    std::fs::write(folder.path().join("genesis.toml"), DEFAULT_GENESIS).unwrap();
    let config = Config::load(&file).unwrap();
    let data = folder.path().join("data");
    assert_eq!(config.state_dir(), data);
    assert_eq!(config.archive_dir(), data.join("archive"));
    assert_eq!(config.snapshot_dir(), data.join("snapshots"));
    assert_eq!(config.secret_file(), data.join("host.secret"));
    assert_eq!(config.epoch_file(), data.join("epoch"));
    assert_eq!(config.region_dir(), Path::new("/dev/shm/sluice-x"));
    assert_eq!(config.load_genesis().unwrap().sessions.len(), 2);

    std::fs::write(
        &file,
        "[instance]\nstate_dir = \"/var/lib/x\"\n[archive]\ndir = \"a\"",
    )
    .unwrap();
    let config = Config::load(&file).unwrap();
    assert_eq!(config.state_dir(), Path::new("/var/lib/x"));
    assert_eq!(config.archive_dir(), folder.path().join("a"));
}

#[test]
fn a_folder_that_is_a_file_or_in_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sluice.toml");
    for (section, key) in [("instance", "state_dir"), ("archive", "dir")] {
        for path in ["sluice.toml", "sluice.toml/state"] {
            std::fs::write(&file, format!("[{section}]\n{key} = \"{path}\"")).unwrap();
            let message = Config::load(&file).unwrap_err().to_string();
            let says = format!(
                "{section}.{key}: {} is, or lies in, a file",
                folder.path().join(path).display()
            );
            assert!(message.contains(&says), "{message}");
        }
    }
}

#[test]
fn the_store_is_a_file_in_the_state_folder_unless_it_is_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sluice.toml");
    let url_of = |text: &str| {
        std::fs::write(&file, text).unwrap();
        Config::load(&file).unwrap().store_url()
    };
    let sqlite = |path: &Path| format!("sqlite:{}", path.display());
    assert_eq!(url_of(""), sqlite(&folder.path().join("state/store.db")));
    let relative = url_of("[store]\nurl = \"sqlite:db/s.db\"");
    assert_eq!(relative, sqlite(&folder.path().join("db/s.db")));
    let absolute = url_of("[store]\nurl = \"sqlite:/srv/s.db\"");
    assert_eq!(absolute, "sqlite:/srv/s.db");
    let server = "postgres://sluice@localhost/x?host=/run/postgresql";
    assert_eq!(url_of(&format!("[store]\nurl = \"{server}\"")), server);
}

#[test]
fn a_path_of_the_store_is_taken_as_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sluice.toml");
    for (name, written) in [
        ("a?b", "a%3Fb"),
        ("a%41&mode=ro", "a%2541%26mode%3Dro"),
        ("a\nb #", "a%0Ab%20%23"),
        ("stäte", "st%C3%A4te"),
    ] {
        std::fs::write(&file, format!("[instance]\nstate_dir = {name:?}")).unwrap();
        let config = Config::load(&file).unwrap();
        let url = format!("sqlite:{}/{written}/store.db", folder.path().display());
        assert_eq!(config.store_url(), url);
        let expected = folder.path().join(name).join("store.db");
        assert_eq!(config.store_file(), Some(expected));
    }
}

#[test]
fn the_store_takes_no_file_of_the_instance() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sluice.toml");
    std::fs::create_dir(folder.path().join("state")).unwrap();
    std::os::unix::fs::symlink(folder.path(), folder.path().join("here")).unwrap();
    for path in [
        "sluice.toml",
        "./state/../sluice.toml",
        "here/sluice.toml",
        "genesis.toml",
        "state/host.secret",
        "state/epoch",
        "state/LOCK",
        "state/log-level",
        "state/archive",
        "state/archive/store.db",
        "state/snapshots/store.db",
        "/dev/shm/sluice-main/journal",
    ] {
        std::fs::write(&file, format!("[store]\nurl = \"sqlite:{path}\"")).unwrap();
        let message = Config::load(&file).unwrap_err().to_string();
        assert!(message.contains("store.url"), "{path}: {message}");
    }
    std::fs::write(&file, "[store]\nurl = \"sqlite:state/other.db\"").unwrap();
    Config::load(&file).unwrap();
}

/// With it nobody could log on for the first time, although registration is open.
#[test]
fn what_is_reserved_for_operators_is_less_than_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sluice.toml");
    std::fs::write(folder.path().join("genesis.toml"), DEFAULT_GENESIS).unwrap();
    let load = |registration: &str, reserve: u32| {
        let text = format!(
            "[gateway]\nregistration = \"{registration}\"\nreserved_accounts = {reserve}\n"
        );
        std::fs::write(&file, text).unwrap();
        Config::load(&file).unwrap().load_genesis()
    };
    for (registration, reserve) in [("open", 1023), ("closed", 5000)] {
        load(registration, reserve).unwrap();
    }
    let message = load("open", 1024).unwrap_err().to_string();
    for part in [
        "genesis.toml: capacity.max_accounts",
        "gateway.reserved_accounts leaves 1024 for operators",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn the_windows_of_all_sessions_must_fit_into_memory() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sluice.toml");
    let load = |window: u64, sessions: u64| {
        let limits = format!("[limits]\nduplicate_window = {window}\n");
        std::fs::write(&file, limits).unwrap();
        let sessions = format!("max_sessions = {sessions}\n");
        let genesis = DEFAULT_GENESIS.replace("max_sessions = 1024\n", &sessions);
        std::fs::write(folder.path().join("genesis.toml"), genesis).unwrap();
        Config::load(&file).unwrap().load_genesis()
    };
    for (window, sessions) in [(4096, 1024), (4096, 1 << 17), (65_536, 1 << 13)] {
        load(window, sessions).unwrap();
    }
    for (window, sessions, mib) in [
        (4096, (1 << 17) + 1, 4097),
        (4096, 1 << 24, 524_288),
        (65_536, (1 << 13) + 1, 4097),
    ] {
        let message = load(window, sessions).unwrap_err().to_string();
        for part in [
            "genesis.toml: capacity.max_sessions",
            "limits.duplicate_window",
            &format!(" {mib} MiB"),
        ] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
}

#[test]
fn refusals_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sluice.toml");
    let name = file.display().to_string();
    let refusal = || Config::load(&file).expect_err("it cannot be").to_string();
    assert!(refusal().contains(&name), "it does not exist");
    std::fs::write(&file, "[port]\nburst = 0").unwrap();
    assert!(refusal().starts_with(&format!("{name}: line 2, column 1: port.burst: ")));
    std::fs::write(&file, "[port\n").unwrap();
    assert!(refusal().starts_with(&format!("{name}: line 1, ")));
}

#[test]
fn what_is_seldom_meant_where_funds_are_real_is_doubted() {
    let shipped = Genesis::parse(DEFAULT_GENESIS).unwrap();
    let doubts = |text: &str, genesis| Config::parse(text).unwrap().doubts(genesis);
    assert!(doubts("", &shipped).is_empty(), "of development nothing is");
    let of_development = DEFAULT_CONFIG.replace("\"development\"", "\"production\"");
    let own = DEFAULT_GENESIS
        .replace("d75a980182b1", "000000000000")
        .replace("3d4017c3e843", "000000000001");
    let own = Genesis::parse(&own).unwrap();
    let starts = |doubts: Vec<String>| -> Vec<String> {
        let key = |doubt: &String| doubt.split(": ").next().unwrap().to_owned();
        doubts.iter().map(key).collect()
    };
    assert_eq!(
        starts(doubts(&of_development, &own)),
        [
            "instance.ack",
            "log.format",
            "[[core]] 1",
            "gateway.operators",
            "gateway.public_url"
        ]
    );
    assert_eq!(
        starts(doubts(&Profile::Production.file(), &shipped)),
        [
            "[[core]] 1",
            "gateway.operators",
            "gateway.public_url",
            "session.public_key in the genesis file"
        ]
    );
    let meant = "profile = \"production\"\n[gateway]\nenabled = false\n[[core]]\ncpu = 1\nidle = \"spin\"\n\
                 tiles = [\"net\", \"match\", \"out\"]\n";
    assert_eq!(doubts(meant, &own), Vec::<String>::new());
}
