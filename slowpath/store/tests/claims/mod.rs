//! What holds on either database.

use crate::exchange::{BEGIN, Exchange, SHARD};
use crate::tables::{assert_same, busy, dump};
use domain::{Nanos, Seq, Source};
use journal::Frame;
use std::pin::Pin;
use std::task::{Context, Poll};
use store::{
    Asked, Batch, Database, Projection, ROTATION_REPEAT, RefreshToken, Role, RoleGiven, Rotation,
    Store, StoreError, Writer,
};

/// A future that is dropped at its `left`th step.
pub(crate) struct CutOff<F> {
    work: Pin<Box<F>>,
    left: usize,
}

impl<F> CutOff<F> {
    pub(crate) fn new(work: F, left: usize) -> Self {
        let work = Box::pin(work);
        Self { work, left }
    }
}

impl<F: Future> Future for CutOff<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        self.work.as_mut().poll(context).map(Some)
    }
}

fn batch_of(exchange: &Exchange, from: u64, to: usize) -> Batch {
    let (mut projection, mut batch) = (Projection::new(SHARD), Batch::default());
    for frame in exchange.frames_of(1, to) {
        projection.step(&frame, &mut batch).unwrap();
        if frame.header.seq < Seq(from) {
            batch.clear();
        }
    }
    batch
}

/// An empty database refuses every batch that does not follow.
pub(crate) async fn what_does_not_follow_is_refused(url: &str) {
    let exchange = busy(5, 60);

    let database = Database::new(url).unwrap();
    let (mut one, _) = Writer::open(&database, SHARD).await.unwrap();
    let (mut two, _) = Writer::open(&database, SHARD).await.unwrap();
    let first = batch_of(&exchange, 1, 40);
    one.write(&first).await.unwrap();
    let before = dump(url).await;
    for (batch, seq) in [
        (&first, 1),
        (&batch_of(&exchange, 42, 50), 42),
        (&batch_of(&exchange, 30, 50), 30),
    ] {
        let refused = two.write(batch).await.unwrap_err();
        assert!(
            matches!(refused, StoreError::NotNext { first, last } if first == Seq(seq) && last == Seq(40)),
            "{refused}"
        );
    }
    let other = busy(6, 60);
    let refused = two.write(&batch_of(&other, 41, 50)).await.unwrap_err();
    assert!(
        matches!(refused, StoreError::History { seq: Seq(40), .. }),
        "{refused}"
    );
    assert_same(&before, &dump(url).await);
    two.write(&batch_of(&exchange, 41, 50)).await.unwrap();
    let refused = one.write(&batch_of(&exchange, 41, 50)).await.unwrap_err();
    assert!(matches!(refused, StoreError::NotNext { .. }), "{refused}");
}

/// Users and roles in a database with tables.
pub(crate) async fn operators_are_those_whom_one_made_so(store: &Store) {
    let (soon, late) = (Nanos(BEGIN.0 + 10), Nanos(BEGIN.0 + 1_000));

    let user = store.user_or_new([7; 32], Role::User, BEGIN).await.unwrap();
    assert_eq!(
        store
            .user_or_new([7; 32], Role::Auditor, late)
            .await
            .unwrap(),
        user
    );
    // As an earlier version kept those whom its configuration named.
    store
        .user_or_new([6; 32], Role::Operator, BEGIN)
        .await
        .unwrap();
    let role = async |wallet: u8| store.role([wallet; 32]).await.unwrap();
    assert_eq!((role(5).await, role(6).await), (Role::User, Role::User));
    assert_eq!(store.stray_operators().await.unwrap(), [[6; 32]]);
    let given = |time, wallet, role| RoleGiven {
        time,
        wallet: [wallet; 32],
        role,
        giver: [9; 32],
    };
    let gifts = [
        given(soon, 7, Role::Operator),
        given(late, 7, Role::Maker),
        given(Nanos(late.0 + 1), 8, Role::Auditor),
    ];
    for gift in &gifts {
        store.give_role(gift).await.unwrap();
    }
    for (wallet, role) in [(7, Role::Maker), (8, Role::Auditor)] {
        assert_eq!(store.role([wallet; 32]).await.unwrap(), role);
    }
    let newest = store.roles_given(None, 2).await.unwrap().value;
    assert_eq!(newest, [gifts[2].clone(), gifts[1].clone()]);
    let oldest = store.roles_given(Some(late), 2).await.unwrap().value;
    assert_eq!(oldest, gifts[..1]);
    store
        .give_role(&given(Nanos(late.0 + 2), 6, Role::Operator))
        .await
        .unwrap();
    assert_eq!(role(6).await, Role::Operator);
    assert_eq!(store.stray_operators().await.unwrap(), [[0; 32]; 0]);
}

/// Tokens in a database with tables.
pub(crate) async fn a_token_is_exchanged_once(store: &Store) {
    let (soon, late) = (Nanos(BEGIN.0 + 10), Nanos(BEGIN.0 + 1_000));

    let token = RefreshToken {
        hash: [1; 32],
        family: u64::MAX - 1,
        wallet: [7; 32],
        issued: BEGIN,
        expires: late,
        used: None,
        revoked: None,
    };
    assert_eq!(store.add_token(&token, 9).await.unwrap(), [0; 0]);
    let rotate = async |old: u8, new: u8, now| {
        store
            .rotate_token([old; 32], [new; 32], now, late)
            .await
            .unwrap()
    };
    assert_eq!(rotate(9, 10, soon).await, Rotation::Unknown);
    let Rotation::Rotated(second) = rotate(1, 2, soon).await else {
        panic!("is valid")
    };
    assert_eq!(
        (second.family, second.wallet, second.hash),
        (token.family, [7; 32], [2; 32])
    );
    assert_eq!(
        store.refresh_token([2; 32]).await.unwrap(),
        Some(second.clone())
    );
    // The answer was lost.
    let again = Nanos(soon.0 + ROTATION_REPEAT - 1);
    assert_eq!(rotate(1, 2, again).await, Rotation::Rotated(second.clone()));
    assert_eq!(rotate(1, 3, soon).await, Rotation::Reused(token.family));
    assert_eq!(
        rotate(2, 4, soon).await,
        Rotation::Ended,
        "the family was revoked"
    );
    assert_eq!(
        rotate(3, 4, soon).await,
        Rotation::Unknown,
        "nothing was given out"
    );
    assert_eq!(store.refresh_token([3; 32]).await.unwrap(), None);

    let other = RefreshToken {
        hash: [20; 32],
        family: 5,
        ..token
    };
    store.add_token(&other, 9).await.unwrap();
    assert_eq!(
        rotate(20, 21, late).await,
        Rotation::Ended,
        "it has expired"
    );
    assert_eq!(store.revoke_family(5, soon).await.unwrap(), 1);
    assert_eq!(store.revoke_family(5, soon).await.unwrap(), 0);
    assert_eq!(store.forget_tokens(Nanos(late.0 + 1)).await.unwrap(), 3);
}

/// After a statement that was refused, and after a caller that gave up, what is answered is there for others.
pub(crate) async fn what_follows_an_error_is_committed(store: &Store, other: &Store) {
    let token = RefreshToken {
        hash: [70; 32],
        family: 70,
        wallet: [70; 32],
        issued: BEGIN,
        expires: Nanos(BEGIN.0 + 1_000),
        used: None,
        revoked: None,
    };
    store.add_token(&token, 9).await.unwrap();
    for twice in [71, 72] {
        let refused = store.add_token(&token, 9).await.unwrap_err();
        assert!(matches!(refused, StoreError::Database(_)), "{refused}");
        store
            .user_or_new([twice; 32], Role::Auditor, BEGIN)
            .await
            .unwrap();
        assert_eq!(other.role([twice; 32]).await.unwrap(), Role::Auditor);
    }
    for steps in 0..8 {
        let wallet = [80 + u8::try_from(steps).unwrap(); 32];
        let given_up = store.user_or_new([79; 32], Role::Auditor, BEGIN);
        let _given_up = CutOff::new(given_up, steps).await;
        store
            .user_or_new(wallet, Role::Auditor, BEGIN)
            .await
            .unwrap();
        assert_eq!(other.role(wallet).await.unwrap(), Role::Auditor);
    }
    store.forget_tokens(Nanos(u64::MAX)).await.unwrap();
}

/// Whoever asks for an exchange again gets the same, for a while and until what it gave is used.
pub(crate) async fn an_exchange_is_repeated_only_for_whom_the_answer_was_lost(store: &Store) {
    let at = |number| Nanos(BEGIN.0 + number);
    let late = at(10 * ROTATION_REPEAT);
    let rotate = async |old: u8, new: u8, now| {
        store
            .rotate_token([old; 32], [new; 32], now, late)
            .await
            .unwrap()
    };
    for (first, family) in [(40, 1), (50, 2)] {
        let token = RefreshToken {
            hash: [first; 32],
            family,
            wallet: [8; 32],
            issued: BEGIN,
            expires: late,
            used: None,
            revoked: None,
        };
        store.add_token(&token, 9).await.unwrap();
        let rotated = rotate(first, first + 1, at(5)).await;
        assert!(matches!(rotated, Rotation::Rotated(_)));
    }
    let too_late = at(5 + ROTATION_REPEAT);
    assert_eq!(rotate(40, 41, too_late).await, Rotation::Reused(1));
    assert_eq!(rotate(41, 42, too_late).await, Rotation::Ended);
    assert!(matches!(rotate(51, 52, at(6)).await, Rotation::Rotated(_)));
    assert_eq!(rotate(50, 51, at(7)).await, Rotation::Reused(2));
    assert_eq!(rotate(52, 53, at(8)).await, Rotation::Ended);
}

/// A wallet has so many log-ons at a time, and nothing is kept of those that have expired.
pub(crate) async fn the_oldest_log_ons_of_a_wallet_end(store: &Store) {
    let token = |number: u8, wallet: u8, life: u64| RefreshToken {
        hash: [number; 32],
        family: u64::from(number),
        wallet: [wallet; 32],
        issued: Nanos(BEGIN.0 + u64::from(number)),
        expires: Nanos(BEGIN.0 + u64::from(number) + life),
        used: None,
        revoked: None,
    };
    let add = async |token: &RefreshToken| store.add_token(token, 2).await.unwrap();
    assert_eq!(add(&token(30, 1, 100)).await, [0; 0]);
    assert_eq!(add(&token(31, 2, 100)).await, [0; 0]);
    assert_eq!(add(&token(32, 1, 5)).await, [0; 0]);
    // A log-on is as new as the last time that it was used.
    let now = Nanos(BEGIN.0 + 33);
    let rotated = store.rotate_token([30; 32], [34; 32], now, Nanos(BEGIN.0 + 200));
    assert!(matches!(rotated.await.unwrap(), Rotation::Rotated(_)));
    assert_eq!(add(&token(35, 1, 100)).await, [32]);
    assert_eq!(
        add(&token(1, 1, 500)).await,
        [30],
        "whatever the clock says"
    );
    // One has expired by now, and makes room.
    assert_eq!(add(&token(36, 1, 100)).await, [1]);
    assert_eq!(add(&token(200, 1, 100)).await, [0; 0]);
    let left = store.forget_tokens(Nanos(u64::MAX)).await.unwrap();
    assert_eq!(left, 2, "this wallet's last and the other's");
}

/// Who asked stands beside the command that was asked for, and beside no other.
pub(crate) async fn commands_have_the_names_of_those_who_asked(url: &str) {
    let exchange = busy(8, 60);
    let database = Database::new(url).unwrap();
    let (mut writer, _) = Writer::open(&database, SHARD).await.unwrap();
    let frames = exchange.frames.len();
    writer.write(&batch_of(&exchange, 1, frames)).await.unwrap();
    let store = Store::new(&database, 1);
    let all = store.audited(None, 500).await.unwrap().value;
    let journalled: Vec<_> = exchange
        .frames_of(1, frames)
        .filter(|frame| [Source::ADMINISTRATION, Source::DEPOSITS].contains(&frame.header.source))
        .collect();
    let seqs: Vec<Seq> = journalled.iter().rev().map(|f| f.header.seq).collect();
    assert_eq!(all.iter().map(|one| one.seq).collect::<Vec<_>>(), seqs);
    assert!(all.iter().all(|one| one.asked_by.is_none()));

    let ask = async |frame: &Frame<'_>, wallet: u8, payload: &[u8]| {
        let asked = Asked {
            source: frame.header.source,
            number: frame.header.source_seq,
            command: frame.command.kind(),
            payload: payload.to_vec(),
            wallet: [wallet; 32],
            time: BEGIN,
            request: (wallet == 99).then(|| "first".to_owned()),
        };
        store.add_asked(&asked).await.unwrap();
    };
    // Each by another wallet. The number was given before, for a command that never came.
    for (frame, wallet) in journalled.iter().zip(1..) {
        ask(frame, 99, &[1]).await;
        ask(frame, wallet, frame.command.body()).await;
    }
    // What came under this number is another command than was asked for.
    let other = &journalled[2];
    ask(other, 3, &[0; 8]).await;
    let mut below = None;
    let mut named = Vec::new();
    loop {
        let page = store.audited(below, 7).await.unwrap().value;
        let Some(last) = page.last() else { break };
        below = Some(last.seq);
        named.extend(page);
    }
    for ((named, frame), wallet) in named.iter().rev().zip(&journalled).zip(1..) {
        let by = (frame.header.seq != other.header.seq).then_some([wallet; 32]);
        assert_eq!((named.seq, named.asked_by), (frame.header.seq, by));
        assert_eq!(named.payload, frame.command.body());
    }
    assert_eq!(named.len(), journalled.len());

    // All of them took the place of the one that was asked for under this name.
    assert_eq!(store.asked_as("first").await.unwrap(), None);
    ask(&journalled[0], 99, &[1]).await;
    ask(&journalled[1], 99, &[2]).await;
    let asked = store.asked_as("first").await.unwrap().unwrap();
    assert_eq!(
        (asked.number, asked.payload),
        (journalled[1].header.source_seq, vec![2])
    );
    for frame in &journalled {
        let header = &frame.header;
        let found = store
            .deposit(header.source, header.source_seq)
            .await
            .unwrap()
            .value;
        let is_deposit = matches!(frame.command, domain::Command::Deposit(_));
        assert_eq!(
            found.map(|deposit| deposit.seq),
            is_deposit.then_some(header.seq)
        );
    }
}
