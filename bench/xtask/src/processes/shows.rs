//! The demo, as its user runs it.

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::demo;

/// The demo ends by itself, with everything answered and the replay valid.
pub(super) fn shown(chaos: Option<&str>) -> Result<String> {
    let chaos = chaos.map(str::parse).transpose()?;
    let seconds = Some(if chaos.is_some() { 8 } else { 3 });
    let followed = demo::run(&demo::Arguments {
        seconds,
        chaos,
        rate: 300,
        durable: false,
    })?;
    let books = followed.whole()?;
    Ok(format!(
        "ended by itself, all commands answered, journal valid; feed: {books}"
    ))
}

/// Ctrl-C in a terminal goes to the whole process group: the demo stops its processes in order and
/// restarts nothing.
pub(super) fn interrupted() -> Result<String> {
    let mut demo = Command::new(std::env::current_exe()?)
        .args(["demo", "--rate", "200"])
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let mut shown = BufReader::new(demo.stdout.take().context("its output is piped")?);
    let mut text = String::new();
    // It builds first, which may take a while.
    while !text.contains("orders/s") {
        let read = shown.read_line(&mut text)?;
        ensure!(read > 0, "ended before it began: {text}");
    }
    std::thread::sleep(Duration::from_secs(3));
    let group = i32::try_from(demo.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process_group(group.context("a pid")?, Signal::INT)?;
    shown.read_to_string(&mut text)?;
    let status = demo.wait()?;
    ensure!(status.success(), "ended with {status}: {text}");
    ensure!(
        text.contains("fastpath 0, slowpath 0"),
        "something was restarted: {text}"
    );
    Ok("stops in order, restarts nothing, exit code 0".to_owned())
}
