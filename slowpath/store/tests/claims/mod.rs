//! What holds on either database.

use crate::exchange::{BEGIN, Exchange, SHARD};
use crate::tables::{assert_same, busy, dump};
use domain::{Nanos, Seq};
use store::{Batch, Database, Projection, RefreshToken, Role, Rotation, Store, StoreError, Writer};

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

/// Users and tokens in a database with tables.
pub(crate) async fn a_token_is_exchanged_once(store: &Store) {
    let (soon, late) = (Nanos(BEGIN.0 + 10), Nanos(BEGIN.0 + 1_000));

    assert_eq!(store.user([7; 32]).await.unwrap(), None);
    let user = store.user_or_new([7; 32], Role::User, BEGIN).await.unwrap();
    assert_eq!(
        store
            .user_or_new([7; 32], Role::Auditor, late)
            .await
            .unwrap(),
        user
    );
    assert!(store.set_role([7; 32], Role::Maker).await.unwrap());
    assert!(!store.set_role([8; 32], Role::Maker).await.unwrap());
    assert_eq!(
        store.user([7; 32]).await.unwrap().unwrap().role,
        Role::Maker
    );

    let token = RefreshToken {
        hash: [1; 32],
        family: u64::MAX - 1,
        wallet: [7; 32],
        issued: BEGIN,
        expires: late,
        used: None,
        revoked: None,
    };
    store.add_token(&token).await.unwrap();
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

    let other = RefreshToken {
        hash: [20; 32],
        family: 5,
        ..token
    };
    store.add_token(&other).await.unwrap();
    assert_eq!(
        rotate(20, 21, late).await,
        Rotation::Ended,
        "it has expired"
    );
    assert_eq!(store.revoke_family(5, soon).await.unwrap(), 1);
    assert_eq!(store.revoke_family(5, soon).await.unwrap(), 0);
    assert_eq!(store.forget_tokens(Nanos(late.0 + 1)).await.unwrap(), 3);
}
