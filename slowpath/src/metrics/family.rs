//! Figures of one moment, as Prometheus calls them.

use super::catalogue::Described;
use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};
use shm::HistogramSnapshot;
use std::collections::BTreeMap;

/// Powers of two, less one, nanoseconds, at which a histogram's buckets end: there ours end too.
const BOUNDS: std::ops::RangeInclusive<u32> = 8..=31;

/// Collects figures, each of which the catalogue knows.
pub(super) struct Figures<'a> {
    catalogue: &'a BTreeMap<String, Described>,
    families: BTreeMap<String, MetricFamily>,
}

/// Names and values of labels.
pub(super) type Labels<'l> = &'l [(&'l str, &'l str)];

impl<'a> Figures<'a> {
    pub(super) fn new(catalogue: &'a BTreeMap<String, Described>) -> Self {
        Self {
            catalogue,
            families: BTreeMap::new(),
        }
    }

    /// Adds a counter or a gauge.
    pub(super) fn add(&mut self, name: &str, labels: Labels<'_>, value: u64) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "the format has floats only: exact to 2^53"
        )]
        self.add_float(name, labels, value as f64);
    }

    /// Adds a time, given in nanoseconds.
    pub(super) fn add_nanos(&mut self, name: &str, labels: Labels<'_>, nanos: u64) {
        self.add_float(name, labels, seconds(nanos));
    }

    fn add_float(&mut self, name: &str, labels: Labels<'_>, value: f64) {
        let mut metric = Metric::from_label(pairs(labels));
        if self.kind(name) == Some(MetricType::COUNTER) {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        self.push(name, metric);
    }

    /// Adds a histogram of nanoseconds.
    pub(super) fn add_histogram(&mut self, name: &str, snapshot: &HistogramSnapshot) {
        let buckets = BOUNDS.map(|power| {
            let most = (1_u64 << power) - 1;
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(seconds(most));
            bucket.set_cumulative_count(snapshot.count_to(most));
            bucket
        });
        let mut histogram = Histogram::default();
        histogram.set_sample_count(snapshot.count);
        histogram.set_sample_sum(seconds(snapshot.sum));
        histogram.set_bucket(buckets.collect());
        let mut metric = Metric::default();
        metric.set_histogram(histogram);
        self.push(name, metric);
    }

    fn kind(&self, name: &str) -> Option<MetricType> {
        self.catalogue.get(name).map(|described| described.kind)
    }

    fn push(&mut self, name: &str, metric: Metric) {
        let Some(described) = self.catalogue.get(name) else {
            debug_assert!(false, "{name} is not in the catalogue");
            return;
        };
        let family = self.families.entry(name.to_owned()).or_insert_with(|| {
            let mut family = MetricFamily::default();
            family.set_name(name.to_owned());
            family.set_help(described.help.clone());
            family.set_field_type(described.kind);
            family
        });
        family.mut_metric().push(metric);
    }

    pub(super) fn finish(self) -> impl Iterator<Item = MetricFamily> {
        self.families.into_values()
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the format has floats only: a nanosecond in three months is exact"
)]
fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

fn pairs(labels: Labels<'_>) -> Vec<LabelPair> {
    labels
        .iter()
        .map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value((*value).to_owned());
            pair
        })
        .collect()
}
