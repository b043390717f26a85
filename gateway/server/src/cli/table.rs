//! Tables for the terminal.

/// Aligns cells in columns; the last column is not padded.
pub(crate) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, field) in widths.iter_mut().zip(row) {
            *width = field.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let fields = row.iter().zip(widths).map(|(field, width)| format!("{field:<width$}"));
        text.push_str(fields.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// The text, or `-` for an empty one.
pub(crate) fn word(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let lines = [["A", "B"], ["ü1", ""], ["1", "two words"]].map(|line| line.map(str::to_owned));

        assert_eq!(columns(&lines), "A   B\nü1\n1   two words\n");
    }
}
