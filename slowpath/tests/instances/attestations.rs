//! The checker of attestations as a thread of the process: what it sends, what it says, and where it begins again.

use crate::instance::{Fastpath, Instance, wait};
use attestation::{Checker, Place};
use domain::{Command, ConfirmAttestation, SessionId, Source, Zero};
use slowpath::counters::{
    ATTESTATION_SEQ, ATTESTATION_TROUBLES, ATTESTATIONS_RIGHT, ATTESTATIONS_WRONG,
};
use std::fs;
use std::path::PathBuf;

/// The private half of session 1's key in the genesis file (RFC 8032, test 1).
const KEY: [u8; 32] = [
    0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4,
    0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
];
/// Nobody's.
const OTHER: [u8; 32] = [7; 32];

fn file(instance: &Instance) -> PathBuf {
    instance.config.state_dir().join("attestations")
}

/// A fastpath whose sessions have a limit.
fn limited(instance: &Instance) -> Fastpath {
    let mut fastpath = Fastpath::start(instance);
    fastpath.genesis();
    fastpath.begin_epoch();
    fastpath.limit_unattested(1_000);
    fastpath.trade_without_checkpoint(10);
    fastpath
}

/// Waits until so many attestations were found right, and so many wrong.
#[track_caller]
fn wait_checked(instance: &Instance, right: u64, wrong: u64) {
    let slow = instance.slow();
    let count = |number| slow.counter(number).unwrap();
    wait("the attestations are checked", || {
        let checked = (count(ATTESTATIONS_RIGHT), count(ATTESTATIONS_WRONG));
        assert!(checked <= (right, wrong), "{checked:?}");
        checked == (right, wrong)
    });
}

#[test]
fn a_right_attestation_is_confirmed_to_the_fastpath_and_a_wrong_one_told() {
    let instance = Instance::new("");
    let mut fastpath = limited(&instance);
    // Both together: only one of them may be confirmed.
    fastpath.attest(2, OTHER);
    let level = fastpath.attest(1, KEY);
    assert!(level > 0);
    let mut slowpath = instance.start_slowpath();
    wait_checked(&instance, 1, 1);
    slowpath.wait_for("warning: the attestation of session 2 in seq ");
    let mut asked = None;
    wait("a level is confirmed", || {
        asked = fastpath.asked(&instance);
        asked.is_some()
    });
    let asked = asked.unwrap();
    let confirm = ConfirmAttestation {
        session: SessionId(1),
        pad: [Zero::Zero; 4],
        level,
    };
    assert_eq!(asked.command, Command::ConfirmAttestation(confirm));
    let next = fastpath.last_number(Source::ADMINISTRATION) + 1;
    assert_eq!(
        (asked.source, asked.source_seq),
        (Source::ADMINISTRATION, next)
    );
    // Said once, however often it is wrong.
    fastpath.attest(2, OTHER);
    wait_checked(&instance, 1, 2);
    let said = slowpath.said().matches("warning: the attestation").count();
    assert_eq!(said, 1);
    assert!(slowpath.stop().success());
}

#[test]
fn it_begins_behind_what_it_kept_if_the_archive_has_its_frame() {
    let instance = Instance::new("");
    let mut fastpath = limited(&instance);
    fastpath.attest(1, KEY);
    let mut slowpath = instance.start_slowpath();
    wait_checked(&instance, 1, 0);
    assert!(slowpath.stop().success());
    let head = fastpath.head();
    let kept = fs::read(file(&instance)).unwrap();
    let (checker, place) = Checker::of(&kept, 3).unwrap();
    assert_eq!(place.seq.0, head);

    // Commands that are journalled meanwhile belong to the hash.
    fastpath.trade_without_checkpoint(5);
    fastpath.attest(1, KEY);
    let mut slowpath = instance.start_slowpath();
    slowpath.wait_for(&format!("attestations are checked from behind seq {head}"));
    wait_checked(&instance, 2, 0);
    slowpath.kill();
    assert_eq!(fs::read(file(&instance)).unwrap(), kept, "it was killed");

    // Of another frame, damaged, or no file: everything is read again, and the newest of each session checked.
    let other = checker.state(Place {
        crc: place.crc ^ 1,
        ..place
    });
    let beyond = checker.state(Place {
        seq: domain::Seq(1_000_000),
        ..place
    });
    let damaged = kept[..kept.len() - 1].to_vec();
    let mut right = 2;
    for (state, why) in [
        (other, "another frame than the archive's of seq"),
        (beyond, "seq 1000000"),
        (damaged, "bytes where its sessions need"),
    ] {
        fs::write(file(&instance), &state).unwrap();
        let mut slowpath = instance.start_slowpath();
        slowpath.wait_for("attestations are checked from the first frame on: ");
        assert!(slowpath.said().contains(why), "{}", slowpath.said());
        right += 1;
        wait_checked(&instance, right, 0);
        wait("it comes to the end", || {
            instance.slow().counter(ATTESTATION_SEQ) == Some(fastpath.head())
        });
        slowpath.kill();
    }
    fs::remove_file(file(&instance)).unwrap();
    fs::create_dir(file(&instance)).unwrap();
    let mut slowpath = instance.start_slowpath();
    slowpath.wait_for("it is no file");
    wait_checked(&instance, right + 1, 0);
    assert!(slowpath.stop().success(), "nothing is lost by it");
    assert!(
        slowpath.said().contains("trouble: "),
        "it cannot be written"
    );
    let begun = instance.slow().counter(ATTESTATION_TROUBLES.begun);
    assert!(begun > Some(0), "whoever looks is told");
}
