//! Rate limits: requests and new accounts by address, orders and delegations by user.

use crate::address::network;
use crate::problem::Problem;
use governor::clock::{Clock as _, DefaultClock, QuantaInstant};
use governor::{
    DefaultDirectRateLimiter, DefaultKeyedRateLimiter, InsufficientCapacity, NotUntil, Quota,
    RateLimiter,
};
use std::net::IpAddr;
use std::num::NonZeroU32;
use topology::Gateway;

/// Addresses or users that are remembered before those that are idle are forgotten.
const MOST: usize = 1 << 16;
/// Delegations and revocations of a user in a minute: each is journalled and kept.
const DELEGATIONS: u32 = 30;

/// See the module.
pub(crate) struct Limits {
    addresses: DefaultKeyedRateLimiter<IpAddr>,
    orders: DefaultKeyedRateLimiter<[u8; 32]>,
    delegations: DefaultKeyedRateLimiter<[u8; 32]>,
    address_registrations: DefaultKeyedRateLimiter<IpAddr>,
    registrations: DefaultDirectRateLimiter,
}

fn rate(rate: u32) -> NonZeroU32 {
    NonZeroU32::new(rate).unwrap_or(NonZeroU32::MIN)
}

impl Limits {
    /// As configured; all that may be used in a second, or of new accounts in a minute, may come at once.
    pub(crate) fn new(config: &Gateway) -> Self {
        let second = |most| Quota::per_second(rate(most));
        let minute = |most| Quota::per_minute(rate(most));
        Self {
            addresses: RateLimiter::keyed(second(config.address_rate)),
            orders: RateLimiter::keyed(second(config.order_rate)),
            delegations: RateLimiter::keyed(minute(DELEGATIONS)),
            address_registrations: RateLimiter::keyed(minute(config.address_registrations)),
            registrations: RateLimiter::direct(minute(config.registrations)),
        }
    }

    /// Counts a request of an address.
    pub(crate) fn request(&self, address: IpAddr) -> Result<(), Problem> {
        if self.addresses.len() > MOST {
            self.addresses.retain_recent();
        }
        check(&self.addresses, &network(address), "of this address")
    }

    /// Counts a new account that an address asks for.
    pub(crate) fn registration(&self, address: IpAddr) -> Result<(), Problem> {
        if self.address_registrations.len() > MOST {
            self.address_registrations.retain_recent();
        }
        let whose = "for new accounts of this address";
        check(&self.address_registrations, &network(address), whose)?;
        self.registrations
            .check()
            .map_err(|until| too_many(&until, "for new accounts of all addresses"))
    }

    /// Counts an order of a user.
    pub(crate) fn order(&self, wallet: &[u8; 32]) -> Result<(), Problem> {
        self.orders(wallet, 1)
    }

    /// Counts so many orders of a user, or none of them.
    pub(crate) fn orders(&self, wallet: &[u8; 32], count: usize) -> Result<(), Problem> {
        if self.orders.len() > MOST {
            self.orders.retain_recent();
        }
        let count = NonZeroU32::new(u32::try_from(count).unwrap_or(u32::MAX));
        match self
            .orders
            .check_key_n(wallet, count.unwrap_or(NonZeroU32::MIN))
        {
            Ok(counted) => counted.map_err(|until| too_many(&until, "with orders of this user")),
            Err(InsufficientCapacity(most)) => Err(Problem::invalid(format!(
                "this exchange takes {most} orders of a user a second: send no more at once"
            ))),
        }
    }

    /// Counts a delegation of a user, or a revocation.
    pub(crate) fn delegation(&self, wallet: &[u8; 32]) -> Result<(), Problem> {
        if self.delegations.len() > MOST {
            self.delegations.retain_recent();
        }
        let whose = "for delegations of this user";
        check(&self.delegations, wallet, whose)
    }
}

fn check<K: std::hash::Hash + Eq + Clone>(
    limiter: &DefaultKeyedRateLimiter<K>,
    key: &K,
    whose: &str,
) -> Result<(), Problem> {
    limiter
        .check_key(key)
        .map_err(|until| too_many(&until, whose))
}

fn too_many(until: &NotUntil<QuantaInstant>, whose: &str) -> Problem {
    let wait = until.wait_time_from(DefaultClock::default().now());
    let seconds = wait.as_secs() + 1;
    let text = format!("too many requests {whose}: wait {} ms", wait.as_millis());
    Problem::too_many(text, u32::try_from(seconds).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(address_rate: u32, order_rate: u32) -> Limits {
        Limits::new(&Gateway {
            address_rate,
            order_rate,
            address_registrations: 2,
            registrations: 3,
            ..Gateway::default()
        })
    }

    #[test]
    fn new_accounts_are_limited_by_address_and_in_all() {
        let limits = limits(100, 100);
        let of = |address: &str| limits.registration(address.parse().unwrap()).is_ok();
        assert_eq!(
            [of("10.0.0.1"), of("10.0.0.1"), of("10.0.0.1")],
            [true, true, false]
        );
        assert_eq!([of("10.0.0.2"), of("10.0.0.3")], [true, false]);
    }

    #[test]
    fn each_address_and_user_has_its_own_budget() {
        let limits = limits(2, 1);
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
        for _ in 0..DELEGATIONS {
            assert!(limits.delegation(&[1; 32]).is_ok());
        }
        assert!(limits.delegation(&[1; 32]).is_err());
        assert!(limits.delegation(&[2; 32]).is_ok());
    }

    #[test]
    fn many_orders_at_once_count_each_or_none() {
        let limits = limits(1, 3);
        let status = |count| {
            let counted = limits.orders(&[1; 32], count);
            counted.map_err(|problem| problem.status())
        };
        assert_eq!(status(4), Err(422), "never");
        assert_eq!(status(2), Ok(()));
        assert_eq!(status(2), Err(429));
        assert_eq!([status(1), status(1)], [Ok(()), Err(429)]);
    }

    #[test]
    fn addresses_of_one_network_share_a_budget() {
        let limits = limits(1, 1);
        assert!(limits.request("2001:db8::1".parse().unwrap()).is_ok());
        assert!(limits.request("2001:db8::2".parse().unwrap()).is_err());
        assert!(limits.request("2001:db8:0:1::1".parse().unwrap()).is_ok());
        assert!(limits.request("::ffff:10.0.0.1".parse().unwrap()).is_ok());
        assert!(limits.request("10.0.0.1".parse().unwrap()).is_err());
    }
}
