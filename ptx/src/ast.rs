//! A PTX module as data. The parser makes it from any compiler's text, the builder from our own lowering;
//! the printer writes it back. Nothing here knows what an instruction does.

use crate::words::{Opcode, Space, Special, Type, Word};
use std::sync::Arc;

/// A register, label, variable or function name, as it stands in the text (registers with their `%`).
pub type Name = Arc<str>;

/// One PTX file.
#[derive(Clone, Debug, PartialEq)]
pub struct Module {
    /// `.version MAJOR.MINOR`
    pub version: (u32, u32),
    /// `.target`: the architecture (`sm_80`, `sm_90a`) and whatever follows it (`debug`, `texmode_…`).
    pub target: Vec<String>,
    /// `.address_size`, in bits.
    pub address_size: u32,
    /// Module-scope declarations and functions, in the order of the text.
    pub items: Vec<Item>,
}

/// What may stand at module scope.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A `.global`, `.const` or `.shared` variable.
    Variable(Variable),
    /// An `.entry` or a `.func`, defined or only declared.
    Function(Function),
    /// A comment of ours, one line, without its slashes. The parser drops comments.
    Comment(String),
}

/// How a name is seen outside its module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Linkage {
    None,
    Visible,
    Extern,
    Weak,
    Common,
}

/// A variable in a state space, or a parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    /// `.visible`, `.extern`, …
    pub linkage: Linkage,
    /// Where it lives.
    pub space: Space,
    /// `.align N`, in bytes.
    pub align: Option<u32>,
    /// Element type.
    pub ty: Type,
    /// `.v2`, `.v4`: how many elements a vector element has.
    pub vector: Option<u32>,
    /// `.ptr .SPACE .align N` of a kernel parameter: the space pointed to, if given, and the alignment.
    pub pointer: Option<(Option<Space>, Option<u32>)>,
    /// Its name.
    pub name: Name,
    /// Array dimensions, outermost first; `None` for a dimension left open (`[]`). Empty for a scalar.
    pub dims: Vec<Option<u64>>,
    /// Initial value.
    pub init: Option<Init>,
    /// Line of the text, from 1; 0 when built.
    pub line: u32,
}

/// A variable's initial value.
#[derive(Clone, Debug, PartialEq)]
pub enum Init {
    /// A scalar: a number or an address.
    Value(Operand),
    /// `{a, b, …}`, nested for arrays of arrays.
    List(Vec<Init>),
    /// `mask(symbol)`, as in `0xFF00(x)`: a byte of an address.
    MaskedAddress {
        /// which byte
        mask: u64,
        /// of which symbol (with offset)
        of: Operand,
    },
}

/// An entry point or a device function.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// `.visible`, `.extern`, `.weak`
    pub linkage: Linkage,
    /// `.entry` rather than `.func`.
    pub is_entry: bool,
    /// Its name.
    pub name: Name,
    /// Return parameters of a `.func`.
    pub returns: Vec<Variable>,
    /// Parameters, in order.
    pub params: Vec<Variable>,
    /// `.maxntid`, `.reqntid`, `.minnctapersm`, `.maxnreg`, `.reqnctapercluster`, `.noreturn`, …: word and numbers.
    pub directives: Vec<(String, Vec<u32>)>,
    /// The statements, absent in a declaration.
    pub body: Option<Vec<Statement>>,
    /// Line of the text, from 1; 0 when built.
    pub line: u32,
}

/// One statement of a body.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// `NAME:`
    Label(Name, u32),
    /// `.reg .TYPE …;`
    Registers(RegisterDeclaration),
    /// `.shared`, `.local`, `.param` … inside a body.
    Variable(Variable),
    /// An instruction.
    Instruction(Instruction),
    /// `{ … }`: registers, variables and labels inside belong to it.
    Block(Vec<Statement>),
    /// `name: .branchtargets a, b, c;`
    BranchTargets {
        /// the list's own label
        name: Name,
        /// its targets
        targets: Vec<Name>,
    },
    /// `name: .callprototype …;` The prototype itself is not kept.
    CallPrototype(Name),
    /// A comment of ours, one line, without its slashes. The parser drops comments.
    Comment(String),
    /// `.pragma "…";` of ours: a word to the assembler. The parser drops these too.
    Pragma(&'static str),
}

/// `.reg .TYPE name;` or `.reg .TYPE name<count>;`
#[derive(Clone, Debug, PartialEq)]
pub struct RegisterDeclaration {
    /// Type of each register.
    pub ty: Type,
    /// `.v2` or `.v4` registers.
    pub vector: Option<u32>,
    /// With its `%` if it has one.
    pub name: Name,
    /// `Some(n)` declares `name0` to `name(n-1)`.
    pub count: Option<u32>,
    /// Line of the text, from 1; 0 when built.
    pub line: u32,
}

/// One instruction.
#[derive(Clone, Debug, PartialEq)]
pub struct Instruction {
    /// `@%p` or `@!%p`.
    pub guard: Option<Guard>,
    /// The first word.
    pub op: Opcode,
    /// What follows it, dot by dot, in order.
    pub mods: Vec<Mod>,
    /// Destination first, as written.
    pub operands: Vec<Operand>,
    /// Line of the text, from 1; 0 when built.
    pub line: u32,
}

/// A predicate that decides lane by lane whether an instruction happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// The predicate register.
    pub predicate: Name,
    /// `@!`
    pub negated: bool,
}

/// One dotted modifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mod {
    /// A type.
    Ty(Type),
    /// A state space.
    Space(Space),
    /// `mMnNkK` of a matrix product (`m16n8k16`, `m64n128k16`).
    Shape {
        /// rows
        m: u16,
        /// columns
        n: u16,
        /// depth
        k: u16,
    },
    /// Anything else.
    Word(Word),
}

/// A component of a three-dimensional special register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Axis {
    X,
    Y,
    Z,
    W,
}

/// `.b3210`, `.h1`: bytes or halves that a video instruction takes of a register (PTX ISA §9.7.19).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lanes {
    /// Halves rather than bytes.
    pub halves: bool,
    /// How many.
    pub count: u8,
    /// Which ones, the lowest lane first, which is written last.
    pub which: [u8; 4],
}

/// One operand.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// A register. `%r1.x` of a vector register carries its component.
    Register(Name, Option<Axis>),
    /// Bytes or halves of a register: `%r1.b0`, `%r1.h32`.
    Lanes(Name, Lanes),
    /// `%tid.x`, `%laneid`
    Special(Special, Option<Axis>),
    /// `%envreg5`, `%pm3`: numbered special registers.
    Environment(Name),
    /// An integer constant; unsigned 64-bit ones wrap.
    Int(i64),
    /// A single-precision constant, by its bits (`0f3F800000`).
    F32(u32),
    /// A double-precision constant, by its bits (`0d…` or decimal).
    F64(u64),
    /// A variable, function or label by name, with a byte offset (`name+4`); `generic(name)` is also marked.
    Symbol {
        /// the name
        name: Name,
        /// bytes added to its address
        offset: i64,
        /// written as `generic(name)`
        generic: bool,
    },
    /// `[base+offset]`
    Address {
        /// what is added to
        base: Box<Operand>,
        /// in bytes
        offset: i64,
    },
    /// `[map, {c0, c1}]` and other bracketed lists.
    AddressList(Vec<Operand>),
    /// `{a, b, c}`
    Vector(Vec<Operand>),
    /// `d|p`
    Pair(Box<Operand>, Box<Operand>),
    /// `!p`
    Not(Box<Operand>),
    /// `-r`
    Negate(Box<Operand>),
    /// `(a, b)` of a call.
    List(Vec<Operand>),
    /// `_`
    Sink,
}

impl Instruction {
    /// The `n`th type among the modifiers.
    pub fn ty(&self, n: usize) -> Option<Type> {
        self.mods.iter().filter_map(|m| if let Mod::Ty(t) = m { Some(*t) } else { None }).nth(n)
    }

    /// The first state space among the modifiers.
    pub fn space(&self) -> Option<Space> {
        self.mods.iter().find_map(|m| if let Mod::Space(s) = m { Some(*s) } else { None })
    }

    /// Whether the modifiers hold `word`.
    pub fn has(&self, word: Word) -> bool {
        self.mods.contains(&Mod::Word(word))
    }
}
