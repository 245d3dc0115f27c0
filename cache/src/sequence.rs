//! Sequences: what blocks they have, and where the next token goes.

use crate::error::CacheError;
use crate::id::SequenceId;

/// Where a sequence is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Residence {
    /// On the device: it can be read and grow.
    #[default]
    Device,
    /// Its blocks are being copied to the host or back.
    Moving,
    /// On the host.
    Host,
}

/// Marks an entry of a sequence's blocks that is a host block.
pub(crate) const ON_HOST: u32 = 1 << 31;

/// A sequence's blocks. One cache line, since a decode step visits every sequence.
#[derive(Debug, Default)]
pub(crate) struct Sequence {
    /// Physical blocks in the order of the tokens.
    pub blocks: Vec<u32>,
    /// Slot of the next token, where `room` is not 0.
    pub next_slot: i64,
    pub len: u32,
    /// Tokens that go into the last block without asking anybody: 0 if that is full, or if others may hold it too.
    pub room: u32,
    /// Grows whenever entries that `blocks` has already are changed.
    pub epoch: u32,
    /// The step that last named the sequence.
    pub step: u32,
    generation: u32,
    pub residence: Residence,
    live: bool,
}

impl Sequence {
    /// That it can be read and grow.
    #[inline]
    pub fn check_here(&self, id: SequenceId) -> Result<(), CacheError> {
        match self.residence {
            Residence::Device => Ok(()),
            Residence::Moving => Err(CacheError::Moving(id)),
            Residence::Host => Err(CacheError::SwappedOut(id)),
        }
    }
}

/// The sequences of a cache.
#[derive(Debug)]
pub(crate) struct Sequences {
    all: Vec<Sequence>,
    free: Vec<u32>,
    cache: u32,
}

impl Sequences {
    pub fn new(cache: u32) -> Sequences {
        Sequences { all: Vec::new(), free: Vec::new(), cache }
    }

    pub fn add(&mut self) -> SequenceId {
        let place = self.free.pop().unwrap_or_else(|| {
            self.all.push(Sequence::default());
            self.all.len() as u32 - 1
        });
        let sequence = &mut self.all[place as usize];
        sequence.live = true;
        SequenceId { place, generation: sequence.generation, cache: self.cache }
    }

    /// Takes a sequence away; gives its blocks, which are the caller's to let go.
    pub fn remove(&mut self, id: SequenceId) -> Result<Vec<u32>, CacheError> {
        self.get(id)?;
        let sequence = &mut self.all[id.place as usize];
        let generation = sequence.generation.wrapping_add(1);
        let gone = std::mem::replace(sequence, Sequence { generation, ..Sequence::default() });
        self.free.push(id.place);
        Ok(gone.blocks)
    }

    /// Looks at a sequence wherever it is.
    #[inline]
    pub fn get(&self, id: SequenceId) -> Result<&Sequence, CacheError> {
        match self.all.get(id.place as usize) {
            Some(s) if s.generation == id.generation && s.live && id.cache == self.cache => Ok(s),
            _ if id.cache == self.cache => Err(CacheError::FreedSequence(id)),
            _ => Err(CacheError::ForeignSequence(id)),
        }
    }

    /// A sequence that is on the device.
    #[inline]
    pub fn on_device(&mut self, id: SequenceId) -> Result<&mut Sequence, CacheError> {
        self.get(id)?.check_here(id)?;
        Ok(&mut self.all[id.place as usize])
    }

    /// By place, for those who have checked the id.
    #[inline]
    pub fn at(&mut self, place: u32) -> &mut Sequence {
        &mut self.all[place as usize]
    }

    pub fn live(&self) -> impl Iterator<Item = &Sequence> {
        self.all.iter().filter(|sequence| sequence.live)
    }

    pub fn count(&self) -> usize {
        self.all.len() - self.free.len()
    }
}

/// That a sequence may have so many tokens.
#[inline]
pub(crate) fn check_len(len: usize) -> Result<(), CacheError> {
    if len > i32::MAX as usize { Err(CacheError::TooLong(len)) } else { Ok(()) }
}
