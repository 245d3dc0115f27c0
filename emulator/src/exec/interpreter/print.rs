//! What a kernel prints: `vprintf` and `__assertfail`, as the CUDA runtime calls them.
//!
//! `printf` comes as a pointer to the format and one to a struct of the arguments, each at its natural alignment:
//! integers of 32 bits or fewer take four bytes, everything else eight, floats being doubles by then. Strings are
//! read from wherever their generic address leads. Conversions are C's; `%n` writes nothing.

use crate::address::Space;
use crate::exec::memory::access::{check_written, locate};
use crate::exec::request::Request;
use crate::exec::state::{Env, Warp};
use crate::exec::{Result, lanes};
use crate::fault::{FaultKind, Trouble};
use crate::program::{AssertFail, Print};

/// What a launch may print; the rest is lost, as what overflows the runtime's buffer is.
pub(crate) const LARGEST: usize = 1 << 20;
/// The longest string that is read.
const LONGEST: usize = 1 << 14;

/// Reads little-endian values of a lane's generic memory.
fn value(env: &Env, warp: &mut Warp, lane: usize, address: u64, count: u32) -> Result<u64> {
    let request = Request { access: "read", space: Space::Generic, address, count, lane };
    let span = locate(env, warp, request)?;
    if env.sanitize.unwritten {
        env.note(warp, check_written(span, request, count))?;
    }
    Ok(span.read(0, count as u8))
}

fn string(env: &Env, warp: &mut Warp, lane: usize, address: u64, most: usize) -> Result<Vec<u8>> {
    if address == 0 {
        return Ok(b"(null)".to_vec());
    }
    let mut bytes = Vec::new();
    while bytes.len() < most.min(LONGEST) {
        match value(env, warp, lane, address.wrapping_add(bytes.len() as u64), 1)? {
            0 => break,
            byte => bytes.push(byte as u8),
        }
    }
    Ok(bytes)
}

/// `vprintf`, lane after lane.
pub(crate) fn print(env: &mut Env, warp: &mut Warp, print: &Print, mask: u32) -> Result<()> {
    for lane in lanes(mask) {
        let local = |warp: &mut Warp, at| {
            let address = warp.address(at, lane);
            let request = Request { access: "read", space: Space::Local, address, count: 8, lane };
            let span = locate(env, warp, request)?;
            Ok::<_, Box<Trouble>>((span.read(0, 8), span))
        };
        // What the runtime's buffer has no room for is lost.
        if env.printed.len() >= LARGEST {
            return Ok(());
        }
        let format = local(warp, print.format)?.0;
        let arguments = local(warp, print.arguments)?.0;
        let format = string(env, warp, lane, format, usize::MAX)?;
        let mut reader = Arguments { env, warp, lane, next: arguments, read: 0 };
        let text = reader.format(&format)?;
        let read = reader.read;
        env.printed.push_str(&text);
        if let Some(result) = print.result {
            let address = warp.address(result, lane);
            let request = Request { access: "write", space: Space::Local, address, count: 4, lane };
            let span = locate(env, warp, request)?;
            span.write(0, 4, read as u64);
            span.mark(4);
        }
    }
    Ok(())
}

/// `__assertfail`: the fault with what the program says about it.
pub(crate) fn assert_fail(env: &Env, warp: &mut Warp, fail: &AssertFail, mask: u32) -> Box<Trouble> {
    let lane = mask.trailing_zeros() as usize;
    let mut word = |at| {
        let address = warp.address(at, lane);
        let request = Request { access: "read", space: Space::Local, address, count: 4, lane };
        let span = locate(env, warp, request)?;
        let pointer = if address.is_multiple_of(8) { span.read(0, 8) } else { 0 };
        Ok::<_, Box<Trouble>>((span.read(0, 4), pointer))
    };
    let read = (|| {
        let line = word(fail.line)?.0;
        let [message, file, function] =
            [fail.message, fail.file, fail.function].map(|at| word(at).map(|w| w.1));
        Ok::<_, Box<Trouble>>((line, message?, file?, function?))
    })();
    let (line, message, file, function) = match read {
        Ok(read) => read,
        Err(trouble) => return trouble,
    };
    let mut text = |address| match string(env, warp, lane, address, usize::MAX) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => "?".to_string(),
    };
    let (message, file, function) = (text(message), text(file), text(function));
    let kind = FaultKind::Assertion(format!("`{message}` does not hold, in {function} at {file}:{line}"));
    Trouble::lane(kind, lane as u32)
}

/// The arguments of one `printf`.
struct Arguments<'e, 'l, 'w> {
    env: &'e Env<'l>,
    warp: &'w mut Warp,
    lane: usize,
    next: u64,
    read: u32,
}

/// One conversion of a format.
#[derive(Default)]
struct Conversion {
    left: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
    /// Bytes of an integer, and whether it is passed as 64 bits.
    bytes: u32,
}

impl Arguments<'_, '_, '_> {
    fn take(&mut self, bytes: u32) -> Result<u64> {
        // A damaged address may lie at the very end.
        let at = self.next.checked_next_multiple_of(bytes as u64).unwrap_or(0);
        self.next = at.wrapping_add(bytes as u64);
        self.read += 1;
        value(self.env, self.warp, self.lane, at, bytes)
    }

    fn format(&mut self, format: &[u8]) -> Result<String> {
        let mut out = Vec::new();
        let mut at = 0;
        while at < format.len() && out.len() < LONGEST {
            let byte = format[at];
            at += 1;
            if byte != b'%' {
                out.push(byte);
                continue;
            }
            let begin = at - 1;
            let mut c = Conversion { bytes: 4, ..Conversion::default() };
            while let Some(flag) = format.get(at) {
                match flag {
                    b'-' => c.left = true,
                    b'+' => c.plus = true,
                    b' ' => c.space = true,
                    b'#' => c.alternate = true,
                    b'0' => c.zero = true,
                    _ => break,
                }
                at += 1;
            }
            c.width = match self.number(format, &mut at)? {
                Some(width) if width < 0 => {
                    c.left = true;
                    width.unsigned_abs() as usize
                }
                width => width.unwrap_or(0) as usize,
            };
            if format.get(at) == Some(&b'.') {
                at += 1;
                let precision = self.number(format, &mut at)?.unwrap_or(0);
                c.precision = usize::try_from(precision).ok();
            }
            // No one pads to more than this; a damaged format must not take the memory.
            c.width = c.width.min(4096);
            c.precision = c.precision.map(|p| p.min(4096));
            loop {
                c.bytes = match (format.get(at), c.bytes) {
                    (Some(b'h'), 2) => 1,
                    (Some(b'h'), _) => 2,
                    (Some(b'l' | b'z' | b'j' | b't' | b'L' | b'q'), _) => 8,
                    _ => break,
                };
                at += 1;
            }
            let Some(kind) = format.get(at) else {
                out.extend_from_slice(&format[begin..]);
                break;
            };
            at += 1;
            match kind {
                b'%' => out.push(b'%'),
                b'n' => drop(self.take(8)?),
                b'd' | b'i' => {
                    let unused = 64 - 8 * c.bytes;
                    let value = self.take(if c.bytes == 8 { 8 } else { 4 })?;
                    let value = (value << unused) as i64 >> unused;
                    c.integer(&mut out, value.unsigned_abs().to_string(), value < 0, "");
                }
                b'u' | b'x' | b'X' | b'o' => {
                    let unused = 64 - 8 * c.bytes;
                    let value = self.take(if c.bytes == 8 { 8 } else { 4 })? << unused >> unused;
                    let (digits, prefix) = match kind {
                        b'x' => (format!("{value:x}"), "0x"),
                        b'X' => (format!("{value:X}"), "0X"),
                        b'o' => (format!("{value:o}"), "0"),
                        _ => (value.to_string(), ""),
                    };
                    (c.plus, c.space) = (false, false);
                    let prefix = if c.alternate && value != 0 { prefix } else { "" };
                    c.integer(&mut out, digits, false, prefix);
                }
                b'p' => {
                    let pointer = self.take(8)?;
                    c.pad(&mut out, "", format!("0x{pointer:x}").as_bytes(), false);
                }
                b'c' => {
                    let byte = self.take(4)? as u8;
                    c.pad(&mut out, "", &[byte], false);
                }
                b's' => {
                    let pointer = self.take(8)?;
                    let most = c.precision.unwrap_or(usize::MAX);
                    let text = string(self.env, self.warp, self.lane, pointer, most)?;
                    c.pad(&mut out, "", &text, false);
                }
                b'f' | b'F' | b'e' | b'E' | b'g' | b'G' | b'a' | b'A' => {
                    let x = f64::from_bits(self.take(8)?);
                    c.float(&mut out, x, *kind);
                }
                _ => out.extend_from_slice(&format[begin..at]),
            }
        }
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    /// Digits, or `*` for an argument.
    fn number(&mut self, format: &[u8], at: &mut usize) -> Result<Option<i64>> {
        if format.get(*at) == Some(&b'*') {
            *at += 1;
            return Ok(Some(self.take(4)? as u32 as i32 as i64));
        }
        let mut number = None;
        while let Some(digit @ b'0'..=b'9') = format.get(*at) {
            number = Some((number.unwrap_or(0i64) * 10 + (digit - b'0') as i64).min(1 << 20));
            *at += 1;
        }
        Ok(number)
    }
}

impl Conversion {
    fn sign(&self, negative: bool) -> &'static str {
        match (negative, self.plus, self.space) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (.., true) => " ",
            _ => "",
        }
    }

    /// Sign or prefix, then zeros or blanks to the width.
    fn pad(&self, out: &mut Vec<u8>, before: &str, text: &[u8], zeros: bool) {
        let missing = self.width.saturating_sub(before.len() + text.len());
        let blanks = |out: &mut Vec<u8>, byte: u8| out.resize(out.len() + missing, byte);
        if !self.left && !zeros {
            blanks(out, b' ');
        }
        out.extend_from_slice(before.as_bytes());
        if !self.left && zeros {
            blanks(out, b'0');
        }
        out.extend_from_slice(text);
        if self.left {
            blanks(out, b' ');
        }
    }

    fn integer(&self, out: &mut Vec<u8>, digits: String, negative: bool, prefix: &str) {
        let least = self.precision.unwrap_or(1);
        let digits = if least == 0 && digits == "0" { String::new() } else { digits };
        let digits = format!("{}{digits}", "0".repeat(least.saturating_sub(digits.len())));
        let before = format!("{}{prefix}", self.sign(negative));
        self.pad(out, &before, digits.as_bytes(), self.zero && self.precision.is_none());
    }

    fn float(&self, out: &mut Vec<u8>, x: f64, kind: u8) {
        let sign = self.sign(x.is_sign_negative());
        let magnitude = x.abs();
        let mut text = if !x.is_finite() {
            if x.is_nan() { "nan".to_string() } else { "inf".to_string() }
        } else {
            let precision = self.precision.unwrap_or(6);
            match kind.to_ascii_lowercase() {
                b'f' => format!("{magnitude:.precision$}"),
                b'e' => exponential(magnitude, precision),
                b'g' => self.general(magnitude, precision.max(1)),
                _ => hexadecimal(magnitude, self.precision),
            }
        };
        if kind.is_ascii_uppercase() {
            text.make_ascii_uppercase();
        }
        self.pad(out, sign, text.as_bytes(), self.zero && x.is_finite());
    }

    /// `%g`: the shorter way, without trailing zeros.
    fn general(&self, x: f64, precision: usize) -> String {
        let scientific = exponential(x, precision - 1);
        let exponent = scientific.split('e').nth(1).and_then(|e| e.parse::<i64>().ok()).unwrap_or(0);
        let strip = |text: String| match text.contains('.') && !self.alternate {
            true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
            false => text,
        };
        if exponent < -4 || exponent >= precision as i64 {
            match scientific.split_once('e') {
                Some((mantissa, power)) => format!("{}e{power}", strip(mantissa.to_string())),
                None => scientific,
            }
        } else {
            strip(format!("{x:.*}", (precision as i64 - 1 - exponent) as usize))
        }
    }
}

/// With a sign and at least two digits in the exponent.
fn exponential(x: f64, precision: usize) -> String {
    let text = format!("{x:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// `%a`
fn hexadecimal(x: f64, precision: Option<usize>) -> String {
    if x == 0.0 {
        let zeros = "0".repeat(precision.unwrap_or(0));
        return format!("0x0{}{zeros}p+0", if zeros.is_empty() { "" } else { "." });
    }
    let bits = x.to_bits();
    let field = (bits >> 52) as i32 & 0x7ff;
    let exponent = if field == 0 { -1022 } else { field - 1023 };
    let mut mantissa = (bits & ((1 << 52) - 1)) | if field == 0 { 0 } else { 1 << 52 };
    let digits = precision.unwrap_or(13);
    if digits < 13 {
        let drop = 52 - 4 * digits as u32;
        let half = 1u64 << (drop - 1);
        let rest = mantissa & ((1 << drop) - 1);
        mantissa &= !((1 << drop) - 1);
        if rest > half || (rest == half && mantissa >> drop & 1 != 0) {
            mantissa += 1 << drop;
        }
    }
    let mut fraction = format!("{:013x}", mantissa & ((1 << 52) - 1));
    match precision {
        None => fraction.truncate(fraction.trim_end_matches('0').len()),
        Some(p) if p < 13 => fraction.truncate(p),
        Some(p) => fraction += &"0".repeat(p - 13),
    }
    let point = if fraction.is_empty() { "" } else { "." };
    format!("0x{}{point}{fraction}p{exponent:+}", mantissa >> 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_c_writes_them() {
        let plain = Conversion { bytes: 4, ..Conversion::default() };
        let float = |precision, kind, x| {
            let mut out = Vec::new();
            Conversion { precision, ..Conversion::default() }.float(&mut out, x, kind);
            String::from_utf8(out).unwrap()
        };
        for (precision, kind, x, want) in [
            (None, b'f', 1.5, "1.500000"),
            (Some(0), b'f', 2.5, "2"),
            (None, b'e', 12345.678, "1.234568e+04"),
            (Some(2), b'E', 1.5e-300, "1.50E-300"),
            (None, b'g', 0.0001, "0.0001"),
            (None, b'g', 0.00001, "1e-05"),
            (None, b'g', 100000.0, "100000"),
            (None, b'g', 1e20, "1e+20"),
            (Some(3), b'g', 1234.0, "1.23e+03"),
            (None, b'g', -0.5, "-0.5"),
            (None, b'f', f64::INFINITY, "inf"),
            (None, b'F', f64::NEG_INFINITY, "-INF"),
            (None, b'a', 1.0, "0x1p+0"),
            (None, b'a', 0.1, "0x1.999999999999ap-4"),
            (Some(1), b'a', 1.999, "0x2.0p+0"),
        ] {
            assert_eq!(float(precision, kind, x), want);
        }
        let mut out = Vec::new();
        plain.integer(&mut out, "7".into(), true, "");
        Conversion { width: 5, zero: true, ..Conversion::default() }.integer(&mut out, "7".into(), true, "");
        Conversion { width: 5, precision: Some(3), ..Conversion::default() }.integer(
            &mut out,
            "7".into(),
            false,
            "",
        );
        assert_eq!(out, b"-7-0007  007");
    }
}
