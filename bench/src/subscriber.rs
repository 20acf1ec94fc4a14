//! A listener of an instance's feed, on a thread of its own.

use anyhow::{Context as _, Result};
use client::feed::{Books, Event, Receiver};
use domain::Nanos;
use rustix::net::{AddressFamily, SocketType, bind, socket, sockopt};
use std::io::ErrorKind;
use std::net::{SocketAddrV4, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes of receive buffer to ask for: seconds of a busy feed, for a thread that is not scheduled.
const BUFFER_BYTES: usize = 16 << 20;

/// What came.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heard {
    /// Messages told in order.
    pub messages: u64,
    /// Messages that never came.
    pub lost: u64,
    /// New sessions after the first.
    pub new_sessions: u64,
    /// Ends of a session.
    pub ends: u64,
    /// Datagrams that were no packets, and messages that did not fit the books.
    pub wrong: u64,
}

/// Follows a feed until it is told to stop.
pub struct Subscriber {
    stop: Arc<AtomicBool>,
    heard: Arc<Mutex<Heard>>,
    thread: JoinHandle<Result<Option<Books>>>,
}

impl Subscriber {
    /// Listens at `at` from now on: before the exchange's first start, or the first messages are lost.
    pub fn start(at: SocketAddrV4) -> Result<Self> {
        let descriptor = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
        if sockopt::set_socket_recv_buffer_size_force(&descriptor, BUFFER_BYTES).is_err() {
            // Without privilege the kernel grants what its limit allows.
            sockopt::set_socket_recv_buffer_size(&descriptor, BUFFER_BYTES)?;
        }
        bind(&descriptor, &at).with_context(|| format!("listen to the feed at {at}"))?;
        let socket = UdpSocket::from(descriptor);
        socket.set_read_timeout(Some(Duration::from_millis(20)))?;
        let stop = Arc::new(AtomicBool::new(false));
        let heard = Arc::new(Mutex::new(Heard::default()));
        let (stopped, to) = (Arc::clone(&stop), Arc::clone(&heard));
        let thread = std::thread::Builder::new()
            .name("subscriber".to_owned())
            .spawn(move || follow(&socket, &stopped, &to))?;
        Ok(Self {
            stop,
            heard,
            thread,
        })
    }

    /// What came so far.
    #[must_use]
    pub fn heard(&self) -> Heard {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what has arrived, and ends. The books are there if nothing was lost.
    pub fn stop(self) -> Result<(Heard, Option<Books>)> {
        // ORDER: the flag is the whole message.
        self.stop.store(true, Ordering::Relaxed);
        let books = self
            .thread
            .join()
            .ok()
            .context("the subscriber panicked")??;
        let heard = *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        Ok((heard, books))
    }
}

fn follow(socket: &UdpSocket, stop: &AtomicBool, to: &Mutex<Heard>) -> Result<Option<Books>> {
    let start = Instant::now();
    let now = || Nanos(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
    let mut receiver = Receiver::new(1);
    let (mut books, mut heard) = (Some(Books::new()), Heard::default());
    let mut bytes = [0; wire::MAX_DATAGRAM + 1];
    loop {
        match socket.recv(&mut bytes) {
            Ok(length) => heard.wrong += u64::from(receiver.feed(&bytes[..length], now()).is_err()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                // ORDER: the flag is the whole message. What was sent before it is in the socket, and
                // was read before this found nothing.
                if stop.load(Ordering::Relaxed) && receiver.next_timeout().is_none() {
                    return Ok(books);
                }
            }
            Err(error) => return Err(error).context("receive from the feed"),
        }
        while let Some(event) = receiver.poll_event(now()) {
            match event {
                Event::Message { number, message } => {
                    heard.messages += 1;
                    if let Some(known) = &mut books
                        && known.apply(number, &message).is_err()
                    {
                        heard.wrong += 1;
                        books = None;
                    }
                }
                Event::Gap { from, to } => {
                    heard.lost += to - from;
                    books = None;
                    receiver.resume(to, now());
                }
                Event::NewSession { next, .. } => {
                    heard.new_sessions += 1;
                    books = None;
                    receiver.resume(next, now());
                }
                Event::EndOfSession { .. } => heard.ends += 1,
            }
        }
        *to.lock().unwrap_or_else(PoisonError::into_inner) = heard;
    }
}
