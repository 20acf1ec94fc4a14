//! A connection over real sockets.

use crate::exchange::{Exchange, SESSION, secret};
use client::{Config, Connection, Event};
use domain::{CancelOrder, ClientOrderId, OrderId, Qty};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Serves the toy exchange until told to stop; returns it.
fn serve(socket: UdpSocket, stop: &mpsc::Receiver<()>) -> Exchange {
    let mut exchange = Exchange::new(1);
    let mut bytes = [0; wire::MAX_DATAGRAM];
    let timeout = Duration::from_millis(5);
    socket.set_read_timeout(Some(timeout)).unwrap();
    while stop.try_recv().is_err() {
        if let Ok((length, from)) = socket.recv_from(&mut bytes) {
            for answer in exchange.feed(&bytes[..length]) {
                socket.send_to(&answer, from).unwrap();
            }
        }
    }
    exchange
}

fn wait_for(connection: &mut Connection, wanted: impl Fn(&Event) -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        assert!(Instant::now() < end, "the exchange answers in time");
        let event = connection.poll(Duration::from_millis(20)).unwrap();
        if event.is_some_and(|event| wanted(&event)) {
            return;
        }
    }
}

#[test]
fn a_connection_establishes_trades_and_outlives_an_absent_exchange() {
    // A port that nobody listens on: the system answers with errors, which must not end it.
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let server = socket.local_addr().unwrap();
    drop(socket);
    let config = Config::new(SESSION, secret());
    let mut connection = Connection::open(server, config).unwrap();
    for _ in 0..4 {
        assert_eq!(connection.poll(Duration::from_millis(20)).unwrap(), None);
    }
    assert_eq!(connection.trouble(), Some(ErrorKind::ConnectionRefused));

    let socket = UdpSocket::bind(server).unwrap();
    let (stop, stopped) = mpsc::channel();
    let exchange = std::thread::spawn(move || serve(socket, &stopped));
    wait_for(&mut connection, |event| {
        matches!(event, Event::Established { .. })
    });
    assert_eq!(connection.trouble(), None, "somebody answers");
    let order = crate::edges::order(1);
    assert_eq!(connection.session_mut().new_order(&order), Ok(1));
    let cancel = CancelOrder {
        order_id: OrderId::NONE,
        client_order_id: ClientOrderId(1),
        qty: Qty::ZERO,
    };
    assert_eq!(connection.session_mut().cancel_order(&cancel), Ok(2));
    wait_for(&mut connection, |event| {
        matches!(event, Event::Report { number: 2, .. })
    });
    assert_eq!(connection.session().unanswered(), 0);
    stop.send(()).unwrap();
    assert_eq!(exchange.join().unwrap().state.last_no, 2);
}
