//! The folder of everything that the instance keeps.

use anyhow::{Context as _, Result};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use topology::Config;

/// Makes it if it is missing, for this user and its group.
///
/// # Errors
/// If it cannot be made, or something else has its name.
pub fn make(config: &Config) -> Result<()> {
    let folder = config.state_dir();
    let mut builder = DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o750)
        .create(&folder)
        .with_context(|| {
            format!(
                "make the state folder {}, which instance.state_dir must name as a folder that this user may write",
                folder.display()
            )
        })
}
