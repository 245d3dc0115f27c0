//! A block table that stays on the device from step to step.

use super::store::bytes_of;
use super::{PagedCache, PagedCacheError, SequenceId};
use crate::args::BlockTable;
use crate::device::{Buffer, Device};
use crate::device_kernels::{DeviceArray, ScatterI32, scatter_i32};
use flashpage_cache::{TableChange, TableMirror};

/// A block table of fixed size on a device: `rows` sequences of up to `width` blocks. Its addresses never change, so a
/// captured graph can be replayed with it.
#[derive(Debug)]
pub struct DeviceTable {
    mirror: TableMirror,
    table: BlockTable,
    changes: Vec<TableChange>,
    /// A count, then that many (index, value) pairs.
    upload: Buffer,
    uploaded: usize,
}

/// Changes that one upload holds; more go in several.
const CHANGES: usize = 1024;

/// Where the pairs begin in an upload, after the count.
const PAIRS: usize = 8;

impl DeviceTable {
    /// An empty table.
    ///
    /// # Errors
    /// No room on the device, or more entries than an i32 counts.
    pub fn new(device: &Device, rows: usize, width: usize) -> Result<DeviceTable, PagedCacheError> {
        let mirror = TableMirror::new(rows, width)?;
        let table = BlockTable::of_size(device, rows, width)?;
        let upload = device.alloc(PAIRS + 8 * CHANGES)?;
        Ok(DeviceTable { mirror, table, changes: Vec::new(), upload, uploaded: 0 })
    }

    /// Makes the table that of `ids`, row `i` being the `i`th sequence's, with their lengths; uploads what changed.
    ///
    /// # Errors
    /// More sequences or blocks than the table has room for, a sequence that is not there or not on the device: nothing
    /// was changed. Or the device failed: the next call uploads everything anew.
    pub fn sync(&mut self, cache: &PagedCache, ids: &[SequenceId]) -> Result<&BlockTable, PagedCacheError> {
        self.changes.clear();
        self.mirror.sync(cache.manager(), ids, &mut self.changes)?;
        let lens =
            ids.iter().map(|id| Ok(cache.len(*id)? as i32)).collect::<Result<Vec<i32>, PagedCacheError>>()?;
        if let Err(error) = self.tell(cache.device(), lens) {
            self.mirror.invalidate();
            return Err(error);
        }
        Ok(&self.table)
    }

    /// The table as of the last [`DeviceTable::sync`].
    pub fn table(&self) -> &BlockTable {
        &self.table
    }

    /// Bytes that were ever uploaded.
    pub fn uploaded_bytes(&self) -> usize {
        self.uploaded
    }

    fn tell(&mut self, device: &Device, lens: Vec<i32>) -> Result<(), PagedCacheError> {
        for changes in self.changes.chunks(CHANGES) {
            let mut words = vec![changes.len() as i32, 0];
            words.extend(changes.iter().flat_map(|(index, value)| [*index, *value]));
            self.upload.write(0, &bytes_of(&words))?;
            self.uploaded += 4 * words.len();
            let target = self.table.entries_tensor();
            let scatter = ScatterI32 {
                target: target.into(),
                len: target.len(),
                pairs: DeviceArray { buffer: &self.upload, byte_offset: PAIRS },
                capacity: changes.len(),
                count: (&self.upload).into(),
            };
            scatter_i32(device, &scatter)?;
        }
        self.uploaded += self.table.update(&self.changes, lens)?;
        Ok(())
    }
}
