//! A tree as a person reads it.

use super::node::NONE;
use super::prefix_tree::PrefixTree;
use std::fmt;

/// Children that are printed of a node; of the others their number is.
const SHOWN: usize = 8;

impl fmt::Display for PrefixTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blocks: usize = self.nodes.places().map(|place| self.nodes[place].blocks.len()).sum();
        write!(f, "{blocks} blocks of {} tokens in {} runs", self.block_size, self.children.len())?;
        let mut roots: Vec<_> = self.roots.iter().collect();
        roots.sort();
        for (name, root) in roots {
            write!(f, "\nnamespace {name:?}")?;
            self.show_children(f, *root, "")?;
        }
        Ok(())
    }
}

impl PrefixTree {
    fn show_children(&self, f: &mut fmt::Formatter<'_>, place: u32, indent: &str) -> fmt::Result {
        let mut children = Vec::new();
        let mut at = self.nodes[place].first_child;
        while at != NONE {
            children.push(at);
            at = self.nodes[at].next;
        }
        // The most used first.
        children
            .sort_by_key(|child| std::cmp::Reverse(self.nodes[*child].uses.first().map(|used| used.hits)));
        let more = children.len().saturating_sub(SHOWN);
        for (index, child) in children.iter().take(SHOWN).enumerate() {
            let last = index + 1 == children.len();
            let (branch, below) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            let node = &self.nodes[*child];
            let hits = node.uses.first().map_or(0, |used| used.hits);
            write!(f, "\n{indent}{branch}{} blocks, {hits} hits: tokens", node.blocks.len())?;
            node.tokens.iter().take(4).try_for_each(|token| write!(f, " {token}"))?;
            f.write_str(" …")?;
            self.show_children(f, *child, &format!("{indent}{below}"))?;
        }
        if more > 0 {
            write!(f, "\n{indent}└─ and {more} more")?;
        }
        Ok(())
    }
}
