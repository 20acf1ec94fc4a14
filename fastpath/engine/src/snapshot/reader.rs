//! The parts of a body: its head, whose counts fit its length, and its records, one after another.

use super::faults::{Fault, LoadError, Section, ensure};
use super::{
    AccountRecord, ArrivingRecord, AssetRecord, BalanceRecord, Head, KillSwitchRecord, LAYOUT,
    MarketRecord, MassCancelRecord, OrderRecord, Pending, ProtectionRecord, SessionRecord,
    StopRecord, SweepRecord, UncrossingRecord,
};
use crate::engine::ENGINE_VERSION;
use domain::{Genesis, OrderId, Phase, SetFees, SetLimits};
use zerocopy::TryFromBytes;

/// The records of one kind, one after another.
pub(super) struct Records<'a, T> {
    section: Section,
    pub(super) bytes: &'a [u8],
    kind: core::marker::PhantomData<T>,
}

impl<'a, T: TryFromBytes> Records<'a, T> {
    /// Takes `count` records off the front of `rest`, which has so many.
    pub(super) fn split(rest: &mut &'a [u8], section: Section, count: u32) -> Self {
        let (bytes, behind) = rest.split_at(count as usize * size_of::<T>());
        *rest = behind;
        Self {
            section,
            bytes,
            kind: core::marker::PhantomData,
        }
    }

    /// Reads each; `take` says what is wrong with it.
    pub(super) fn each(
        &self,
        mut take: impl FnMut(&T) -> Result<(), Fault>,
    ) -> Result<(), LoadError> {
        for (index, bytes) in (0..).zip(self.bytes.chunks_exact(size_of::<T>())) {
            let record = T::try_read_from_bytes(bytes).map_err(|_| Fault::Field);
            record
                .and_then(|record| take(&record))
                .map_err(|fault| LoadError::Record {
                    section: self.section,
                    index,
                    fault,
                })?;
        }
        Ok(())
    }
}

/// Whether records come in increasing order of a key.
pub(super) struct Ascending<K>(pub(super) Option<K>);

impl<K: Ord + Copy> Ascending<K> {
    pub(super) fn check(&mut self, key: K) -> Result<(), Fault> {
        ensure(self.0.is_none_or(|before| before < key), Fault::Order)?;
        self.0 = Some(key);
        Ok(())
    }
}

impl Head {
    pub(super) fn refuse(fault: Fault) -> LoadError {
        LoadError::Record {
            section: Section::Head,
            index: 0,
            fault,
        }
    }

    /// Reads the head and holds its counts against the length of the body.
    pub(super) fn read(body: &[u8]) -> Result<Self, LoadError> {
        let found = body.len() as u64;
        let bytes = body.get(..size_of::<Self>()).ok_or(LoadError::Length {
            expected: size_of::<Self>() as u64,
            found,
        })?;
        let layout = u16::from_le_bytes([bytes[0], bytes[1]]);
        if layout != LAYOUT {
            return Err(LoadError::Layout(layout));
        }
        let head = Self::try_read_from_bytes(bytes).map_err(|_| Self::refuse(Fault::Field))?;
        let expected = head.body_bytes();
        if expected == found {
            Ok(head)
        } else {
            Err(LoadError::Length { expected, found })
        }
    }

    /// How often something of this kind is pending.
    pub(super) fn counts(&self, pending: Pending) -> u32 {
        u32::from(self.pending == pending)
    }

    pub(super) fn body_bytes(&self) -> u64 {
        let of = |count: u32, bytes: usize| u64::from(count) * bytes as u64;
        let sweeping = self.counts(Pending::Sweep);
        [
            of(1, size_of::<Self>()),
            of(self.assets, size_of::<AssetRecord>()),
            of(self.markets, size_of::<MarketRecord>()),
            of(self.accounts, size_of::<AccountRecord>()),
            of(self.sessions, size_of::<SessionRecord>()),
            of(self.balances, size_of::<BalanceRecord>()),
            of(self.resting, size_of::<OrderRecord>()),
            of(self.stops, size_of::<StopRecord>()),
            of(self.free, size_of::<OrderId>()),
            of(
                sweeping,
                size_of::<OrderRecord>() + size_of::<SweepRecord>(),
            ),
            of(self.kill_switches, size_of::<KillSwitchRecord>()),
            of(self.limits, size_of::<SetLimits>()),
            of(self.fees, size_of::<SetFees>()),
            of(self.protections, size_of::<ProtectionRecord>()),
            of(
                self.counts(Pending::MassCancel),
                size_of::<MassCancelRecord>(),
            ),
            of(
                self.counts(Pending::Uncrossing),
                size_of::<UncrossingRecord>(),
            ),
            of(self.counts(Pending::Arriving), size_of::<ArrivingRecord>()),
        ]
        .into_iter()
        .sum()
    }

    pub(super) fn check(&self, capacities: Option<&Genesis>) -> Result<(), LoadError> {
        if self.version != ENGINE_VERSION {
            return Err(LoadError::EngineVersion(self.version));
        }
        let found = self.initialised.is_yes().then_some(&self.capacities);
        if found != capacities {
            return Err(LoadError::Capacities);
        }
        let most = capacities.map_or(0, |genesis| genesis.max_orders);
        let zeros = self.capacities == super::save::NOTHING;
        let holds = self.next_fresh_slot <= most
            && (capacities.is_some() || zeros)
            && (self.phase == Phase::CancelOnly || self.cancel_only_until.0 == 0)
            && self.next_trade_id >= 1
            && self.next_feed_no >= 1;
        ensure(holds, Fault::Range).map_err(Self::refuse)
    }
}
