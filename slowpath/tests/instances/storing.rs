//! The store's thread, in the slowpath process: killed, without its database, with another one.

use crate::instance::{Fastpath, Instance, Slowpath, wait};
use crate::snapshots::{EVERY, path, snapshot};
use domain::{AccountId, MarketId, Seq, SessionId};
use slowpath::attach;
use slowpath::counters::STORE_SEQ;
use slowpath::follower::Follower;
use slowpath::signals::Signals;
use slowpath::storing::{self, Storing};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use store::SCHEMA_VERSION;
use store::{Balance, Database, OrderFilter, Projector, Report, Snapshot, Store, Trade};

fn wait_stored(instance: &Instance, seq: u64) {
    wait("everything is in the store", || {
        instance.slow().counter(STORE_SEQ).unwrap() >= seq
    });
}

fn file(instance: &Instance) -> PathBuf {
    instance.config.state_dir().join("store.db")
}

/// Some of what a store has to say.
#[derive(Debug, PartialEq)]
struct Content {
    seq: Seq,
    trades: Vec<Trade>,
    orders: Vec<store::Order>,
    balances: Vec<Balance>,
    reports: Vec<Report>,
}

/// Everything about the small markets of these tests: less than 500 rows each.
fn content(url: &str) -> Content {
    let all = OrderFilter::default();
    storing::runtime().unwrap().block_on(async {
        let store = Store::new(&Database::new(url).unwrap(), 1);
        let trades = store.trades_of_market(MarketId(0), None, 500).await;
        let trades = trades.unwrap();
        let orders = store.orders(AccountId(1), all, None, 500).await.unwrap();
        let content = Content {
            seq: trades.seq,
            trades: trades.value,
            orders: orders.value,
            balances: store.balances(AccountId(2)).await.unwrap().value,
            reports: store.reports(SessionId(1), 1, 500).await.unwrap().value,
        };
        store.close().await;
        content
    })
}

/// The same, from a store that is made of the archive in one go.
fn made_of_archive(instance: &Instance, folder: &Path, seq: u64) -> Content {
    let url = format!("sqlite:{}", folder.join("reference.db").display());
    let database = Database::new(&url).unwrap();
    let shard = instance.config.instance.shard;
    let archive = Some(instance.config.archive_dir());
    let mut follower = Follower::new(archive, shard, None, Seq(1));
    storing::runtime().unwrap().block_on(async {
        let mut projector = Projector::open(&database, shard).await.unwrap();
        while follower.next_seq() <= Seq(seq) {
            let frame = follower.next(|| Seq(seq)).unwrap().unwrap();
            projector.take(&frame).unwrap();
        }
        projector.write().await.unwrap();
    });
    content(&url)
}

#[track_caller]
fn assert_complete(instance: &Instance, seq: u64) {
    let folder = tempfile::tempdir().unwrap();
    let content = content(&instance.config.store_url());
    assert_eq!(content.seq, Seq(seq));
    assert_eq!(content, made_of_archive(instance, folder.path(), seq));
}

fn stop(slowpath: &mut Slowpath) {
    assert_eq!(slowpath.stop().code(), Some(0), "{}", slowpath.said());
}

#[test]
fn killed_again_and_again_the_store_goes_on_where_it_stopped() {
    let instance = Instance::new("");
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    for round in 0..6 {
        let mut slowpath = instance.start_slowpath();
        fastpath.trade(60);
        // At another moment each time, also before it has begun.
        let goal = fastpath.head() - [0, 40, 20, 60, 5, 30][round];
        wait("the store has come so far", || {
            instance.slow().counter(STORE_SEQ).unwrap() + 61 > goal
        });
        slowpath.kill();
    }
    let mut slowpath = instance.start_slowpath();
    wait_stored(&instance, fastpath.head());
    let json = instance.sluice(&["status", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["slowpath"]["store"]["lag"], "0");
    stop(&mut slowpath);
    assert_complete(&instance, fastpath.head());
}

#[test]
fn it_begins_behind_the_newest_snapshot_that_holds_and_has_the_same_rows() {
    let instance = Instance::new(EVERY);
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    let mut slowpath = instance.start_slowpath();
    let [older, newest] = [(); 2].map(|()| snapshot(&instance, &mut fastpath, &slowpath));
    fastpath.trade_without_checkpoint(7);
    wait_stored(&instance, fastpath.head());
    stop(&mut slowpath);
    // None is written again in the place of a damaged one.
    instance.configure("[snapshots]\nevery_frames = 1_000_000\n");
    let damage = |seq| {
        let mut bytes = fs::read(path(&instance, seq)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
        fs::write(path(&instance, seq), bytes).unwrap();
    };
    for (damaged, begin) in [
        (None, Some(newest)),
        (Some(newest), Some(older)),
        (Some(older), None),
    ] {
        damaged.into_iter().for_each(damage);
        let mut slowpath = instance.start_slowpath();
        slowpath.wait_for("archiving from");
        fastpath.trade_without_checkpoint(7);
        wait_stored(&instance, fastpath.head());
        stop(&mut slowpath);
        let said = slowpath.said();
        let behind =
            begin.map(|seq| format!("the store begins behind the snapshot of seq {seq}\n"));
        match behind {
            Some(behind) => assert!(said.contains(&behind), "{said}"),
            None => assert!(!said.contains("the store begins"), "{said}"),
        }
        let refused =
            damaged.map(|seq| format!("the store does not begin with snapshot {seq:020}"));
        assert!(
            refused.is_none_or(|refused| said.contains(&refused)),
            "{said}"
        );
        assert_complete(&instance, fastpath.head());
    }
}

/// The index of snapshots, the newest first: seq, and whether it is there. None before there are tables.
fn indexed(instance: &Instance) -> Option<Vec<(u64, bool)>> {
    storing::runtime().unwrap().block_on(async {
        let store = Store::new(&Database::new(&instance.config.store_url()).unwrap(), 1);
        let index = store.snapshots(None, 500).await;
        store.close().await;
        let index = index.ok()?.value;
        for snapshot in &index {
            let file = path(instance, snapshot.seq.0);
            assert_eq!(file.file_name().unwrap().to_str(), Some(&*snapshot.path));
            if let Ok(metadata) = fs::metadata(&file) {
                assert_eq!((metadata.len(), snapshot.removed), (snapshot.bytes, None));
            }
        }
        let there = |snapshot: &Snapshot| (snapshot.seq.0, snapshot.removed.is_none());
        Some(index.iter().map(there).collect())
    })
}

#[track_caller]
fn wait_indexed(instance: &Instance, expected: &[(u64, bool)]) {
    wait(&format!("the index is {expected:?}"), || {
        indexed(instance).as_deref() == Some(expected)
    });
}

#[test]
fn the_index_of_snapshots_is_in_step_with_their_folder() {
    let instance = Instance::new(EVERY);
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    let mut slowpath = instance.start_slowpath();
    let [first, second] = [(); 2].map(|()| snapshot(&instance, &mut fastpath, &slowpath));
    wait_indexed(&instance, &[(second, true), (first, true)]);
    // Two are kept.
    let third = snapshot(&instance, &mut fastpath, &slowpath);
    let now = [(third, true), (second, true), (first, false)];
    wait_indexed(&instance, &now);
    slowpath.kill();

    // What happens meanwhile is found at the next start.
    fs::remove_file(path(&instance, second)).unwrap();
    let mut slowpath = instance.start_slowpath();
    let now = [(third, true), (second, false), (first, false)];
    wait_indexed(&instance, &now);
    empty(&instance);
    fastpath.trade_without_checkpoint(3);
    wait_indexed(&instance, &[(third, true)]);
    wait_stored(&instance, fastpath.head());
    stop(&mut slowpath);
    assert_complete(&instance, fastpath.head());
}

#[test]
fn a_snapshot_ahead_of_the_store_is_none_for_it() {
    let instance = Instance::new(EVERY);
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    let mut slowpath = instance.start_slowpath();
    snapshot(&instance, &mut fastpath, &slowpath);
    stop(&mut slowpath);
    // As if there had been no store until now.
    fs::remove_file(file(&instance)).unwrap();
    let mut slowpath = instance.start_slowpath();
    slowpath.wait_for("archiving from");
    stop(&mut slowpath);
    assert!(!slowpath.said().contains("the store begins"));
    assert_complete(&instance, fastpath.head());
}

#[test]
fn a_stop_takes_the_store_to_the_end() {
    let instance = Instance::new("");
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    let mut slowpath = instance.start_slowpath();
    slowpath.wait_for("archiving from");
    fastpath.trade(300);
    stop(&mut slowpath);
    assert_complete(&instance, fastpath.head());
}

/// Before the archive is open, and before everything is durable and checked.
#[test]
fn a_stop_takes_the_store_to_the_end_however_early_it_comes() {
    let instance = Instance::new("");
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    fastpath.trade(40);
    let end = fastpath.head();
    let places = attach::places(&instance.config);
    let boot_id = shm::boot_id().unwrap();
    let own = instance.own_region();
    let (journal, _) = attach::open_journal(&places, boot_id).unwrap().unwrap();
    let reach = |seq| {
        own.writer.set_durable_seq(seq);
        own.writer.set_shadow(seq, 0);
    };
    reach(end / 2);
    let storing = Storing::new(&instance.config, &journal, &own.writer);
    let storing = storing.unwrap().unwrap();
    let signals = Signals::default();
    signals.finish_at(Seq(end));
    std::thread::scope(|scope| {
        scope.spawn(|| storing.run(&signals));
        // Long enough for it to see the one before the other.
        std::thread::sleep(Duration::from_millis(50));
        signals.set_archive_open();
        wait_stored(&instance, end / 2);
        reach(end);
    });
    assert_eq!(content(&instance.config.store_url()).seq, Seq(end));
}

#[test]
fn without_its_database_archive_and_shadow_go_on_and_it_catches_up() {
    let instance = Instance::new("");
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    // A folder stands where the file should be.
    fs::create_dir_all(file(&instance)).unwrap();
    let mut slowpath = instance.start_slowpath();
    slowpath.wait_for("trouble: the store waits");
    fastpath.trade(100);
    instance.wait_archived(fastpath.head());
    wait("it is checked", || {
        instance.slow().shadow_seq() >= fastpath.head()
    });
    let status = instance.sluice(&["status"]);
    assert_eq!(status.code, 1, "{status:?}");
    assert!(status.out.contains("the store falls behind"), "{status:?}");
    assert!(status.out.contains("store      seq 0, lag"), "{status:?}");

    fs::remove_dir(file(&instance)).unwrap();
    slowpath.wait_for("trouble over");
    wait_stored(&instance, fastpath.head());
    assert_eq!(instance.sluice(&["status"]).code, 0);
    assert_eq!(slowpath.said().matches("trouble:").count(), 1, "said once");
    stop(&mut slowpath);
    assert_complete(&instance, fastpath.head());
}

#[test]
fn a_file_that_is_deleted_is_made_again() {
    let instance = Instance::new("");
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    let mut slowpath = instance.start_slowpath();
    fastpath.trade(100);
    wait_stored(&instance, fastpath.head());
    fs::remove_file(file(&instance)).unwrap();
    fastpath.trade(20);
    slowpath.wait_for("was removed or replaced");
    slowpath.wait_for("reading the journal again");
    wait_stored(&instance, fastpath.head());
    stop(&mut slowpath);
    assert_complete(&instance, fastpath.head());
}

#[test]
fn init_db_makes_the_tables_and_empties_them_when_no_slowpath_runs() {
    let instance = Instance::new("");
    let made = instance.sluice(&["init-db"]);
    assert_eq!(made.code, 0, "{made:?}");
    assert!(
        made.out.contains(&format!(
            "made the tables, version {SCHEMA_VERSION}, for shard 3"
        )),
        "{made:?}"
    );
    let again = instance.sluice(&["init-db"]);
    assert!(
        again.out.contains(&format!(
            "version {SCHEMA_VERSION} already\nprojected to seq 0"
        )),
        "{again:?}"
    );

    let empty_already = instance.sluice(&["init-db", "--rebuild"]);
    assert!(
        empty_already.out.contains("there was nothing to empty"),
        "{empty_already:?}"
    );

    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    let mut slowpath = instance.start_slowpath();
    fastpath.trade(50);
    wait_stored(&instance, fastpath.head());
    let refused = instance.sluice(&["init-db", "--rebuild"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.err.contains("stop it first"), "{refused:?}");
    // Whoever empties it all the same is noticed.
    empty(&instance);
    fastpath.trade(10);
    slowpath.wait_for("reading the journal again");
    wait_stored(&instance, fastpath.head());
    stop(&mut slowpath);
    assert_complete(&instance, fastpath.head());
    let emptied = instance.sluice(&["init-db", "--rebuild"]);
    let text = format!("emptied what was projected to seq {}", fastpath.head());
    assert!(emptied.out.contains(&text), "{emptied:?}");
    let mut slowpath = instance.start_slowpath();
    wait_stored(&instance, fastpath.head());
    stop(&mut slowpath);
    assert_complete(&instance, fastpath.head());
}

/// Empties the store under whoever writes it.
fn empty(instance: &Instance) {
    let database = storing::database(&instance.config).unwrap();
    let runtime = storing::runtime().unwrap();
    runtime.block_on(store::empty(&database, 3)).unwrap();
}

#[test]
fn a_store_of_another_history_stops_and_nothing_else_does() {
    let instance = Instance::new("");
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    let mut slowpath = instance.start_slowpath();
    fastpath.trade(30);
    wait_stored(&instance, fastpath.head());
    stop(&mut slowpath);

    let other = Instance::new("");
    fs::create_dir_all(other.config.state_dir()).unwrap();
    fs::copy(file(&instance), file(&other)).unwrap();
    let mut fastpath = Fastpath::start(&other);
    fastpath.genesis();
    let mut slowpath = other.start_slowpath();
    // Other orders, at other times.
    fastpath.trade(3);
    fastpath.trade(40);
    slowpath.wait_for("alarm: the store stops: the store follows another history");
    other.wait_archived(fastpath.head());
    assert!(slowpath.said().contains("sluice init-db --rebuild"));
    let status = other.sluice(&["status"]);
    assert!(status.out.contains("the store falls behind"), "{status:?}");
    stop(&mut slowpath);

    assert_eq!(other.sluice(&["init-db", "--rebuild"]).code, 0);
    let mut slowpath = other.start_slowpath();
    wait_stored(&other, fastpath.head());
    stop(&mut slowpath);
    assert_complete(&other, fastpath.head());
}

#[test]
fn without_a_store_none_is_made() {
    let instance = Instance::new("[store]\nenabled = false\n");
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    let mut slowpath = instance.start_slowpath();
    instance.wait_archived(fastpath.head());
    assert!(instance.sluice(&["status"]).out.contains("store      off"));
    let refused = instance.sluice(&["init-db"]);
    assert!(
        refused.err.contains("store.enabled is false"),
        "{refused:?}"
    );
    stop(&mut slowpath);
    assert!(!file(&instance).exists());
}

#[test]
fn nothing_is_stored_that_the_shadow_engine_does_not_agree_with() {
    let instance = Instance::new("");
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    fastpath.trade(40);
    let good = fastpath.head();
    fastpath.falsify = Some(good + 5);
    fastpath.trade(40);
    let mut slowpath = instance.start_slowpath();
    slowpath.wait_for("alarm: the shadow engine stops");
    instance.wait_archived(fastpath.head());
    assert_eq!(slowpath.stop().code(), Some(1));
    let said = slowpath.said();
    assert!(!said.contains("alarm: the store"), "{said}");
    assert!(instance.slow().counter(STORE_SEQ).unwrap() < good + 5);
}

#[test]
fn what_is_durable_and_checked_is_stored_and_nothing_beyond() {
    let instance = Instance::new("");
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    fastpath.trade(60);
    let places = attach::places(&instance.config);
    let boot_id = shm::boot_id().unwrap();
    let own = instance.own_region();
    let (journal, _) = attach::open_journal(&places, boot_id).unwrap().unwrap();
    for (durable, checked) in [(30, 20), (30, 50), (40, 50)] {
        own.writer.set_durable_seq(durable);
        own.writer.set_shadow(checked, 0);
        let expected = Seq(durable.min(checked));
        let signals = Signals::default();
        signals.set_archive_open();
        signals.finish_at(expected);
        let storing = Storing::new(&instance.config, &journal, &own.writer);
        storing.unwrap().unwrap().run(&signals);
        assert_eq!(content(&instance.config.store_url()).seq, expected);
    }
}
