//! Whose request it is: the address that limits count by.

use crate::connections::Peer;
use crate::state::App;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// What a proxy says of those for whom it asks; each hop adds the address that it was asked from.
const FORWARDED: &str = "x-forwarded-for";

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

/// The address of whoever asks, seen through trusted proxies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client(pub(crate) IpAddr);

impl Client {
    /// Of a connection and the headers of its request. Only what trusted proxies have written is believed: the
    /// hop before the first of them that is not trusted. If that is no address, the proxy itself counts.
    fn behind(peer: IpAddr, headers: &HeaderMap, proxies: &[IpAddr]) -> Self {
        let peer = peer.to_canonical();
        if !proxies.contains(&peer) {
            return Self(peer);
        }
        let lines = headers.get_all(FORWARDED).iter().rev();
        let hops = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        let mut last = peer;
        for hop in hops {
            let Some(address) = address_of(hop) else {
                break;
            };
            last = address;
            if !proxies.contains(&address) {
                break;
            }
        }
        Self(last)
    }
}

/// An address, with a port or without.
fn address_of(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let address = text.parse::<IpAddr>().ok();
    let address = address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address| address.to_canonical())
}

impl FromRequestParts<App> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<Peer>>();
        let peer = peer.map_or(Ipv4Addr::UNSPECIFIED.into(), |ConnectInfo(peer)| {
            peer.0.ip()
        });
        Ok(Self::behind(
            peer,
            &parts.headers,
            &app.config.trusted_proxies,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(FORWARDED, line.parse().unwrap());
        }
        let proxies = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().unwrap());
        let Client(address) = Client::behind(peer.parse().unwrap(), &headers, &proxies);
        address.to_string()
    }

    #[test]
    fn a_trusted_proxy_says_who_asks() {
        assert_eq!(seen("10.0.0.1", &["203.0.113.5"]), "203.0.113.5");
        assert_eq!(
            seen("::ffff:10.0.0.1", &["[2001:db8::1]:77"]),
            "2001:db8::1"
        );
        // What the client itself has written stands before what the proxies add.
        let forged = ["198.51.100.9, 203.0.113.5, 10.0.0.2"];
        assert_eq!(seen("10.0.0.1", &forged), "203.0.113.5");
        let lines = ["198.51.100.9", "203.0.113.5:4000", "10.0.0.2"];
        assert_eq!(seen("10.0.0.1", &lines), "203.0.113.5");
    }

    #[test]
    fn nobody_else_says_who_asks() {
        assert_eq!(seen("203.0.113.7", &["198.51.100.9"]), "203.0.113.7");
        assert_eq!(seen("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(seen("10.0.0.1", &["198.51.100.9, unknown"]), "10.0.0.1");
    }
}
