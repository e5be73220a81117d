//! How much of a large state each checkpoint holds: all of it, or what changed since the one before.
//!
//! All of it again once the changes have become as many as the rows: so writing costs, all in all,
//! about twice the changes, and a restart reads no more than twice the rows.

use crate::operator::Extent;

/// Checkpoints that hold changes only, since the last one that held all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) epochs: u64,
    pub(crate) changes: u64,
}

/// Fewer changes than this never ask for all rows anew. Of epochs there are never more: a restart
/// opens as many files.
pub(crate) const LIMITS: Chain = Chain { epochs: 256, changes: 16_384 };

impl Chain {
    /// How much the next checkpoint holds, given its changes and all rows there are. `chain` is that
    /// of the checkpoints before, `None` if there is none to build on.
    pub(crate) fn extent(
        chain: &mut Option<Self>,
        limits: Self,
        changes: u64,
        rows: u64,
    ) -> Extent {
        let before = chain.unwrap_or_default();
        let next = Self { epochs: before.epochs + 1, changes: before.changes + changes };
        let fits = next.changes <= rows.max(limits.changes) && next.epochs <= limits.epochs;
        if chain.is_some() && fits {
            *chain = Some(next);
            return Extent::Changes;
        }
        *chain = Some(Self::default());
        Extent::Whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_written_first_and_after_as_many_changes_as_there_are_rows() {
        let mut chain = None;
        let limits = Chain { epochs: 4, changes: 10 };
        // Changes, rows, and how much is written.
        let cases = [
            (5, 100, Extent::Whole),
            (60, 100, Extent::Changes),
            (40, 100, Extent::Changes),
            (1, 100, Extent::Whole),
            (5, 1, Extent::Changes),
            (5, 1, Extent::Changes),
            (1, 1, Extent::Whole),
            (0, 1, Extent::Changes),
            (0, 1, Extent::Changes),
            (0, 1, Extent::Changes),
            (0, 1, Extent::Changes),
            (0, 1, Extent::Whole),
        ];
        for (changes, rows, expected) in cases {
            assert_eq!(Chain::extent(&mut chain, limits, changes, rows), expected);
        }
    }
}
