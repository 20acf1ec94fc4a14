//! Tables of what has an id: assets, markets, accounts, sessions.
//!
//! Everybody may read a row. Who changes one says what of it, so that the hash of the table's records is kept.

use crate::kept::Kept;
use core::ops::Deref;
use domain::Reason;

/// A row of a table.
pub(crate) trait Row {
    /// What of it is hashed and changes with orders, to be changed.
    type Hot<'a>
    where
        Self: 'a;
    /// What of it is no part of a record, to be changed.
    type Loose<'a>
    where
        Self: 'a;

    fn hot(&mut self) -> Self::Hot<'_>;
    fn loose(&mut self) -> Self::Loose<'_>;
    /// The hash of the records that tell of what [`Row::hot`] gives.
    fn hash_of_hot(&self, id: u32) -> u64;
    /// The hash of all its other records.
    fn hash_of_rest(&self, id: u32) -> u64;
}

/// Rows by id. As slice it is what is read of it; there is no other way to change a row than the methods here.
pub(crate) struct Table<T> {
    rows: Vec<Option<T>>,
    kept: Kept,
}

impl<T> Deref for Table<T> {
    type Target = [Option<T>];
    fn deref(&self) -> &[Option<T>] {
        &self.rows
    }
}

/// Why a row that is asked for is there.
const EXISTS: &str = "only what exists is named by what exists";

impl<T: Row> Table<T> {
    /// Room for so many, allocated now.
    pub(crate) fn with_capacity(capacity: u32) -> Self {
        let rows = core::iter::repeat_with(|| None);
        Self {
            rows: rows.take(capacity as usize).collect(),
            kept: Kept::new(),
        }
    }

    /// Whether the id is below the capacity and not used.
    pub(crate) fn check_vacant(&self, id: u32) -> Result<(), Reason> {
        match self.rows.get(id as usize) {
            Some(None) => Ok(()),
            Some(Some(_)) | None => Err(Reason::InvalidId),
        }
    }

    /// Puts a new row to an id that is vacant.
    pub(crate) fn insert(&mut self, id: u32, row: T) {
        self.kept.add(row.hash_of_hot(id));
        self.kept.add(row.hash_of_rest(id));
        self.rows[id as usize] = Some(row);
    }

    /// What changes with orders, of a row that exists.
    #[inline]
    pub(crate) fn hot(&mut self, id: u32) -> T::Hot<'_> {
        if !self.kept.has_out(id) {
            self.take_out(id);
        }
        self.rows[id as usize].as_mut().expect(EXISTS).hot()
    }

    #[inline(never)]
    fn take_out(&mut self, id: u32) {
        let rows = &self.rows[..];
        self.kept.take_out(id, |id| hash_of_hot(rows, id));
    }

    /// What is no part of a record, of a row that exists.
    #[inline]
    pub(crate) fn loose(&mut self, id: u32) -> T::Loose<'_> {
        self.rows[id as usize].as_mut().expect(EXISTS).loose()
    }

    /// Changes anything of a row that exists. It is hashed before and after: for what is seldom.
    pub(crate) fn change<R>(&mut self, id: u32, change: impl FnOnce(&mut T) -> R) -> R {
        self.hot(id);
        let row = self.rows[id as usize].as_mut().expect(EXISTS);
        let before = row.hash_of_rest(id);
        let answer = change(row);
        self.kept.exchange_record(before, row.hash_of_rest(id));
        answer
    }

    /// Changes anything of all rows, as [`Table::change`] does.
    pub(crate) fn change_all(&mut self, mut change: impl FnMut(&mut T)) {
        for id in 0..u32::try_from(self.rows.len()).expect("ids are u32") {
            if self.rows[id as usize].is_some() {
                self.change(id, &mut change);
            }
        }
    }

    /// The sum of the hashes of all records.
    pub(crate) fn hash(&self) -> u64 {
        self.kept.sum(|id| hash_of_hot(&self.rows, id))
    }

    /// The same, of all rows anew.
    pub(crate) fn hash_anew(&self) -> u64 {
        let rows = (0..).zip(&self.rows);
        let rows = rows.filter_map(|(id, row)| Some((id, row.as_ref()?)));
        rows.map(|(id, row)| row.hash_of_hot(id).wrapping_add(row.hash_of_rest(id)))
            .fold(0, u64::wrapping_add)
    }
}

fn hash_of_hot<T: Row>(rows: &[Option<T>], id: u32) -> u64 {
    rows[id as usize]
        .as_ref()
        .map_or(0, |row| row.hash_of_hot(id))
}
