//! Listens to the public feed and prints, as it happens, trades and the top of each book.
//!
//! ```text
//! cargo run --release --example watch_feed -- --feed 127.0.0.1:7401
//! cargo run --release --example watch_feed -- --feed 127.0.0.1:7401 --requests 127.0.0.1:7403
//! cargo run --release --example watch_feed -- --feed 239.1.1.1:7401 --interface 192.168.1.10
//! ```
//!
//! With `--requests` it asks the exchange's re-request server (`feed.requests` in its configuration) for all that was
//! said before it came, and for what gets lost. Without, it knows the books only if it listens since before the
//! exchange's first start; otherwise, and after a loss, it shows trades only.
#![expect(clippy::print_stdout, reason = "an example talks to the terminal")]

mod ending;

use client::feed::{Book, Books, Event, Level, Receiver};
use domain::{MarketId, Nanos, Side};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, bind, socket, sockopt};
use std::error::Error;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use wire::market_data::{Message, Trade};

const HELP: &str = "Listens to the public feed and prints trades and the top of each book.

Options:
  --feed ADDR      address or multicast group, and port, that the exchange sends to
  --requests ADDR  address and port at which the exchange sends again what was lost, or said before
  --interface IP   address of the interface on which to join a group [0.0.0.0: the system's choice]
  --seconds N      end after so many seconds [0: never]

Examples:
  watch_feed --feed 127.0.0.1:7401                              one subscriber of one address
  watch_feed --feed 127.0.0.1:7401 --requests 127.0.0.1:7403    and nothing is lost
  watch_feed --feed 239.1.1.1:7401 --interface 192.168.1.10     any number of a group";
const BUFFER_BYTES: usize = 8 << 20;

fn main() -> ExitCode {
    ending::code("watch_feed", run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let (mut feed, mut interface, mut seconds) = (None, Ipv4Addr::UNSPECIFIED, 0_u64);
    let mut requests = None;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--help" || word == "-h" {
            println!("{HELP}");
            return Ok(());
        }
        let value = words.next().ok_or(format!("{word} needs a value"))?;
        match word.as_str() {
            "--feed" => feed = Some(address(&word, &value)?),
            "--requests" => requests = Some(address(&word, &value)?),
            "--interface" => interface = value.parse()?,
            "--seconds" => seconds = value.parse()?,
            _ => return Err(format!("{word} is not an option; --help lists them").into()),
        }
    }
    let feed = feed.ok_or("--feed is needed; --help says more")?;
    let requests = requests.map(asking).transpose()?;
    watch(&listen(feed, interface)?, requests.as_ref(), seconds)
}

/// A socket to ask at, and to be answered: that of a group has no address of its own.
fn asking(server: SocketAddrV4) -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect(server)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn address(option: &str, text: &str) -> Result<SocketAddrV4, String> {
    text.parse().map_err(|_| {
        format!("{option} {text}: write an IPv4 address and a port, as in 127.0.0.1:7401")
    })
}

/// Several listeners of this machine may share a group.
fn listen(feed: SocketAddrV4, interface: Ipv4Addr) -> Result<UdpSocket, Box<dyn Error>> {
    let descriptor = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    sockopt::set_socket_reuseaddr(&descriptor, feed.ip().is_multicast())?;
    // What the kernel grants decides how long a pause loses nothing; less than asked for is no error.
    sockopt::set_socket_recv_buffer_size(&descriptor, BUFFER_BYTES)?;
    bind(&descriptor, &feed).map_err(|error| cannot_listen(feed, error))?;
    let socket = UdpSocket::from(descriptor);
    if feed.ip().is_multicast() {
        socket.join_multicast_v4(feed.ip(), &interface)?;
    }
    socket.set_read_timeout(Some(Duration::from_millis(20)))?;
    Ok(socket)
}

/// Why nobody can listen at an address, and what to do.
fn cannot_listen(feed: SocketAddrV4, error: Errno) -> Box<dyn Error> {
    match error {
        Errno::ADDRINUSE => format!(
            "another program listens at {feed}: a feed to one address has one subscriber; let the exchange send to a \
             multicast group, such as 239.1.1.1:{}, and any number may listen",
            feed.port()
        ),
        Errno::ADDRNOTAVAIL => format!(
            "{feed} is no address of this machine: --feed is where the exchange sends to, `destination` under [feed] \
             in its configuration"
        ),
        other => format!("cannot listen at {feed}: {other}"),
    }
    .into()
}

fn watch(
    socket: &UdpSocket,
    requests: Option<&UdpSocket>,
    seconds: u64,
) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let now = || Nanos(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
    let begin = if requests.is_some() {
        Receiver::asking
    } else {
        Receiver::new
    };
    let mut receiver = begin(1);
    let mut books = Some(Books::new());
    let mut bytes = [0; wire::MAX_DATAGRAM + 1];
    while seconds == 0 || start.elapsed() < Duration::from_secs(seconds) {
        take(socket, &mut bytes, |packet| {
            if let Err(error) = receiver.feed(packet, now()) {
                println!("{error}");
            }
        })?;
        if let Some(server) = requests {
            while take(server, &mut bytes, |packet| {
                receiver.feed(packet, now()).ok();
            })? {}
            while let Some(request) = receiver.poll_request(now()) {
                // Nobody there is as good as lost: it is asked again.
                server.send(&request.encode()).ok();
            }
        }
        while let Some(event) = receiver.poll_event(now()) {
            match event {
                Event::Message { number, message } => show(number, &message, &mut books),
                Event::Gap { from, to } => {
                    println!(
                        "messages {from} to {} are lost: no books from here on",
                        to - 1
                    );
                    books = None;
                    receiver.resume(to, now());
                }
                Event::NewSession { session, .. } if requests.is_some() => {
                    println!("new session {session}: all of it from 1 on");
                    books = Some(Books::new());
                    receiver.resume(1, now());
                }
                Event::NewSession { session, next } => {
                    println!("new session {session} at {next}: no books from here on");
                    books = None;
                    receiver.resume(next, now());
                }
                Event::EndOfSession { next } => println!("the exchange stopped before {next}"),
            }
        }
    }
    Ok(())
}

/// One datagram, if there is one; true if so.
fn take(
    socket: &UdpSocket,
    bytes: &mut [u8],
    each: impl FnOnce(&[u8]),
) -> Result<bool, std::io::Error> {
    match socket.recv(bytes) {
        Ok(length) => {
            each(&bytes[..length]);
            Ok(true)
        }
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::ConnectionRefused
            ) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn show(number: u64, message: &Message, books: &mut Option<Books>) {
    if let Message::Trade(trade) = message {
        print_trade(trade);
    }
    if let Message::Uncrossed(auction) = message {
        println!(
            "market {} auction: {} lots at {}",
            auction.market_id.0, auction.quantity.0, auction.price.0
        );
    }
    let Some(known) = books else {
        return;
    };
    if let Err(error) = known.apply(number, message) {
        println!("{error}: no books from here on");
        *books = None;
        return;
    }
    if let Some((market, book)) = market_of(message).and_then(|m| Some((m, known.book(m)?))) {
        print_top(market, book);
    }
}

fn market_of(message: &Message) -> Option<MarketId> {
    match message {
        Message::BookAdd(message) => Some(message.market_id),
        Message::BookReduce(message) => Some(message.market_id),
        Message::BookDelete(message) => Some(message.market_id),
        Message::BookReplace(message) => Some(message.market_id),
        Message::Trade(message) => Some(message.market_id),
        Message::MarketDefined(message) => Some(message.market_id),
        Message::MarketStateChanged(message) => Some(message.market_id),
        Message::Uncrossed(message) => Some(message.market_id),
        Message::PhaseChanged(_) | Message::Unknown { .. } => None,
    }
}

fn print_trade(trade: &Trade) {
    let Trade {
        market_id,
        trade_id,
        price,
        quantity,
        ..
    } = trade;
    let taker = if trade.taker_side == 0 {
        "buyer"
    } else {
        "seller"
    };
    println!(
        "market {} trade {trade_id}: {} lots at {}, by the {taker}",
        market_id.0, quantity.0, price.0
    );
}

fn print_top(market: MarketId, book: &Book) {
    let side = |side| {
        book.best(side).map_or("-".to_owned(), |level: Level| {
            format!("{} × {}", level.quantity.0, level.price.0)
        })
    };
    let (bid, ask) = (side(Side::Buy), side(Side::Sell));
    let state = book
        .state()
        .map_or(String::new(), |it| format!("   {it:?}"));
    println!("market {} bid {bid:>16}   ask {ask:>16}{state}", market.0);
}
