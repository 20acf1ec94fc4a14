//! Rows as records: each struct is declared once, and its fields are its columns.

use crate::column::{Fields, Values};
use crate::error::StoreError;
use sqlx::{AnyConnection, AssertSqlSafe, Executor as _};

/// A row of a table.
pub(crate) trait Record: Sized {
    const TABLE: &'static str;
    /// In the order of the fields.
    const COLUMNS: &'static [&'static str];
    /// The columns that name a row which can change; none if a row is written once.
    const KEY: &'static [&'static str];
    /// Those that a later version of a row changes.
    const CHANGING: &'static [&'static str];

    fn put(&self, values: &mut Values);
    fn take(fields: &mut Fields<'_>) -> Result<Self, StoreError>;
}

/// `SELECT` of all columns, up to the name of the table.
pub(crate) fn select<R: Record>() -> String {
    format!("SELECT {} FROM {}", R::COLUMNS.join(", "), R::TABLE)
}

/// All rows of a record's table to which the rest of the statement applies.
pub(crate) async fn all<R: Record>(
    connection: &mut AnyConnection,
    rest: &str,
    values: Values,
) -> Result<Vec<R>, StoreError> {
    let text = AssertSqlSafe(format!("{} {rest}", select::<R>()));
    let query = sqlx::query_with(text, values.into_arguments());
    let rows = connection.fetch_all(query).await?;
    rows.iter()
        .map(|row| R::take(&mut Fields::new(row)))
        .collect()
}

macro_rules! record {
    (
        $(#[$doc:meta])*
        $vis:vis $name:ident in $table:literal, key [$($key:ident),*], changing [$($changing:ident),*] {
            $($(#[$field_doc:meta])* $field:ident : $ty:ty),* $(,)?
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        $vis struct $name { $($(#[$field_doc])* pub $field: $ty),* }

        impl $crate::record::Record for $name {
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [&'static str] = &[$(stringify!($field)),*];
            const KEY: &'static [&'static str] = &[$(stringify!($key)),*];
            const CHANGING: &'static [&'static str] = &[$(stringify!($changing)),*];

            fn put(&self, values: &mut $crate::column::Values) {
                $($crate::column::Column::put(&self.$field, values);)*
            }

            fn take(
                fields: &mut $crate::column::Fields<'_>,
            ) -> Result<Self, $crate::error::StoreError> {
                Ok(Self { $($field: fields.get()?),* })
            }
        }
    };
}
pub(crate) use record;
