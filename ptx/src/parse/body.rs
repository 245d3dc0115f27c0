//! The statements of a body: labels, declarations, blocks, instructions and their operands.

use super::{Parser, Result};
use crate::ast::{Axis, Guard, Instruction, Lanes, Linkage, Mod, Name, Operand, Statement};
use crate::lex::{Kind, Token};
use crate::words::{Opcode, Space, Special, Type, Word};

/// Reads one dotted word after an opcode: a type, a space, a shape, or any other word of the vocabulary.
fn modifier(word: &str) -> Option<Mod> {
    if let Some(ty) = Type::from_word(word) {
        return Some(Mod::Ty(ty));
    }
    if let Some(space) = Space::from_word(word) {
        return Some(Mod::Space(space));
    }
    if let Some(word) = Word::from_word(word) {
        return Some(Mod::Word(word));
    }
    let (m, rest) = word.strip_prefix('m')?.split_once('n')?;
    let (n, k) = rest.split_once('k')?;
    let number = |digits: &str| {
        digits.parse::<u16>().ok().filter(|_| digits.starts_with(|c: char| c.is_ascii_digit()))
    };
    Some(Mod::Shape { m: number(m)?, n: number(n)?, k: number(k)? })
}

/// A component of a vector register or of a special one; colours are the same four.
fn component(word: &str) -> Option<Axis> {
    Some(match word {
        "x" | "r" => Axis::X,
        "y" | "g" => Axis::Y,
        "z" | "b" => Axis::Z,
        "w" | "a" => Axis::W,
        _ => return None,
    })
}

/// Bytes or halves of a register, as `b3210` or `h10`.
fn lanes(word: &str) -> Option<Lanes> {
    let (halves, digits, most) = match word.strip_prefix('h') {
        Some(digits) => (true, digits, 2),
        None => (false, word.strip_prefix('b')?, 4),
    };
    if digits.is_empty() || digits.len() > most {
        return None;
    }
    let mut which = [0; 4];
    for (lane, digit) in which.iter_mut().zip(digits.bytes().rev()) {
        let last = if halves { b'3' } else { b'7' };
        *lane = (b'0'..=last).contains(&digit).then(|| digit - b'0')?;
    }
    Some(Lanes { halves, count: digits.len() as u8, which })
}

/// Special registers whose number is part of the name.
fn is_environment(name: &str) -> bool {
    let numbered = |prefix: &str| {
        name.strip_prefix(prefix)
            .map(|rest| rest.strip_suffix("_64").unwrap_or(rest))
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
    };
    numbered("%envreg") || numbered("%pm") || name.starts_with("%reserved_smem_offset_")
}

impl<'a> Parser<'a> {
    /// Statements up to and over the `}` that ends them.
    pub(super) fn body(&mut self) -> Result<Vec<Statement>> {
        self.open_scope();
        let mut statements = Vec::new();
        while !self.eat(b'}') {
            self.statement(&mut statements)?;
        }
        self.close_scope();
        Ok(statements)
    }

    fn statement(&mut self, statements: &mut Vec<Statement>) -> Result<()> {
        if self.skip_debug()? || self.eat(b';') {
            return Ok(());
        }
        match self.kind() {
            Kind::Punct(b'{') => {
                self.bump();
                let block = self.nested("blocks", Self::body)?;
                statements.push(Statement::Block(block));
            }
            Kind::Dot => match self.dot() {
                Some("reg") => statements.extend(self.registers()?.into_iter().map(Statement::Registers)),
                Some("shared" | "local" | "param" | "global" | "const") => {
                    statements.extend(self.variables(Linkage::None)?.into_iter().map(Statement::Variable));
                }
                _ => {
                    return self
                        .unexpected("an instruction, a label, `.reg`, `.shared`, `.local` or `.param`");
                }
            },
            Kind::Ident if self.ahead(1).kind == Kind::Punct(b':') => {
                let line = self.token().line;
                let name = self.name("a label")?;
                self.bump();
                match self.dot() {
                    Some("branchtargets") => {
                        self.bump();
                        let mut targets = vec![self.name("a label after `.branchtargets`")?];
                        while self.eat(b',') {
                            targets.push(self.name("a label after `,`")?);
                        }
                        self.expect(b';', "`,` or `;` after a branch target")?;
                        statements.push(Statement::BranchTargets { name, targets });
                    }
                    Some("callprototype" | "calltargets") => {
                        self.skip_statement()?;
                        statements.push(Statement::CallPrototype(name));
                    }
                    _ => statements.push(Statement::Label(name, line)),
                }
            }
            Kind::Ident | Kind::Punct(b'@') => statements.push(Statement::Instruction(self.instruction()?)),
            _ => return self.unexpected("an instruction, a label or `}`"),
        }
        Ok(())
    }

    fn instruction(&mut self) -> Result<Instruction> {
        let mut guard = None;
        let line = self.token().line;
        if self.eat(b'@') {
            let negated = self.eat(b'!');
            guard = Some(Guard { predicate: self.name("a predicate after `@`")?, negated });
        }
        let op_token = self.token();
        let op_text = self.ident("an opcode")?;
        let Some(op) = Opcode::from_word(op_text) else {
            return self.error_at(op_token, format!("unknown opcode `{op_text}`"));
        };
        let mut mods = Vec::new();
        while let Some(word) = self.dot() {
            match modifier(word) {
                Some(modifier) => mods.push(modifier),
                None => {
                    return self.error_at(self.token(), format!("unknown modifier `.{word}` of `{op_text}`"));
                }
            }
            self.bump();
        }
        let mut operands = Vec::new();
        if !self.eat(b';') {
            loop {
                operands.push(self.operand(op == Opcode::Call)?);
                if !self.eat(b',') {
                    break;
                }
            }
            self.expect(b';', "`,` or `;` after an operand")?;
        }
        Ok(Instruction { guard, op, mods, operands, line })
    }

    /// One operand; only a call has lists in parentheses, elsewhere they hold a constant expression.
    fn operand(&mut self, in_call: bool) -> Result<Operand> {
        let operand = self.nested("operands", |p| p.single_operand(in_call))?;
        if self.eat(b'|') {
            let second = self.nested("operands", |p| p.single_operand(false))?;
            return Ok(Operand::Pair(Box::new(operand), Box::new(second)));
        }
        Ok(operand)
    }

    fn operands_until(&mut self, close: u8, expected: &str) -> Result<Vec<Operand>> {
        let mut list = Vec::new();
        if self.eat(close) {
            return Ok(list);
        }
        loop {
            list.push(self.operand(false)?);
            if self.eat(close) {
                return Ok(list);
            }
            self.expect(b',', expected)?;
        }
    }

    fn single_operand(&mut self, in_call: bool) -> Result<Operand> {
        match self.kind() {
            Kind::Ident => {
                let token = self.bump();
                self.named(token)
            }
            Kind::Punct(b'[') => {
                self.bump();
                self.address()
            }
            Kind::Punct(b'{') => {
                self.bump();
                Ok(Operand::Vector(self.operands_until(b'}', "`,` or `}` in a vector operand")?))
            }
            Kind::Punct(b'(') if in_call => {
                self.bump();
                Ok(Operand::List(self.operands_until(b')', "`,` or `)` in a list of arguments")?))
            }
            Kind::Punct(b'!') => {
                self.bump();
                Ok(Operand::Not(Box::new(self.nested("operands", |p| p.single_operand(false))?)))
            }
            Kind::Punct(b'-') if self.ahead(1).kind == Kind::Ident => {
                self.bump();
                Ok(Operand::Negate(Box::new(self.nested("operands", |p| p.single_operand(false))?)))
            }
            _ if self.at_constant() => Ok(self.constant(false)?.into()),
            _ => self.unexpected("an operand"),
        }
    }

    /// A register, special register, sink or symbol, whose token is already taken.
    fn named(&mut self, token: Token) -> Result<Operand> {
        let text = self.text_of(token);
        if text == "_" {
            return Ok(Operand::Sink);
        }
        if !self.is_register(text) {
            return self.symbol(text);
        }
        let axis = match self.dot() {
            None => None,
            Some(word) => match (component(word), lanes(word)) {
                (Some(axis), _) => {
                    self.bump();
                    Some(axis)
                }
                (None, Some(lanes)) => {
                    self.bump();
                    return Ok(Operand::Lanes(self.intern(text), lanes));
                }
                (None, None) => return self.unexpected(&format!("`.x`, `.y`, `.z` or `.w` after `{text}`")),
            },
        };
        if let Some(special) = text.strip_prefix('%').and_then(Special::from_word) {
            return Ok(Operand::Special(special, axis));
        }
        let name = self.intern(text);
        Ok(if is_environment(text) { Operand::Environment(name) } else { Operand::Register(name, axis) })
    }

    /// `name`, `name+4`, `generic(name)+4`, whose first token is already taken.
    pub(super) fn symbol(&mut self, text: &'a str) -> Result<Operand> {
        let generic = text == "generic" && self.is(b'(');
        let (name, mut offset): (Name, i64) = if generic {
            self.bump();
            let name = self.name("a symbol in `generic(…)`")?;
            let offset = self.offset()?;
            self.expect(b')', "`)` after `generic(symbol`")?;
            (name, offset)
        } else {
            (self.intern(text), 0)
        };
        offset = offset.wrapping_add(self.offset()?);
        Ok(Operand::Symbol { name, offset, generic })
    }

    /// `+4`, `-4`, or nothing.
    fn offset(&mut self) -> Result<i64> {
        if self.is(b'+') || self.is(b'-') {
            return self.integer("an offset in bytes");
        }
        Ok(0)
    }

    /// What stands in brackets, whose `[` is already taken.
    fn address(&mut self) -> Result<Operand> {
        let first = self.address_term()?;
        if self.eat(b']') {
            return Ok(match first {
                address @ Operand::Address { .. } => address,
                base => Operand::Address { base: Box::new(base), offset: 0 },
            });
        }
        let mut list = vec![first];
        while self.eat(b',') {
            list.push(if self.is(b'{') { self.operand(false)? } else { self.address_term()? });
        }
        self.expect(b']', "`,` or `]` after an address")?;
        Ok(Operand::AddressList(list))
    }

    /// A base with or without an offset. A symbol's offset is the address's, so there is one way to say it.
    fn address_term(&mut self) -> Result<Operand> {
        if self.at_constant() {
            return Ok(Operand::Int(self.integer("an address")?));
        }
        if self.kind() != Kind::Ident {
            return self.unexpected("a register, a symbol or a number as an address");
        }
        let token = self.bump();
        let (base, offset) = match self.named(token)? {
            Operand::Symbol { name, offset, generic } => {
                (Operand::Symbol { name, offset: 0, generic }, offset)
            }
            base => (base, self.offset()?),
        };
        Ok(if offset == 0 { base } else { Operand::Address { base: Box::new(base), offset } })
    }
}
