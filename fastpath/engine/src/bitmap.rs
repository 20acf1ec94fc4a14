//! A hierarchical bitmap: which of a row of places are taken, and which one is next.
//!
//! Layer 0 has a bit per place; each layer above has a bit per word of the layer below, set if
//! that word is not zero. The words live in a pool that all bitmaps of an engine share.

/// Most layers: 64^5 places.
const MAX_LAYERS: usize = 5;

/// Where a bitmap's layers stand in the pool of words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bitmap {
    layers: [u32; MAX_LAYERS],
    depth: u8,
}

/// Words of 64 places each that so many bitmaps of together `places` places need at most.
pub(crate) fn words_of(bitmaps: usize, places: usize) -> usize {
    places / 64 + bitmaps
}

/// The words of all bitmaps: allocated once, handed out in order.
pub(crate) struct BitmapPool {
    words: Vec<u64>,
    used: u32,
}

impl BitmapPool {
    /// Enough for `bitmaps` bitmaps of together `places` places.
    pub(crate) fn with_capacity(bitmaps: usize, places: usize) -> Self {
        // A layer has at most a 64th of the words below it and one, and the lowest a 64th of the
        // places and one; so together no more than a 63rd of the places and two per layer.
        let words = places / 63 + bitmaps * 2 * MAX_LAYERS;
        Self {
            words: vec![0; words],
            used: 0,
        }
    }

    /// An empty bitmap of places `0 .. places`.
    pub(crate) fn bitmap(&mut self, places: u32) -> Bitmap {
        let mut layers = [0; MAX_LAYERS];
        let mut depth = 0;
        let mut width = places;
        loop {
            width = width.div_ceil(64);
            layers[depth] = self.used;
            self.used += width;
            depth += 1;
            if width <= 1 {
                break;
            }
        }
        assert!(
            self.used as usize <= self.words.len(),
            "the pool was sized for all its bitmaps"
        );
        Bitmap {
            layers,
            depth: u8::try_from(depth).expect("there are few layers"),
        }
    }
}

fn at(start: u32, place: u32) -> (usize, u32) {
    ((start + (place >> 6)) as usize, place & 63)
}

impl Bitmap {
    fn layers(&self) -> &[u32] {
        &self.layers[..usize::from(self.depth)]
    }

    /// Takes a place, which may be taken already.
    #[inline]
    pub(crate) fn insert(&self, pool: &mut BitmapPool, place: u32) {
        let (word, bit) = at(self.layers[0], place);
        let before = pool.words[word];
        pool.words[word] = before | (1 << bit);
        if before == 0 {
            self.insert_above(pool, place >> 6);
        }
    }

    /// Takes a place of the second layer, and of those above where it is the first one.
    #[inline(never)]
    fn insert_above(&self, pool: &mut BitmapPool, mut place: u32) {
        for &start in self.layers().iter().skip(1) {
            let (word, bit) = at(start, place);
            let before = pool.words[word];
            pool.words[word] = before | (1 << bit);
            if before != 0 {
                return;
            }
            place >>= 6;
        }
    }

    /// Frees a place that is taken, if it is to be freed, which makes no branch. Whether it was the last one taken of
    /// its 64.
    pub(crate) fn remove_if(&self, is_free: bool, pool: &mut BitmapPool, place: u32) -> bool {
        let (word, bit) = at(self.layers[0], place);
        let left = pool.words[word] & !(u64::from(is_free) << bit);
        pool.words[word] = left;
        if left == 0 {
            self.remove_above(pool, place >> 6);
        }
        left == 0
    }

    /// Frees a place of the second layer, and of those above where it was the last one.
    #[inline(never)]
    fn remove_above(&self, pool: &mut BitmapPool, mut place: u32) {
        for &start in self.layers().iter().skip(1) {
            let (word, bit) = at(start, place);
            pool.words[word] &= !(1 << bit);
            if pool.words[word] != 0 {
                return;
            }
            place >>= 6;
        }
    }

    /// Whether a place is taken.
    pub(crate) fn contains(&self, pool: &BitmapPool, place: u32) -> bool {
        let (word, bit) = at(self.layers[0], place);
        pool.words[word] >> bit & 1 == 1
    }

    /// The lowest place taken above this one.
    pub(crate) fn above(&self, pool: &BitmapPool, mut place: u32) -> Option<u32> {
        for (layer, &start) in self.layers().iter().enumerate() {
            let (word, bit) = at(start, place);
            let higher = pool.words[word] & (u64::MAX << bit << 1);
            if higher != 0 {
                let found = (place & !63) | higher.trailing_zeros();
                return Some(self.descend(pool, layer, found, u64::trailing_zeros));
            }
            place >>= 6;
        }
        None
    }

    /// The highest place taken below this one.
    pub(crate) fn below(&self, pool: &BitmapPool, mut place: u32) -> Option<u32> {
        for (layer, &start) in self.layers().iter().enumerate() {
            let (word, bit) = at(start, place);
            let lower = pool.words[word] & !(u64::MAX << bit);
            if lower != 0 {
                let found = (place & !63) | lower.ilog2();
                return Some(self.descend(pool, layer, found, u64::ilog2));
            }
            place >>= 6;
        }
        None
    }

    /// From a place of a layer down to the place that it stands for: `pick` chooses in each word.
    fn descend(
        &self,
        pool: &BitmapPool,
        layer: usize,
        mut place: u32,
        pick: fn(u64) -> u32,
    ) -> u32 {
        for &start in self.layers[..layer].iter().rev() {
            place = place << 6 | pick(pool.words[(start + place) as usize]);
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_pool_holds_bitmaps_of_any_split() {
        for (count, places) in [
            (1, 1),
            (1, 64),
            (1, 65),
            (3, 4097),
            (2, 1 << 24),
            (1, 1 << 30),
            (500, 1),
        ] {
            let mut pool = BitmapPool::with_capacity(count, count * places as usize);
            for _ in 0..count {
                pool.bitmap(places);
            }
        }
    }

    proptest! {
        #[test]
        fn neighbours_are_those_of_a_set(
            places in 1..300_000_u32,
            steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 1..200),
        ) {
            let mut pool = BitmapPool::with_capacity(2, 2 * places as usize);
            let other = pool.bitmap(places);
            let bitmap = pool.bitmap(places);
            let mut model = BTreeSet::new();
            for (insert, place) in steps {
                // Few distinct places, near and far apart, so that words fill and empty.
                let place = u32::try_from(place.index(places as usize)).unwrap();
                let place = if place % 3 == 0 { place } else { place % 130 % places };
                if insert {
                    bitmap.insert(&mut pool, place);
                    model.insert(place);
                } else {
                    model.remove(&place);
                    let row = place & !63;
                    let was_last = model.range(row..row + 64).next().is_none();
                    let is_taken = bitmap.contains(&pool, place);
                    if is_taken {
                        prop_assert!(!bitmap.remove_if(false, &mut pool, place));
                        prop_assert_eq!(bitmap.remove_if(true, &mut pool, place), was_last);
                    }
                }
                for probe in [0, place, places - 1, model.first().copied().unwrap_or(0)] {
                    prop_assert_eq!(bitmap.contains(&pool, probe), model.contains(&probe));
                    prop_assert_eq!(bitmap.above(&pool, probe), model.range(probe + 1..).next().copied());
                    prop_assert_eq!(bitmap.below(&pool, probe), model.range(..probe).next_back().copied());
                }
            }
            prop_assert_eq!(other.above(&pool, 0), None);
            prop_assert!(!other.contains(&pool, 0));
        }
    }
}
