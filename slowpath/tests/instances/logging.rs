//! What the slowpath logs: text and JSON, and at which level.

use crate::instance::{Fastpath, Instance, wait};
use serde_json::Value;
use slowpath::counters::{TROUBLES_BEGUN, TROUBLES_ENDED};
use std::collections::BTreeSet;
use std::fs;

fn objects(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect()
}

#[test]
fn every_line_of_json_is_an_object_with_time_level_target_and_message() {
    let instance = Instance::new("[log]\nformat = \"json\"\n");
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    fastpath.trade(600);
    fastpath.falsify = Some(fastpath.head() + 1);
    let mut slowpath = instance.start_slowpath();
    fastpath.trade(1);
    slowpath.wait_for("alarm: the shadow engine stops");
    assert_eq!(slowpath.stop().code(), Some(1));
    let said = objects(&slowpath.said());
    for line in &said {
        for key in ["timestamp", "level", "target", "message"] {
            assert!(line[key].is_string(), "{key}: {line}");
        }
        let time = line["timestamp"].as_str().unwrap();
        assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
    }
    let level_of = |begins: &str| {
        let line = said
            .iter()
            .find(|line| line["message"].as_str().unwrap().starts_with(begins));
        line.unwrap_or_else(|| panic!("{begins}: {said:?}"))["level"].clone()
    };
    assert_eq!(level_of("archiving from seq"), "INFO");
    assert_eq!(level_of("alarm:"), "ERROR");
    // Why it ended with 1.
    assert_eq!(level_of("slowpath: all is archived"), "ERROR");
}

#[test]
fn troubles_are_warnings_and_a_level_above_hides_what_is_below() {
    let instance = Instance::new("[log]\nformat = \"json\"\nlevel = \"warn\"\n");
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    let mut slowpath = instance.start_slowpath();
    instance.wait_archived(fastpath.head());
    let directory = instance.config.archive_dir();
    let aside = directory.with_extension("aside");
    fs::rename(&directory, &aside).unwrap();
    fastpath.trade(5);
    slowpath.wait_for("trouble: the archive's storage fails");
    fs::rename(&aside, &directory).unwrap();
    let slow = instance.slow();
    wait("the trouble is over", || {
        slow.counter(TROUBLES_BEGUN) == slow.counter(TROUBLES_ENDED)
    });
    let levels: BTreeSet<String> = objects(&slowpath.said())
        .iter()
        .map(|line| line["level"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(levels, BTreeSet::from(["WARN".to_owned()]));
    slowpath.kill();
}

#[test]
fn the_level_changes_while_it_runs_and_is_kept() {
    let instance = Instance::new("[log]\nlevel = \"error\"\n");
    let shown = instance.sluice(&["log-level"]);
    assert_eq!(shown.out, "error (as configured)\n");
    let mut slowpath = instance.start_slowpath();
    // It says nothing, so its region shows that it runs.
    wait("it runs", || {
        instance.slow().pid() == u64::from(slowpath.pid())
    });
    wait("the state folder is there", || {
        instance.config.state_dir().exists()
    });
    let set = instance.sluice(&["log-level", "info,gateway=debug"]);
    assert_eq!(
        set.out, "info,gateway=debug (configured: error)\n",
        "{set:?}"
    );
    slowpath.wait_for("log level is info,gateway=debug, by `sluice log-level`");
    slowpath.wait_for("waiting for the fastpath");
    slowpath.kill();
    let mut slowpath = instance.start_slowpath();
    slowpath.wait_for("archive: ");
    assert!(
        slowpath.said().starts_with("log level is info"),
        "{}",
        slowpath.said()
    );
    let back = instance.sluice(&["log-level", "--configured"]);
    assert_eq!(back.out, "error (as configured)\n");
    slowpath.kill();
    let wrong = instance.sluice(&["log-level", "loud"]);
    assert!(
        wrong.code == 1 && wrong.err.contains("\"loud\" is no level"),
        "{wrong:?}"
    );
}
