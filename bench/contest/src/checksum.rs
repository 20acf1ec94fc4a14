//! What a core came to: how much traded, and a checksum of every trade in its order.

/// Trades, and what they come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How many.
    pub trades: u64,
    /// Lots.
    pub quantity: u64,
    /// Of each trade, in order.
    pub checksum: u64,
}

impl Outcome {
    /// Takes a trade in: both orders' ids (below 2^32), ticks, lots.
    #[inline]
    pub fn trade(&mut self, maker: u64, taker: u64, price: u32, qty: u32) {
        self.trades += 1;
        self.quantity += u64::from(qty);
        let orders = maker | taker << 32;
        let terms = u64::from(price) | u64::from(qty) << 32;
        let x = orders.wrapping_add(terms.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        let h = (self.checksum ^ x).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.checksum = h ^ (h >> 32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_its_formula_and_knows_the_order() {
        let mut outcome = Outcome::default();
        outcome.trade(1, 2, 3, 4);
        let x =
            (1_u64 | 2 << 32).wrapping_add((3_u64 | 4 << 32).wrapping_mul(0xD6E8_FEB8_6659_FD93));
        let h = x.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        assert_eq!(outcome.checksum, h ^ (h >> 32));
        let mut other = Outcome::default();
        other.trade(5, 6, 7, 8);
        other.trade(1, 2, 3, 4);
        outcome.trade(5, 6, 7, 8);
        assert_ne!(outcome, other);
        assert_eq!((outcome.trades, outcome.quantity), (2, 12));
    }
}
