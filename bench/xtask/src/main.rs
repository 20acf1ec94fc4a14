//! `cargo xtask`: the project's own commands. `cargo demo` is one of them.
#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
mod audit;
#[cfg(target_os = "linux")]
mod checks;
#[cfg(target_os = "linux")]
mod choice;
#[cfg(target_os = "linux")]
mod commands;
#[cfg(target_os = "linux")]
mod crash;
#[cfg(target_os = "linux")]
mod demo;
#[cfg(target_os = "linux")]
mod feed;
#[cfg(target_os = "linux")]
mod layers;
#[cfg(target_os = "linux")]
mod processes;
#[cfg(target_os = "linux")]
mod scenarios;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    commands::run()
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::print_stderr, reason = "this is all that there is to say")]
fn main() -> std::process::ExitCode {
    eprintln!("Sluice runs on Linux only: its shared memory and its port are Linux's.");
    std::process::ExitCode::FAILURE
}
