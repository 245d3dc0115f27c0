//! A node of the prefix tree: a run of blocks in which no two prompts part.

/// No node.
pub(super) const NONE: u32 = u32::MAX;

/// How a cached block was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Use {
    /// When it was last stored or matched, by the tree's clock.
    pub last: u32,
    /// How often it was matched.
    pub hits: u32,
}

/// A run of blocks, each of `block_size` tokens, that follows its parent's. A root has none.
///
/// ```text
///  root ── [system prompt: 64 blocks] ─┬─ [template 3: 32 blocks] ─┬─ [a prompt's own: 41]
///                                      └─ [template 7: 32 blocks]  └─ [another's: 7]
/// ```
#[derive(Debug)]
pub(super) struct Node {
    pub parent: u32,
    /// The children, doubly linked.
    pub first_child: u32,
    pub next: u32,
    pub previous: u32,
    /// `blocks.len() * block_size` of them.
    pub tokens: Vec<u32>,
    pub blocks: Vec<u32>,
    /// One for each block. Neither field grows from a block to the next: whoever uses a block uses those before it.
    pub uses: Vec<Use>,
    /// Which time this place in the arena is used, so that an entry of the eviction queue is not taken for a later node's.
    pub generation: u32,
    /// Whether the eviction queue has an entry for the node as it is.
    pub queued: bool,
}

impl Node {
    pub fn new(parent: u32, generation: u32) -> Node {
        Node {
            parent,
            first_child: NONE,
            next: NONE,
            previous: NONE,
            tokens: Vec::new(),
            blocks: Vec::new(),
            uses: Vec::new(),
            generation,
            queued: false,
        }
    }

    pub fn is_leaf(&self) -> bool {
        self.first_child == NONE
    }

    /// Of how many whole blocks the node and `tokens` begin alike.
    pub fn common_blocks(&self, tokens: &[u32], block_size: usize) -> usize {
        let len = self.tokens.len().min(tokens.len());
        // Most often the whole node matches, which one comparison tells.
        if self.tokens[..len] == tokens[..len] {
            return len / block_size;
        }
        let pairs = self.tokens.chunks_exact(block_size).zip(tokens.chunks_exact(block_size));
        pairs.take_while(|(a, b)| a == b).count()
    }
}

/// Nodes by number; places are used again.
#[derive(Debug, Default)]
pub(super) struct Arena {
    nodes: Vec<Node>,
    free: Vec<u32>,
}

impl Arena {
    pub fn add(&mut self, parent: u32) -> u32 {
        if let Some(place) = self.free.pop() {
            let generation = self[place].generation.wrapping_add(1);
            self[place] = Node::new(parent, generation);
            return place;
        }
        let place = self.nodes.len() as u32;
        self.nodes.push(Node::new(parent, 0));
        place
    }

    /// Takes a node away; what it held is the caller's to see to.
    pub fn remove(&mut self, place: u32) {
        let node = &mut self[place];
        // Another generation at once: nothing that named the node names what is here now.
        let generation = node.generation.wrapping_add(1);
        *node = Node::new(NONE, generation);
        self.free.push(place);
    }

    pub fn len(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    /// Makes `child` a child of `parent`.
    pub fn link(&mut self, parent: u32, child: u32) {
        let first = self[parent].first_child;
        let node = &mut self[child];
        (node.parent, node.next, node.previous) = (parent, first, NONE);
        if first != NONE {
            self[first].previous = child;
        }
        self[parent].first_child = child;
    }

    /// Takes `child` from among its parent's children.
    pub fn unlink(&mut self, child: u32) {
        let (parent, next, previous) = (self[child].parent, self[child].next, self[child].previous);
        match previous {
            NONE => self[parent].first_child = next,
            previous => self[previous].next = next,
        }
        if next != NONE {
            self[next].previous = previous;
        }
    }

    /// Bytes of the heap that nodes take.
    pub fn bytes(&self) -> usize {
        let of = |node: &Node| {
            4 * (node.tokens.capacity() + node.blocks.capacity()) + size_of::<Use>() * node.uses.capacity()
        };
        self.nodes.capacity() * size_of::<Node>() + self.nodes.iter().map(of).sum::<usize>()
    }

    /// All places, in use or not, with those in use told by `get`.
    pub fn places(&self) -> impl Iterator<Item = u32> + '_ {
        let free: std::collections::HashSet<u32> = self.free.iter().copied().collect();
        (0..self.nodes.len() as u32).filter(move |place| !free.contains(place))
    }
}

impl std::ops::Index<u32> for Arena {
    type Output = Node;

    #[inline]
    fn index(&self, place: u32) -> &Node {
        &self.nodes[place as usize]
    }
}

impl std::ops::IndexMut<u32> for Arena {
    #[inline]
    fn index_mut(&mut self, place: u32) -> &mut Node {
        &mut self.nodes[place as usize]
    }
}
