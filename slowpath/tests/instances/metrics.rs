//! The figures that the slowpath serves: with and without a fastpath, and what the documentation says of them.
//! `operate_test.py` reads those of a whole instance with Prometheus's own parser.

use crate::instance::{Fastpath, Instance, wait};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use topology::instruments::{net, stage};

fn with_metrics() -> (Instance, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let more = format!("[metrics]\nbind = \"127.0.0.1:{port}\"\n");
    (Instance::new(&more), port)
}

/// What `/metrics` answers: each line's name with labels, and its value.
pub(crate) fn scrape(port: u16) -> BTreeMap<String, f64> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let ask = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(ask.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(
        head.contains("content-type: text/plain; version=0.0.4"),
        "{head}"
    );
    body.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        })
        .collect()
}

#[test]
fn figures_are_served_before_there_is_a_fastpath_and_follow_it() {
    let (instance, port) = with_metrics();
    let mut slowpath = instance.start_slowpath();
    slowpath.wait_for("metrics: http://127.0.0.1:");
    let alone = scrape(port);
    assert_eq!(alone["sluice_up{process=\"fastpath\"}"], 0.0);
    assert_eq!(
        alone["sluice_process_state{process=\"fastpath\",state=\"absent\"}"],
        1.0
    );
    assert_eq!(alone["sluice_up{process=\"slowpath\"}"], 1.0);
    assert!(!alone.contains_key("sluice_journal_head_seq"), "{alone:?}");

    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    fastpath.trade(40);
    fastpath.fast.tile(0).counter(net::datagrams).add(41);
    fastpath
        .fast
        .histogram(stage::receive_to_commit)
        .record(1500);
    fastpath
        .fast
        .histogram(stage::receive_to_commit)
        .record(900);
    wait("it is checked", || {
        instance.slow().shadow_seq() >= fastpath.head()
    });
    let both = scrape(port);
    for (name, value) in [
        ("sluice_up{process=\"fastpath\"}", 1),
        ("sluice_tile_up{tile=\"net\"}", 1),
        ("sluice_tile_polls_total{tile=\"match\"}", 1000),
        ("sluice_journal_head_seq", fastpath.head()),
        ("sluice_reader_seq{reader=\"shadow\"}", fastpath.head()),
        ("sluice_reader_lag_frames{reader=\"shadow\"}", 0),
        ("sluice_net_datagrams_total", 41),
        ("sluice_shadow_agrees", 1),
        ("sluice_receive_to_commit_seconds_count", 2),
        (
            "sluice_receive_to_commit_seconds_bucket{le=\"0.000001023\"}",
            1,
        ),
        (
            "sluice_receive_to_commit_seconds_bucket{le=\"0.000002047\"}",
            2,
        ),
        ("sluice_receive_to_commit_seconds_bucket{le=\"+Inf\"}", 2),
    ] {
        assert_eq!(both[name], value as f64, "{name}");
    }
    assert!((both["sluice_receive_to_commit_seconds_sum"] - 2.4e-6).abs() < 1e-12);
    assert_eq!(slowpath.stop().code(), Some(0), "{}", slowpath.said());
}

/// Connections that say nothing neither take descriptors from the archive nor keep a scraper out for long.
#[test]
fn silent_connections_are_few_and_make_room() {
    let (instance, port) = with_metrics();
    let mut slowpath = instance.start_slowpath();
    slowpath.wait_for("metrics: http://127.0.0.1:");
    let silent: Vec<TcpStream> = (0..40)
        .map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap())
        .collect();
    let is_open = |stream: &TcpStream| {
        stream.set_nonblocking(true).unwrap();
        let seen = stream.peek(&mut [0]);
        seen.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    };
    let open = || silent.iter().filter(|stream| is_open(stream)).count();
    wait("those beyond the limit are closed", || open() <= 16);
    wait("the silent ones make room", || open() == 0);
    assert!(scrape(port).contains_key("sluice_up{process=\"slowpath\"}"));
    assert_eq!(slowpath.stop().code(), Some(0), "{}", slowpath.said());
}

#[test]
fn a_taken_address_is_told_and_stops_nothing() {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap();
    let instance = Instance::new(&format!("[metrics]\nbind = \"{address}\"\n"));
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    let mut slowpath = instance.start_slowpath();
    slowpath.wait_for("trouble: no metrics, trying again: listen on 127.0.0.1");
    instance.wait_archived(fastpath.head());
    drop(held);
    slowpath.wait_for("metrics: http://127.0.0.1:");
    assert_eq!(slowpath.stop().code(), Some(0), "{}", slowpath.said());
}

#[test]
fn refusals_are_counted_by_reason_and_each_once() {
    let (instance, port) = with_metrics();
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    fastpath.refused_order();
    let slowpath = instance.start_slowpath();
    slowpath.wait_for("archiving from");
    fastpath.refused_order();
    fastpath.refused_order();
    let reason = "sluice_rejects_total{reason=\"InvalidQuantity\"}";
    let count = || scrape(port).get(reason).copied();
    wait("they are counted", || count() == Some(2.0));
    drop(slowpath);

    let slowpath = instance.start_slowpath();
    slowpath.wait_for("archiving from");
    fastpath.refused_order();
    wait("it is counted", || count().is_some());
    assert_eq!(
        count(),
        Some(1.0),
        "what was there before may have been counted"
    );
}

#[test]
fn the_documentation_has_every_figure() {
    let page = include_str!("../../../docs/OPERATING.md");
    let measures = gateway::Measures::new().unwrap();
    let table = slowpath::metrics::table(&measures);
    assert!(table.lines().count() > 60);
    assert!(
        page.contains(&table),
        "docs/OPERATING.md should have\n{table}"
    );
}
