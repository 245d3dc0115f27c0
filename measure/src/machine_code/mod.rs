//! Machine code as `nvdisasm -c` prints it: instructions, labels, and which unit of a multiprocessor runs what.

mod inner_loop;
mod unit;

pub use inner_loop::{InnerLoop, inner_loops};
pub use unit::{Unit, products, shared_passes, tensor_work, unit};

use std::collections::BTreeMap;

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Its byte address in the function.
    pub address: u64,
    /// The predicate it runs under, as in `@!P0`; empty if none.
    pub predicate: String,
    /// Its name with all modifiers, as in `HMMA.16816.F32`.
    pub opcode: String,
    /// What follows.
    pub operands: String,
}

impl Instruction {
    /// Its name without modifiers.
    pub fn base(&self) -> &str {
        self.opcode.split('.').next().unwrap_or_default()
    }

    /// Whether some threads may pass it by: it has a predicate, or a branch names one before its label.
    fn is_conditional(&self) -> bool {
        let before_label = self.operands.split('`').next().unwrap_or_default().trim();
        !self.predicate.is_empty()
            || (self.base() == "BRA" && self.target().is_some() && !before_label.is_empty())
    }

    /// The label that a branch names.
    fn target(&self) -> Option<&str> {
        let at = self.operands.find(".L_x_")?;
        let rest = &self.operands[at..];
        let end = rest[5..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |n| n + 5);
        Some(&rest[..end])
    }
}

/// The instructions of a file in order, and the index of the one that each label stands before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// In the order of the file.
    pub instructions: Vec<Instruction>,
    labels: BTreeMap<String, usize>,
}

impl Listing {
    /// Reads what `nvdisasm -c` prints. Lines that are neither labels nor instructions say nothing.
    pub fn read(text: &str) -> Listing {
        let mut listing = Listing::default();
        for line in text.lines() {
            let line = line.trim();
            if let Some(label) = line.strip_suffix(':').filter(|label| label.starts_with(".L_x_")) {
                listing.labels.insert(label.to_owned(), listing.instructions.len());
            } else if let Some(instruction) = instruction(line) {
                listing.instructions.push(instruction);
            }
        }
        listing
    }

    /// The index that a branch goes to.
    fn target(&self, index: usize) -> Option<usize> {
        let instruction = self.instructions.get(index).filter(|i| i.base() == "BRA")?;
        self.labels.get(instruction.target()?).copied()
    }

    /// Where each function begins: addresses count from 0 again.
    fn entries(&self) -> impl Iterator<Item = usize> {
        (0..self.instructions.len()).filter(|index| {
            *index == 0 || self.instructions[*index].address <= self.instructions[index - 1].address
        })
    }

    /// Which instructions can be reached from where functions begin without going over `without`.
    fn reached(&self, without: usize) -> Vec<bool> {
        let mut reached = vec![false; self.instructions.len()];
        let mut open: Vec<usize> = self.entries().collect();
        while let Some(index) = open.pop() {
            if index == without || index >= reached.len() || reached[index] {
                continue;
            }
            reached[index] = true;
            let instruction = &self.instructions[index];
            let ends = matches!(instruction.base(), "EXIT" | "RET" | "BRA" | "BRX" | "JMP" | "JMX");
            if !ends || instruction.is_conditional() {
                open.push(index + 1);
            }
            open.extend(self.target(index));
        }
        reached
    }
}

/// `/*0a30*/  @!P0 BRA.U `(.L_x_3) ;`
fn instruction(line: &str) -> Option<Instruction> {
    let (address, rest) = line.strip_prefix("/*")?.split_once("*/")?;
    let address = u64::from_str_radix(address.trim(), 16).ok()?;
    let mut text = rest.split(';').next()?.trim();
    let mut predicate = "";
    if text.starts_with('@') {
        (predicate, text) = text.split_once(char::is_whitespace)?;
    }
    let (opcode, operands) = text.trim().split_once(char::is_whitespace).unwrap_or((text.trim(), ""));
    // The bytes of an instruction stand in a comment of their own, which begins with a number.
    let named = opcode.starts_with(|c: char| c.is_ascii_uppercase());
    named.then(|| Instruction {
        address,
        predicate: predicate.to_owned(),
        opcode: opcode.to_owned(),
        operands: operands.trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_listing() {
        let text = "
        .global  k
.text.k:
        /*0000*/                   IMAD.MOV.U32 R1, RZ, RZ, c[0x0][0x28] ;
.L_x_0:
        /*0010*/              @!P0 BRA `(.L_x_0) ;                    /* 0x000fc */
        /*0020*/              @UP1 UIADD3 UR4, UR4, 0x1, URZ ;
        /*0030*/                   EXIT ;
        /* 0x000fe40000000f00 */";
        let listing = Listing::read(text);
        let rows: Vec<_> = listing
            .instructions
            .iter()
            .map(|i| (i.address, i.predicate.as_str(), i.opcode.as_str(), i.base()))
            .collect();
        assert_eq!(
            rows,
            [
                (0, "", "IMAD.MOV.U32", "IMAD"),
                (0x10, "@!P0", "BRA", "BRA"),
                (0x20, "@UP1", "UIADD3", "UIADD3"),
                (0x30, "", "EXIT", "EXIT"),
            ]
        );
        assert_eq!((listing.target(1), listing.target(2)), (Some(1), None));
    }
}
