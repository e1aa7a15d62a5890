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
