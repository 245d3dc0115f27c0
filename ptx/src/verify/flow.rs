//! Registers that are read though nothing can have written them.
//!
//! A register counts as written where *some* path from the function's start writes it, under whatever guard:
//! only a read that no write can reach is reported, so there are no false alarms. Code that cannot be
//! reached is not looked at.

use super::{Step, ends};

/// `(register, line)` of each read that no write reaches, once per register.
pub(super) fn never_written(steps: &[Step<'_>], registers: usize, initial: &[usize]) -> Vec<(usize, u32)> {
    let blocks = Blocks::of(steps);
    let mut found = Vec::new();
    // 64 registers at a time: one word per block, whatever the size of the function.
    for first in (0..registers).step_by(64) {
        let bit = |register: usize| match register.checked_sub(first) {
            Some(index) if index < 64 => 1u64 << index,
            _ => 0,
        };
        let written: Vec<u64> = blocks
            .spans
            .iter()
            .map(|span| steps[span.clone()].iter().flat_map(|s| &s.writes).fold(0, |set, r| set | bit(*r)))
            .collect();
        let start = initial.iter().fold(0, |set, r| set | bit(*r));
        let entering = blocks.reaching(&written, start);
        let mut reported = 0u64;
        for (block, span) in blocks.spans.iter().enumerate() {
            let Some(mut known) = entering[block] else { continue };
            for step in &steps[span.clone()] {
                for read in &step.reads {
                    let mask = bit(*read);
                    if mask & !known & !reported != 0 {
                        reported |= mask;
                        found.push((*read, step.instruction.map_or(0, |i| i.line)));
                    }
                }
                known |= step.writes.iter().fold(0, |set, r| set | bit(*r));
            }
        }
    }
    found
}

/// Basic blocks: instructions that run one after another.
struct Blocks {
    spans: Vec<std::ops::Range<usize>>,
    successors: Vec<Vec<usize>>,
}

impl Blocks {
    fn of(steps: &[Step<'_>]) -> Blocks {
        let mut starts_block = vec![false; steps.len() + 1];
        starts_block[0] = true;
        for (at, step) in steps.iter().enumerate() {
            for target in &step.targets {
                starts_block[*target] = true;
            }
            if !step.targets.is_empty() || step.instruction.is_some_and(ends) {
                starts_block[at + 1] = true;
            }
        }
        let mut block_of = vec![0; steps.len() + 1];
        let mut spans: Vec<std::ops::Range<usize>> = Vec::new();
        for at in 0..steps.len() {
            match spans.last_mut() {
                Some(span) if !starts_block[at] => span.end = at + 1,
                _ => spans.push(at..at + 1),
            }
            block_of[at] = spans.len() - 1;
        }
        let successors = spans
            .iter()
            .map(|span| {
                let last = &steps[span.end - 1];
                let mut next: Vec<usize> =
                    last.targets.iter().filter(|t| **t < steps.len()).map(|t| block_of[*t]).collect();
                if span.end < steps.len() && !last.instruction.is_some_and(ends) {
                    next.push(block_of[span.end]);
                }
                next
            })
            .collect();
        Blocks { spans, successors }
    }

    /// Which registers some path has written when each block begins; `None` where no path leads.
    fn reaching(&self, written: &[u64], start: u64) -> Vec<Option<u64>> {
        let mut entering = vec![None; self.spans.len()];
        if entering.is_empty() {
            return entering;
        }
        entering[0] = Some(start);
        let mut pending = vec![0];
        while let Some(block) = pending.pop() {
            let leaving = entering[block].unwrap_or(0) | written[block];
            for next in &self.successors[block] {
                let joined = entering[*next].unwrap_or(0) | leaving;
                if entering[*next] != Some(joined) {
                    entering[*next] = Some(joined);
                    pending.push(*next);
                }
            }
        }
        entering
    }
}
