//! Numbers and constant expressions (PTX ISA §4.5).
//!
//! Integers are 64-bit and wrap. Operators bind as in C; there are no comparisons, no `?:` and no casts,
//! which no compiler writes.

use super::{Parser, Result};
use crate::ast::Operand;
use crate::lex::Kind;

/// A number as written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Int(i64),
    F32(u32),
    F64(u64),
}

impl From<Number> for Operand {
    fn from(number: Number) -> Operand {
        match number {
            Number::Int(value) => Operand::Int(value),
            Number::F32(bits) => Operand::F32(bits),
            Number::F64(bits) => Operand::F64(bits),
        }
    }
}

/// Reads a number's text; `None` if it is not one.
fn number(text: &str) -> Option<Number> {
    let lower = text.to_ascii_lowercase();
    if let Some(digits) = lower.strip_prefix("0f")
        && digits.len() == 8
    {
        return u32::from_str_radix(digits, 16).ok().map(Number::F32);
    }
    if let Some(digits) = lower.strip_prefix("0d")
        && digits.len() == 16
    {
        return u64::from_str_radix(digits, 16).ok().map(Number::F64);
    }
    let is_hex = lower.starts_with("0x");
    if !is_hex && lower.contains(['.', 'e']) {
        return lower.parse::<f64>().ok().map(|value| Number::F64(value.to_bits()));
    }
    let digits = lower.strip_suffix('u').unwrap_or(&lower);
    let (digits, radix) = if let Some(hex) = digits.strip_prefix("0x") {
        (hex, 16)
    } else if let Some(binary) = digits.strip_prefix("0b") {
        (binary, 2)
    } else if digits.len() > 1 && digits.starts_with('0') {
        (&digits[1..], 8)
    } else {
        (digits, 10)
    };
    u64::from_str_radix(digits, radix)
        .ok()
        .filter(|_| !digits.starts_with('+'))
        .map(|n| Number::Int(n as i64))
}

/// How tightly an operator binds, weakest first; `<` and `>` stand for the two shifts.
fn precedence(operator: u8) -> Option<u32> {
    Some(match operator {
        b'|' => 1,
        b'^' => 2,
        b'&' => 3,
        b'<' | b'>' => 4,
        b'+' | b'-' => 5,
        b'*' | b'/' | b'%' => 6,
        _ => return None,
    })
}

fn apply(operator: u8, a: i64, b: i64) -> Option<i64> {
    Some(match operator {
        b'|' => a | b,
        b'^' => a ^ b,
        b'&' => a & b,
        b'<' => a.checked_shl(u32::try_from(b).ok()?).unwrap_or(0),
        b'>' => a.checked_shr(u32::try_from(b).ok()?).unwrap_or(if a < 0 { -1 } else { 0 }),
        b'+' => a.wrapping_add(b),
        b'-' => a.wrapping_sub(b),
        b'*' => a.wrapping_mul(b),
        b'/' if b != 0 => a.wrapping_div(b),
        b'%' if b != 0 => a.wrapping_rem(b),
        _ => return None,
    })
}

impl Parser<'_> {
    /// Whether a constant begins here.
    pub(super) fn at_constant(&self) -> bool {
        matches!(self.kind(), Kind::Number | Kind::Punct(b'-' | b'+' | b'~' | b'('))
    }

    /// A constant expression, or a single float.
    ///
    /// A `|` ends the expression where `bars` is false, as in the `d|p` of an operand.
    pub(super) fn constant(&mut self, bars: bool) -> Result<Number> {
        self.binary(if bars { 1 } else { 2 })
    }

    /// An integer constant expression.
    pub(super) fn integer(&mut self, expected: &str) -> Result<i64> {
        let start = self.token();
        if !self.at_constant() {
            return self.unexpected(expected);
        }
        match self.constant(true)? {
            Number::Int(value) => Ok(value),
            _ => self.error_at(start, format!("expected {expected}, found a floating-point constant")),
        }
    }

    /// A literal that fits 32 bits.
    pub(super) fn small_number(&mut self, expected: &str) -> Result<u32> {
        if self.kind() == Kind::Number
            && let Some(Number::Int(value)) = number(self.current())
            && let Ok(value) = u32::try_from(value)
        {
            self.bump();
            return Ok(value);
        }
        self.unexpected(expected)
    }

    fn binary(&mut self, least: u32) -> Result<Number> {
        let mut left = self.unary()?;
        loop {
            let operator_token = self.token();
            let Kind::Punct(operator) = operator_token.kind else { break };
            let Some(binding) = precedence(operator).filter(|binding| *binding >= least) else { break };
            if matches!(operator, b'<' | b'>') {
                if self.ahead(1).kind != Kind::Punct(operator) {
                    break;
                }
                self.bump();
            }
            self.bump();
            let right = self.nested("a constant expression", |p| p.binary(binding + 1))?;
            left = match (left, right) {
                (Number::Int(a), Number::Int(b)) => match apply(operator, a, b) {
                    Some(value) => Number::Int(value),
                    None => {
                        return self
                            .error_at(operator_token, "division by zero or a negative shift in a constant");
                    }
                },
                _ => {
                    return self.error_at(
                        operator_token,
                        "arithmetic on floating-point constants: write the result",
                    );
                }
            };
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Number> {
        let token = self.token();
        match token.kind {
            Kind::Punct(b'-') => {
                self.bump();
                Ok(match self.nested("a constant expression", Self::unary)? {
                    Number::Int(value) => Number::Int(value.wrapping_neg()),
                    Number::F32(bits) => Number::F32(bits ^ 1 << 31),
                    Number::F64(bits) => Number::F64(bits ^ 1 << 63),
                })
            }
            Kind::Punct(b'+') => {
                self.bump();
                self.nested("a constant expression", Self::unary)
            }
            Kind::Punct(b'~') => {
                self.bump();
                match self.nested("a constant expression", Self::unary)? {
                    Number::Int(value) => Ok(Number::Int(!value)),
                    _ => self.error_at(token, "`~` of a floating-point constant"),
                }
            }
            Kind::Punct(b'(') => {
                self.bump();
                let value = self.nested("a constant expression", |p| p.constant(true))?;
                self.expect(b')', "`)` after a constant expression")?;
                Ok(value)
            }
            Kind::Number => match number(self.current()) {
                Some(value) => {
                    self.bump();
                    Ok(value)
                }
                None => {
                    self.unexpected("a number of at most 64 bits (0f and 8 or 0d and 16 digits for a float)")
                }
            },
            _ => self.unexpected("a constant"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Number, number};

    #[test]
    fn numbers() {
        let table = [
            ("0", Some(Number::Int(0))),
            ("42U", Some(Number::Int(42))),
            ("0x1fU", Some(Number::Int(31))),
            ("0b101", Some(Number::Int(5))),
            ("017", Some(Number::Int(15))),
            ("18446744073709551615", Some(Number::Int(-1))),
            ("18446744073709551616", None),
            ("089", None),
            ("0f3F800000", Some(Number::F32(0x3f80_0000))),
            ("0F3f800000", Some(Number::F32(0x3f80_0000))),
            ("0f3F8", None),
            ("0d3FF0000000000000", Some(Number::F64(1f64.to_bits()))),
            ("1.5", Some(Number::F64(1.5f64.to_bits()))),
            ("2e3", Some(Number::F64(2000f64.to_bits()))),
            ("0x", None),
            ("12ab", None),
        ];
        for (text, expected) in table {
            assert_eq!(number(text), expected, "{text}");
        }
    }
}
