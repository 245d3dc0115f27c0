//! Where two texts differ, in few lines.

use std::fmt::Write;

/// Lines shown of each side.
const SHOWN: usize = 6;

/// What differs between the committed text and the one just made; `None` if nothing does.
pub fn difference(committed: &str, made: &str) -> Option<String> {
    if committed == made {
        return None;
    }
    let (old, new): (Vec<&str>, Vec<&str>) = (committed.lines().collect(), made.lines().collect());
    let common = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - common;
    let tail = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let mut text = String::new();
    for (sign, side, lines) in [('-', "committed", &old), ('+', "made", &new)] {
        let changed = &lines[common..lines.len() - tail];
        let (first, last) = (common + 1, common + changed.len());
        let _ = match changed.len() {
            0 => writeln!(text, "{side}: nothing before line {first}"),
            _ => writeln!(text, "{side}: lines {first} to {last} differ"),
        };
        for line in changed.iter().take(SHOWN) {
            let _ = writeln!(text, "{sign} {line}");
        }
        if changed.len() > SHOWN {
            let _ = writeln!(text, "{sign} ... {} more", changed.len() - SHOWN);
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_which_lines() {
        let table = [
            ("a\nb\nc\n", "a\nb\nc\n", None),
            (
                "a\nb\nc\n",
                "a\nx\nc\n",
                Some("committed: lines 2 to 2 differ\n- b\nmade: lines 2 to 2 differ\n+ x\n"),
            ),
            (
                "a\nc\n",
                "a\nb\nc\n",
                Some("committed: nothing before line 2\nmade: lines 2 to 2 differ\n+ b\n"),
            ),
            ("", "a\n", Some("committed: nothing before line 1\nmade: lines 1 to 1 differ\n+ a\n")),
        ];
        for (committed, made, expected) in table {
            assert_eq!(difference(committed, made).as_deref(), expected, "{committed:?} {made:?}");
        }
    }
}
