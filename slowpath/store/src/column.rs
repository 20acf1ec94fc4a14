//! How the domain's types lie in columns, and come back out of them.
//!
//! Integers are BIGINT: an unsigned one by its bits (two's complement), so that every `u64` fits. Columns
//! that a query orders by or compares (seqs, times, trade ids, report numbers) stay below 2^63, where
//! this order is that of the numbers; beyond that a query may only ask for equality. Sums that can
//! pass 64 bits are decimal text.

use crate::error::StoreError;
use domain::{
    AccountId, Amount, AssetId, ClientOrderId, CommandKind, EventKind, FirmId, Flag, MarketId,
    MarketState, Nanos, OrderId, OrderType, PostOnly, Price, Qty, Reason, SelfTrade,
    SelfTradeScope, Seq, SessionId, Side, Source, TimeInForce,
};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::{Arguments as _, Row as _};
use zerocopy::TryFromBytes as _;

/// Values of a statement, in the order of their places.
#[derive(Default)]
pub(crate) struct Values(AnyArguments);

impl Values {
    pub(crate) fn put<'v, T>(&mut self, value: T)
    where
        T: sqlx::Encode<'v, sqlx::Any> + sqlx::Type<sqlx::Any> + 'v,
    {
        // Integers, text and bytes can always be encoded.
        self.0.add(value).expect("encodes");
    }

    /// Adds a value of ours; for chains.
    pub(crate) fn with(mut self, value: &impl Column) -> Self {
        value.put(&mut self);
        self
    }

    pub(crate) fn into_arguments(self) -> AnyArguments {
        self.0
    }
}

/// A row, column after column.
pub(crate) struct Fields<'r> {
    row: &'r AnyRow,
    next: usize,
}

impl<'r> Fields<'r> {
    pub(crate) fn new(row: &'r AnyRow) -> Self {
        Self { row, next: 0 }
    }

    fn take<T>(&mut self) -> Result<T, StoreError>
    where
        T: sqlx::Decode<'r, sqlx::Any> + sqlx::Type<sqlx::Any>,
    {
        let at = self.next;
        self.next += 1;
        self.row.try_get(at).map_err(StoreError::from)
    }

    /// The next column as what it is of ours.
    pub(crate) fn get<T: Column>(&mut self) -> Result<T, StoreError> {
        T::take(self)
    }

    /// What is wrong with the column that was taken last.
    pub(crate) fn unreadable(&self, what: &'static str) -> StoreError {
        let column = self.row.columns().get(self.next - 1);
        StoreError::Unreadable {
            column: column.map_or(String::new(), |column| {
                sqlx::Column::name(column).to_owned()
            }),
            what,
        }
    }
}

/// A type that a column can hold.
pub(crate) trait Column: Sized {
    fn put(&self, values: &mut Values);
    fn take(fields: &mut Fields<'_>) -> Result<Self, StoreError>;
}

impl Column for i64 {
    fn put(&self, values: &mut Values) {
        values.put(*self);
    }
    fn take(fields: &mut Fields<'_>) -> Result<Self, StoreError> {
        fields.take()
    }
}

impl Column for u64 {
    fn put(&self, values: &mut Values) {
        values.put(self.cast_signed());
    }
    fn take(fields: &mut Fields<'_>) -> Result<Self, StoreError> {
        fields.take::<i64>().map(i64::cast_unsigned)
    }
}

impl Column for Option<u64> {
    fn put(&self, values: &mut Values) {
        values.put(self.map(u64::cast_signed));
    }
    fn take(fields: &mut Fields<'_>) -> Result<Self, StoreError> {
        Ok(fields.take::<Option<i64>>()?.map(i64::cast_unsigned))
    }
}

macro_rules! narrow {
    ($($ty:ty),*) => {$(
        impl Column for $ty {
            fn put(&self, values: &mut Values) {
                values.put(i64::from(*self));
            }
            fn take(fields: &mut Fields<'_>) -> Result<Self, StoreError> {
                let wide = fields.take::<i64>()?;
                Self::try_from(wide).map_err(|_| fields.unreadable(stringify!($ty)))
            }
        }
    )*};
}
narrow!(u8, u16, u32);

/// A sum that can pass 64 bits: decimal text.
impl Column for u128 {
    fn put(&self, values: &mut Values) {
        values.put(self.to_string());
    }
    fn take(fields: &mut Fields<'_>) -> Result<Self, StoreError> {
        let text = fields.take::<String>()?;
        text.parse().map_err(|_| fields.unreadable("a sum"))
    }
}

impl Column for String {
    fn put(&self, values: &mut Values) {
        values.put(self.clone());
    }
    fn take(fields: &mut Fields<'_>) -> Result<Self, StoreError> {
        fields.take()
    }
}

impl Column for Option<String> {
    fn put(&self, values: &mut Values) {
        values.put(self.clone());
    }
    fn take(fields: &mut Fields<'_>) -> Result<Self, StoreError> {
        fields.take()
    }
}

impl Column for Vec<u8> {
    fn put(&self, values: &mut Values) {
        values.put(self.clone());
    }
    fn take(fields: &mut Fields<'_>) -> Result<Self, StoreError> {
        fields.take()
    }
}

impl Column for [u8; 32] {
    fn put(&self, values: &mut Values) {
        values.put(self.to_vec());
    }
    fn take(fields: &mut Fields<'_>) -> Result<Self, StoreError> {
        let bytes = fields.take::<Vec<u8>>()?;
        Self::try_from(bytes).map_err(|_| fields.unreadable("32 bytes"))
    }
}

impl Column for Option<[u8; 32]> {
    fn put(&self, values: &mut Values) {
        values.put(self.map(|bytes| bytes.to_vec()));
    }
    fn take(fields: &mut Fields<'_>) -> Result<Self, StoreError> {
        let bytes = fields.take::<Option<Vec<u8>>>()?;
        let array = bytes.map(<[u8; 32]>::try_from).transpose();
        array.map_err(|_| fields.unreadable("32 bytes"))
    }
}

macro_rules! newtypes {
    ($($ty:ident),*) => {$(
        impl Column for $ty {
            fn put(&self, values: &mut Values) {
                self.0.put(values);
            }
            fn take(fields: &mut Fields<'_>) -> Result<Self, StoreError> {
                fields.get().map(Self)
            }
        }
    )*};
}
newtypes!(
    AccountId,
    Amount,
    AssetId,
    ClientOrderId,
    FirmId,
    MarketId,
    Nanos,
    OrderId,
    Price,
    Qty,
    Seq,
    SessionId,
    Source
);

/// Enumerations of one byte or two, by their stable numbers.
macro_rules! numbered {
    ($($ty:ident as $number:ty),*) => {$(
        impl Column for $ty {
            fn put(&self, values: &mut Values) {
                (*self as $number).put(values);
            }
            fn take(fields: &mut Fields<'_>) -> Result<Self, StoreError> {
                let number = fields.get::<$number>()?;
                Self::try_read_from_bytes(&number.to_le_bytes())
                    .map_err(|_| fields.unreadable(stringify!($ty)))
            }
        }
    )*};
}
pub(crate) use numbered;
numbered!(
    Side as u8,
    OrderType as u8,
    TimeInForce as u8,
    Flag as u8,
    PostOnly as u8,
    SelfTrade as u8,
    SelfTradeScope as u8,
    MarketState as u8,
    EventKind as u8,
    Reason as u16,
    CommandKind as u16
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Database, Interval, OrderStatus, Role};
    use proptest::prelude::*;
    use sqlx::{AnyConnection, Connection as _, Executor as _};

    fn through_a_database<T: Column>(value: &impl Column) -> Result<T, StoreError> {
        Database::new("sqlite:unused").expect("understood");
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime").block_on(async {
            let mut connection = AnyConnection::connect("sqlite::memory:").await?;
            let values = Values::default().with(value).into_arguments();
            let row = connection
                .fetch_one(sqlx::query_with("SELECT ? AS it", values))
                .await?;
            Fields::new(&row).get()
        })
    }

    fn assert_returns<T: Column + PartialEq + core::fmt::Debug>(value: T) {
        assert_eq!(through_a_database::<T>(&value).expect("is readable"), value);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn every_number_comes_back(
            number in any::<u64>(), sum in any::<u128>(), price in any::<i64>(), bytes in any::<[u8; 32]>(),
        ) {
            assert_returns(number);
            assert_returns(sum);
            assert_returns(Price(price));
            assert_returns(bytes);
            assert_returns(Some(number));
        }
    }

    #[test]
    fn the_ends_of_the_ranges_come_back() {
        for number in [0, 1, u64::MAX, 1 << 63, (1 << 63) - 1] {
            assert_returns(Qty(number));
            assert_returns(u128::from(number) * u128::from(u64::MAX));
        }
        assert_returns(None::<u64>);
        assert_returns(None::<[u8; 32]>);
        assert_returns(u32::MAX);
        assert_returns(Side::Sell);
        assert_returns(Reason::NotIssued);
        assert_returns(Interval::Hours4);
        assert_returns(OrderStatus::Canceled);
        assert_returns(Role::Auditor);
    }

    #[test]
    fn what_no_store_writes_is_refused_by_the_name_of_its_column() {
        let refusals = [
            through_a_database::<Side>(&2_u64).err(),
            through_a_database::<Reason>(&99_u64).err(),
            through_a_database::<u32>(&-1_i64).err(),
            through_a_database::<u128>(&"-1".to_owned()).err(),
            through_a_database::<[u8; 32]>(&vec![0; 31]).err(),
        ];
        for refusal in refusals {
            let refusal = refusal.expect("is refused");
            assert!(
                matches!(&refusal, StoreError::Unreadable { column, .. } if column == "it"),
                "{refusal}"
            );
        }
    }
}
