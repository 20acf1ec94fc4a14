//! A sweep: rates that double until one is missed, then halves of what lies between.

use anyhow::Result;

use crate::record::{Series, faults};

/// Beyond this no generator of one thread goes.
const HIGHEST: u32 = 8_000_000;
/// The knee is known to within a so-manieth of itself.
const FINE: u32 = 10;

/// Why the rows of a rate do not count; nothing if they do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missed {
    /// Of the exchange.
    pub exchange: Vec<String>,
    /// Of its floor.
    pub floor: Vec<String>,
}

/// Where a sweep ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knee {
    /// The highest rate whose row counts, if there is one.
    pub kept: Option<u32>,
    /// The lowest rate that was missed, if one was, and why.
    pub missed: Option<(u32, Missed)>,
}

impl Knee {
    /// In one sentence; `floor` names what the exchange stands on.
    #[must_use]
    pub fn sentence(&self, floor: &str) -> String {
        let kept = self.kept.map_or_else(
            || "no rate was kept".to_owned(),
            |rate| format!("the knee is {rate}/s, the highest rate whose row counts"),
        );
        let Some((rate, missed)) = &self.missed else {
            return format!("{kept}; the sweep ended before anything gave way");
        };
        let also = if missed.floor.is_empty() {
            format!("the {floor} kept that rate")
        } else {
            format!(
                "the {floor} gave way there as well ({}), so it is the generator's or the machine's knee",
                missed.floor.join(", ")
            )
        };
        format!(
            "{kept}; at {rate}/s gave way: {}; {also}",
            missed.exchange.join(", ")
        )
    }
}

/// Why a run does not count: each row that fails; of a sweep, which ends where rows fail, that it kept no rate.
#[must_use]
pub fn counts(series: &[Series], knee: Option<&Knee>, floor: &str) -> Vec<String> {
    match knee {
        None => faults(series),
        Some(knee) if knee.kept.is_some() => Vec::new(),
        Some(knee) => vec![knee.sentence(floor)],
    }
}

/// Finds the highest rate that is kept, from `first` on.
///
/// # Errors
/// What `measure` fails with.
pub fn sweep(first: u32, mut measure: impl FnMut(u32) -> Result<Missed>) -> Result<Knee> {
    let (mut kept, mut rate) = (None, first);
    let mut missed = loop {
        let found = measure(rate)?;
        if !found.exchange.is_empty() {
            break (rate, found);
        }
        kept = Some(rate);
        if rate >= HIGHEST {
            return Ok(Knee { kept, missed: None });
        }
        rate = rate.saturating_mul(2).min(HIGHEST);
    };
    loop {
        let low = kept.unwrap_or(0);
        let between = low + (missed.0 - low) / 2;
        if between == low || missed.0 - low <= missed.0 / FINE {
            break;
        }
        let found = measure(between)?;
        if found.exchange.is_empty() {
            kept = Some(between);
        } else {
            missed = (between, found);
        }
    }
    Ok(Knee {
        kept,
        missed: Some(missed),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn swept(first: u32, knee: u32) -> (Knee, Vec<u32>) {
        let mut asked = Vec::new();
        let found = sweep(first, |rate| {
            asked.push(rate);
            Ok(Missed {
                exchange: (rate > knee)
                    .then(|| "late".to_owned())
                    .into_iter()
                    .collect(),
                floor: Vec::new(),
            })
        });
        (found.expect("nothing fails"), asked)
    }

    #[test]
    fn rates_double_and_then_close_in() {
        let (knee, asked) = swept(1_000, 11_000);
        assert_eq!(asked[..5], [1_000, 2_000, 4_000, 8_000, 16_000]);
        let (kept, missed) = (knee.kept.expect("kept"), knee.missed.expect("missed").0);
        assert!((10_000..=11_000).contains(&kept), "{kept}");
        assert!(missed > 11_000 && missed - kept <= missed / 10, "{missed}");
        assert!(asked.len() < 12, "{asked:?}");
    }

    #[test]
    fn a_sweep_ends_also_where_nothing_is_kept_or_nothing_missed() {
        let (knee, asked) = swept(1_000, 0);
        assert_eq!(knee.kept, None);
        assert!(asked.len() < 14, "{asked:?}");
        assert!(
            knee.sentence("echo")
                .starts_with("no rate was kept; at 1/s gave way: late")
        );
        let (knee, _) = swept(1_000, u32::MAX);
        assert_eq!((knee.kept, &knee.missed), (Some(HIGHEST), &None));
        assert!(knee.sentence("echo").contains("before anything gave way"));
    }

    #[test]
    fn the_sentence_says_who_gave_way() {
        let knee = Knee {
            kept: Some(5),
            missed: Some((
                6,
                Missed {
                    exchange: vec!["2 datagrams sent again".into()],
                    floor: vec!["late".into()],
                },
            )),
        };
        let said = knee.sentence("echo");
        assert!(said.contains("the knee is 5/s") && said.contains("at 6/s gave way: 2 datagrams"));
        assert!(
            said.contains("the echo gave way there as well (late)"),
            "{said}"
        );
    }
}
