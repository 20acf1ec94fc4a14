//! A session over a UDP socket, for a caller that may wait.

use crate::event::Event;
use crate::session::{Config, Session};
use domain::Nanos;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use wire::MAX_DATAGRAM;

/// UTC that never goes back: the system's clock at the start, and a monotonic one since.
#[derive(Clone, Copy, Debug)]
struct Clock {
    started_at: Nanos,
    started: Instant,
}

impl Clock {
    fn start() -> Self {
        let utc = SystemTime::now().duration_since(UNIX_EPOCH);
        let utc = utc.unwrap_or(Duration::ZERO).as_nanos();
        Self {
            started_at: Nanos(u64::try_from(utc).unwrap_or(u64::MAX)),
            started: Instant::now(),
        }
    }

    fn now(&self) -> Nanos {
        let elapsed = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Nanos(self.started_at.0.saturating_add(elapsed))
    }
}

/// A [`Session`] and the socket that it speaks through.
#[derive(Debug)]
pub struct Connection {
    session: Session,
    socket: UdpSocket,
    clock: Clock,
    trouble: Option<ErrorKind>,
    /// To the exchange's replay port, once there was something to ask there; at the address from which the exchange is
    /// spoken to, because only there it answers.
    replay: Option<(SocketAddrV4, UdpSocket)>,
    buffer: [u8; MAX_DATAGRAM + 1],
}

impl Connection {
    /// Opens a socket to the exchange's order entry port and begins to establish the session. That it
    /// succeeded is told by [`Event::Established`]; until then it is tried again and again.
    ///
    /// # Errors
    /// If the socket cannot be opened, or the system gives no random bytes.
    pub fn open(server: SocketAddr, config: Config) -> io::Result<Self> {
        let local: SocketAddr = if server.is_ipv4() {
            (Ipv4Addr::UNSPECIFIED, 0).into()
        } else {
            (std::net::Ipv6Addr::UNSPECIFIED, 0).into()
        };
        let socket = UdpSocket::bind(local)?;
        socket.connect(server)?;
        socket.set_nonblocking(true)?;
        let mut seed = [0; 16];
        getrandom::fill(&mut seed).map_err(|error| io::Error::other(error.to_string()))?;
        let clock = Clock::start();
        let mut session = Session::new(config, seed, clock.now());
        session.use_replay();
        Ok(Self {
            session,
            socket,
            clock,
            trouble: None,
            replay: None,
            buffer: [0; MAX_DATAGRAM + 1],
        })
    }

    /// The session: its orders and numbers.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The session, to give commands. They are sent by the next [`poll`](Self::poll) or
    /// [`flush`](Self::flush).
    pub fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    /// UTC, as the session sees it.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.clock.now()
    }

    /// What the network has said since the last datagram arrived: `ConnectionRefused` if nobody listens
    /// at the exchange's address, `HostUnreachable` or `NetworkUnreachable` if there is no way to it.
    /// None says nothing: most networks do not tell.
    #[must_use]
    pub fn trouble(&self) -> Option<ErrorKind> {
        self.trouble
    }

    /// Sends what is due.
    ///
    /// # Errors
    /// If the socket fails for good. What can be lost on the way can be lost here: an unreachable
    /// exchange or a full socket is no error.
    pub fn flush(&mut self) -> io::Result<()> {
        while let Some(length) = self
            .session
            .poll_transmit(&mut self.buffer, self.clock.now())
        {
            let sent = self.socket.send(&self.buffer[..length]);
            self.passing(sent)?;
        }
        while let Some((to, length)) = self.session.poll_replay(&mut self.buffer, self.clock.now())
        {
            self.send_replay(to, length);
        }
        Ok(())
    }

    /// Sends what the buffer begins with to the replay port. What fails is like a lost datagram: it is asked again, or
    /// missed.
    fn send_replay(&mut self, to: SocketAddrV4, length: usize) {
        if self.replay.as_ref().is_none_or(|(known, _)| *known != to) {
            let local = self.socket.local_addr().map(|local| local.ip());
            let opened = local.and_then(|local| {
                let socket = UdpSocket::bind((local, 0))?;
                socket.connect(to)?;
                socket.set_nonblocking(true)?;
                Ok(socket)
            });
            self.replay = opened.ok().map(|socket| (to, socket));
        }
        if let Some((_, socket)) = &self.replay {
            socket.send(&self.buffer[..length]).ok();
        }
    }

    /// Takes in what the replay port has sent; true if anything was.
    fn receive_replay(&mut self) -> bool {
        let mut received = false;
        while let Some((_, socket)) = &self.replay
            && let Ok(length) = socket.recv(&mut self.buffer)
        {
            self.session
                .feed_replay(&self.buffer[..length], self.clock.now());
            received = true;
        }
        received
    }

    /// The next event, waiting for it at most `wait`. Sends what is due meanwhile.
    ///
    /// # Errors
    /// If the socket fails for good.
    pub fn poll(&mut self, wait: Duration) -> io::Result<Option<Event>> {
        let end = Instant::now() + wait;
        loop {
            self.flush()?;
            if let Some(event) = self.session.poll_event() {
                return Ok(Some(event));
            }
            let left = end.saturating_duration_since(Instant::now());
            self.receive(left)?;
            if left.is_zero() {
                return Ok(self.session.poll_event());
            }
        }
    }

    /// Takes in one datagram, waiting for it at most `wait` and not beyond the session's next timeout.
    ///
    /// It waits in `ppoll`, which counts nanoseconds: the receive timeout of a socket counts ticks of
    /// the scheduler, several milliseconds each.
    fn receive(&mut self, wait: Duration) -> io::Result<()> {
        if self.receive_replay() {
            return Ok(());
        }
        let mut received = self.try_receive()?;
        if received.is_none() && !wait.is_zero() {
            let timeout = self.session.next_timeout().0;
            let due = Duration::from_nanos(timeout.saturating_sub(self.clock.now().0));
            // Less than 2^63 seconds, which is all that the conversion asks for.
            let limit = Timespec::try_from(wait.min(due)).map_err(io::Error::other)?;
            let replay = self.replay.as_ref().map_or(&self.socket, |(_, it)| it);
            let sockets = [&self.socket, replay];
            let mut sockets = sockets.map(|socket| PollFd::new(socket, PollFlags::IN));
            match poll(&mut sockets, Some(&limit)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            received = self.try_receive()?;
        }
        if let Some(length) = received {
            self.trouble = None;
            self.session.feed(&self.buffer[..length], self.clock.now());
        }
        Ok(())
    }

    fn try_receive(&mut self) -> io::Result<Option<usize>> {
        let received = self.socket.recv(&mut self.buffer);
        self.passing(received)
    }

    /// Passes over errors that are like a lost datagram: nothing came or went, and a later attempt may
    /// succeed.
    fn passing(&mut self, result: io::Result<usize>) -> io::Result<Option<usize>> {
        let error = match result {
            Ok(length) => return Ok(Some(length)),
            Err(error) => error,
        };
        let kind = error.kind();
        if matches!(
            kind,
            ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
        ) {
            return Ok(None);
        }
        if matches!(
            kind,
            ErrorKind::ConnectionRefused
                | ErrorKind::HostUnreachable
                | ErrorKind::NetworkUnreachable
        ) {
            self.trouble = Some(kind);
            return Ok(None);
        }
        Err(error)
    }
}
