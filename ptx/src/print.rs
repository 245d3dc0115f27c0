//! A module as PTX text. What is printed parses back to the same tree (comments and line numbers aside).

use crate::ast::*;
use std::fmt::{self, Display, Formatter, Write};

/// The text of a module.
pub fn print(module: &Module) -> String {
    module.to_string()
}

const INDENT: &str = "    ";

impl Display for Module {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, ".version {}.{}", self.version.0, self.version.1)?;
        writeln!(f, ".target {}", self.target.join(", "))?;
        writeln!(f, ".address_size {}", self.address_size)?;
        for item in &self.items {
            match item {
                Item::Variable(variable) => writeln!(f, "\n{variable};")?,
                Item::Comment(text) => writeln!(f, "\n// {text}")?,
                Item::Function(function) => write!(f, "\n{function}")?,
            }
        }
        Ok(())
    }
}

impl Display for Linkage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Linkage::None => "",
            Linkage::Visible => ".visible ",
            Linkage::Extern => ".extern ",
            Linkage::Weak => ".weak ",
            Linkage::Common => ".common ",
        })
    }
}

impl Display for Variable {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.linkage, self.space)?;
        let align = |f: &mut Formatter<'_>, align: Option<u32>| match align {
            Some(bytes) => write!(f, " .align {bytes}"),
            None => Ok(()),
        };
        // A parameter's own alignment stands before its type, a pointer's after `.ptr`.
        align(f, self.align)?;
        if let Some(lanes) = self.vector {
            write!(f, " .v{lanes}")?;
        }
        write!(f, " .{}", self.ty)?;
        if let Some((space, alignment)) = self.pointer {
            f.write_str(" .ptr")?;
            if let Some(space) = space {
                write!(f, " .{space}")?;
            }
            align(f, alignment)?;
        }
        write!(f, " {}", self.name)?;
        for dim in &self.dims {
            match dim {
                Some(n) => write!(f, "[{n}]")?,
                None => f.write_str("[]")?,
            }
        }
        match &self.init {
            Some(init) => write!(f, " = {init}"),
            None => Ok(()),
        }
    }
}

impl Display for Init {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Init::Value(value) => write!(f, "{value}"),
            Init::List(items) => {
                f.write_char('{')?;
                separated(f, items)?;
                f.write_char('}')
            }
            Init::MaskedAddress { mask, of } => write!(f, "{mask:#x}({of})"),
        }
    }
}

impl Display for Function {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.linkage, if self.is_entry { ".entry " } else { ".func " })?;
        if !self.returns.is_empty() {
            f.write_char('(')?;
            separated(f, &self.returns)?;
            f.write_str(") ")?;
        }
        write!(f, "{}", self.name)?;
        if !self.params.is_empty() {
            writeln!(f, "(")?;
            for (index, param) in self.params.iter().enumerate() {
                let comma = if index + 1 < self.params.len() { "," } else { "" };
                writeln!(f, "{INDENT}{param}{comma}")?;
            }
            f.write_char(')')?;
        } else {
            f.write_str("()")?;
        }
        for (word, numbers) in &self.directives {
            write!(f, "\n.{word} ")?;
            separated(f, numbers)?;
        }
        let Some(body) = &self.body else { return writeln!(f, ";") };
        writeln!(f, "\n{{")?;
        statements(f, body, 1)?;
        writeln!(f, "}}")
    }
}

fn statements(f: &mut Formatter<'_>, body: &[Statement], depth: usize) -> fmt::Result {
    let indent = INDENT.repeat(depth);
    for statement in body {
        match statement {
            Statement::Label(name, _) => writeln!(f, "{name}:")?,
            Statement::Registers(declaration) => {
                write!(f, "{indent}.reg")?;
                if let Some(lanes) = declaration.vector {
                    write!(f, " .v{lanes}")?;
                }
                write!(f, " .{} {}", declaration.ty, declaration.name)?;
                match declaration.count {
                    Some(count) => writeln!(f, "<{count}>;")?,
                    None => writeln!(f, ";")?,
                }
            }
            Statement::Variable(variable) => writeln!(f, "{indent}{variable};")?,
            Statement::Instruction(instruction) => writeln!(f, "{indent}{instruction};")?,
            Statement::Block(inner) => {
                writeln!(f, "{indent}{{")?;
                statements(f, inner, depth + 1)?;
                writeln!(f, "{indent}}}")?;
            }
            Statement::BranchTargets { name, targets } => {
                write!(f, "{name}: .branchtargets ")?;
                separated(f, targets)?;
                writeln!(f, ";")?;
            }
            Statement::CallPrototype(name) => writeln!(f, "{name}: .callprototype _ ();")?,
            Statement::Comment(text) if text.is_empty() => writeln!(f)?,
            Statement::Comment(text) => writeln!(f, "{indent}// {text}")?,
            Statement::Pragma(text) => writeln!(f, "{indent}.pragma \"{text}\";")?,
        }
    }
    Ok(())
}

impl Display for Instruction {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(guard) = &self.guard {
            write!(f, "@{}{} ", if guard.negated { "!" } else { "" }, guard.predicate)?;
        }
        write!(f, "{}", self.op)?;
        for modifier in &self.mods {
            write!(f, ".{modifier}")?;
        }
        if !self.operands.is_empty() {
            f.write_char(' ')?;
            separated(f, &self.operands)?;
        }
        Ok(())
    }
}

impl Display for Mod {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Mod::Ty(ty) => write!(f, "{ty}"),
            Mod::Space(space) => write!(f, "{space}"),
            Mod::Shape { m, n, k } => write!(f, "m{m}n{n}k{k}"),
            Mod::Word(word) => write!(f, "{word}"),
        }
    }
}

impl Display for Axis {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Axis::X => "x",
            Axis::Y => "y",
            Axis::Z => "z",
            Axis::W => "w",
        })
    }
}

impl Display for Operand {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Operand::Register(name, None) => write!(f, "{name}"),
            Operand::Register(name, Some(axis)) => write!(f, "{name}.{axis}"),
            Operand::Lanes(name, lanes) => {
                write!(f, "{name}.{}", if lanes.halves { 'h' } else { 'b' })?;
                lanes.which.iter().take(lanes.count.into()).rev().try_for_each(|which| write!(f, "{which}"))
            }
            Operand::Special(special, None) => write!(f, "%{special}"),
            Operand::Special(special, Some(axis)) => write!(f, "%{special}.{axis}"),
            Operand::Environment(name) => write!(f, "{name}"),
            Operand::Int(value) => write!(f, "{value}"),
            Operand::F32(bits) => write!(f, "0f{bits:08X}"),
            Operand::F64(bits) => write!(f, "0d{bits:016X}"),
            Operand::Symbol { name, offset, generic } => {
                if *generic {
                    write!(f, "generic({name})")?;
                } else {
                    write!(f, "{name}")?;
                }
                signed_offset(f, *offset)
            }
            Operand::Address { base, offset } => {
                write!(f, "[{base}")?;
                signed_offset(f, *offset)?;
                f.write_char(']')
            }
            Operand::AddressList(items) => {
                f.write_char('[')?;
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    match item {
                        // One pair of brackets, around the whole list.
                        Operand::Address { base, offset } => {
                            write!(f, "{base}")?;
                            signed_offset(f, *offset)?;
                        }
                        item => write!(f, "{item}")?,
                    }
                }
                f.write_char(']')
            }
            Operand::Vector(items) => {
                f.write_char('{')?;
                separated(f, items)?;
                f.write_char('}')
            }
            Operand::Pair(first, second) => write!(f, "{first}|{second}"),
            Operand::Not(inner) => write!(f, "!{inner}"),
            Operand::Negate(inner) => write!(f, "-{inner}"),
            Operand::List(items) => {
                f.write_char('(')?;
                separated(f, items)?;
                f.write_char(')')
            }
            Operand::Sink => f.write_char('_'),
        }
    }
}

fn signed_offset(f: &mut Formatter<'_>, offset: i64) -> fmt::Result {
    match offset {
        0 => Ok(()),
        // `+-4` below zero: ptxas takes no minus after a register.
        n => write!(f, "+{n}"),
    }
}

fn separated<T: Display>(f: &mut Formatter<'_>, items: &[T]) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}
