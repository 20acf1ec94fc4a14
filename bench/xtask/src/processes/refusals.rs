//! Starts that are refused.

use anyhow::{Result, ensure};
use bench::instance::{Instance, Role};

use super::{PLAN, start};

/// A second writer, a wrong configuration: a clear line and exit code 1.
pub(super) fn refusals() -> Result<String> {
    let mut instance = start(&PLAN)?;
    let said = run_fastpath(&instance, &instance.config_path.display().to_string())?;
    ensure!(
        said.contains("another fastpath (pid ") && said.contains("state_dir"),
        "a second fastpath: {said}"
    );
    let wrong = instance.folder().join("wrong.toml");
    std::fs::write(&wrong, "[instance]\nnme = \"x\"\n")?;
    let unknown = run_fastpath(&instance, &wrong.display().to_string())?;
    ensure!(
        unknown.contains("nme") && unknown.contains("line 2"),
        "an unknown key: {unknown}"
    );
    let missing = run_fastpath(&instance, "/nonexistent/sluice.toml")?;
    ensure!(
        missing.contains("/nonexistent/sluice.toml"),
        "a missing file: {missing}"
    );
    instance.stop()?;
    Ok("second fastpath, unknown key and missing file are refused by name".to_owned())
}

pub(super) fn run_fastpath(instance: &Instance, config: &str) -> Result<String> {
    let out = instance
        .command(Role::Fastpath)
        .args(["--config", config])
        .output()?;
    ensure!(out.status.code() == Some(1), "ended with {}", out.status);
    Ok(String::from_utf8_lossy(&out.stderr).into_owned())
}
