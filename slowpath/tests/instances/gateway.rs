//! The gateway while the shard begins: whom it lets in.

use crate::instance::{Fastpath, Instance, wait};
use crate::metrics::scrape;
use domain::{Command, Source};
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;
use topology::instruments::matching;

/// A gateway's clients.
struct Clients {
    address: SocketAddr,
    key: SigningKey,
}

impl Clients {
    /// Sends a request; the status and body of its answer.
    fn call(&self, method: &str, path: &str, body: &Value) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let body = body.to_string();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    fn wallet(&self) -> String {
        bs58::encode(self.key.verifying_key().as_bytes()).into_string()
    }

    /// Logs on, which makes an account for a wallet that has none.
    fn log_on(&self) -> (u16, String) {
        let wallet = json!({ "wallet": self.wallet() });
        let (status, challenge) = self.call("POST", "/api/v1/auth/challenge", &wallet);
        assert_eq!(status, 200, "{challenge}");
        let challenge: Value = serde_json::from_str(&challenge).unwrap();
        let message = challenge["message"].as_str().unwrap();
        let signature = self.key.sign(message.as_bytes()).to_bytes();
        let signed = json!({
            "wallet": self.wallet(),
            "nonce": challenge["nonce"],
            "signature": bs58::encode(signature).into_string(),
        });
        self.call("POST", "/api/v1/auth/token", &signed)
    }

    fn ready(&self) -> u16 {
        self.call("GET", "/ready", &Value::Null).0
    }
}

fn free_address() -> SocketAddr {
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    port.local_addr().unwrap()
}

/// Whoever else answers there is not this instance's gateway.
#[test]
fn a_gateway_whose_address_is_taken_is_wrong_until_it_listens() {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, figures) = (held.local_addr().unwrap(), free_address());
    let instance = Instance::new(&format!(
        "[gateway]\nbind = \"{address}\"\n[metrics]\nbind = \"{figures}\"\n"
    ));
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    fastpath.begin_epoch();
    let mut slowpath = instance.start_slowpath();
    slowpath.wait_for("trouble: no gateway, trying again: cannot listen on 127.0.0.1");
    let troubles = || {
        let found = scrape(figures.port());
        ["sluice_gateway_in_trouble", "sluice_gateway_troubles_total"].map(|name| found[name])
    };
    assert_eq!(troubles(), [1.0, 1.0]);
    let shows = |what: &str| {
        fastpath.beat();
        let status = instance.sluice(&["status"]);
        assert!(status.out.contains(what), "{what}: {status:?}");
        status
    };
    let status = shows("\ngateway    none\n");
    assert_eq!(status.code, 1, "{status:?}");
    let says = "wrong: there is no gateway: see `trouble:` in the slowpath's output; if another process has its address";
    assert!(status.out.contains(says), "{status:?}");
    drop(held);
    slowpath.wait_for("trouble over after ");
    slowpath.wait_for(&format!("gateway: http://{address}"));
    let status = shows(&format!("\ngateway    http://{address}\n"));
    assert_eq!(status.code, 0, "{status:?}");
    assert_eq!(troubles(), [0.0, 1.0]);
    slowpath.kill();
    shows("\ngateway    none\n");
}

/// With acknowledgements of what is durable it goes no further than the archive, which stands still here.
#[test]
fn a_shadow_engine_that_does_not_move_makes_the_gateway_unready() {
    let address = free_address();
    let gateway = format!("[gateway]\nbind = \"{address}\"\naddress_rate = 100000\n");
    let instance = Instance::new(&gateway);
    let environment = [("SLUICE_INSTANCE__ACK", "durable")];
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    fastpath.begin_epoch();
    let slowpath = instance.start_slowpath_in(&environment);
    let clients = Clients {
        address,
        key: SigningKey::from_bytes(&[6; 32]),
    };
    slowpath.wait_for("gateway: http://");
    let living = |fastpath: &Fastpath, status| {
        fastpath.beat();
        clients.ready() == status
    };
    wait("it is ready", || living(&fastpath, 200));
    let archive = instance.config.archive_dir();
    let aside = archive.with_extension("aside");
    std::fs::rename(&archive, &aside).unwrap();
    fastpath.trade(1);
    wait("it is not ready", || living(&fastpath, 503));
    let (_, problem) = clients.call("GET", "/ready", &Value::Null);
    assert!(
        problem.contains(
            "nothing that is in the journal could be told for 2 s: the archive's storage fails"
        ),
        "{problem}"
    );
    std::fs::rename(&aside, &archive).unwrap();
    wait("it is ready again", || living(&fastpath, 200));
}

/// The match tile lives and takes nothing: what is sent would wait in vain.
#[test]
fn a_journal_without_room_makes_the_gateway_unready_until_something_moves() {
    let address = free_address();
    let instance = Instance::new(&format!(
        "[gateway]\nbind = \"{address}\"\nregistration = \"open\"\naddress_rate = 100000\n"
    ));
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    fastpath.begin_epoch();
    let turns = fastpath.fast.tile(1).counter(matching::no_room);
    // Of long ago.
    turns.add(10_000);
    let slowpath = instance.start_slowpath();
    let clients = Clients {
        address,
        key: SigningKey::from_bytes(&[8; 32]),
    };
    slowpath.wait_for("gateway: http://");
    wait("it is ready", || clients.ready() == 200);
    wait("it is not ready", || {
        turns.add(1000);
        clients.ready() == 503
    });
    let says = "journal memory is full (the archive or the out tile stands still";
    for (status, problem) in [
        clients.call("GET", "/ready", &Value::Null),
        clients.log_on(),
    ] {
        assert_eq!(status, 503, "{problem}");
        assert!(
            problem.contains("\"code\":\"busy\"") && problem.contains(says),
            "{problem}"
        );
    }
    assert!(fastpath.asked(&instance).is_none(), "nothing was sent");
    fastpath.trade(1);
    wait("it is ready again", || clients.ready() == 200);
}

/// It goes on when that is put right.
#[test]
fn a_start_that_the_archives_storage_keeps_back_says_so() {
    let address = free_address();
    let gateway = format!("[gateway]\nbind = \"{address}\"\naddress_rate = 100000\n");
    let instance = Instance::new(&gateway);
    let mut fastpath = Fastpath::start(&instance);
    fastpath.genesis();
    fastpath.begin_epoch();
    // A directory stands where the segment will be: what root may not write either.
    let segment = instance
        .config
        .archive_dir()
        .join("00000000000000000001.seg");
    std::fs::create_dir_all(&segment).unwrap();
    let slowpath = instance.start_slowpath();
    let clients = Clients {
        address,
        key: SigningKey::from_bytes(&[7; 32]),
    };
    slowpath.wait_for("trouble: the archive's storage fails");
    slowpath.wait_for("gateway: http://");
    let ready = || clients.call("GET", "/ready", &Value::Null);
    wait("it says what is wrong", || {
        ready()
            .1
            .contains("cannot start: the archive's storage fails: check the disk")
    });
    std::fs::remove_dir(&segment).unwrap();
    wait("it is ready", || {
        fastpath.beat();
        ready().0 == 200
    });
}

/// The numbers of administration are the genesis file's until it is journalled whole: a command of the gateway
/// would take one of them, and be dropped.
#[test]
fn nobody_is_let_in_before_the_genesis_is_complete() {
    let address = free_address();
    let instance = Instance::new(&format!(
        "[gateway]\nbind = \"{address}\"\nregistration = \"open\"\n"
    ));
    let mut fastpath = Fastpath::start(&instance);
    let slowpath = instance.start_slowpath();
    let clients = Clients {
        address,
        key: SigningKey::from_bytes(&[5; 32]),
    };
    slowpath.wait_for("gateway: http://");
    // With nothing, with a part, and with all but the first epoch, which says that it is whole.
    for left in [usize::MAX, 5, 0] {
        if left < usize::MAX {
            fastpath.genesis_but(left);
        }
        let head = fastpath.head();
        wait("it is checked", || instance.slow().shadow_seq() >= head);
        // The shadow engine stands at the end: longer than it takes to say so.
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(clients.ready(), 503, "{left}");
        let (status, problem) = clients.log_on();
        assert_eq!(status, 503, "{problem}");
        assert!(problem.contains("the exchange is starting"), "{problem}");
        assert!(fastpath.asked(&instance).is_none(), "{left}");
    }
    fastpath.begin_epoch();
    wait("it is ready", || clients.ready() == 200);
    let account = std::thread::spawn(move || clients.log_on());
    let mut asked = None;
    wait("an account is asked for", || {
        asked = fastpath.asked(&instance);
        asked.is_some()
    });
    let asked = asked.unwrap();
    assert!(matches!(asked.command, Command::CreateAccount(_)));
    let last = fastpath.last_number(Source::ADMINISTRATION);
    assert_eq!(
        (asked.source, asked.source_seq),
        (Source::ADMINISTRATION, last + 1)
    );
    // Nobody takes it.
    let (status, problem) = account.join().unwrap();
    assert_eq!(status, 504, "{problem}");
}
