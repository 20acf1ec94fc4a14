//! The number of the last epoch, kept on disk so that none is ever used twice, even if the archive
//! that would tell is lost.

use anyhow::{Context as _, Result};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

/// The epoch after `known` and after every epoch that the file ever held.
pub(crate) fn next(path: &Path, known: u32) -> Result<u32> {
    held(path)?
        .max(known)
        .checked_add(1)
        .context("the epochs are used up")
}

/// Makes the file hold at least `epoch`, durable before this returns. Until then nobody may be
/// told anything in that epoch.
pub(crate) fn hold(path: &Path, epoch: u32) -> Result<()> {
    if held(path)? >= epoch {
        return Ok(());
    }
    let folder = path.parent().context("the epoch file lies in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let new = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&new)?;
        writeln!(file, "{epoch}")?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        File::open(folder)?.sync_all()
    };
    write().with_context(|| format!("write {}", path.display()))
}

fn held(path: &Path) -> Result<u32> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "0".to_owned(),
        Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
    };
    text.trim().parse().with_context(|| {
        format!(
            "{} does not hold a number: write the highest epoch ever used there",
            path.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_gives_an_epoch_twice() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state/epoch");
        assert_eq!(next(&path, 0).expect("first"), 1);
        assert_eq!(next(&path, 0).expect("nothing was held"), 1);
        hold(&path, 1).expect("write");
        assert_eq!(next(&path, 0).expect("the archive was lost"), 2);
        assert_eq!(next(&path, 7).expect("the file was lost"), 8);
        hold(&path, 8).expect("write");
        hold(&path, 3).expect("holds more already");
        assert_eq!(next(&path, 0).expect("after the highest"), 9);
        fs::write(&path, "seven").expect("write");
        assert!(next(&path, 0).is_err() && hold(&path, 9).is_err());
    }
}
