//! Databases that are killed, full, locked, deleted: no hole, no double.

use crate::claims::CutOff;
use crate::exchange::{BEGIN, Exchange, SHARD};
use crate::tables::{assert_same, bring_up, busy, dump, run};
use crate::{Place, limit, sql};
use domain::{CommandKind, Effects, MAX_FILLS, MarketState, Side, Source, Stamp};
use engine::Engine;
use journal::Chain;
use sqlx::{Connection as _, Executor as _};
use std::path::Path;
use std::process::Command;
use store::{Asked, Database, Projector, Role, Store, StoreError, Written};

async fn whole(exchange: &Exchange) -> (Place, usize) {
    let place = Place::new();
    let frames = exchange.frames.len();
    bring_up(&place.url, exchange, frames, frames)
        .await
        .unwrap();
    (place, frames)
}

#[test]
fn a_writer_that_ends_at_any_step_leaves_no_hole_and_no_double() {
    let exchange = busy(21, 300);
    run(async {
        let (reference, frames) = whole(&exchange).await;
        let place = Place::new();
        let mut cut = 0;
        for steps in 0.. {
            let work = bring_up(&place.url, &exchange, frames, 37);
            match CutOff::new(work, steps).await {
                None => cut += 1,
                Some(ended) => {
                    ended.unwrap();
                    break;
                }
            }
        }
        assert!(cut > 15, "cut off {cut} times");
        assert_same(&dump(&place.url).await, &dump(&reference.url).await);
    });
}

#[test]
fn a_store_that_stops_anywhere_goes_on_there() {
    let exchange = busy(22, 400);
    run(async {
        let (reference, frames) = whole(&exchange).await;
        let place = Place::new();
        for (to, batch) in [
            (1, 1),
            (2, 5),
            (30, 7),
            (31, 1),
            (200, 64),
            (200, 3),
            (frames, 11),
        ] {
            bring_up(&place.url, &exchange, to, batch).await.unwrap();
        }
        assert_same(&dump(&place.url).await, &dump(&reference.url).await);
    });
}

/// The state behind so many frames, and what the next one must continue.
fn state_behind(exchange: &Exchange, frames: usize) -> (Engine, Chain) {
    let (mut engine, mut chain) = (Engine::new(), Chain::new(SHARD));
    let mut effects = Effects::new();
    for frame in exchange.frames_of(1, frames) {
        chain.check(&frame).unwrap();
        let stamp = Stamp {
            seq: frame.header.seq,
            time: frame.header.engine_time,
        };
        engine.apply(stamp, &frame.request(), &mut effects);
    }
    (engine, chain)
}

/// A busy exchange in which a large order then trades for several frames.
fn with_a_long_sweep() -> Exchange {
    let mut exchange = busy(29, 600);
    exchange.set_state(0, MarketState::Continuous);
    let long = 2 * MAX_FILLS as u64;
    for account in 0..2 {
        exchange.deposit(account, account, 1_000_000);
    }
    for id in 0..long {
        exchange.order(0, limit(1_000_000 + id, Side::Sell, 300, 1));
    }
    exchange.order(1, limit(2_000_000, Side::Buy, 300, 2_000));
    exchange
}

/// Brings a store to frame `to`, and then to the end by a projector that begins behind frame `state`.
async fn go_on_behind(exchange: &Exchange, to: usize, state: usize) -> (Place, StoreResult) {
    let place = Place::new();
    bring_up(&place.url, exchange, to, 7).await.unwrap();
    let database = Database::new(&place.url).unwrap();
    let mut projector = Projector::open(&database, SHARD).await.unwrap();
    let (engine, chain) = state_behind(exchange, state);
    let begun = projector.begin_behind(engine, chain);
    let done = match begun {
        Ok(()) => go_on(&mut projector, exchange).await,
        Err(error) => Err(error),
    };
    (place, done)
}

type StoreResult = Result<Written, StoreError>;

#[test]
fn a_projector_that_begins_behind_a_state_writes_the_same_rows() {
    let exchange = with_a_long_sweep();
    run(async {
        let (reference, frames) = whole(&exchange).await;
        let reference = dump(&reference.url).await;
        let (within, _) = state_behind(&exchange, frames - 1);
        assert!(within.pending_work().is_some(), "the last frame goes on");
        for (to, state) in [
            (1, 0),
            (1, 1),
            (40, 39),
            (200, 100),
            (frames - 1, frames - 1),
            (frames - 1, 30),
            (frames, frames),
        ] {
            let (place, done) = go_on_behind(&exchange, to, state).await;
            done.unwrap();
            assert_same(&dump(&place.url).await, &reference);
        }
    });
}

#[test]
fn a_projector_that_begins_behind_a_state_refuses_rows_that_do_not_fit_it() {
    let exchange = busy(29, 300);
    run(async {
        let frames = exchange.frames.len();
        for (statement, seen) in [
            (
                "UPDATE orders SET leaves = leaves + 1 WHERE status IN (0, 1, 4)",
                true,
            ),
            (
                "UPDATE orders SET status = 3 WHERE status IN (0, 1, 4)",
                true,
            ),
            ("UPDATE orders SET reason = reason", false),
        ] {
            let place = Place::new();
            bring_up(&place.url, &exchange, frames, 50).await.unwrap();
            sql(&place.url, statement).await;
            let database = Database::new(&place.url).unwrap();
            let mut projector = Projector::open(&database, SHARD).await.unwrap();
            let (engine, chain) = state_behind(&exchange, frames);
            let begun = projector.begin_behind(engine, chain);
            let refused = matches!(begun, Err(StoreError::Orders(_)));
            assert_eq!(refused, seen, "{statement}: {begun:?}");
        }
        // The same frames, but another one at the end.
        let other = busy(30, 300);
        let place = Place::new();
        bring_up(&place.url, &exchange, 100, 50).await.unwrap();
        let database = Database::new(&place.url).unwrap();
        let mut projector = Projector::open(&database, SHARD).await.unwrap();
        let (engine, chain) = state_behind(&other, 100);
        let begun = projector.begin_behind(engine, chain);
        assert!(
            matches!(
                begun,
                Err(StoreError::History {
                    seq: domain::Seq(100),
                    ..
                })
            ),
            "{begun:?}"
        );
    });
}

/// Takes all frames from where the projector stands and writes them, a hundred at a time.
async fn go_on(projector: &mut Projector, exchange: &Exchange) -> Result<Written, StoreError> {
    let next = usize::try_from(projector.last_seq().0).unwrap() + 1;
    for frame in exchange.frames_of(next, exchange.frames.len()) {
        projector.take(&frame)?;
        if frame.header.seq.0 % 100 == 0 {
            projector.write().await?;
        }
    }
    projector.write().await
}

/// A full disk: a tmpfs where that may be mounted; else nothing.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let disk = Self(folder);
        disk.mount_with("size=260k").then_some(disk)
    }

    fn mount_with(&self, options: &str) -> bool {
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(self.0.path());
        mount.output().is_ok_and(|done| done.status.success())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _gone = Command::new("umount").arg(self.0.path()).output();
    }
}

#[test]
fn a_full_disk_is_waited_out() {
    // Where no file system may be mounted (only root may) there is nothing to fill.
    let Some(disk) = SmallDisk::mount() else {
        println!("not run: only root may mount the small file system that this fills");
        return;
    };
    let exchange = busy(23, 1_500);
    run(async {
        let (reference, _) = whole(&exchange).await;
        let url = format!("sqlite:{}", disk.path().join("store.db").display());
        let mut projector = Projector::open(&Database::new(&url).unwrap(), SHARD)
            .await
            .unwrap();
        let full = go_on(&mut projector, &exchange).await.unwrap_err();
        assert!(
            full.can_pass() && full.to_string().contains("full"),
            "{full}"
        );
        for _again in 0..3 {
            assert!(projector.write().await.unwrap_err().can_pass());
        }
        assert!(disk.mount_with("remount,size=64m"));
        projector.write().await.unwrap();
        go_on(&mut projector, &exchange).await.unwrap();
        assert_same(&dump(&url).await, &dump(&reference.url).await);
    });
}

#[test]
fn a_commit_whose_answer_was_lost_is_found_and_not_repeated() {
    let exchange = busy(24, 200);
    run(async {
        let (reference, frames) = whole(&exchange).await;
        let place = Place::new();
        let database = Database::new(&place.url).unwrap();
        let mut projector = Projector::open(&database, SHARD).await.unwrap();
        for frame in exchange.frames_of(1, frames) {
            projector.take(&frame).unwrap();
        }
        let lock = Lock::take(&place.url).await;
        projector.write().await.unwrap_err();
        lock.give_back().await;
        // Somebody else writes the same: as if our own commit had gone through unheard.
        bring_up(&place.url, &exchange, frames, frames)
            .await
            .unwrap();
        assert_eq!(projector.write().await.unwrap(), Written::Rows(0));
        assert!(!projector.has_rows_to_write());
        assert_same(&dump(&place.url).await, &dump(&reference.url).await);
    });
}

#[test]
fn a_projector_that_is_overtaken_starts_again() {
    let exchange = busy(24, 200);
    run(async {
        let (place, frames) = whole(&exchange).await;
        let before = dump(&place.url).await;
        let other = Place::new();
        let database = Database::new(&other.url).unwrap();
        let mut projector = Projector::open(&database, SHARD).await.unwrap();
        for frame in exchange.frames_of(1, 50) {
            projector.take(&frame).unwrap();
        }
        bring_up(&other.url, &exchange, 70, 10).await.unwrap();
        assert_eq!(projector.write().await.unwrap(), Written::StartAgain);
        bring_up(&other.url, &exchange, frames, 10).await.unwrap();
        assert_same(&dump(&other.url).await, &before);
    });
}

#[test]
fn a_database_that_went_back_or_was_deleted_is_made_again() {
    let exchange = busy(25, 200);
    run(async {
        let (reference, frames) = whole(&exchange).await;
        let place = Place::new();
        let database = Database::new(&place.url).unwrap();
        let mut projector = Projector::open(&database, SHARD).await.unwrap();
        for frame in exchange.frames_of(1, 100) {
            projector.take(&frame).unwrap();
        }
        projector.write().await.unwrap();
        for frame in exchange.frames_of(101, frames) {
            projector.take(&frame).unwrap();
        }
        std::fs::remove_file(database.file().unwrap()).unwrap();
        let gone = projector.write().await.unwrap_err();
        assert!(
            matches!(gone, StoreError::Gone(_)) && gone.can_pass(),
            "{gone}"
        );
        assert_eq!(projector.write().await.unwrap(), Written::StartAgain);
        bring_up(&place.url, &exchange, frames, 50).await.unwrap();
        assert_same(&dump(&place.url).await, &dump(&reference.url).await);
    });
}

/// SQLite's one write lock, in other hands.
struct Lock(sqlx::AnyConnection);

impl Lock {
    async fn take(url: &str) -> Self {
        let mut connection = sqlx::AnyConnection::connect(url).await.unwrap();
        connection.execute("BEGIN IMMEDIATE").await.unwrap();
        Self(connection)
    }

    async fn give_back(mut self) {
        self.0.execute("ROLLBACK").await.unwrap();
        self.0.close().await.unwrap();
    }
}

#[test]
fn a_locked_database_is_an_error_that_passes() {
    let exchange = busy(26, 100);
    run(async {
        let (reference, _) = whole(&exchange).await;
        let place = Place::new();
        let database = Database::new(&place.url).unwrap();
        let mut projector = Projector::open(&database, SHARD).await.unwrap();
        let lock = Lock::take(&place.url).await;
        let locked = go_on(&mut projector, &exchange).await.unwrap_err();
        assert!(
            locked.can_pass() && locked.to_string().contains("locked"),
            "{locked}"
        );
        lock.give_back().await;
        projector.write().await.unwrap();
        go_on(&mut projector, &exchange).await.unwrap();
        assert_same(&dump(&place.url).await, &dump(&reference.url).await);
    });
}

#[test]
fn rows_of_a_frame_that_is_there_already_are_refused_by_the_tables_too() {
    let exchange = busy(27, 100);
    run(async {
        let (place, frames) = whole(&exchange).await;
        let before = dump(&place.url).await;
        // Even if progress is set back by hand, what is written once cannot be written again.
        sql(&place.url, "UPDATE system SET last_seq = 0, last_crc = 0").await;
        let refused = bring_up(&place.url, &exchange, frames, 50)
            .await
            .unwrap_err();
        assert!(matches!(refused, StoreError::Database(_)), "{refused}");
        let mut after = dump(&place.url).await;
        after.insert("system", before["system"].clone());
        assert_same(&before, &after);
    });
}

/// What the gateway writes before it sends a deposit.
fn asked(number: u64) -> Asked {
    Asked {
        source: Source::DEPOSITS,
        number,
        command: CommandKind::Deposit,
        payload: vec![7],
        wallet: [7; 32],
        time: BEGIN,
        request: Some(format!("request {number}")),
    }
}

async fn is_asked(store: &Store, number: u64) -> bool {
    let found = store.asked_as(&format!("request {number}")).await.unwrap();
    found == Some(asked(number))
}

/// As on a full disk: SQLite takes the whole transaction back by itself.
#[test]
fn what_is_kept_after_sqlite_took_back_a_transaction_is_on_disk() {
    let place = Place::new();
    run(async {
        bring_up(&place.url, &busy(28, 60), 60, 60).await.unwrap();
        let store = place.store();
        store.add_asked(&asked(1)).await.unwrap();
        sql(
            &place.url,
            "CREATE TRIGGER full BEFORE INSERT ON asked BEGIN SELECT RAISE(ROLLBACK, 'full'); END",
        )
        .await;
        for number in [2, 3] {
            let full = store.add_asked(&asked(number)).await.unwrap_err();
            assert!(
                full.can_pass() && full.to_string().contains("full"),
                "{full}"
            );
        }
        sql(&place.url, "DROP TRIGGER full").await;
        store.add_asked(&asked(4)).await.unwrap();
        // Neither the row nor the lock is kept back from others.
        let other = place.store();
        for (number, is_kept) in [(1, true), (2, false), (3, false), (4, true)] {
            assert_eq!(is_asked(&other, number).await, is_kept, "{number}");
        }
        other.add_asked(&asked(5)).await.unwrap();
        assert!(is_asked(&store, 5).await);
    });
}

#[test]
fn what_the_gateway_keeps_on_a_full_disk_is_refused_and_later_on_disk() {
    let Some(disk) = SmallDisk::mount() else {
        println!("not run: only root may mount the small file system that this fills");
        return;
    };
    // Room for the tables, and for some rows.
    assert!(disk.mount_with("remount,size=2m"));
    let url = format!("sqlite:{}", disk.path().join("store.db").display());
    let database = Database::new(&url).unwrap();
    run(async {
        store::prepare(&database, SHARD).await.unwrap();
        let store = Store::new(&database, 1);
        let large = |number: u64| Asked {
            payload: vec![7; 30_000],
            ..asked(number)
        };
        let mut kept = 0;
        let full = loop {
            match store.add_asked(&large(kept)).await {
                Ok(()) => kept += 1,
                Err(full) => break full,
            }
        };
        assert!(kept > 0 && full.to_string().contains("full"), "{full}");
        for number in 100..103 {
            store.add_asked(&large(number)).await.unwrap_err();
        }
        assert!(disk.mount_with("remount,size=64m"));
        store.add_asked(&asked(200)).await.unwrap();
        let other = Store::new(&database, 1);
        assert!(is_asked(&other, 200).await && !is_asked(&other, 100).await);
        other.add_asked(&asked(201)).await.unwrap();
    });
}

#[test]
fn what_the_gateway_keeps_is_never_kept_in_a_file_that_was_deleted() {
    let place = Place::new();
    let exchange = busy(28, 60);
    run(async {
        bring_up(&place.url, &exchange, 60, 60).await.unwrap();
        let database = Database::new(&place.url).unwrap();
        let store = place.store();
        store.add_asked(&asked(1)).await.unwrap();
        store.role([7; 32]).await.unwrap();
        for more in ["", "-wal", "-shm"] {
            let mut file = database.file().unwrap().into_os_string();
            file.push(more);
            // The log is gone with the last other connection, or not.
            let _gone = std::fs::remove_file(file);
        }
        let gone = [
            store.add_asked(&asked(2)).await.map(drop),
            store.role([7; 32]).await.map(drop),
        ];
        for gone in gone {
            let gone = gone.unwrap_err();
            assert!(
                matches!(gone, StoreError::Gone(_)) && gone.can_pass(),
                "{gone}"
            );
        }
        let without_tables = store.add_asked(&asked(2)).await.unwrap_err();
        assert!(without_tables.can_pass(), "{without_tables}");
        bring_up(&place.url, &exchange, 60, 60).await.unwrap();
        store.add_asked(&asked(2)).await.unwrap();
        assert_eq!(store.role([7; 32]).await.unwrap(), Role::User);
        let other = place.store();
        assert!(is_asked(&other, 2).await && !is_asked(&other, 1).await);
    });
}

#[test]
fn a_damaged_file_is_said_to_be_and_what_helps() {
    let exchange = busy(28, 60);
    run(async {
        for damage in [0, 100] {
            let place = Place::new();
            bring_up(&place.url, &exchange, 60, 60).await.unwrap();
            let database = Database::new(&place.url).unwrap();
            let file = database.file().unwrap();
            // All of it is in the file then, and nothing in its log.
            sql(&place.url, "PRAGMA wal_checkpoint(TRUNCATE)").await;
            let mut bytes = std::fs::read(&file).unwrap();
            // The head of the file, or the first page's.
            bytes[damage..damage + 8].fill(0xee);
            std::fs::write(&file, bytes).unwrap();
            let refused = store::empty(&database, SHARD).await.unwrap_err();
            assert!(
                refused.is_damage() && refused.to_string().contains("move it"),
                "{refused}"
            );
            let kept = place.store().add_asked(&asked(1)).await.unwrap_err();
            assert!(kept.is_damage(), "{kept}");
        }
        let nowhere = Database::new("sqlite:/nowhere/store.db").unwrap();
        let refused = store::empty(&nowhere, SHARD).await.unwrap_err();
        assert!(!refused.is_damage(), "{refused}");
    });
}
