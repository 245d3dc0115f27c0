//! Text to tokens. A token is a kind and a span; what a number or a word means is left to the parser.
//!
//! Dotted words come out whole (`.shared::cta`, `.m16n8k16`, `.2d`), so a modifier is one token. Text that
//! is no PTX at all becomes a [`Kind::Bad`] token: it matters only if the parser gets that far, because
//! debug sections hold whatever their writer liked.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name: `add`, `%r1`, `$L__BB0_1`, `_`.
    Ident,
    /// A dotted word; its text includes the dot.
    Dot,
    /// Anything that begins with a digit.
    Number,
    /// `"…"`, with its quotes.
    Text,
    /// One character of punctuation.
    Punct(u8),
    /// What cannot be a token, and why.
    Bad(&'static str),
    /// After the last token.
    End,
}

/// One token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    /// What it is.
    pub kind: Kind,
    /// Byte offset of its first character.
    pub start: usize,
    /// Byte offset past its last character.
    pub end: usize,
    /// Line of its first character, from 1.
    pub line: u32,
}

/// All tokens of `text`, the last one [`Kind::End`].
pub(crate) fn lex(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { bytes: text.as_bytes(), at: 0, line: 1 };
    let mut tokens = Vec::with_capacity(text.len() / 4);
    loop {
        let token = lexer.next();
        let last = token.kind == Kind::End;
        tokens.push(token);
        if last {
            return tokens;
        }
    }
}

struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u32,
}

/// A character of a name after its first. Bytes past ASCII are let through so that a bad name is quoted whole.
fn in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    /// Skips blanks and comments; an unclosed comment is told by where it began.
    fn skip_blanks(&mut self) -> Option<Token> {
        loop {
            match (self.peek(0), self.peek(1)) {
                (b'\n', _) => {
                    self.line += 1;
                    self.at += 1;
                }
                (b' ' | b'\t' | b'\r' | 0x0b | 0x0c, _) => self.at += 1,
                (b'/', b'/') => {
                    while self.at < self.bytes.len() && self.bytes[self.at] != b'\n' {
                        self.at += 1;
                    }
                }
                (b'/', b'*') => {
                    let (start, line) = (self.at, self.line);
                    self.at += 2;
                    while !(self.peek(0) == b'*' && self.peek(1) == b'/') {
                        if self.at >= self.bytes.len() {
                            let kind = Kind::Bad("a comment that is never closed: add `*/`");
                            return Some(Token { kind, start, end: start + 2, line });
                        }
                        if self.bytes[self.at] == b'\n' {
                            self.line += 1;
                        }
                        self.at += 1;
                    }
                    self.at += 2;
                }
                _ => return None,
            }
        }
    }

    fn take_name(&mut self) {
        while in_name(self.peek(0)) {
            self.at += 1;
        }
    }

    fn next(&mut self) -> Token {
        if let Some(bad) = self.skip_blanks() {
            return bad;
        }
        let (start, line) = (self.at, self.line);
        let kind = if start >= self.bytes.len() {
            Kind::End
        } else {
            let first = self.bytes[start];
            self.at += 1;
            match first {
                b'.' if in_name(self.peek(0)) => {
                    self.take_name();
                    while self.peek(0) == b':' && self.peek(1) == b':' && in_name(self.peek(2)) {
                        self.at += 2;
                        self.take_name();
                    }
                    Kind::Dot
                }
                b'0'..=b'9' => self.number(),
                b'"' => self.string(),
                b'%' if in_name(self.peek(0)) => {
                    self.take_name();
                    Kind::Ident
                }
                _ if in_name(first) => {
                    self.take_name();
                    Kind::Ident
                }
                0x21..=0x7e => Kind::Punct(first),
                _ => Kind::Bad("a character that PTX does not have"),
            }
        };
        Token { kind, start, end: self.at, line }
    }

    /// `12`, `0x1F`, `017U`, `0f3F800000`, `1.5e-3`: the first digit is taken already.
    fn number(&mut self) -> Kind {
        let start = self.at - 1;
        self.take_name();
        if self.bytes[start..self.at].iter().all(u8::is_ascii_digit)
            && self.peek(0) == b'.'
            && (self.peek(1).is_ascii_digit() || !in_name(self.peek(1)))
        {
            // People write `0.` by hand.
            self.at += 1;
            self.take_name();
        }
        let text = &self.bytes[start..self.at];
        let mantissa =
            text.len() > 1 && text[..text.len() - 1].iter().all(|b| b.is_ascii_digit() || *b == b'.');
        if mantissa
            && matches!(text.last(), Some(b'e' | b'E'))
            && matches!(self.peek(0), b'+' | b'-')
            && self.peek(1).is_ascii_digit()
        {
            self.at += 1;
            self.take_name();
        }
        Kind::Number
    }

    /// A string ends on its own line.
    fn string(&mut self) -> Kind {
        loop {
            match self.peek(0) {
                b'"' => {
                    self.at += 1;
                    return Kind::Text;
                }
                b'\n' => return Kind::Bad("a string that is never closed: add `\"`"),
                _ if self.at >= self.bytes.len() => {
                    return Kind::Bad("a string that is never closed: add `\"`");
                }
                b'\\' if self.at + 1 < self.bytes.len() && self.peek(1) != b'\n' => self.at += 2,
                _ => self.at += 1,
            }
        }
    }
}
