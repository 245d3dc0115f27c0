//! PTX text to a [`Module`]: any compiler's file, whole.
//!
//! This file holds the cursor over the tokens, the module's header and what may stand at its top.
//! Declarations are in [`declare`], bodies in [`body`], numbers and constant expressions in [`constant`].
//!
//! What carries no meaning for running a kernel is skipped: comments, `.loc`, `.file`, `.section`,
//! `.pragma`, `@@DWARF`. Everything else is either understood or an error that names the text. Who wants the other
//! functions of a file nevertheless asks for them by [`parse_apart`].

mod body;
mod constant;
mod declare;

use crate::ast::{Item, Linkage, Module, Name};
use crate::lex::{Kind, Token, lex};
use hashbrown::{HashMap, HashSet};
use std::sync::Arc;

/// The first thing in a text that is not PTX as this crate knows it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
#[non_exhaustive]
pub struct ParseError {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What was found there and what was expected.
    pub message: String,
}

/// Parses a whole PTX file.
///
/// # Errors
/// The first unknown word or syntax error.
pub fn parse(text: &str) -> Result<Module, ParseError> {
    Ok(Parser::new(text, false).module()?.0)
}

/// A function whose body is not PTX as this crate knows it, in a file whose other functions may be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unread {
    /// Its place among the module's items, where its body is empty.
    pub item: usize,
    /// The first thing in the body that could not be read.
    pub error: ParseError,
}

/// Parses a whole PTX file, each function apart: one whose body cannot be read is listed, and left without statements.
///
/// # Errors
/// What [`parse()`] says of anything outside of bodies, of a body that never ends, and of more than a thousand bodies.
pub fn parse_apart(text: &str) -> Result<(Module, Vec<Unread>), ParseError> {
    Parser::new(text, true).module()
}

type Result<T, E = ParseError> = std::result::Result<T, E>;

/// How deep blocks, initialisers and constant expressions may nest, so that no text exhausts the stack.
const MAX_DEPTH: u32 = 64;

/// Bodies that may be unread: a file with more of them is no PTX, and telling where costs time.
const MAX_UNREAD: usize = 1000;

/// What an open scope declares without a `%`: nothing else tells registers from symbols.
#[derive(Default)]
struct Scope<'a> {
    registers: HashSet<&'a str>,
    /// `.reg .b32 name<count>`
    families: HashMap<&'a str, u32>,
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    depth: u32,
    /// Every name seen, so that equal names share one allocation.
    names: HashMap<&'a str, Name>,
    scopes: Vec<Scope<'a>>,
    /// Whether a body that cannot be read is left out rather than an error, and which were.
    apart: bool,
    unread: Vec<ParseError>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, apart: bool) -> Parser<'a> {
        Parser {
            text,
            tokens: lex(text),
            at: 0,
            depth: 0,
            names: HashMap::new(),
            scopes: vec![Scope::default()],
            apart,
            unread: Vec::new(),
        }
    }

    fn token(&self) -> Token {
        self.tokens[self.at]
    }

    fn kind(&self) -> Kind {
        self.token().kind
    }

    /// The token `ahead` of the current one; the end repeats.
    fn ahead(&self, ahead: usize) -> Token {
        self.tokens[(self.at + ahead).min(self.tokens.len() - 1)]
    }

    fn text_of(&self, token: Token) -> &'a str {
        // Spans begin and end at ASCII characters or take every byte past ASCII with them, except for a lone
        // such byte sequence cut by an escape in a string.
        self.text.get(token.start..token.end).unwrap_or("")
    }

    fn current(&self) -> &'a str {
        self.text_of(self.token())
    }

    fn bump(&mut self) -> Token {
        let token = self.token();
        if token.kind != Kind::End {
            self.at += 1;
        }
        token
    }

    fn is(&self, punct: u8) -> bool {
        self.kind() == Kind::Punct(punct)
    }

    fn eat(&mut self, punct: u8) -> bool {
        let found = self.is(punct);
        if found {
            self.bump();
        }
        found
    }

    /// Whether the current token is the dotted word `.word`.
    fn is_dot(&self, word: &str) -> bool {
        self.kind() == Kind::Dot && &self.current()[1..] == word
    }

    /// The current dotted word without its dot.
    fn dot(&self) -> Option<&'a str> {
        (self.kind() == Kind::Dot).then(|| &self.current()[1..])
    }

    fn error_at<T>(&self, token: Token, message: impl Into<String>) -> Result<T> {
        let before = self.text.get(..token.start).unwrap_or("");
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before[line_start..].chars().count() as u32 + 1;
        Err(ParseError { line: token.line, column, message: message.into() })
    }

    /// What the current token is, for messages.
    fn found(&self) -> String {
        match self.kind() {
            Kind::End => "the end of the text".into(),
            Kind::Bad(why) => why.into(),
            _ => {
                let text = self.current();
                let short: String = text.chars().take(60).collect();
                format!("`{short}{}`", if short.len() < text.len() { "…" } else { "" })
            }
        }
    }

    fn unexpected<T>(&self, expected: &str) -> Result<T> {
        self.error_at(self.token(), format!("expected {expected}, found {}", self.found()))
    }

    fn expect(&mut self, punct: u8, expected: &str) -> Result<()> {
        if self.eat(punct) { Ok(()) } else { self.unexpected(expected) }
    }

    fn intern(&mut self, text: &'a str) -> Name {
        self.names.entry(text).or_insert_with(|| Arc::from(text)).clone()
    }

    /// An identifier's text.
    fn ident(&mut self, expected: &str) -> Result<&'a str> {
        if self.kind() != Kind::Ident {
            return self.unexpected(expected);
        }
        let token = self.bump();
        Ok(self.text_of(token))
    }

    fn name(&mut self, expected: &str) -> Result<Name> {
        let text = self.ident(expected)?;
        Ok(self.intern(text))
    }

    /// Runs `inside` one level deeper.
    fn nested<T>(&mut self, what: &str, inside: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == MAX_DEPTH {
            let message = format!("{what} nested more than {MAX_DEPTH} deep");
            return self.error_at(self.token(), message);
        }
        self.depth += 1;
        let result = inside(self);
        self.depth -= 1;
        result
    }

    /// Skips the rest of the line that the current token is on.
    fn skip_line(&mut self) {
        let line = self.token().line;
        while self.kind() != Kind::End && self.token().line == line {
            self.bump();
        }
    }

    /// Skips up to and over the next `;`.
    fn skip_statement(&mut self) -> Result<()> {
        let start = self.token();
        while !self.is(b';') {
            if self.kind() == Kind::End {
                let message = format!("`{}` is never ended by `;`", self.text_of(start));
                return self.error_at(start, message);
            }
            self.bump();
        }
        self.bump();
        Ok(())
    }

    /// Skips what has no meaning for a run, if that is what comes next.
    fn skip_debug(&mut self) -> Result<bool> {
        match (self.kind(), self.current()) {
            (Kind::Dot, ".loc" | ".file") => self.skip_line(),
            (Kind::Dot, ".pragma") => self.skip_statement()?,
            (Kind::Dot, ".section") => {
                let start = self.bump();
                while !self.is(b'{') {
                    if self.kind() == Kind::End {
                        return self.error_at(start, "`.section` without a `{`");
                    }
                    self.bump();
                }
                let mut open = 0;
                loop {
                    match self.kind() {
                        Kind::Punct(b'{') => open += 1,
                        Kind::Punct(b'}') => open -= 1,
                        Kind::End => return self.error_at(start, "`.section` is never closed: add `}`"),
                        _ => {}
                    }
                    self.bump();
                    if open == 0 {
                        break;
                    }
                }
            }
            (Kind::Punct(b'@'), _) if self.ahead(1).kind == Kind::Punct(b'@') => self.skip_line(),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn module(mut self) -> Result<(Module, Vec<Unread>)> {
        while self.skip_debug()? {}
        let version = self.version()?;
        let mut target = Vec::new();
        let mut address_size = None;
        let mut items = Vec::new();
        let mut unread = Vec::new();
        loop {
            if self.skip_debug()? || self.eat(b';') {
                continue;
            }
            match self.kind() {
                Kind::End => break,
                Kind::Dot => {}
                _ => return self.unexpected("a declaration at module scope, such as `.visible .entry`"),
            }
            match self.dot().unwrap_or("") {
                "target" => {
                    self.bump();
                    loop {
                        target.push(self.ident("a target such as `sm_80` after `.target`")?.to_string());
                        if !self.eat(b',') {
                            break;
                        }
                    }
                }
                "address_size" => {
                    self.bump();
                    let token = self.token();
                    match self.small_number("32 or 64 after `.address_size`")? {
                        bits @ (32 | 64) => address_size = Some(bits),
                        other => {
                            return self.error_at(
                                token,
                                format!("expected 32 or 64 after `.address_size`, found `{other}`"),
                            );
                        }
                    }
                }
                _ => {
                    self.item(&mut items)?;
                    let item = items.len() - 1;
                    unread.extend(self.unread.drain(..).map(|error| Unread { item, error }));
                    if unread.len() > MAX_UNREAD {
                        return Err(unread.swap_remove(0).error);
                    }
                }
            }
        }
        if target.is_empty() {
            return self
                .error_at(self.token(), "expected `.target sm_NN` after `.version`, found none in the text");
        }
        // PTX ISA §11.1.3: 32 where the directive is missing.
        Ok((Module { version, target, address_size: address_size.unwrap_or(32), items }, unread))
    }

    fn version(&mut self) -> Result<(u32, u32)> {
        if !self.is_dot("version") {
            return self.unexpected("`.version MAJOR.MINOR` before anything else");
        }
        self.bump();
        let parsed = self
            .current()
            .split_once('.')
            .and_then(|(major, minor)| Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?)));
        match parsed {
            Some(version) => {
                self.bump();
                Ok(version)
            }
            None => self.unexpected("MAJOR.MINOR after `.version`"),
        }
    }

    /// One declaration or definition at module scope.
    fn item(&mut self, items: &mut Vec<Item>) -> Result<()> {
        let mut linkage = Linkage::None;
        loop {
            linkage = match self.dot() {
                Some("visible") => Linkage::Visible,
                Some("extern") => Linkage::Extern,
                Some("weak") => Linkage::Weak,
                Some("common") => Linkage::Common,
                _ => break,
            };
            self.bump();
        }
        match self.dot() {
            Some("entry") => items.push(Item::Function(self.function(linkage, true)?)),
            Some("func") => items.push(Item::Function(self.function(linkage, false)?)),
            Some("global" | "const" | "shared" | "local" | "param") => {
                items.extend(self.variables(linkage)?.into_iter().map(Item::Variable));
            }
            _ => {
                return self
                    .unexpected("`.entry`, `.func`, `.global`, `.const` or `.shared` at module scope");
            }
        }
        Ok(())
    }

    fn open_scope(&mut self) {
        self.scopes.push(Scope::default());
    }

    fn close_scope(&mut self) {
        self.scopes.pop();
    }

    /// Notes a register that no `%` gives away.
    fn declare_register(&mut self, name: &'a str, count: Option<u32>) {
        if name.starts_with('%') {
            return;
        }
        let Some(scope) = self.scopes.last_mut() else { return };
        match count {
            Some(count) => {
                let most = scope.families.entry(name).or_insert(0);
                *most = count.max(*most);
            }
            None => {
                scope.registers.insert(name);
            }
        }
    }

    fn is_register(&self, name: &str) -> bool {
        name.starts_with('%')
            || self.scopes.iter().any(|scope| {
                scope.registers.contains(name)
                    || (!scope.families.is_empty()
                        && numbered(name)
                            .any(|(stem, n)| scope.families.get(stem).is_some_and(|count| n < *count)))
            })
    }
}

/// Every way to see a name as a stem and a number: `r12` is `r1` and 2, or `r` and 12.
fn numbered(name: &str) -> impl Iterator<Item = (&str, u32)> {
    let digits = name.bytes().rev().take_while(u8::is_ascii_digit).count();
    // A number of 32 bits has ten digits at most.
    (1..=digits.min(10)).filter_map(|taken| {
        let (stem, number) = name.split_at(name.len() - taken);
        if taken > 1 && number.starts_with('0') { None } else { Some((stem, number.parse().ok()?)) }
    })
}
