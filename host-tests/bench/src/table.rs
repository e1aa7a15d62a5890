//! The table of figures, and its place in the README.

use std::fmt::Display;
use std::io::{Error, Result};

const BEGIN: &str = "<!-- figures -->";
const END: &str = "<!-- /figures -->";

/// One figure.
pub struct Row {
    /// What was measured.
    pub figure: String,
    measured: String,
    limit: String,
    kept: bool,
}

impl Row {
    /// A number that must not be above `limit`; `measured` says more than the number.
    pub fn limited(figure: impl Display, value: f64, limit: f64, measured: impl Display) -> Self {
        // a figure that could not be computed is not within any limit
        let kept = value <= limit;
        Row { figure: figure.to_string(), measured: measured.to_string(), limit: format!("≤ {limit}"), kept }
    }

    /// A number without a limit.
    pub fn published(figure: impl Display, measured: impl Display) -> Self {
        Row { figure: figure.to_string(), measured: measured.to_string(), limit: String::new(), kept: true }
    }

    /// Nothing was measured.
    pub fn failed(figure: impl Display, error: &dyn std::error::Error) -> Self {
        let measured = format!("not measured: {error}").replace(['\n', '|'], " ");
        Row { figure: figure.to_string(), measured, limit: String::new(), kept: false }
    }

    /// Above its limit, or not measured.
    pub fn misses(&self) -> bool {
        !self.kept
    }
}

/// Markdown.
pub fn render(rows: &[Row]) -> String {
    let mut table = "| figure | measured | limit |\n|---|---|---|\n".to_owned();
    for Row { figure, measured, limit, kept } in rows {
        let mark = if *kept { "" } else { " **missed**" };
        table += &format!("| {figure} | {measured} | {limit}{mark} |\n");
    }
    table
}

/// Replaces what stands between the markers of `file`.
pub fn write(file: &str, table: &str) -> Result<()> {
    let text = std::fs::read_to_string(file)?;
    let parts = text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = parts.ok_or_else(|| Error::other(format!("no lines {BEGIN} and {END}")))?;
    std::fs::write(file, format!("{before}{BEGIN}\n{table}{END}{after}"))
}

/// Of an odd number of runs.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_over_its_limit_or_not_measured_misses() {
        assert!(!Row::limited("f", 1.0, 1.0, "").misses());
        assert!(Row::limited("f", 1.01, 1.0, "").misses());
        assert!(Row::limited("f", f64::NAN, 1.0, "").misses());
        assert!(Row::failed("f", &Error::other("broken")).misses());
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    }

    #[test]
    fn only_what_stands_between_the_markers_is_replaced() -> Result<()> {
        let file = std::env::temp_dir().join(format!("nanokafka-table-{}", std::process::id()));
        let file = file.to_str().expect("a name in UTF-8");
        std::fs::write(file, format!("a\n{BEGIN}\nold\n{END}\nb\n"))?;
        write(file, "new\n")?;
        let text = std::fs::read_to_string(file)?;
        std::fs::write(file, "no place for it")?;
        let nowhere = write(file, "new\n");
        std::fs::remove_file(file)?;
        assert_eq!(text, format!("a\n{BEGIN}\nnew\n{END}\nb\n"));
        assert!(nowhere.is_err());
        Ok(())
    }
}
