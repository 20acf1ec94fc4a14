//! How fast a store catches up: rows and frames a second, from a journal in memory into a database.
//!
//! `cargo run --release -p store --example store_rates -- sqlite:/tmp/rates.db 500000`; or with
//! `postgres://…`. The database must be empty. The time of the projection alone (engine and rows, no
//! database) stands beside it.
#![expect(clippy::print_stdout, reason = "this is what it prints")]

#[path = "../tests/exchange/mod.rs"]
mod exchange;

use exchange::{Exchange, SHARD, words};
use std::time::{Duration, Instant};
use store::{Batch, Database, Projection, Projector, StoreError, Written};

/// Frames of a flow of orders like that of the tests: passive orders, trades, cancels, amendments.
fn journal(frames: usize) -> Exchange {
    let mut exchange = Exchange::with_traders(1 << 40, 1 << 16);
    let mut words = words(7);
    while exchange.frames.len() < frames {
        exchange.act(words.next().unwrap_or_default());
    }
    exchange
}

fn project(exchange: &Exchange) -> Result<(usize, Duration), StoreError> {
    let (mut projection, mut batch) = (Projection::new(SHARD), Batch::default());
    let (begin, mut rows) = (Instant::now(), 0);
    for frame in exchange.frames_of(1, exchange.frames.len()) {
        projection.step(&frame, &mut batch)?;
        if batch.rows() >= store::BATCH_ROWS {
            rows += batch.rows();
            batch.clear();
        }
    }
    Ok((rows + batch.rows(), begin.elapsed()))
}

async fn store(exchange: &Exchange, database: &Database) -> Result<(usize, Duration), StoreError> {
    let mut projector = Projector::open(database, SHARD).await?;
    let (begin, mut rows) = (Instant::now(), 0);
    for frame in exchange.frames_of(1, exchange.frames.len()) {
        projector.take(&frame)?;
        if !projector.has_room() {
            rows += write(&mut projector).await?;
        }
    }
    rows += write(&mut projector).await?;
    Ok((rows, begin.elapsed()))
}

async fn write(projector: &mut Projector) -> Result<usize, StoreError> {
    match projector.write().await? {
        Written::Rows(rows) => Ok(rows),
        Written::StartAgain => Ok(0),
    }
}

fn say(what: &str, frames: usize, rows: usize, time: Duration) {
    let nanos = time.as_nanos().max(1);
    let rate = |count: usize| count as u128 * 1_000_000_000 / nanos;
    println!(
        "{what}: {frames} frames, {rows} rows in {} ms: {} frames/s, {} rows/s",
        time.as_millis(),
        rate(frames),
        rate(rows)
    );
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments
        .next()
        .ok_or("name a database: sqlite:PATH or postgres://…")?;
    let frames: usize = arguments
        .next()
        .map_or(Ok(200_000), |frames| frames.parse())?;
    let exchange = journal(frames);
    let frames = exchange.frames.len();
    let (rows, time) = project(&exchange)?;
    say("projection alone", frames, rows, time);
    let database = Database::new(&url)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (rows, time) = runtime.block_on(store(&exchange, &database))?;
    say(&database.name(), frames, rows, time);
    Ok(())
}
