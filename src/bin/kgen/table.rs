//! Tables of text cells, for a terminal or as Markdown.

/// How tables look.
#[derive(Clone, Copy, PartialEq)]
pub enum Style {
    Plain,
    Markdown,
}

impl Style {
    pub fn of(markdown: bool) -> Style {
        if markdown { Style::Markdown } else { Style::Plain }
    }

    /// What a heading begins with.
    pub fn title(self) -> &'static str {
        if self == Style::Markdown { "## " } else { "" }
    }

    /// A table: one row for each list of cells.
    pub fn print(self, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) {
        let rows: Vec<Vec<String>> = rows.collect();
        if self == Style::Markdown {
            println!("| {} |", heads.join(" | "));
            println!("|{}", "---|".repeat(heads.len()));
            for row in rows {
                println!("| {} |", row.join(" | "));
            }
            return;
        }
        let width = |column: usize| {
            rows.iter()
                .filter_map(|row| row.get(column))
                .chain([&heads[column].to_owned()])
                .map(|c| c.chars().count())
                .max()
        };
        let widths: Vec<usize> = (0..heads.len()).map(|column| width(column).unwrap_or(0)).collect();
        let line = |cells: Vec<&str>| {
            let cells: Vec<String> = cells
                .iter()
                .zip(&widths)
                .map(|(cell, width)| match cell.chars().next() {
                    // Numbers to the right, words to the left.
                    Some(c) if c.is_ascii_digit() => format!("{cell:>width$}"),
                    _ => format!("{cell:<width$}"),
                })
                .collect();
            println!("{}", cells.join("  ").trim_end());
        };
        line(heads.to_vec());
        for row in &rows {
            line(row.iter().map(String::as_str).collect());
        }
    }
}
