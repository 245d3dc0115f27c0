//! A plan for a person to read.

use super::{ClassPlan, Plan};
use std::fmt;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan { sequences, q_tokens, kv_tokens, .. } = self;
        writeln!(f, "plan for {sequences} sequences, {q_tokens} query tokens, {kv_tokens} keys")?;
        for class in &self.classes {
            writeln!(f, "  {class}")?;
        }
        for group in &self.groups {
            let (first, last) = (group.sequences.start, group.sequences.end - 1);
            writeln!(f, "  prefix   {} tokens once for sequences {first} to {last}", group.tokens)?;
        }
        for note in &self.notes {
            writeln!(f, "  note     {note}")?;
        }
        writeln!(f, "  merge    {} rows of {} partial ones", self.merged_rows, self.partial_rows)?;
        write!(f, "  memory   {} bytes of workspace", 4 * self.words.len())
    }
}

impl fmt::Display for ClassPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ClassPlan { class, tile, packed_heads, whole_items, split_items, parts, slots, waves, .. } = self;
        let name = class.to_string();
        if whole_items + split_items == 0 {
            return write!(f, "{name:8} nothing");
        }
        write!(
            f,
            "{name:8} tiles {}x{}, {packed_heads} heads packed: {whole_items} items whole, {split_items} in up to \
             {parts} parts; {waves} waves of {slots}, {:.0} % busy",
            tile.0,
            tile.1,
            100.0 * self.efficiency
        )
    }
}
