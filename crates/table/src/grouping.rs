//! Which group each row of a table is of.
//!
//! Where all group columns have codes (see [`crate::column::Codes`]) the group is looked up by the
//! codes, and the texts themselves are looked at once per group.

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;
use arus_window::groups::Groups;

use crate::query::PlannedGrouping;
use crate::{Error, KeyedTable};

/// More combinations of codes than this, and groups are found by the values themselves.
const MOST_COMBINATIONS: usize = 1 << 16;
const UNSEEN: usize = usize::MAX;

/// Finds the groups of one table's rows.
pub(crate) enum Finder<'a> {
    /// All rows are of one group.
    One,
    ByCode(ByCode<'a>),
    ByValue {
        table: &'a KeyedTable,
        columns: &'a [usize],
    },
}

pub(crate) struct ByCode<'a> {
    codes_of_slot: Vec<&'a [u16]>,
    /// Per column: the values by code, a null at the end.
    values: Vec<ArrayRef>,
    group_of_combination: Vec<usize>,
    /// Scratch.
    combinations: Vec<usize>,
    fresh: Vec<usize>,
    fresh_groups: Vec<usize>,
}

impl<'a> Finder<'a> {
    pub(crate) fn new(grouping: &'a PlannedGrouping, table: &'a KeyedTable) -> Self {
        let columns = &grouping.columns;
        if columns.is_empty() {
            return Self::One;
        }
        let codes: Option<Vec<_>> = columns.iter().map(|&column| table.codes(column)).collect();
        let Some(codes) = codes else { return Self::ByValue { table, columns } };
        let combinations = codes
            .iter()
            .try_fold(1_usize, |product, codes| product.checked_mul(codes.values.len()))
            .filter(|&combinations| combinations <= MOST_COMBINATIONS);
        match combinations {
            None => Self::ByValue { table, columns },
            Some(combinations) => Self::ByCode(ByCode {
                codes_of_slot: codes.iter().map(|codes| codes.of_slot).collect(),
                values: codes.into_iter().map(|codes| codes.values).collect(),
                group_of_combination: vec![UNSEEN; combinations],
                combinations: Vec::new(),
                fresh: Vec::new(),
                fresh_groups: Vec::new(),
            }),
        }
    }

    /// The groups of the rows in `slots`; new ones are made in `groups`. Returns how many there are
    /// now.
    pub(crate) fn find(
        &mut self,
        slots: &[u32],
        groups: &mut Groups,
        group_of_row: &mut Vec<usize>,
    ) -> Result<usize, Error> {
        match self {
            Self::One => {
                group_of_row.clear();
                group_of_row.resize(slots.len(), 0);
                Ok(1)
            }
            Self::ByCode(by_code) => by_code.find(slots, groups, group_of_row),
            Self::ByValue { table, columns } => {
                let keys: Vec<ArrayRef> = columns
                    .iter()
                    .map(|&column| table.read(column, slots))
                    .collect::<Result<_, _>>()?;
                Ok(groups.intern(&keys, slots.len(), group_of_row)?)
            }
        }
    }
}

impl ByCode<'_> {
    fn find(
        &mut self,
        slots: &[u32],
        groups: &mut Groups,
        group_of_row: &mut Vec<usize>,
    ) -> Result<usize, Error> {
        self.combinations.clear();
        self.combinations.resize(slots.len(), 0);
        for (codes, values) in self.codes_of_slot.iter().zip(&self.values) {
            let null = values.len() - 1;
            for (combination, &slot) in self.combinations.iter_mut().zip(slots) {
                let code = usize::from(codes[slot as usize]).min(null);
                *combination = *combination * values.len() + code;
            }
        }
        self.fresh.clear();
        for &combination in &self.combinations {
            let group = &mut self.group_of_combination[combination];
            if *group == UNSEEN {
                // Any other number: the true one follows below.
                *group = 0;
                self.fresh.push(combination);
            }
        }
        let keys = self.fresh_keys()?;
        let count = groups.intern(&keys, self.fresh.len(), &mut self.fresh_groups)?;
        for (&combination, &group) in self.fresh.iter().zip(&self.fresh_groups) {
            self.group_of_combination[combination] = group;
        }
        group_of_row.clear();
        group_of_row.extend(self.combinations.iter().map(|&at| self.group_of_combination[at]));
        Ok(count)
    }

    /// The values of the combinations in `fresh`, column by column.
    fn fresh_keys(&self) -> Result<Vec<ArrayRef>, Error> {
        let mut keys = Vec::with_capacity(self.values.len());
        let mut rest = self.fresh.clone();
        // The last column's code is the remainder.
        for values in self.values.iter().rev() {
            let codes: UInt32Array =
                rest.iter().map(|combination| Some((combination % values.len()) as u32)).collect();
            rest.iter_mut().for_each(|combination| *combination /= values.len());
            keys.push(take(values, &codes, None)?);
        }
        keys.reverse();
        Ok(keys)
    }
}
