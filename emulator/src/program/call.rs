//! Calls, the stack, and functions of the host that kernels call.

use super::Reg;
use super::memory::Address;

/// A value on its way into or out of a function.
#[derive(Clone, Copy, Debug)]
pub enum Move {
    /// From the frame to the frame.
    Bytes {
        /// offset read
        from: u32,
        /// offset written
        to: u32,
        /// how many
        count: u32,
        /// added to `from`, where frames move
        from_base: Option<Reg>,
        /// added to `to`
        to_base: Option<Reg>,
    },
    /// From a register to a register.
    Row {
        /// read
        from: Reg,
        /// written
        to: Reg,
        /// 64 bits
        wide: bool,
    },
}

/// A call of a function of the program.
#[derive(Debug)]
pub struct Call {
    /// Its first instruction.
    pub target: u32,
    /// Row that keeps each lane's way back.
    pub way_back: Reg,
    /// Arguments.
    pub arguments: Box<[Move]>,
}

/// What functions that call one another in a circle have in common.
#[derive(Clone, Copy, Debug, Default)]
pub struct Region {
    /// Their registers: a range of [`Program::registers`].
    pub registers: (u32, u32),
    /// Their predicates.
    pub preds: (u32, u32),
    /// Row with what is added to the address of everything in a frame.
    pub frame: Reg,
    /// Where the first frame lies.
    pub start: u32,
    /// Bytes of a frame.
    pub bytes: u32,
    /// Alignment of a frame.
    pub align: u32,
}

/// A call inside a region.
#[derive(Debug)]
pub struct Recursion {
    /// Its first instruction.
    pub target: u32,
    /// Row that keeps each lane's way back.
    pub way_back: Reg,
    /// Arguments, from the caller's frame to the callee's.
    pub arguments: Box<[Move]>,
    /// What is put away.
    pub region: Region,
}

/// What follows such a call.
#[derive(Debug)]
pub struct Unwind {
    /// Results, from the callee's frame to the caller's.
    pub results: Box<[Move]>,
    /// What is put back.
    pub region: Region,
}

/// Use of a thread's stack.
#[derive(Clone, Copy, Debug)]
pub enum StackOp {
    /// `stacksave`
    Save { d: Reg, wide: bool },
    /// `stackrestore`
    Restore { a: Reg, wide: bool },
    /// `alloca`
    Alloca { d: Reg, wide: bool, size: Reg, align: u32 },
}

/// `vprintf`: where its arguments are, in the thread's memory.
#[derive(Debug)]
pub struct Print {
    /// Pointer to the format.
    pub format: Address,
    /// Pointer to the struct of arguments.
    pub arguments: Address,
    /// Where the number of arguments goes.
    pub result: Option<Address>,
}

/// `__assertfail`: where its arguments are.
#[derive(Debug)]
pub struct AssertFail {
    /// Pointer to what does not hold.
    pub message: Address,
    /// Pointer to the file's name.
    pub file: Address,
    /// The line.
    pub line: Address,
    /// Pointer to the function's name.
    pub function: Address,
}
