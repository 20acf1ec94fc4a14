//! What one session does, others do not feel.

use super::rig::{Client, Rig, resting};
use tile::Tile as _;
use topology::TileKind;
use topology::instruments::net as counter;
use wire::order_entry::{Message, NewOrder};

/// As many datagrams as the port gives in one turn, less those of the others.
const GREEDY: usize = 28;
const TURNS: usize = 100;

fn heartbeats(client: &mut Client) -> usize {
    let received = client.receive();
    let empty = received.iter().filter(|it| it.messages.is_empty());
    empty.count()
}

fn challenges(client: &mut Client) -> usize {
    let received = client.receive();
    let challenge = |it: &&Message| matches!(it, Message::Challenge(_));
    let messages = received.iter().flat_map(|it| &it.messages);
    messages.filter(challenge).count()
}

/// A session asks for as much as it can, turn after turn, while another is alive and a third logs on;
/// `out` has a turn for every `slower` of net's. What the two others heard.
fn beside_a_greedy_session(slower: usize, greed: impl Fn(&Client)) -> [usize; 2] {
    let mut rig = Rig::new();
    let (mut greedy, mut other) = (rig.client(1), rig.client(2));
    let mut newcomer = rig.stranger(3);
    greedy.send(1, &[resting(1)]);
    rig.settle();
    let mut heard = [0, 0];
    for turn in 0..TURNS {
        for _ in 0..GREEDY {
            greed(&greedy);
        }
        other.heartbeat();
        newcomer.hello(turn as u64 + 1);
        rig.tiles.net.poll();
        rig.tiles.matching.poll();
        if turn % slower == slower - 1 {
            rig.tiles.out.poll();
        }
        greedy.receive();
        heard[0] += heartbeats(&mut other);
        heard[1] += challenges(&mut newcomer);
    }
    rig.settle();
    heard[0] += heartbeats(&mut other);
    heard[1] += challenges(&mut newcomer);
    assert_eq!(rig.count(TileKind::Net, counter::replies_dropped), 0);
    assert!(rig.count(TileKind::Net, counter::throttled) > 0);
    heard
}

#[test]
fn a_session_that_repeats_itself_keeps_nobody_waiting() {
    for slower in [1, 3] {
        let repeats = |client: &Client| client.send(1, &[resting(1), resting(1)]);
        assert_eq!(beside_a_greedy_session(slower, repeats), [TURNS; 2]);
        let refused = |client: &Client| {
            let bad = NewOrder {
                side: 9,
                ..resting(2)
            };
            client.send(2, &[bad]);
        };
        assert_eq!(beside_a_greedy_session(slower, refused), [TURNS; 2]);
    }
}

#[test]
fn a_session_that_says_hello_for_ever_keeps_nobody_from_logging_on() {
    let hello = |client: &Client| client.hello(7);
    assert_eq!(beside_a_greedy_session(3, hello), [TURNS; 2]);
}
