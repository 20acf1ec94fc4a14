//! File descriptors: whoever connects must not take those that the archive needs.

use crate::console::say;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are kept for all but the gateway's connections: archive, snapshots, store, threads.
const RESERVE: u64 = 256;

/// Raises the process's limit of open files as far as it may.
pub(crate) fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        say(format_args!(
            "the limit of open files stays at {}: {error}",
            shown(current)
        ));
    }
}

fn shown(limit: Option<u64>) -> String {
    limit.map_or("none".to_owned(), |limit| limit.to_string())
}

/// Most connections that the gateway may have, of those configured; what is lower is said.
#[must_use]
pub(crate) fn connections(configured: usize) -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    let most = within(limit, configured);
    if most < configured {
        say(format_args!(
            "gateway: at most {most} connections, not {configured} (gateway.max_connections): the process may open {} \
             files and keeps {RESERVE} for itself; raise its limit, as by LimitNOFILE= or `ulimit -n`",
            shown(limit)
        ));
    }
    most
}

/// Of a limit that is hardly more than the reserve, a quarter is for connections.
fn within(limit: Option<u64>, configured: usize) -> usize {
    let Some(limit) = limit else {
        return configured;
    };
    let room = limit.saturating_sub(RESERVE).max(limit / 4);
    usize::try_from(room).map_or(configured, |room| configured.min(room).max(1))
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn connections_leave_descriptors_for_the_archive() {
        let most = [None, Some(20_000), Some(1024), Some(300), Some(64), Some(1)]
            .map(|limit| within(limit, 12_000));
        assert_eq!(most, [12_000, 12_000, 768, 75, 16, 1]);
        assert_eq!(within(Some(1024), 8), 8);
    }
}
