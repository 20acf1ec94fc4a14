//! Pages of price levels: 64 neighbouring prices of one side of a market.
//!
//! A side has a page if and only if an order rests at one of its prices. So levels take memory where orders rest and
//! nowhere else, however far apart that is, and no level ever moves. The directory says which page stands where. Which
//! of the pages a side got is no state, only how many are taken.

use crate::orders::NIL;
use domain::Qty;

/// Prices of a page: those of a word of the lowest layer of the side's bitmap.
const PRICES: usize = 64;

/// The queue of one price, and the sum of its orders' lots that are shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level {
    pub(crate) head: u32,
    pub(crate) tail: u32,
    pub(crate) qty: Qty,
}

impl Level {
    const EMPTY: Self = Self {
        head: NIL,
        tail: NIL,
        qty: Qty::ZERO,
    };
}

/// A side's part of the directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Directory {
    first: u32,
}

impl Directory {
    fn entry(self, place: u32) -> usize {
        self.first as usize + (place >> 6) as usize
    }
}

/// Where a level stands.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    page: u32,
    price: u32,
}

/// The pages of all markets: allocated at genesis, taken where orders come to rest.
pub(crate) struct Pages {
    levels: Vec<[Level; PRICES]>,
    /// By level the sum of its orders' lots that are not shown. Apart from the levels, because few orders have any.
    hidden: Vec<[Qty; PRICES]>,
    free: Vec<u32>,
    /// The page of each row of prices, or [`NIL`].
    directory: Vec<u32>,
    used: u32,
}

impl Pages {
    /// Room for `max_pages` pages, and directories of together `rows` rows of prices.
    pub(crate) fn with_capacity(rows: usize, max_pages: u32) -> Self {
        Self {
            levels: vec![[Level::EMPTY; PRICES]; max_pages as usize],
            hidden: vec![[Qty::ZERO; PRICES]; max_pages as usize],
            free: (0..max_pages).rev().collect(),
            directory: vec![NIL; rows],
            used: 0,
        }
    }

    /// The directory of a side of so many prices.
    pub(crate) fn directory(&mut self, prices: u32) -> Directory {
        let directory = Directory { first: self.used };
        self.used += prices.div_ceil(64);
        assert!(
            self.used as usize <= self.directory.len(),
            "there is room for the directories of all markets"
        );
        directory
    }

    /// Pages that no side has.
    pub(crate) fn free(&self) -> usize {
        self.free.len()
    }

    /// Whether a side has the page of a price.
    pub(crate) fn has(&self, directory: Directory, price: u32) -> bool {
        self.directory[directory.entry(price)] != NIL
    }

    /// Where a price stands whose page the side has.
    pub(crate) fn at(&self, directory: Directory, price: u32) -> Place {
        Place {
            page: self.directory[directory.entry(price)],
            price,
        }
    }

    /// Where a price stands; its page is taken if the side does not have it, and then one is free: whoever lets an order
    /// rest has seen to that.
    pub(crate) fn at_or_new(&mut self, directory: Directory, price: u32) -> Place {
        let page = &mut self.directory[directory.entry(price)];
        if *page == NIL {
            *page = self.free.pop().expect("a page was found to be free");
        }
        Place { page: *page, price }
    }

    /// No order rests in the page of a price any more. Its levels are empty, as those of every free page are.
    pub(crate) fn give_back(&mut self, directory: Directory, price: u32) {
        let page = core::mem::replace(&mut self.directory[directory.entry(price)], NIL);
        debug_assert!(page != NIL, "only a page that is taken is given back");
        self.free.push(page);
    }

    /// The level of a price whose page the side has.
    pub(crate) fn level(&self, directory: Directory, price: u32) -> &Level {
        let Place { page, price } = self.at(directory, price);
        &self.levels[page as usize][price as usize % PRICES]
    }

    pub(crate) fn level_mut(&mut self, at: Place) -> &mut Level {
        &mut self.levels[at.page as usize][at.price as usize % PRICES]
    }

    /// The lots of a level that are not shown.
    pub(crate) fn hidden_mut(&mut self, at: Place) -> &mut Qty {
        &mut self.hidden[at.page as usize][at.price as usize % PRICES]
    }

    /// All lots of a price whose page the side has, shown or not.
    pub(crate) fn total(&self, directory: Directory, price: u32) -> Qty {
        let Place { page, price } = self.at(directory, price);
        let hidden = self.hidden[page as usize][price as usize % PRICES];
        let shown = self.levels[page as usize][price as usize % PRICES].qty;
        shown
            .checked_add(hidden)
            .expect("holds cover all lots of a level, and holds fit")
    }

    /// Checks that every page is free or in the directory, once, and that free ones are empty.
    pub(crate) fn check(&self) -> Result<(), String> {
        let taken = self.directory.iter().filter(|&&page| page != NIL);
        let mut all: Vec<u32> = taken.chain(&self.free).copied().collect();
        all.sort_unstable();
        if !all
            .iter()
            .map(|&page| page as usize)
            .eq(0..self.levels.len())
        {
            return Err(format!("pages taken or free are {all:?}"));
        }
        let is_empty = |&&page: &&u32| {
            let levels = self.levels[page as usize].iter();
            levels
                .zip(&self.hidden[page as usize])
                .all(|(level, hidden)| {
                    [level.head, level.tail] == [NIL; 2] && [level.qty, *hidden] == [Qty::ZERO; 2]
                })
        };
        match self.free.iter().find(|page| !is_empty(page)) {
            Some(page) => Err(format!("page {page} is free and not empty")),
            None => Ok(()),
        }
    }
}
