//! `cargo xtask scenarios`: files of scenarios, wherever they were written, on both engines.

use anyhow::{Context as _, Result, ensure};
use bench::programs::workspace_root;
use scenario::{EXTENSION, engines};
use std::fs;
use std::path::{Path, PathBuf};

/// Those of the repository.
const RULES: &str = "fastpath/scenario/rules";

/// Runs the scenarios of files and of folders, however deep; of the repository's rules if none is named.
#[expect(clippy::print_stdout, reason = "this is what the command prints")]
pub(crate) fn run(named: &[PathBuf]) -> Result<()> {
    let mut files = Vec::new();
    if named.is_empty() {
        collect(&workspace_root()?.join(RULES), &mut files)?;
    }
    for path in named {
        let before = files.len();
        collect(path, &mut files)?;
        ensure!(
            files.len() > before,
            "no .{EXTENSION} file below {}",
            path.display()
        );
    }
    let (mut passed, mut failed) = (0, 0);
    for file in &files {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let name = file.display();
        match scenario::run(&text, engines) {
            Err(fault) => {
                failed += 1;
                println!("FAILED {name}:{fault}");
            }
            Ok(outcomes) => {
                let all = outcomes.len();
                let faults: Vec<_> = outcomes.iter().filter(|o| o.fault.is_some()).collect();
                passed += all - faults.len();
                failed += faults.len();
                println!("{:>4} of {all} passed  {name}", all - faults.len());
                for outcome in faults {
                    let fault = outcome.fault.as_ref().context("it has one")?;
                    println!("FAILED {name}:{}: {}", outcome.line, outcome.name);
                    println!("  {name}:{fault}");
                }
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    let scenarios = if failed == 1 { "scenario" } else { "scenarios" };
    ensure!(failed == 0, "{failed} {scenarios} failed");
    Ok(())
}

/// A file, or the files of scenarios below a folder, in the order of their names.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = fs::read_dir(path).with_context(|| path.display().to_string())?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<PathBuf>, _>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() || path.extension().is_some_and(|ending| ending == EXTENSION) {
            collect(&path, files)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_run_wherever_they_are_and_a_failure_is_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let deep = folder.path().join("a/b");
        fs::create_dir_all(&deep).expect("folders");
        let named = [folder.path().to_owned()];
        assert!(run(&named).is_err(), "nothing to run is a mistake");
        let good = "given market BTC/USD\nscenario Nothing happens\nthen nothing\n";
        fs::write(deep.join("good.scenario"), good).expect("it is written");
        run(&named).expect("it passes");
        fs::write(deep.join("notes.txt"), "no scenario").expect("it is written");
        run(&named).expect("other files are left alone");
        let bad = good.replace("then nothing", "then phase CancelOnly");
        fs::write(folder.path().join("bad.scenario"), &bad).expect("it is written");
        let error = run(&named).expect_err("one fails").to_string();
        assert_eq!(error, "1 scenario failed");
        fs::write(folder.path().join("worse.scenario"), bad).expect("it is written");
        let error = run(&named).expect_err("two fail").to_string();
        assert_eq!(error, "2 scenarios failed");
        assert!(run(&[deep.join("missing.scenario")]).is_err());
    }
}
