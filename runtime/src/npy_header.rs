//! The header of a `.npy` file: magic, version, and a Python dictionary of three entries (NumPy's
//! `numpy.lib.format`).
//!
//! Written here rather than taken from a crate: those that read it bring a Python parser, which took longer to
//! build than the rest of the runtime.

/// What every file begins with.
const MAGIC: &[u8] = b"\x93NUMPY";

/// The header is padded so that data begin at a multiple of this.
const ALIGN: usize = 64;

/// Longer headers than this are refused unread: NumPy's own are a few hundred bytes.
const LONGEST: usize = 1 << 16;

/// What a header says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Element type as `<f4`.
    pub descr: String,
    /// Column-major.
    pub fortran_order: bool,
    /// Outermost first.
    pub shape: Vec<usize>,
}

impl Header {
    /// Reads a header off the front of a file's bytes; the rest is data.
    pub fn read(bytes: &[u8]) -> Result<(Header, &[u8]), String> {
        let rest = bytes.strip_prefix(MAGIC).ok_or("no .npy file: it does not begin with \\x93NUMPY")?;
        let cut_off = || "its header is cut off".to_owned();
        let (length, rest) = match rest {
            [1, _, a, b, rest @ ..] => (usize::from(u16::from_le_bytes([*a, *b])), rest),
            [2 | 3, _, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
            [version, _, ..] => return Err(format!("its format is version {version}: 1, 2 and 3 are known")),
            _ => return Err(cut_off()),
        };
        if length > LONGEST {
            return Err(format!("its header has {length} bytes, of at most {LONGEST}"));
        }
        let (text, data) = rest.split_at_checked(length).ok_or_else(cut_off)?;
        let text = std::str::from_utf8(text).map_err(|_| "its header is no text".to_owned())?;
        Ok((Dictionary { text, at: 0 }.header()?, data))
    }

    /// The bytes of a header.
    pub fn write(&self) -> Vec<u8> {
        let dims: String = self.shape.iter().map(|dim| format!("{dim}, ")).collect();
        let order = if self.fortran_order { "True" } else { "False" };
        let mut text = format!(
            "{{'descr': '{}', 'fortran_order': {order}, 'shape': ({}), }}",
            self.descr,
            dims.trim_end()
        );
        // 10 bytes stand before the text, a line feed ends it.
        let whole = (10 + text.len() + 1).next_multiple_of(ALIGN);
        text.extend(std::iter::repeat_n(' ', whole - 10 - text.len() - 1));
        text.push('\n');
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, 0]);
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes
    }
}

/// A reader of the dictionary's text.
struct Dictionary<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Dictionary<'a> {
    fn header(mut self) -> Result<Header, String> {
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        self.expect('{')?;
        while !self.take('}') {
            let key = self.string()?;
            self.expect(':')?;
            match key {
                "descr" => {
                    if self.peek() == Some('[') {
                        return Err("it holds records: save each field as an array of its own".to_owned());
                    }
                    descr = Some(self.string()?.to_owned());
                }
                "fortran_order" => fortran_order = Some(self.boolean()?),
                "shape" => shape = Some(self.tuple()?),
                other => return Err(format!("its header has an entry `{other}`")),
            }
            if !self.take(',') && self.peek() != Some('}') {
                return Err(self.nonsense());
            }
        }
        match (descr, fortran_order, shape) {
            (Some(descr), Some(fortran_order), Some(shape)) => Ok(Header { descr, fortran_order, shape }),
            _ => Err("its header lacks descr, fortran_order or shape".to_owned()),
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn peek(&mut self) -> Option<char> {
        self.skip_space();
        self.rest().chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.take(wanted) { Ok(()) } else { Err(self.nonsense()) }
    }

    fn nonsense(&self) -> String {
        let found: String = self.rest().trim_end().chars().take(20).collect();
        format!("its header makes no sense at `{found}`")
    }

    fn string(&mut self) -> Result<&'a str, String> {
        let quote = self.peek().filter(|c| matches!(c, '\'' | '"')).ok_or_else(|| self.nonsense())?;
        let inner = &self.rest()[1..];
        let end = inner.find(quote).ok_or_else(|| self.nonsense())?;
        self.at += end + 2;
        Ok(&inner[..end])
    }

    fn boolean(&mut self) -> Result<bool, String> {
        self.skip_space();
        for (word, value) in [("True", true), ("False", false)] {
            if self.rest().starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.nonsense())
    }

    fn tuple(&mut self) -> Result<Vec<usize>, String> {
        self.expect('(')?;
        let mut dims = Vec::new();
        while !self.take(')') {
            self.skip_space();
            let digits = self.rest().chars().take_while(char::is_ascii_digit).count();
            let dim = self.rest()[..digits].parse().map_err(|_| self.nonsense())?;
            self.at += digits;
            // Python 2 wrote long integers so.
            self.take('L');
            dims.push(dim);
            if !self.take(',') && self.peek() != Some(')') {
                return Err(self.nonsense());
            }
        }
        Ok(dims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: u8, text: &str) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([version, 0]);
        match version {
            1 => bytes.extend((text.len() as u16).to_le_bytes()),
            _ => bytes.extend((text.len() as u32).to_le_bytes()),
        }
        bytes.extend(text.as_bytes());
        bytes
    }

    #[test]
    fn headers_are_read() {
        /// Type, order and shape, or what is wrong.
        type Expected = Result<(&'static str, bool, &'static [usize]), &'static str>;
        let table: &[(u8, &str, Expected)] = &[
            (
                1,
                "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }   \n",
                Ok(("<f4", false, &[3, 4])),
            ),
            (2, "{\"shape\": (5,), 'fortran_order': True, 'descr': '|b1'}", Ok(("|b1", true, &[5]))),
            (3, "{'descr': '<f2', 'fortran_order': False, 'shape': ()}", Ok(("<f2", false, &[]))),
            (1, "{'descr': '<f2', 'fortran_order': False, 'shape': (2L, 3L)}", Ok(("<f2", false, &[2, 3]))),
            (
                1,
                "{'descr': [('a', '<f2')], 'fortran_order': False, 'shape': ()}",
                Err("it holds records: save each field as an array of its own"),
            ),
            (1, "{'descr': '<f2', 'shape': (1,)}", Err("its header lacks descr, fortran_order or shape")),
            (
                1,
                "{'descr': '<f2', 'fortran_order': Maybe, 'shape': ()}",
                Err("its header makes no sense at `Maybe, 'shape': ()}`"),
            ),
            (
                1,
                "{'descr': '<f2', 'fortran_order': True, 'shape': (-1,)}",
                Err("its header makes no sense at `-1,)}`"),
            ),
            (1, "{'descr': '<f2", Err("its header makes no sense at `'<f2`")),
            (1, "{'a': 1}", Err("its header has an entry `a`")),
            (9, "{}", Err("its format is version 9: 1, 2 and 3 are known")),
        ];
        for (version, text, expected) in table {
            let bytes = file(*version, text);
            let got = Header::read(&bytes).map(|(header, _)| header);
            let expected = expected.as_ref().map(|(descr, fortran_order, shape)| Header {
                descr: (*descr).to_owned(),
                fortran_order: *fortran_order,
                shape: shape.to_vec(),
            });
            assert_eq!(got, expected.map_err(|e| (*e).to_owned()), "{text}");
        }
        for short in 0..MAGIC.len() + 6 {
            assert!(Header::read(&file(1, "{'descr': '<f4'}")[..short]).is_err());
        }
    }

    #[test]
    fn headers_survive_and_align_the_data() {
        for shape in [vec![], vec![7], vec![1, 2, 3, 4, 5], vec![usize::MAX; 5]] {
            let header = Header { descr: "<f8".to_owned(), fortran_order: false, shape };
            let mut bytes = header.write();
            assert_eq!(bytes.len() % ALIGN, 0);
            bytes.extend([1, 2, 3]);
            assert_eq!(Header::read(&bytes), Ok((header, &[1u8, 2, 3][..])));
        }
    }
}
