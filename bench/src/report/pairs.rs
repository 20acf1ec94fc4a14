//! A subject beside its floor, at the same rate.

use anyhow::Result;

use super::{hundredths, micros};
use crate::load::row::Percentiles;
use crate::record::{Series, Table};

/// Pairs of a floor and what stands on it.
fn pairs<'a>(series: &'a [Series], floor: &str, subject: &str) -> Vec<(&'a Series, &'a Series)> {
    let of = |name: &str| series.iter().filter(|row| row.subject == name).collect();
    let (floors, subjects): (Vec<&Series>, Vec<&Series>) = (of(floor), of(subject));
    let pair = |row: &'a Series| {
        let floor = floors.iter().find(|floor| floor.rate == row.rate)?;
        Some((*floor, row))
    };
    subjects.into_iter().filter_map(pair).collect()
}

/// A latency in units of its floor, in hundredths: p50 and p99, where both are known.
#[must_use]
pub fn ratio(floor: &Percentiles, subject: &Percentiles) -> [Option<u64>; 2] {
    let of = |value: Option<u64>, floor: Option<u64>| {
        let both = value.zip(floor);
        both.map(|(value, floor)| value * 100 / floor.max(1))
    };
    [of(subject.p50, floor.p50), of(subject.p99, floor.p99)]
}

/// The ratios of all rates; none without a floor.
///
/// # Errors
/// If a histogram cannot be made, which constant bounds exclude.
pub fn ratios(
    series: &[Series],
    floor: &str,
    subject: &str,
    caption: &str,
) -> Result<Option<Table>> {
    let mut rows = Vec::new();
    for (below, row) in pairs(series, floor, subject) {
        let [p50, p99] = ratio(&below.latency.percentiles()?, &row.latency.percentiles()?);
        rows.push(vec![row.rate.to_string(), hundredths(p50), hundredths(p99)]);
    }
    Ok((!rows.is_empty()).then(|| Table {
        caption: caption.to_owned(),
        columns: ["rate/s", "p50", "p99"].map(str::to_owned).to_vec(),
        rows,
    }))
}

/// The highest rate of which both rows count, in one line; `called` is what the floor is called there.
///
/// # Errors
/// If a histogram cannot be made, which constant bounds exclude.
pub fn best(series: &[Series], floor: &str, subject: &str, called: &str) -> Result<String> {
    let pairs = pairs(series, floor, subject).into_iter();
    let counting = pairs.filter(|(below, row)| below.fail.is_empty() && row.fail.is_empty());
    let Some((below, row)) = counting.max_by_key(|(_, row)| row.rate) else {
        return Ok(format!(
            "none, no rate was kept by both {subject} and {called}"
        ));
    };
    let (below, found) = (below.latency.percentiles()?, row.latency.percentiles()?);
    let [p50, p99] = ratio(&below, &found);
    Ok(format!(
        "p50 {} µs, p99 {} µs at {}/s; {called} p50 {} µs, p99 {} µs, ratio p50 {}, p99 {}",
        micros(found.p50),
        micros(found.p99),
        row.rate,
        micros(below.p50),
        micros(below.p99),
        hundredths(p50),
        hundredths(p99),
    ))
}

#[cfg(test)]
mod tests {
    use super::super::tests::series;
    use super::*;

    #[test]
    fn a_pair_has_one_rate() {
        let series = [
            series("echo", 1),
            series("exchange", 2),
            series("exchange", 1),
        ];
        let found = pairs(&series, "echo", "exchange");
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].0.rate, found[0].1.rate), (1, 1));
        let floor = series[0].latency.percentiles().expect("constant bounds");
        assert_eq!(ratio(&floor, &floor), [Some(100), Some(100)]);
    }

    #[test]
    fn the_highest_rate_is_the_best_wherever_it_stands() {
        // A sweep that closes in ends with a lower rate.
        let mut rows = Vec::new();
        for rate in [1_000, 4_000, 2_000] {
            rows.extend([series("health", rate), series("orders", rate)]);
        }
        let said = best(&rows, "health", "orders", "GET /health").expect("constant bounds");
        assert!(said.contains("at 4000/s; GET /health p50"), "{said}");
        rows[2].fail.push("late".into());
        let said = best(&rows, "health", "orders", "GET /health").expect("constant bounds");
        assert!(said.contains("at 2000/s"), "{said}");
        let none = best(&rows[2..4], "health", "orders", "GET /health").expect("constant bounds");
        assert_eq!(
            none,
            "none, no rate was kept by both orders and GET /health"
        );
    }
}
