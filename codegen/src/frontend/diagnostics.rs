//! Collecting errors, and guessing what a misspelt word was meant to be.

use quote::ToTokens;

/// The errors so far. Reading goes on after an error, so that all of them come at once.
#[derive(Default)]
pub(super) struct Errors(Vec<syn::Error>, Vec<(proc_macro2::TokenStream, String)>);

impl Errors {
    /// Adds an error that spans `at`.
    pub fn push(&mut self, at: impl ToTokens, message: impl std::fmt::Display) {
        self.0.push(syn::Error::new_spanned(at, message));
    }

    /// Adds what was collected elsewhere.
    pub fn add(&mut self, error: syn::Error) {
        self.0.push(error);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Forgets all after the first so many, which were said before.
    pub fn forget_after(&mut self, count: usize) {
        self.0.truncate(count);
    }

    /// Adds an error that follows from another in all likelihood: it is said where there is no other.
    pub fn push_doubtful(&mut self, at: impl ToTokens, message: String) {
        self.1.push((at.to_token_stream(), message));
    }

    pub fn take(&mut self) -> Option<syn::Error> {
        if self.0.is_empty() {
            std::mem::take(&mut self.1).into_iter().for_each(|(at, message)| self.push(at, message));
        }
        std::mem::take(&mut self.0).into_iter().reduce(|mut all, error| {
            all.combine(error);
            all
        })
    }
}

/// `` (did you mean `word`?)`` where a candidate is near, else nothing.
pub(super) fn did_you_mean(word: &str, candidates: &[&str]) -> String {
    let near = candidates.iter().map(|candidate| (distance(word, candidate), candidate)).min();
    match near {
        // A word of one letter is one edit from every other.
        Some((edits, candidate))
            if edits <= (word.chars().count() - 1).min(1.max(word.chars().count() / 3)) =>
        {
            format!(" (did you mean `{candidate}`?)")
        }
        _ => String::new(),
    }
}

/// Insertions, deletions, replacements and swaps of neighbours that make one word of the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

/// `` `a`, `b` and `c` ``
pub(super) fn listed(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [init @ .., last] => format!("{} and {last}", init.join(", ")),
    }
}

/// Source text, near enough to how it was written.
pub(super) fn source_text(expr: &syn::Expr) -> String {
    let mut out = String::new();
    for word in expr.to_token_stream().to_string().split(' ') {
        let tight = out.is_empty()
            || [".", "(", "&", "::", "!"].iter().any(|end| out.ends_with(end))
            || [".", "(", ")", ",", "::", "?"].iter().any(|start| word.starts_with(start));
        if !tight {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspellings_are_guessed() {
        let methods = ["map", "mask", "t", "store", "gather"];
        let cases = [
            ("stroe", " (did you mean `store`?)"),
            ("maks", " (did you mean `mask`?)"),
            ("gathre", " (did you mean `gather`?)"),
            ("Mask", " (did you mean `mask`?)"),
            ("transpose", ""),
            ("softmax", ""),
            ("s", ""),
        ];
        for (word, want) in cases {
            assert_eq!(did_you_mean(word, &methods), want, "{word}");
        }
        assert_eq!(did_you_mean("x", &[]), "");
    }
}
