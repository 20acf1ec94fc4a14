//! Whose request it is: the address that limits count by.

use std::net::IpAddr;

/// What counts as one address: of IPv6 the first 64 bits, which one user owns together.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            let network = v6.to_bits() & (u128::MAX << 64);
            IpAddr::V6(network.into())
        }
        own => own,
    }
}
