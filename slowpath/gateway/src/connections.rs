//! Lets connections in, as long as there is room in all and for their address, and closes those on which
//! nothing moves.
//!
//! Data: how many connections are open, in all and by address. Owner: the doorman and the connections that it
//! has let in. Invariant: whoever is let in counts until the last byte's socket is closed, WebSockets included,
//! so that the process never has more descriptors for connections than it may have.

use crate::address::network;
use crate::watched::{Watch, Watched};
use axum::extract::connect_info::Connected;
use axum_server::{AddrListener, Address};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep, sleep_until};
use topology::Gateway;

/// Time between two lines about connections that were refused.
const SAID: Duration = Duration::from_secs(10);

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

impl Address for Peer {
    type Stream = Connection;
    type Listener = Doorman;
}

impl Connected<Self> for Peer {
    fn connect_info(peer: Self) -> Self {
        peer
    }
}

/// A listener that counts whom it lets in.
pub(crate) struct Doorman {
    listener: TcpListener,
    room: Arc<Room>,
    /// Longest time without a byte on a connection.
    silence: Duration,
}

impl Doorman {
    /// Over a listener that does not block.
    pub(crate) fn new(
        listener: std::net::TcpListener,
        config: &Gateway,
        silence: Duration,
    ) -> io::Result<Self> {
        Ok(Self {
            listener: TcpListener::from_std(listener)?,
            room: Arc::new(Room::new(config)),
            silence,
        })
    }

    /// The same for a service that has a few clients, whoever they are.
    pub(crate) fn of_few(
        listener: std::net::TcpListener,
        most: usize,
        silence: Duration,
    ) -> io::Result<Self> {
        let config = Gateway {
            max_connections: most,
            address_connections: 0,
            ..Gateway::default()
        };
        let mut doorman = Self::new(listener, &config, silence)?;
        doorman.room = Arc::new(Room {
            limit: "so many clients are served at a time",
            ..Room::new(&config)
        });
        Ok(doorman)
    }
}

impl AddrListener<Connection, Peer> for Doorman {
    async fn bind_to(_: Peer) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The next connection for which there is room; others are closed at once.
    async fn accept_stream(&self) -> io::Result<(Connection, Peer)> {
        loop {
            let (stream, address) = self.listener.accept().await?;
            if let Some(place) = Room::enter(&self.room, address.ip()) {
                stream.set_nodelay(true)?;
                return Ok((Connection::new(stream, place, self.silence), Peer(address)));
            }
        }
    }

    fn get_local_addr(&self) -> io::Result<Peer> {
        self.listener.local_addr().map(Peer)
    }
}

/// How many connections there may be, and are.
struct Room {
    /// What is said of `most`.
    limit: &'static str,
    most: usize,
    /// Most of one address; 0: no limit.
    most_of_address: usize,
    /// Addresses that speak for many.
    proxies: Vec<IpAddr>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    all: usize,
    /// Those that have any.
    addresses: BTreeMap<IpAddr, usize>,
    said: Option<Instant>,
}

impl Room {
    fn new(config: &Gateway) -> Self {
        Self {
            limit: "gateway.max_connections",
            most: config.max_connections,
            most_of_address: config.address_connections,
            proxies: config.trusted_proxies.clone(),
            open: Mutex::default(),
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a connection of an address, if there is room for it.
    fn enter(room: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let limited = room.most_of_address > 0 && !room.proxies.contains(&address.to_canonical());
        let address = network(address);
        let mut open = room.open();
        let own = open.addresses.get(&address).copied().unwrap_or(0);
        let refused = if open.all >= room.most {
            Some(room.limit)
        } else if limited && own >= room.most_of_address {
            Some("gateway.address_connections")
        } else {
            None
        };
        if let Some(limit) = refused {
            if open.said.is_none_or(|when| when.elapsed() > SAID) {
                open.said = Some(Instant::now());
                let all = open.all;
                tracing::warn!(%address, limit, own, all, "connections are refused: too many are open");
            }
            return None;
        }
        open.all += 1;
        open.addresses.insert(address, own + 1);
        Some(Place {
            room: Arc::clone(room),
            address,
        })
    }
}

/// A connection's place, as long as it is open.
struct Place {
    room: Arc<Room>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.room.open();
        open.all -= 1;
        let own = open.addresses.get(&self.address).copied().unwrap_or(0);
        if own > 1 {
            open.addresses.insert(self.address, own - 1);
        } else {
            open.addresses.remove(&self.address);
        }
    }
}

/// A connection that counts as long as it is open, and fails when nothing has moved for too long.
pub(crate) type Connection = Watched<TcpStream, Alarm>;

impl Connection {
    fn new(stream: TcpStream, place: Place, silence: Duration) -> Self {
        let moved = Instant::now();
        let watch = Alarm {
            moved,
            silence,
            next: Box::pin(sleep_until(moved + silence)),
            _place: place,
        };
        Self { stream, watch }
    }
}

/// Ends a connection on which nothing moves, and keeps its place until then.
pub(crate) struct Alarm {
    moved: Instant,
    silence: Duration,
    /// Rings some time before `moved + silence`, or then.
    next: Pin<Box<Sleep>>,
    _place: Place,
}

impl Watch for Alarm {
    /// An error instead of further waiting after too long a silence.
    fn tried<T>(
        &mut self,
        context: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.moved = Instant::now();
            return result;
        }
        while self.next.as_mut().poll(context).is_ready() {
            let end = self.moved + self.silence;
            if end <= Instant::now() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.next.as_mut().reset(end);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    fn room(most: usize, most_of_address: usize) -> Arc<Room> {
        Arc::new(Room::new(&Gateway {
            max_connections: most,
            address_connections: most_of_address,
            trusted_proxies: vec!["10.0.0.9".parse().unwrap()],
            ..Gateway::default()
        }))
    }

    fn enter(room: &Arc<Room>, address: &str) -> Option<Place> {
        Room::enter(room, address.parse().unwrap())
    }

    #[test]
    fn an_address_has_its_own_limit_and_gets_its_places_back() {
        let room = room(5, 2);
        let first = enter(&room, "10.0.0.1");
        let _second = enter(&room, "::ffff:10.0.0.1").unwrap();
        assert!(enter(&room, "10.0.0.1").is_none());
        let _other = enter(&room, "10.0.0.2").unwrap();
        drop(first);
        let _again = enter(&room, "10.0.0.1").unwrap();
        assert!(enter(&room, "10.0.0.1").is_none());
        let _network = [1, 2].map(|n| enter(&room, &format!("2001:db8::{n}")).unwrap());
        assert!(enter(&room, "10.0.0.3").is_none(), "all places are taken");
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_a_proxy_is_none() {
        let room = room(100, 2);
        let _own = [1, 2].map(|n| enter(&room, &format!("2001:db8::{n}")).unwrap());
        assert!(enter(&room, "2001:db8::3").is_none());
        assert!(enter(&room, "2001:db8:0:1::3").is_some());
        let proxied: Vec<_> = (0..50).map(|_| enter(&room, "10.0.0.9").unwrap()).collect();
        drop(proxied);
        let open = room.open();
        assert_eq!((open.all, open.addresses.len()), (2, 1));
    }

    #[tokio::test]
    async fn a_silent_connection_ends_and_one_on_which_something_moves_does_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (stream, address) = listener.accept().await.unwrap();
        let place = enter(&room(1, 1), &address.ip().to_string()).unwrap();
        let silence = Duration::from_millis(300);
        let begin = Instant::now();
        let mut connection = Connection::new(stream, place, silence);
        let mut buffer = [0; 1];
        while begin.elapsed() < 2 * silence {
            client.write_all(b"x").await.unwrap();
            assert_eq!(connection.read(&mut buffer).await.unwrap(), 1);
            tokio::time::sleep(silence / 100).await;
        }
        let error = connection.read(&mut buffer).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
