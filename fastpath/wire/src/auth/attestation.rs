//! What a session attests: the running hash of its commands, and the bytes that it signs.

use domain::{Command, SessionId};
use sha2::{Digest as _, Sha256};

const BEGINNING: &[u8] = b"sluice attestation v1";
const SIGNED: &[u8; 20] = b"sluice attest sign 1";

/// The running hash over all commands of a session that stand in the journal, in their order, which is that of their
/// numbers. It is made of what is journalled, so whoever has the journal has it too (docs/WIRE.md, "Attestation").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunningHash([u8; 32]);

impl RunningHash {
    /// Bytes of a hash.
    pub const BYTES: usize = 32;
    /// Bytes that are signed.
    pub const SIGNED_BYTES: usize = 52;

    /// From the bytes that [`to_bytes`](Self::to_bytes) gave: whoever kept it goes on with it.
    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes. They are no secret: whoever has the journal has them.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        self.0
    }

    /// Of a session of a shard, before its first command.
    #[must_use]
    pub fn begin(shard: u16, session: SessionId) -> Self {
        let hash = Sha256::new()
            .chain_update(BEGINNING)
            .chain_update(shard.to_le_bytes())
            .chain_update(session.0.to_le_bytes());
        Self(hash.finalize().into())
    }

    /// The session's next command in the journal, and its number. An [`Attest`](domain::Attest) is one as well.
    pub fn take(&mut self, number: u64, command: &Command) {
        let hash = Sha256::new()
            .chain_update(self.0)
            .chain_update(command.kind().number().to_le_bytes())
            .chain_update(number.to_le_bytes())
            .chain_update(command.body());
        self.0 = hash.finalize().into();
    }

    /// What an `Attest` that comes next holds the ed25519 signature of.
    #[must_use]
    pub fn signed(&self) -> [u8; Self::SIGNED_BYTES] {
        let mut bytes = [0; Self::SIGNED_BYTES];
        let (front, hash) = bytes.split_at_mut(SIGNED.len());
        front.copy_from_slice(SIGNED);
        hash.copy_from_slice(&self.0);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{ClientOrderId, MarketId, NewOrder, Price, Qty};

    fn hexadecimal(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn order(price: i64) -> Command {
        Command::NewOrder(NewOrder {
            client_order_id: ClientOrderId(1001),
            price: Price(price),
            qty: Qty(10),
            market: MarketId(2),
            ..NewOrder::PLAIN
        })
    }

    /// The example of docs/WIRE.md.
    #[test]
    fn the_documented_example_holds() {
        let page = include_str!("../../../../docs/WIRE.md");
        let mut hash = RunningHash::begin(3, SessionId(7));
        let mut told = vec![hexadecimal(&hash.0)];
        hash.take(1, &order(500));
        told.push(hexadecimal(&hash.0));
        told.push(hexadecimal(&hash.signed()));
        for line in told {
            assert!(page.contains(&line), "{line} does not stand there");
        }
    }

    #[test]
    fn every_part_of_a_command_and_its_place_count() {
        let begun = RunningHash::begin(3, SessionId(7));
        let after = |commands: &[(u64, Command)]| {
            let mut hash = begun;
            for (number, command) in commands {
                hash.take(*number, command);
            }
            hash
        };
        let (first, second) = (order(500), order(501));
        let hashes = [
            begun,
            RunningHash::begin(3, SessionId(8)),
            RunningHash::begin(4, SessionId(7)),
            after(&[(1, first)]),
            after(&[(2, first)]),
            after(&[(1, second)]),
            after(&[(1, first), (2, second)]),
            after(&[(1, second), (2, first)]),
        ];
        for (at, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..at].contains(hash), "{at}");
        }
    }
}
