//! A block table kept from step to step: what a device has of it, and what is to be written so that it is right.
//!
//! Row `i` is the batch's `i`th sequence. A row knows whose it was and under which epoch: a sequence that has only grown
//! costs its new entries, one that has not changed costs nothing.

use crate::error::CacheError;
use crate::id::SequenceId;
use crate::manager::BlockManager;

/// An entry of the table that the device has wrong: its index, `row * width + column`, and its value.
pub type TableChange = (i32, i32);

#[derive(Clone, Copy, Debug)]
struct Row {
    id: Option<SequenceId>,
    epoch: u32,
    blocks: u32,
}

/// The host's copy of a device's block table, `[rows, width]`.
#[derive(Clone, Debug)]
pub struct TableMirror {
    entries: Vec<i32>,
    rows: Vec<Row>,
    width: usize,
}

/// What an entry holds that no sequence has set.
pub const UNSET: i32 = -1;

impl TableMirror {
    /// A table of [`UNSET`] entries, which is how the device's begins too.
    ///
    /// # Errors
    /// More entries than an i32 counts.
    pub fn new(rows: usize, width: usize) -> Result<TableMirror, CacheError> {
        let entries = rows.checked_mul(width).filter(|_| rows.max(width) <= i32::MAX as usize);
        let entries = entries.filter(|entries| *entries <= i32::MAX as usize);
        let entries = entries.ok_or(CacheError::TableTooLarge { rows, width })?;
        let rows = vec![Row { id: None, epoch: 0, blocks: 0 }; rows];
        Ok(TableMirror { entries: vec![UNSET; entries], rows, width })
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Entries of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All entries, row by row. Those past a sequence's last block are of an earlier use.
    pub fn entries(&self) -> &[i32] {
        &self.entries
    }

    /// Makes the first rows those of `ids`, and appends what the device is to be told.
    ///
    /// # Errors
    /// More sequences than rows, one with more blocks than a row has entries, or one that is not there or not on the
    /// device; nothing was changed.
    pub fn sync(
        &mut self,
        manager: &BlockManager,
        ids: &[SequenceId],
        changes: &mut Vec<TableChange>,
    ) -> Result<(), CacheError> {
        if ids.len() > self.rows.len() {
            return Err(CacheError::TableRows { sequences: ids.len(), rows: self.rows.len() });
        }
        for id in ids {
            let blocks = manager.blocks(*id)?.len();
            if blocks > self.width {
                return Err(CacheError::TableWidth { id: *id, blocks, width: self.width });
            }
        }
        for (index, (id, row)) in ids.iter().zip(&mut self.rows).enumerate() {
            let (blocks, epoch) = (manager.blocks(*id)?, manager.epoch(*id)?);
            let same = row.id == Some(*id) && row.epoch == epoch;
            let from = if same { row.blocks as usize } else { 0 };
            if same && from == blocks.len() {
                continue;
            }
            let first = index * self.width;
            for (column, block) in blocks.iter().enumerate().skip(from) {
                let entry = &mut self.entries[first + column];
                if *entry != *block as i32 {
                    *entry = *block as i32;
                    changes.push(((first + column) as i32, *block as i32));
                }
            }
            *row = Row { id: Some(*id), epoch, blocks: blocks.len() as u32 };
        }
        Ok(())
    }

    /// The device could not be told: all that it holds is taken as unknown, and the next [`TableMirror::sync`] says
    /// everything anew.
    pub fn invalidate(&mut self) {
        self.rows.fill(Row { id: None, epoch: 0, blocks: 0 });
        // No block has this number: every entry differs.
        self.entries.fill(i32::MIN);
    }
}
