//! Programs as text, for `kgen explain`, dumps and snapshots.
