//! Whether this machine has the CPUs that a configuration names.

use std::fs;
use topology::{Config, Cpu};

/// The CPUs that the system uses, as in `0-3,6`.
const ONLINE: &str = "/sys/devices/system/cpu/online";

/// What is to be said of each CPU that is named and not there; nothing if the system does not say which there are.
#[must_use]
pub fn absent(config: &Config) -> Vec<String> {
    let online = fs::read_to_string(ONLINE).unwrap_or_default();
    absent_of(config, online.trim())
}

fn absent_of(config: &Config, online: &str) -> Vec<String> {
    if online.is_empty() {
        return Vec::new();
    }
    let tiles = config.cores.iter().filter_map(|core| match core.cpu {
        Cpu::Number(cpu) => Some(("core.cpu", cpu)),
        Cpu::Any => None,
    });
    let slowpath = config.slowpath.cpus.iter();
    tiles
        .chain(slowpath.map(|cpu| ("slowpath.cpus", *cpu)))
        .filter(|(_, cpu)| !has(online, *cpu))
        .map(|(key, cpu)| {
            format!("{key}: this machine has no CPU {cpu}, only {online}: name one of these")
        })
        .collect()
}

fn has(online: &str, cpu: usize) -> bool {
    online.split(',').any(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (first.parse(), last.parse());
        first.is_ok_and(|first: usize| first <= cpu) && last.is_ok_and(|last: usize| cpu <= last)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_that_are_not_there_are_named_with_their_key() {
        let config = Config::parse(
            "[[core]]\ncpu = 5\nidle = \"spin\"\ntiles = [\"net\", \"match\", \"out\"]\n\
             [slowpath]\ncpus = [0, 3, 6, 7]\n",
        )
        .unwrap();
        let absent = |online| absent_of(&config, online);
        assert_eq!(absent("0-7"), [""; 0]);
        assert_eq!(absent("0-3,5-7"), [""; 0]);
        assert_eq!(absent(""), [""; 0], "the system does not say");
        let says = [
            "core.cpu: this machine has no CPU 5, only 0-3,6: name one of these",
            "slowpath.cpus: this machine has no CPU 7, only 0-3,6: name one of these",
        ];
        assert_eq!(absent("0-3,6"), says);
    }
}
