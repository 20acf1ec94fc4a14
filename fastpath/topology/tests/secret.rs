//! The host secret: made once, whole, for its owner only.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use topology::secret::{SecretError, is_new, load_or_create, load_or_create_of};

#[test]
fn it_is_made_once_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/host.secret");
    let secret = load_or_create(&path).unwrap();
    assert_eq!(load_or_create(&path).unwrap(), secret);
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
        0o600
    );
    let state = fs::metadata(path.parent().unwrap()).unwrap();
    assert_eq!(state.permissions().mode() & 0o007, 0);
    let files = fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(files, 1, "no draft is left");

    let digits: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{digits}\n"));
    let other = load_or_create(&folder.path().join("other")).unwrap();
    assert!(secret != other && secret != [0; 32]);
}

#[test]
fn whoever_made_it_knows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("host.secret");
    assert!(is_new(&path).unwrap());
    let secret = load_or_create(&path).unwrap();
    assert!(!is_new(&path).unwrap());
    assert_eq!(
        load_or_create(&path).unwrap(),
        secret,
        "looking changes nothing"
    );
    fs::remove_file(&path).unwrap();
    assert!(is_new(&path).unwrap());
    assert!(load_or_create(&path).unwrap() != secret);
}

#[test]
fn two_that_make_it_at_once_have_the_same() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("host.secret");
        let secrets: BTreeSet<[u8; 32]> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| load_or_create(&path).unwrap()))
                .collect();
            makers
                .into_iter()
                .map(|maker| maker.join().unwrap())
                .collect()
        });
        assert_eq!(secrets.len(), 1);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn a_file_that_others_may_read_or_write_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("host.secret");
    let secret = load_or_create(&path).unwrap();
    for mode in [0o640, 0o604, 0o620, 0o602, 0o644] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let error = load_or_create(&path).expect_err("others may know it");
        assert!(matches!(error, SecretError::Exposed { .. }));
        let text = error.to_string();
        assert!(
            text.contains("chmod 600") && text.contains(&format!("{mode:04o}")),
            "{text}"
        );
    }
    fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
    assert_eq!(load_or_create(&path).unwrap(), secret);
}

#[test]
fn a_folder_in_which_others_may_replace_it_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("host.secret");
    let secret = load_or_create(&path).unwrap();
    for mode in [0o770, 0o707, 0o777] {
        fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
        let error = load_or_create(&path).expect_err("others may replace it");
        assert!(matches!(error, SecretError::OpenFolder { .. }), "{error}");
    }
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    assert_eq!(load_or_create(&path).unwrap(), secret);
}

/// Only root can make a file another's; for another user the same is asked from the other side.
#[test]
fn a_file_or_folder_of_another_user_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("host.secret");
    let secret = load_or_create(&path).unwrap();
    let own = fs::metadata(&path).unwrap().uid();
    let other = own + 1;
    if own == 0 {
        for given in [path.as_path(), folder.path()] {
            chown(given, Some(other), None).unwrap();
            let error = load_or_create(&path).expect_err("it is another user's");
            let says = format!("{} belongs to user {other}", given.display());
            assert!(error.to_string().contains(&says), "{error}");
            // The operator reads what the processes' user made.
            assert_eq!(load_or_create_of(&path, other).unwrap(), secret);
            chown(given, Some(0), None).unwrap();
        }
    } else {
        let error = load_or_create_of(&path, other).expect_err("it is another user's");
        assert!(matches!(error, SecretError::Foreign { .. }), "{error}");
    }
    assert_eq!(load_or_create(&path).unwrap(), secret);
}

#[test]
fn anything_else_in_the_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("host.secret");
    load_or_create(&path).unwrap();
    let digits = "ab".repeat(32);
    for text in [
        String::new(),
        digits[1..].to_owned(),
        format!("{digits}0"),
        format!("{digits}\n\n"),
        format!(" {digits}"),
        digits.replace('b', "x"),
        digits.repeat(100),
    ] {
        fs::write(&path, &text).unwrap();
        let error = load_or_create(&path).expect_err("no secret");
        assert!(matches!(error, SecretError::Malformed { .. }), "{text}");
    }
    fs::write(&path, &digits).unwrap();
    assert_eq!(
        load_or_create(&path).unwrap(),
        [0xab; 32],
        "a missing line end is no harm"
    );
}

#[test]
fn failures_say_what_and_where() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = load_or_create(&file.join("host.secret")).expect_err("a file is no folder");
    assert!(error.to_string().contains("file"), "{error}");
}
