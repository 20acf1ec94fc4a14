//! The environment of a run: no variable may stand for a key of the configuration.
//!
//! Variables win over the file, and children inherit them: an instance of one's own would have another's name, archive
//! or ack mode, and what is removed with it would be another's.

use anyhow::{Result, bail};
use std::ffi::OsString;

const PREFIX: &[u8] = b"SLUICE_";

/// Refuses to go on if a variable of this process stands for a key of the configuration.
///
/// # Errors
/// If there are any: it names them.
pub fn check() -> Result<()> {
    check_names(std::env::vars_os().map(|(name, _)| name))
}

fn check_names(names: impl Iterator<Item = OsString>) -> Result<()> {
    let ours = names.filter(|name| name.as_encoded_bytes().starts_with(PREFIX));
    let mut ours: Vec<String> = ours
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    ours.sort();
    if ours.is_empty() {
        return Ok(());
    }
    bail!(
        "unset {}: an instance of one's own is configured by its file alone, and variables that begin with SLUICE_ would \
         change it",
        ours.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_change_an_instance_is_refused_by_name() {
        let check = |names: &[&str]| check_names(names.iter().map(OsString::from));
        assert!(check(&["PATH", "MY_SLUICE_X", "sluice_x"]).is_ok());
        let refused = check(&["PATH", "SLUICE_LOG__FORMAT", "SLUICE_ARCHIVE__DIR"]);
        let said = refused.expect_err("two of them").to_string();
        assert!(
            said.starts_with("unset SLUICE_ARCHIVE__DIR, SLUICE_LOG__FORMAT: "),
            "{said}"
        );
    }
}
