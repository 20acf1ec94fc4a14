//! What the slowpath logs: text and JSON, and at which level.

use crate::instance::{Fastpath, Instance, wait};
use rustix::process::Signal;
use serde_json::Value;
use slowpath::counters::ARCHIVE_TROUBLES;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

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
    assert_eq!(level_of("all is archived"), "ERROR");
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
        !ARCHIVE_TROUBLES.last(|number| slow.counter(number).unwrap())
    });
    let levels: BTreeSet<String> = objects(&slowpath.said())
        .iter()
        .map(|line| line["level"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(levels, BTreeSet::from(["WARN".to_owned()]));
    slowpath.kill();
}

/// The release build aborts by itself; a build for tests must do the same, or its tests are of another program.
#[test]
fn a_thread_that_panics_takes_the_process_with_it() {
    const FORMAT: &str = "LOG_FORMAT_OF_THE_ONE_THAT_PANICS";
    if let Ok(format) = std::env::var(FORMAT) {
        let config = format!("[log]\nformat = \"{format}\"\n");
        let _levels = slowpath::logging::begin(&topology::Config::parse(&config).unwrap()).unwrap();
        let thread = std::thread::spawn(|| panic!("in the middle of a step"));
        let _ended = thread.join();
        // It lives on, and ends as a test that passes.
        return;
    }
    let itself = std::env::current_exe().unwrap();
    for (format, says) in [
        ("text", "panicked at"),
        ("json", "alarm: a thread panicked"),
    ] {
        let output = Command::new(&itself)
            .args([
                "logging::a_thread_that_panics_takes_the_process_with_it",
                "--exact",
                "--nocapture",
            ])
            .env(FORMAT, format)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert_eq!(
            output.status.signal(),
            Some(Signal::ABORT.as_raw()),
            "{said}"
        );
        assert!(
            said.contains(says) && said.contains("in the middle of a step"),
            "{said}"
        );
    }
}

/// The process's heartbeat is that of who looks.
#[test]
fn a_pipe_in_the_place_of_the_level_is_waited_for_by_nobody() {
    let instance = Instance::new("");
    let file = instance.config.log_level_file();
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &file, rustix::fs::Mode::RUSR).unwrap();
    let slowpath = instance.start_slowpath();
    slowpath.wait_for("waiting for the fastpath");
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
    let said = slowpath.said();
    let (time, rest) = said.split_once(' ').unwrap();
    assert!(time.starts_with("20") && time.ends_with('Z'), "{said}");
    assert!(rest.starts_with("slowpath: log level is info"), "{said}");
    let back = instance.sluice(&["log-level", "--configured"]);
    assert_eq!(back.out, "error (as configured)\n");
    slowpath.kill();
    let wrong = instance.sluice(&["log-level", "loud"]);
    assert!(
        wrong.code == 1 && wrong.err.contains("\"loud\" is no level"),
        "{wrong:?}"
    );
}
