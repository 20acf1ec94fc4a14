//! Bytes of strangers, and of clients gone wrong.

use anyhow::{Result, ensure};
use bench::random::Random;
use bench::swarm::Swarm;
use domain::SessionId;
use std::time::Duration;
use topology::instruments::{net, tile_kind};

use super::{PLAN, counter, pace, settle, start, swarm};

/// Any bytes to the port: counted, answered or dropped, and the exchange goes on.
pub(super) fn hostile_bytes() -> Result<String> {
    let mut instance = start(&PLAN)?;
    let mut swarm = swarm(&instance, PLAN.sessions)?;
    let mut random = Random(11);
    for place in 0..swarm.sessions() {
        swarm.order(place, 0, 9_000, 1)?;
    }
    settle(&mut swarm)?;
    let accepted = swarm.tally.accepted;
    for round in 0..20_000_usize {
        let place = round % swarm.sessions();
        let sign = round % 3 != 0;
        let cut = usize::try_from(random.below(90))?;
        match random.below(4) {
            0 => {
                let bytes: Vec<u8> = (0..cut * 16)
                    .map(|_| random.draw().to_le_bytes()[0])
                    .collect();
                swarm.raw(&bytes)?;
            }
            1 => swarm.spoiled(place, |bytes| bytes.truncate(cut), sign)?,
            _ => swarm.spoiled(place, |bytes| spoil(bytes, &mut random), sign)?,
        }
        pace(&mut swarm, round)?;
    }
    settle(&mut swarm)?;
    let fast = instance.fast()?;
    for number in [net::garbage, net::wrong_mac, net::malformed] {
        ensure!(
            counter(&fast, tile_kind::NET, number)? > 0,
            "{} was not counted",
            net::NAMES[number]
        );
    }
    ensure!(
        swarm.tally.refused > 0,
        "nothing was answered with a reason: {:?}",
        swarm.tally
    );
    let before = swarm.tally;
    let newcomer = SessionId(1);
    let mut fresh = Swarm::new(instance.port, vec![instance.session_secret(newcomer)?])?;
    fresh.establish(Duration::from_secs(10))?;
    fresh.order(0, 0, 9_000, 1)?;
    settle(&mut fresh)?;
    ensure!(
        fresh.tally.accepted + fresh.tally.rejected == 1,
        "no answer: {:?}",
        fresh.tally
    );
    instance.stop()?;
    Ok(format!(
        "20,000 datagrams after {accepted} orders: {before:?}; still serving"
    ))
}

fn spoil(bytes: &mut [u8], random: &mut Random) {
    for _ in 0..=random.below(4) {
        flip(bytes, random);
    }
    // Keep session and epoch, or nothing would pass the first look.
    if bytes.len() > 24 && random.below(2) == 0 {
        let number = random.draw().to_le_bytes();
        bytes[16..24].copy_from_slice(&number);
    }
}

pub(super) fn flip(bytes: &mut [u8], random: &mut Random) {
    let place = usize::try_from(random.below(bytes.len() as u64)).unwrap_or(0);
    if let Some(byte) = bytes.get_mut(place) {
        *byte ^= 1 << random.below(8);
    }
}
