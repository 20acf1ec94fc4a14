//! Keeping a core's thread on its CPU.

use core_affinity::CoreId;

/// CPUs that a `cpu_set_t` can name.
const CPUS: usize = 1024;

/// A CPU that this process may not run on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this process may not run on CPU {cpu}, only on {available:?}: name one of these as the cpu of the \
     [[core]], or \"any\", or give the process's cpuset that CPU"
)]
pub struct CpuError {
    /// What was asked for.
    pub cpu: usize,
    /// What there is.
    pub available: Vec<usize>,
}

/// Keeps the calling thread on one CPU from now on. Allocates only to report an error.
///
/// # Errors
/// If the machine has no such CPU, or this process may not use it.
pub fn pin(cpu: usize) -> Result<(), CpuError> {
    // The crate panics on what a `cpu_set_t` cannot name.
    if cpu < CPUS && core_affinity::set_for_current(CoreId { id: cpu }) {
        Ok(())
    } else {
        Err(CpuError {
            cpu,
            available: available(),
        })
    }
}

/// Whether the calling thread may be pinned to `cpu`, without doing it.
///
/// # Errors
/// As [`pin`].
pub fn check_cpu(cpu: usize) -> Result<(), CpuError> {
    let available = available();
    if available.contains(&cpu) {
        Ok(())
    } else {
        Err(CpuError { cpu, available })
    }
}

/// The CPUs that the calling thread may run on.
fn available() -> Vec<usize> {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    cores.into_iter().map(|core| core.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_thread_runs_nowhere_else() {
        let cpu = *available().last().expect("this thread runs somewhere");
        std::thread::spawn(move || {
            check_cpu(cpu).unwrap();
            pin(cpu).unwrap();
            assert_eq!(available(), [cpu]);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_cpu_that_does_not_exist_is_refused() {
        let before = available();
        for cpu in [1023, 1024, usize::MAX] {
            let error = pin(cpu).expect_err("no machine that runs tests has it");
            assert_eq!(check_cpu(cpu), Err(error.clone()));
            assert_eq!((error.cpu, &error.available), (cpu, &before));
            let text = error.to_string();
            assert!(
                text.contains(&cpu.to_string()) && text.contains("[[core]]"),
                "{text}"
            );
        }
        assert_eq!(available(), before, "a refusal changes nothing");
    }
}
