//! The text of a module, for what is said of it: instructions as they stand there.

use crate::decode::Fail;
use crate::fault::LoadError;
use std::sync::OnceLock;

/// See the file's head.
#[derive(Debug)]
pub(crate) struct Text {
    text: String,
    /// Where each line begins; found when the first is asked for.
    lines: OnceLock<Vec<usize>>,
}

impl Text {
    pub fn new(text: &str) -> Text {
        Text { text: text.to_string(), lines: OnceLock::new() }
    }

    /// What cannot be run at an instruction.
    pub fn explain(&self, line: u32, nth: u32, fail: Fail) -> LoadError {
        match fail {
            Fail::Unsupported => LoadError::Unsupported { line, instruction: self.statement(line, nth) },
            Fail::Invalid(message) => LoadError::Invalid { line, message, text: self.statement(line, nth) },
            Fail::Unread(error) => LoadError::Parse(error),
        }
    }

    /// All from a line on, counted from 1.
    fn rest_at(&self, line: u32) -> &str {
        let starts = || {
            let next = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
            std::iter::once(0).chain(next).collect()
        };
        let starts: &Vec<usize> = self.lines.get_or_init(starts);
        let at = starts.get((line as usize).saturating_sub(1)).copied();
        at.map_or("", |at| &self.text[at..])
    }

    /// Instruction `nth` of those that begin in a line, written on one line; declarations and labels do not count.
    pub fn statement(&self, line: u32, nth: u32) -> String {
        let mut rest = String::new();
        // An instruction may go on for some lines.
        for row in self.rest_at(line).lines().take(8) {
            rest.push_str(row.split("//").next().unwrap_or_default());
            rest.push(' ');
        }
        let mut statements = rest.split(';').map(|s| {
            let mut s = s.trim();
            loop {
                // A block's brace, a function's head, labels.
                let inner = if s.starts_with(['{', '}']) {
                    &s[1..]
                } else if s.starts_with('.') && s.contains('{') && s.contains('(') {
                    s.split_once('{').map_or(s, |(_, inner)| inner)
                } else {
                    match s.split_once(':') {
                        Some((label, inner))
                            if label.chars().all(|c| c.is_alphanumeric() || "_$%".contains(c))
                                && !inner.starts_with(':') =>
                        {
                            inner
                        }
                        _ => return s,
                    }
                };
                s = inner.trim_start();
            }
        });
        let all = statements.clone().next().unwrap_or_default().to_string();
        let found = statements.by_ref().filter(|s| !s.is_empty() && !s.starts_with('.')).nth(nth as usize);
        found.map_or(all, str::to_string).split_whitespace().collect::<Vec<_>>().join(" ")
    }
}
