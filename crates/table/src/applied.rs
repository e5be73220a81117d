//! What became of rows, and what changed.

use std::ops::AddAssign;

use arrow::array::RecordBatch;

/// What became of a batch: the counts add up to its rows.
///
/// ```
/// use arus_table::Applied;
/// let mut all = Applied { changed: 5, ..Applied::default() };
/// all += Applied { changed: 2, stale: 1, duplicates: 1, unknown_deletes: 0 };
/// assert_eq!((all.changed, all.rows()), (7, 9));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Rows that were kept, and deletions that took a row away.
    pub changed: usize,
    /// Rows older than what is known of their key.
    pub stale: usize,
    /// Rows that are known already, value by value.
    pub duplicates: usize,
    /// Deletions of a key that has no row.
    pub unknown_deletes: usize,
}

impl Applied {
    /// All rows.
    ///
    /// ```
    /// use arus_table::Applied;
    /// assert_eq!(Applied { stale: 3, duplicates: 1, ..Applied::default() }.rows(), 4);
    /// ```
    pub fn rows(&self) -> usize {
        self.changed + self.stale + self.duplicates + self.unknown_deletes
    }
}

impl AddAssign for Applied {
    fn add_assign(&mut self, other: Self) {
        self.changed += other.changed;
        self.stale += other.stale;
        self.duplicates += other.duplicates;
        self.unknown_deletes += other.unknown_deletes;
    }
}

/// The keys that were touched between two calls of [`crate::KeyedTable::take_changes`], each once:
/// what a sink has to do, and a link of a checkpoint's chain.
///
/// ```
/// use arrow::array::RecordBatch;
/// use arrow::datatypes::Schema;
/// use arus_table::Changes;
/// let none = RecordBatch::new_empty(Schema::empty().into());
/// assert!(Changes { upserts: none.clone(), deleted_keys: none }.is_empty());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Changes {
    /// The present rows of the keys that have one ([`crate::TableQuery::row_schema`]).
    pub upserts: RecordBatch,
    /// The keys that have none any more ([`crate::TableQuery::key_schema`]). A key that came and
    /// went since the last call is here too: the sink may never have seen it.
    pub deleted_keys: RecordBatch,
}

impl Changes {
    /// Whether no key was touched.
    ///
    /// ```
    /// # use arrow::{array::RecordBatch, datatypes::Schema};
    /// # let none = RecordBatch::new_empty(Schema::empty().into());
    /// # let changes = arus_table::Changes { upserts: none.clone(), deleted_keys: none };
    /// assert_eq!(changes.is_empty(), changes.len() == 0);
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many keys were touched.
    ///
    /// ```
    /// # use arrow::{array::RecordBatch, datatypes::Schema};
    /// # let none = RecordBatch::new_empty(Schema::empty().into());
    /// # let changes = arus_table::Changes { upserts: none.clone(), deleted_keys: none };
    /// assert_eq!(changes.len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.upserts.num_rows() + self.deleted_keys.num_rows()
    }
}
