//! Declarations: variables and their initialisers, functions with their parameters and performance
//! directives, registers.

use super::constant::Number;
use super::{Parser, Result};
use crate::ast::{Function, Init, Linkage, Operand, RegisterDeclaration, Statement, Variable};
use crate::lex::Kind;
use crate::words::{Space, Type};

/// What stands between a variable's state space and its name.
struct VariableHead {
    space: Space,
    align: Option<u32>,
    ty: Type,
    vector: Option<u32>,
    pointer: Option<(Option<Space>, Option<u32>)>,
}

/// Performance-tuning and linking directives of a function (PTX ISA §11.4), each with how many numbers it takes.
const DIRECTIVES: [(&str, usize, usize); 13] = [
    ("maxntid", 1, 3),
    ("reqntid", 1, 3),
    ("minnctapersm", 1, 1),
    ("maxnctapersm", 1, 1),
    ("maxnreg", 1, 1),
    ("reqnctapercluster", 1, 3),
    ("maxclusterrank", 1, 1),
    ("explicitcluster", 0, 0),
    ("blocksareclusters", 0, 0),
    ("noreturn", 0, 0),
    ("abi_preserve", 1, 1),
    ("abi_preserve_control", 1, 1),
    ("local_maxnreg", 1, 1),
];

/// Those of them whose numbers are at least one.
const POSITIVE: [&str; 5] = ["maxntid", "reqntid", "minnctapersm", "maxnctapersm", "maxnreg"];

fn vector_size(word: &str) -> Option<u32> {
    match word {
        "v2" => Some(2),
        "v4" => Some(4),
        "v8" => Some(8),
        _ => None,
    }
}

impl<'a> Parser<'a> {
    /// `.SPACE .align N .vK .TYPE .ptr …`, in whatever order the type and the rest come.
    fn variable_head(&mut self) -> Result<VariableHead> {
        let Some(space) = self.dot().and_then(Space::from_word) else {
            return self.unexpected("a state space such as `.global` or `.param`");
        };
        self.bump();
        let (mut align, mut ty, mut vector, mut pointer) = (None, None, None, None);
        while let Some(word) = self.dot() {
            if word == "align" {
                self.bump();
                let bytes = self.alignment()?;
                // After `.ptr` the alignment is that of what is pointed to.
                match &mut pointer {
                    Some((_, pointee)) => *pointee = Some(bytes),
                    None => align = Some(bytes),
                }
                continue;
            }
            if word == "attribute" {
                self.bump();
                while !self.is(b')') {
                    if self.kind() == Kind::End {
                        return self.unexpected("`)` after `.attribute(…`");
                    }
                    self.bump();
                }
                self.bump();
                continue;
            }
            if word == "ptr" {
                pointer = Some((None, None));
            } else if let Some(found) = Type::from_word(word) {
                ty = Some(found);
            } else if let Some(lanes) = vector_size(word) {
                vector = Some(lanes);
            } else if let (Some(pointee), Some((to, _))) = (Space::from_word(word), &mut pointer) {
                *to = Some(pointee);
            } else {
                return self.unexpected("a type, `.align`, `.v2`, `.v4` or `.ptr` in a declaration");
            }
            self.bump();
        }
        match ty {
            Some(ty) => Ok(VariableHead { space, align, ty, vector, pointer }),
            None => self.unexpected("a type such as `.b32` before the variable's name"),
        }
    }

    /// A power of two (PTX ISA §5.4.5).
    fn alignment(&mut self) -> Result<u32> {
        let token = self.token();
        match self.small_number("a number of bytes after `.align`")? {
            bytes if bytes.is_power_of_two() => Ok(bytes),
            bytes => self.error_at(token, format!("an alignment of {bytes} bytes: it is a power of two")),
        }
    }

    /// The elements of an array; none where it says 0, which is another way to leave its length open.
    fn length(&mut self) -> Result<Option<u64>> {
        let token = self.token();
        let is_literal = token.kind == Kind::Number && self.ahead(1).kind == Kind::Punct(b']');
        match self.integer("an array length")? {
            0 => Ok(None),
            length @ 1.. => Ok(Some(length as u64)),
            // Constants have 64 bits and a sign, so this one is beyond 2^63.
            length if is_literal => {
                let message = format!("an array of {} elements: no memory holds so many", length as u64);
                self.error_at(token, message)
            }
            _ => self.error_at(token, "an array length below zero"),
        }
    }

    /// `name[3][]`: the name and its dimensions.
    fn variable(&mut self, head: &VariableHead, linkage: Linkage) -> Result<Variable> {
        let line = self.token().line;
        let text = self.ident("the variable's name")?;
        if head.space == Space::Reg {
            self.declare_register(text, None);
        }
        let name = self.intern(text);
        let mut dims = Vec::new();
        while self.eat(b'[') {
            if self.eat(b']') {
                dims.push(None);
                continue;
            }
            let token = self.token();
            match self.length()? {
                None if !dims.is_empty() => return self.error_at(token, "an array of arrays of no elements"),
                length => dims.push(length),
            }
            self.expect(b']', "`]` after an array length")?;
        }
        let VariableHead { space, align, ty, vector, pointer } = *head;
        Ok(Variable { linkage, space, align, ty, vector, pointer, name, dims, init: None, line })
    }

    /// A declaration of one or more variables, up to and over its `;`.
    pub(super) fn variables(&mut self, linkage: Linkage) -> Result<Vec<Variable>> {
        let head = self.variable_head()?;
        let mut variables = Vec::new();
        loop {
            let mut variable = self.variable(&head, linkage)?;
            if self.eat(b'=') {
                variable.init = Some(self.init()?);
            }
            variables.push(variable);
            if self.eat(b',') {
                continue;
            }
            self.expect(b';', "`,`, `=` or `;` after a variable")?;
            return Ok(variables);
        }
    }

    fn init(&mut self) -> Result<Init> {
        if self.eat(b'{') {
            return self.nested("an initialiser", |p| {
                let mut list = Vec::new();
                while !p.eat(b'}') {
                    list.push(p.init()?);
                    if !p.is(b'}') {
                        p.expect(b',', "`,` or `}` in an initialiser")?;
                    }
                }
                Ok(Init::List(list))
            });
        }
        if self.at_constant() {
            let token = self.token();
            let number = self.constant(true)?;
            if let Number::Int(mask) = number
                && self.eat(b'(')
            {
                let of = self.init_symbol()?;
                self.expect(b')', "`)` after the symbol of a masked address")?;
                return Ok(Init::MaskedAddress { mask: mask as u64, of });
            }
            if self.is(b'(') {
                return self.error_at(token, "a mask of an address is an integer such as `0xFF00`");
            }
            return Ok(Init::Value(number.into()));
        }
        Ok(Init::Value(self.init_symbol()?))
    }

    /// A symbol with an offset; nothing here is a register.
    fn init_symbol(&mut self) -> Result<Operand> {
        let text = self.ident("a number, a symbol or `{` as an initial value")?;
        self.symbol(text)
    }

    /// `.entry name (…) directives { … }`, or a declaration that ends in `;`.
    pub(super) fn function(&mut self, linkage: Linkage, is_entry: bool) -> Result<Function> {
        let line = self.bump().line;
        // A function's register parameters are in scope in its body.
        self.open_scope();
        let mut directives = Vec::new();
        self.directives(&mut directives)?;
        let returns = if !is_entry && self.is(b'(') { self.parameters()? } else { Vec::new() };
        let name = self.name("the function's name")?;
        let params = if self.is(b'(') { self.parameters()? } else { Vec::new() };
        self.directives(&mut directives)?;
        let body = if self.is(b'{') {
            self.bump();
            Some(self.function_body()?)
        } else {
            self.expect(b';', "`{`, `;` or a directive such as `.reqntid` after the parameters")?;
            None
        };
        self.close_scope();
        Ok(Function { linkage, is_entry, name, returns, params, directives, body, line })
    }

    /// A body, whose `{` is already taken; an empty one where it cannot be read and that is no error.
    fn function_body(&mut self) -> Result<Vec<Statement>> {
        let (first, scopes) = (self.at, self.scopes.len());
        self.body().or_else(|error| {
            self.at = first;
            self.scopes.truncate(scopes);
            if !self.apart || !self.skip_block() {
                return Err(error);
            }
            self.unread.push(error);
            Ok(Vec::new())
        })
    }

    /// Skips up to and over the `}` of a block whose `{` is already taken; false if there is none.
    fn skip_block(&mut self) -> bool {
        let mut open = 1;
        while open != 0 {
            match self.kind() {
                Kind::Punct(b'{') => open += 1,
                Kind::Punct(b'}') => open -= 1,
                Kind::End => return false,
                _ => {}
            }
            self.bump();
        }
        true
    }

    fn directives(&mut self, directives: &mut Vec<(String, Vec<u32>)>) -> Result<()> {
        while let Some(word) = self.dot() {
            if self.skip_debug()? {
                continue;
            }
            let Some((_, least, most)) = DIRECTIVES.into_iter().find(|(known, ..)| *known == word) else {
                return self.unexpected("`{`, `;` or a directive such as `.reqntid` and `.maxnreg`");
            };
            self.bump();
            let mut numbers = Vec::new();
            if least > 0 {
                let expected = format!("a number after `.{word}`");
                loop {
                    let token = self.token();
                    match self.small_number(&expected)? {
                        0 if POSITIVE.contains(&word) => {
                            return self.error_at(token, format!("`.{word}` of 0: it is at least 1"));
                        }
                        number => numbers.push(number),
                    }
                    if numbers.len() == most || !self.eat(b',') {
                        break;
                    }
                }
            }
            directives.push((word.to_string(), numbers));
        }
        Ok(())
    }

    /// `( .param …, .param … )`
    fn parameters(&mut self) -> Result<Vec<Variable>> {
        self.expect(b'(', "`(` before the parameters")?;
        let mut params = Vec::new();
        if self.eat(b')') {
            return Ok(params);
        }
        loop {
            let head = self.variable_head()?;
            params.push(self.variable(&head, Linkage::None)?);
            if self.eat(b')') {
                return Ok(params);
            }
            self.expect(b',', "`,` or `)` after a parameter")?;
        }
    }

    /// `.reg .TYPE a, b<5>;`
    pub(super) fn registers(&mut self) -> Result<Vec<RegisterDeclaration>> {
        self.bump();
        let (mut ty, mut vector) = (None, None);
        while let Some(word) = self.dot() {
            if let Some(found) = Type::from_word(word) {
                ty = Some(found);
            } else if let Some(lanes) = vector_size(word) {
                vector = Some(lanes);
            } else {
                return self.unexpected("a register type such as `.b32` or `.pred` after `.reg`");
            }
            self.bump();
        }
        let Some(ty) = ty else {
            return self.unexpected("a register type such as `.b32` or `.pred` after `.reg`");
        };
        let mut declarations = Vec::new();
        loop {
            let line = self.token().line;
            let text: &'a str = self.ident("a register's name")?;
            let mut count = None;
            if self.eat(b'<') {
                count = Some(self.small_number("how many registers after `<`")?);
                self.expect(b'>', "`>` after the number of registers")?;
            }
            self.declare_register(text, count);
            let name = self.intern(text);
            declarations.push(RegisterDeclaration { ty, vector, name, count, line });
            if !self.eat(b',') {
                self.expect(b';', "`,` or `;` after a register")?;
                return Ok(declarations);
            }
        }
    }
}
