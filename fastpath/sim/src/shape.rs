//! What of a state decides what can still happen.

use crate::{NaiveEngine, naive::NOWHERE};
use domain::Seq;

impl NaiveEngine {
    /// The hash of the state without what only counts: numbers of reports, trades, events of the feed and sources. Of
    /// priorities, and of the frames in which stops were entered, it is the order that matters, not the number.
    ///
    /// Two states of one shape go on alike: what a command does to one it does to the other, but for these numbers.
    #[must_use]
    pub fn shape(&self) -> u64 {
        let mut plain = self.clone();
        plain.next_trade_id = 1;
        plain.next_feed_no = 1;
        plain.last_numbers.clear();
        for session in plain.sessions.values_mut() {
            session.next_report_no = 1;
            session.epoch_report_no = 1;
        }
        plain.rank_orders();
        plain.state_hash()
    }

    /// Priorities and frames of entry become places among those of the other orders.
    fn rank_orders(&mut self) {
        let orders = &mut self.orders;
        let priorities = orders.iter().map(|order| order.priority);
        let priorities = sorted(priorities.filter(|priority| *priority != NOWHERE));
        let frames = sorted(orders.iter().filter_map(|order| Some(order.stop?.entered)));
        for order in orders {
            if order.priority != NOWHERE {
                order.priority = NOWHERE + place(&priorities, &order.priority);
            }
            if let Some(stop) = &mut order.stop {
                stop.entered = Seq(place(&frames, &stop.entered));
            }
        }
    }
}

fn sorted<T: Ord>(numbers: impl Iterator<Item = T>) -> Vec<T> {
    let mut numbers: Vec<T> = numbers.collect();
    numbers.sort_unstable();
    numbers
}

/// From 1 on.
fn place<T: Ord>(numbers: &[T], number: &T) -> u64 {
    1 + numbers.partition_point(|other| other < number) as u64
}
