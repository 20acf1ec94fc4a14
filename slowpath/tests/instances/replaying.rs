//! What was told is told again by the process, wherever it is by then.

use crate::instance::{Fastpath, Instance, Slowpath, wait};
use crate::metrics::scrape;
use domain::SessionId;
use journal::Frame;
use shm::{LogReader, Read};
use slowpath::attach::{self, Region};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;
use wire::auth::HostSecret;
use wire::market_data::{Content, Message, Packet, Request, SessionName, Stamp};
use wire::order_entry::{
    Became, Block, Context, DatagramReader, DatagramWriter, FrameStamp, Message as Report,
    OutcomeQuery, ResendRequest,
};

/// A port that is free, for a moment at least.
fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

/// An instance that answers requests of its feed, and where.
fn with_requests(more: &str) -> (Instance, SocketAddr) {
    let requests = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let more = format!(
        "[feed]\ndestination = \"127.0.0.1:9\"\nrequests = \"{requests}\"\n[archive]\nsegment_mib = 1\n{more}"
    );
    (Instance::new(&more), requests)
}

/// The messages of all frames that journal memory has, in order.
fn in_memory(instance: &Instance) -> Vec<(u64, Message)> {
    let places = attach::places(&instance.config);
    let (memory, _) = attach::open(&places, Region::Journal).unwrap().unwrap();
    let log = LogReader::new(memory, 1).unwrap();
    let mut buffer = [0; shm::MAX_FRAME_WORDS];
    let mut messages = Vec::new();
    for seq in log.oldest()..=log.head() {
        let Read::Frame(words) = log.read_at(seq, &mut buffer) else {
            panic!("nobody writes meanwhile")
        };
        let frame = Frame::parse(&buffer[..words]).unwrap();
        let stamp = Stamp {
            engine_seq: frame.header.seq,
            engine_time: frame.header.engine_time,
        };
        for event in frame.events().flatten() {
            let message = Message::public(stamp, &event);
            messages.extend(event.feed_no().zip(message));
        }
    }
    messages
}

/// Asks until it is answered.
fn ask(server: SocketAddr, first: u64, count: u16) -> Vec<(u64, Message)> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let session = SessionName::new(3, 1);
    let request = Request {
        session,
        first,
        count,
    };
    let mut heard = Vec::new();
    let mut bytes = [0; wire::MAX_DATAGRAM];
    wait("all that was asked for has come", || {
        socket.send_to(&request.encode(), server).unwrap();
        while let Ok((length, from)) = socket.recv_from(&mut bytes) {
            assert_eq!(from, server);
            let packet = Packet::parse(&bytes[..length]).unwrap();
            assert_eq!(packet.session, session);
            let Content::Messages(messages) = packet.content else {
                panic!("nobody asks for heartbeats")
            };
            for numbered in (packet.sequence..).zip(messages) {
                // A request that was sent again is answered again.
                if numbered.0 == first + heard.len() as u64 {
                    heard.push(numbered);
                }
            }
        }
        heard.len() >= usize::from(count)
    });
    heard
}

fn started(instance: &Instance) -> Slowpath {
    let slowpath = instance.start_slowpath();
    slowpath.wait_for("requests of the feed: udp://127.0.0.1:");
    slowpath.wait_for("archiving from");
    slowpath
}

#[test]
fn what_left_journal_memory_is_told_again_also_by_the_next_process() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let (instance, server) = with_requests(&format!("[metrics]\nbind = \"127.0.0.1:{port}\"\n"));
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    let mut slowpath = started(&instance);
    fastpath.trade(20);
    let first = in_memory(&instance);
    assert_eq!(first[0].0, 1);
    let count = u16::try_from(first.len()).unwrap();
    assert_eq!(ask(server, 1, count), first, "from journal memory");

    fastpath.trade_through(3000, &instance);
    let last = in_memory(&instance);
    assert!(last[0].0 > first.len() as u64, "memory has lost them");
    assert_eq!(ask(server, 1, count), first, "from the archive");
    assert_eq!(ask(server, last[5].0, 7), last[5..12]);

    slowpath.kill();
    let mut slowpath = started(&instance);
    assert_eq!(ask(server, last[5].0, 7), last[5..12]);
    assert_eq!(ask(server, 1, count), first, "by the next process");
    let figures = scrape(port);
    assert!(figures["sluice_feed_requests_total"] >= 2.0);
    assert!(figures["sluice_feed_repeated_total"] >= 7.0 + f64::from(count));
    assert_eq!(figures["sluice_replay_in_trouble"], 0.0);
    wait("all of the archive is indexed", || {
        scrape(port)["sluice_reader_lag_frames{reader=\"replay\"}"] == 0.0
    });
    assert_eq!(slowpath.stop().code(), Some(0), "{}", slowpath.said());
}

/// The fastpath is gone, and comes again: what it told before is told again, and nothing that it did not tell.
#[test]
fn what_the_fastpath_did_not_tell_is_not_told_again() {
    let (instance, server) = with_requests("");
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    fastpath.trade(20);
    let told = in_memory(&instance);
    let out_seq = fastpath.head();
    fastpath.trade(20);
    fastpath.fast.set_out_seq(out_seq);
    let mut slowpath = started(&instance);
    instance.wait_archived(fastpath.head());
    let count = u16::try_from(told.len()).unwrap();
    assert_eq!(ask(server, 1, count), told);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let request = Request {
        session: SessionName::new(3, 1),
        first: u64::from(count) + 1,
        count: 1,
    };
    socket.send_to(&request.encode(), server).unwrap();
    assert!(socket.recv_from(&mut [0; 99]).is_err(), "it is not told");
    fastpath.fast.set_out_seq(fastpath.head());
    let all = in_memory(&instance);
    assert_eq!(ask(server, request.first, 1), all[told.len()..=told.len()]);
    assert_eq!(slowpath.stop().code(), Some(0), "{}", slowpath.said());
}

#[test]
fn an_address_that_another_has_is_said_and_tried_again() {
    let (instance, server) = with_requests("");
    let held = UdpSocket::bind(server).unwrap();
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    let mut slowpath = instance.start_slowpath();
    slowpath.wait_for("trouble: nothing is told again, trying again: cannot bind UDP");
    instance.wait_archived(fastpath.head());
    drop(held);
    slowpath.wait_for("requests of the feed: udp://127.0.0.1:");
    slowpath.wait_for("told again is what is asked for");
    assert_eq!(ask(server, 1, 1).len(), 1);
    assert_eq!(slowpath.stop().code(), Some(0), "{}", slowpath.said());
}

/// The reports of a session in all frames that journal memory has: number and message.
fn reports_in_memory(instance: &Instance, session: SessionId) -> Vec<(u64, Report)> {
    let places = attach::places(&instance.config);
    let (memory, _) = attach::open(&places, Region::Journal).unwrap().unwrap();
    let log = LogReader::new(memory, 1).unwrap();
    let mut buffer = [0; shm::MAX_FRAME_WORDS];
    let mut reports = Vec::new();
    for seq in log.oldest()..=log.head() {
        let Read::Frame(words) = log.read_at(seq, &mut buffer) else {
            panic!("nobody writes meanwhile")
        };
        let frame = Frame::parse(&buffer[..words]).unwrap();
        let stamp = FrameStamp {
            seq: frame.header.seq,
            engine_time: frame.header.engine_time,
            receive_time: frame.header.receive_time,
            source: frame.header.source,
            source_seq: frame.header.source_seq,
        };
        for event in frame.events().flatten() {
            let report = Report::report(&stamp, &event);
            let number = event.report().filter(|(whose, _)| *whose == session);
            reports.extend(number.map(|(_, number)| number).zip(report));
        }
    }
    reports
}

/// Sends messages to the replay port until so many have come.
fn ask_replay<B: Block>(
    instance: &Instance,
    server: SocketAddr,
    session: SessionId,
    blocks: &[B],
    count: usize,
) -> Vec<Report> {
    let secret = topology::secret::load_or_create(&instance.config.secret_file()).unwrap();
    let secret = HostSecret::from_bytes(secret).secret_for(session, &[0; 32]);
    let keys = secret.unwrap().keys(session, 3, 1);
    let context = Context {
        session_id: session,
        epoch: 1,
        next_seq_no: 1,
        ..Context::default()
    };
    let mut bytes = [0; wire::MAX_DATAGRAM];
    let mut writer = DatagramWriter::new(&mut bytes, context);
    for block in blocks {
        writer.push(block).unwrap();
    }
    let length = writer.finish(&keys.to_exchange);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let mut heard = Vec::new();
    let mut answer = [0; wire::MAX_DATAGRAM];
    wait("all that was asked for has come", || {
        heard.clear();
        socket.send_to(&bytes[..length], server).unwrap();
        while heard.len() < count
            && let Ok((length, _)) = socket.recv_from(&mut answer)
        {
            let answer = &answer[..length];
            assert!(DatagramReader::verify(answer, &keys.to_client));
            let parsed = DatagramReader::parse(answer).unwrap();
            heard.extend(parsed.messages.map(|numbered| numbered.message));
        }
        heard.len() >= count
    });
    heard
}

#[test]
fn reports_and_outcomes_that_left_journal_memory_are_had_at_the_replay_port() {
    let server = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let instance = Instance::new(&format!(
        "[slowpath]\nreplay = \"{server}\"\n[archive]\nsegment_mib = 1\n"
    ));
    let session = SessionId(1);
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    fastpath.begin_epoch();
    // Its client is on this machine.
    let client = SocketAddr::from(([127, 0, 0, 1], 9));
    let SocketAddr::V4(client) = client else {
        panic!("it is of IPv4")
    };
    fastpath.fast.set_peer(1, nic::Peer::from(client).to_word());
    let mut slowpath = instance.start_slowpath();
    slowpath.wait_for("replay: udp://127.0.0.1:");
    slowpath.wait_for("archiving from");
    fastpath.trade(40);
    let first = reports_in_memory(&instance, session);
    assert_eq!(first[0].0, 1);
    fastpath.trade_through(3000, &instance);
    let left = reports_in_memory(&instance, session);
    assert!(left[0].0 > 40, "memory has lost them");
    let expected: Vec<Report> = first[..20].iter().map(|(_, report)| *report).collect();
    let resend = ResendRequest {
        from_report_no: 1,
        count: 20,
        reserved: 0,
    };
    let query = OutcomeQuery {
        seq_no: 3,
        ..OutcomeQuery::default()
    };
    for again in 0..2 {
        assert_eq!(
            ask_replay(&instance, server, session, &[resend], 20),
            expected
        );
        let outcome = ask_replay(&instance, server, session, &[query], 1);
        let [Report::Outcome(outcome)] = outcome[..] else {
            panic!("{outcome:?}")
        };
        assert_eq!((outcome.seq_no, outcome.became), (3, Became::Applied as u8));
        if again == 0 {
            slowpath.kill();
            slowpath = instance.start_slowpath();
            slowpath.wait_for("replay: udp://127.0.0.1:");
        }
    }
    assert_eq!(slowpath.stop().code(), Some(0), "{}", slowpath.said());
}
