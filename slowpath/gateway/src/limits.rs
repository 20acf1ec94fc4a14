//! Rate limits: requests by address, orders by user.

use crate::problem::Problem;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::net::IpAddr;
use std::num::NonZeroU32;

/// Addresses or users that are remembered before those that are idle are forgotten.
const MOST: usize = 1 << 16;

/// See the module.
pub(crate) struct Limits {
    addresses: DefaultKeyedRateLimiter<IpAddr>,
    orders: DefaultKeyedRateLimiter<[u8; 32]>,
}

fn quota(rate: u32) -> Quota {
    Quota::per_second(NonZeroU32::new(rate).unwrap_or(NonZeroU32::MIN))
}

impl Limits {
    /// So many requests per second of an address, and so many orders of a user.
    pub(crate) fn new(address_rate: u32, order_rate: u32) -> Self {
        Self {
            addresses: RateLimiter::keyed(quota(address_rate)),
            orders: RateLimiter::keyed(quota(order_rate)),
        }
    }

    /// Counts a request of an address. Of IPv6 the first 64 bits count, which one user owns together.
    pub(crate) fn request(&self, address: IpAddr) -> Result<(), Problem> {
        if self.addresses.len() > MOST {
            self.addresses.retain_recent();
        }
        let key = match address.to_canonical() {
            IpAddr::V6(v6) => {
                let network = v6.to_bits() & (u128::MAX << 64);
                IpAddr::V6(network.into())
            }
            v4 @ IpAddr::V4(_) => v4,
        };
        check(&self.addresses, &key, "of this address")
    }

    /// Counts an order of a user.
    pub(crate) fn order(&self, wallet: &[u8; 32]) -> Result<(), Problem> {
        if self.orders.len() > MOST {
            self.orders.retain_recent();
        }
        check(&self.orders, wallet, "with orders of this user")
    }
}

fn check<K: std::hash::Hash + Eq + Clone>(
    limiter: &DefaultKeyedRateLimiter<K>,
    key: &K,
    whose: &str,
) -> Result<(), Problem> {
    limiter.check_key(key).map_err(|until| {
        let wait = until.wait_time_from(DefaultClock::default().now());
        let seconds = wait.as_secs() + 1;
        let text = format!("too many requests {whose}: wait {} ms", wait.as_millis());
        Problem::too_many(text, u32::try_from(seconds).unwrap_or(u32::MAX))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_and_user_has_its_own_budget() {
        let limits = Limits::new(2, 1);
        let [a, b] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().unwrap());
        assert!(limits.request(a).is_ok() && limits.request(a).is_ok());
        assert!(
            limits
                .request(a)
                .is_err_and(|problem| problem.status() == 429)
        );
        assert!(limits.request(b).is_ok());
        assert!(limits.order(&[1; 32]).is_ok());
        assert!(limits.order(&[1; 32]).is_err());
        assert!(limits.order(&[2; 32]).is_ok());
    }

    #[test]
    fn addresses_of_one_network_share_a_budget() {
        let limits = Limits::new(1, 1);
        assert!(limits.request("2001:db8::1".parse().unwrap()).is_ok());
        assert!(limits.request("2001:db8::2".parse().unwrap()).is_err());
        assert!(limits.request("2001:db8:0:1::1".parse().unwrap()).is_ok());
        assert!(limits.request("::ffff:10.0.0.1".parse().unwrap()).is_ok());
        assert!(limits.request("10.0.0.1".parse().unwrap()).is_err());
    }
}
