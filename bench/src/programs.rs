//! The programs of an instance, built by whoever starts it.

use anyhow::{Context as _, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The profile of what is shipped and measured.
pub const RELEASE: &str = "release";
/// That of `cargo demo`, which compiles faster.
const DEMO: &str = "demo";

/// Builds fastpath, slowpath and sluice, with the features of the aliases in `.cargo/config.toml`. Cargo says on stderr
/// what it compiles and what it waits for.
///
/// # Errors
/// If cargo cannot be started or the build fails; cargo has said why.
pub fn build() -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(workspace_root()?);
    cargo.args(["build", "--profile", profile()]);
    for program in ["fastpath", "slowpath", "sluice"] {
        cargo.args(["--bin", program]);
    }
    let status = cargo.status().context("start cargo")?;
    ensure!(status.success(), "the build failed");
    Ok(())
}

/// Where they are.
///
/// # Errors
/// If the workspace cannot be found.
pub fn folder() -> Result<PathBuf> {
    Ok(target_dir()?.join(profile()))
}

/// The profile in which they are built: that of the demo if this program itself was built in it.
#[must_use]
pub fn profile() -> &'static str {
    let own = std::env::current_exe().ok();
    let folder = own.as_deref().and_then(Path::parent);
    if folder.is_some_and(|folder| folder.ends_with(DEMO)) {
        DEMO
    } else {
        RELEASE
    }
}

/// Where cargo puts what it builds.
///
/// # Errors
/// If the workspace cannot be found.
pub fn target_dir() -> Result<PathBuf> {
    let dir = std::env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty());
    Ok(workspace_root()?.join(dir.map_or_else(|| "target".into(), PathBuf::from)))
}

/// Where the workspace is, from where this crate was built.
///
/// # Errors
/// If this crate did not lie in a workspace when it was built.
pub fn workspace_root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(here
        .parent()
        .context("the bench crate lies in a folder of the workspace")?
        .to_owned())
}
