//! The layers of the workspace, held against what `cargo metadata` resolves.
//!
//! Two tables: which of our packages may depend on which, and which packages of the world must not
//! be reachable from a package of ours however long the way.

use anyhow::{Context as _, Result, ensure};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};
use std::collections::{BTreeMap, BTreeSet};

/// Our packages and those of ours that each may use (normal and build dependencies).
const ALLOWED: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("shm", &[]),
    ("nic", &[]),
    ("wire", &["domain"]),
    ("journal", &["domain"]),
    ("engine", &["domain"]),
    ("topology", &["domain"]),
    ("tile", &["shm", "topology"]),
    ("client", &["domain", "wire"]),
    ("sim", &["domain"]),
    ("scenario", &["domain", "engine", "sim"]),
    (
        "fastpath",
        &[
            "domain", "engine", "journal", "nic", "shm", "tile", "topology", "wire",
        ],
    ),
    ("archive", &["domain", "journal", "shm"]),
    ("attestation", &["domain", "journal", "wire"]),
    ("replay", &["domain", "journal", "nic", "wire"]),
    ("shadow", &["domain", "engine", "journal"]),
    ("store", &["domain", "engine", "journal", "shadow"]),
    (
        "gateway",
        &[
            "attestation",
            "domain",
            "engine",
            "journal",
            "shadow",
            "store",
            "topology",
            "wire",
        ],
    ),
    (
        "slowpath",
        &[
            "archive",
            "attestation",
            "domain",
            "engine",
            "gateway",
            "journal",
            "nic",
            "replay",
            "shadow",
            "shm",
            "store",
            "topology",
            "wire",
        ],
    ),
    (
        "bench",
        &[
            "client", "domain", "engine", "journal", "nic", "shm", "tile", "topology", "wire",
        ],
    ),
    ("contest", &["domain", "engine"]),
    (
        "measure",
        &[
            "archive", "bench", "contest", "domain", "fastpath", "journal", "nic", "shadow", "shm",
            "tile", "topology", "wire",
        ],
    ),
    (
        "xtask",
        &[
            "bench", "client", "domain", "engine", "journal", "scenario", "shm", "topology", "wire",
        ],
    ),
];

/// From each of ours (left), none of these (right) may be reached in the resolved graph. A name
/// that ends in `-` stands for all packages that start so.
const FORBIDDEN: &[(&str, &[&str])] = &[(
    "fastpath",
    &[
        "tokio",
        "sqlx",
        "quinn",
        "serde_json",
        "solana-",
        "anchor-",
        "tracing-subscriber",
        "reqwest",
    ],
)];

/// Packages that may contain `unsafe`; every other one of ours must say `forbid(unsafe_code)`.
const UNSAFE: &[&str] = &["shm", "nic", "tile"];

/// Checks all tables and says what was checked.
pub(crate) fn check() -> Result<String> {
    // As built for Linux: loom, for one, is a dependency only under its own cfg.
    let platform = [
        "--filter-platform".to_owned(),
        "x86_64-unknown-linux-gnu".to_owned(),
    ];
    let metadata = MetadataCommand::new()
        .other_options(platform)
        .exec()
        .context("cargo metadata")?;
    let ours: BTreeSet<&str> = metadata
        .workspace_packages()
        .iter()
        .map(|p| p.name.as_str())
        .collect();
    let listed: BTreeSet<&str> = ALLOWED.iter().map(|(name, _)| *name).collect();
    ensure!(
        ours == listed,
        "the layer table lists {listed:?}, the workspace has {ours:?}"
    );
    let graph = resolved(&metadata)?;
    check_layers(&graph, &ours)?;
    for (from, forbidden) in FORBIDDEN {
        check_reach(&graph, from, forbidden)?;
    }
    check_unsafe(&metadata)?;
    Ok(format!(
        "{} packages, {} edges of ours hold to the layers",
        ours.len(),
        edges(&graph, &ours)
    ))
}

type Graph = BTreeMap<String, BTreeSet<String>>;

/// Package name to the names of its normal and build dependencies, as resolved.
fn resolved(metadata: &Metadata) -> Result<Graph> {
    let names: BTreeMap<&PackageId, &str> = metadata
        .packages
        .iter()
        .map(|p| (&p.id, p.name.as_str()))
        .collect();
    let resolve = metadata
        .resolve
        .as_ref()
        .context("cargo metadata resolved nothing")?;
    let mut graph = Graph::new();
    for node in &resolve.nodes {
        let used = node.deps.iter().filter(|dep| {
            dep.dep_kinds
                .iter()
                .any(|kind| kind.kind != DependencyKind::Development)
        });
        let used = used.map(|dep| names[&dep.pkg].to_owned());
        graph
            .entry(names[&node.id].to_owned())
            .or_default()
            .extend(used);
    }
    Ok(graph)
}

fn check_layers(graph: &Graph, ours: &BTreeSet<&str>) -> Result<()> {
    for (name, allowed) in ALLOWED {
        for used in graph[*name]
            .iter()
            .filter(|used| ours.contains(used.as_str()))
        {
            ensure!(
                allowed.contains(&used.as_str()),
                "{name} depends on {used}: dependencies point down only (docs/ARCHITECTURE.md)"
            );
        }
    }
    Ok(())
}

fn check_reach(graph: &Graph, from: &str, forbidden: &[&str]) -> Result<()> {
    let mut seen = BTreeSet::from([from]);
    let mut way = vec![vec![from]];
    while let Some(path) = way.pop() {
        let last = path.last().expect("a path has its start");
        for next in &graph[*last] {
            let bad = forbidden.iter().find(|bad| {
                if bad.ends_with('-') {
                    next.starts_with(**bad)
                } else {
                    next == **bad
                }
            });
            ensure!(
                bad.is_none(),
                "{from} must not reach {next}, and does: {path:?}"
            );
            if seen.insert(next) {
                let mut longer = path.clone();
                longer.push(next);
                way.push(longer);
            }
        }
    }
    Ok(())
}

fn check_unsafe(metadata: &Metadata) -> Result<()> {
    for package in metadata.workspace_packages() {
        if UNSAFE.contains(&package.name.as_str()) {
            continue;
        }
        for target in package.targets.iter().filter(|t| t.is_lib() || t.is_bin()) {
            let source = std::fs::read_to_string(&target.src_path)
                .with_context(|| target.src_path.to_string())?;
            ensure!(
                source.contains("#![forbid(unsafe_code)]"),
                "{} must say #![forbid(unsafe_code)]: only {UNSAFE:?} may not",
                target.src_path
            );
        }
    }
    Ok(())
}

fn edges(graph: &Graph, ours: &BTreeSet<&str>) -> usize {
    let ours_of = |name: &&str| {
        graph[*name]
            .iter()
            .filter(|d| ours.contains(d.as_str()))
            .count()
    };
    ours.iter().map(ours_of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> Graph {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        edges
            .iter()
            .map(|(from, to)| ((*from).to_owned(), owned(to)))
            .collect()
    }

    #[test]
    fn the_workspace_holds_to_its_layers() {
        check().expect("the layers hold");
    }

    #[test]
    fn a_forbidden_package_is_found_at_the_end_of_a_long_way() {
        let graph = graph(&[
            ("fastpath", &["a"]),
            ("a", &["b"]),
            ("b", &["solana-sdk"]),
            ("solana-sdk", &[]),
        ]);
        let error = check_reach(&graph, "fastpath", &["tokio", "solana-"]).expect_err("is reached");
        assert!(error.to_string().contains("solana-sdk"), "{error}");
        check_reach(&graph, "fastpath", &["solana"]).expect("no package has exactly this name");
    }
}
