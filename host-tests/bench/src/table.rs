//! The table of figures, and its place in the README.

use std::fmt::Display;
use std::io::{Error, Result};

const BEGIN: &str = "<!-- figures -->";
const END: &str = "<!-- /figures -->";

/// One figure, or one case of several that share a line.
pub struct Row {
    figure: String,
    case: String,
    measured: String,
    limit: String,
    kept: bool,
}

impl Row {
    /// A number that must not be above `limit`; `measured` says more than the number.
    pub fn limited(figure: impl Display, case: impl Display, value: f64, limit: f64, measured: impl Display) -> Self {
        // a figure that could not be computed is not within any limit
        let kept = value <= limit;
        let limit = format!("≤ {limit}{}", if kept { "" } else { " **missed**" });
        Row { figure: figure.to_string(), case: case.to_string(), measured: measured.to_string(), limit, kept }
    }

    /// A number without a limit.
    pub fn published(figure: impl Display, case: impl Display, measured: impl Display) -> Self {
        let limit = String::new();
        Row { figure: figure.to_string(), case: case.to_string(), measured: measured.to_string(), limit, kept: true }
    }

    /// Nothing was measured.
    pub fn failed(figure: impl Display, error: &dyn std::error::Error) -> Self {
        let measured = format!("not measured: {error}").replace(['\n', '|'], " ");
        let (case, limit) = (String::new(), "**missed**".to_owned());
        Row { figure: figure.to_string(), case, measured, limit, kept: false }
    }

    /// Above its limit, or not measured.
    pub fn misses(&self) -> bool {
        !self.kept
    }

    /// What was measured.
    pub fn name(&self) -> String {
        join([self.figure.as_str(), &self.case], ", ")
    }
}

/// Markdown. Cases of one figure that follow each other are one line.
pub fn render(rows: &[Row]) -> String {
    let mut table = "| figure | measured | limit |\n|---|---|---|\n".to_owned();
    for cases in rows.chunk_by(|one, other| one.figure == other.figure) {
        let measured = cases.iter().map(|row| join([row.case.as_str(), &row.measured], ": "));
        let measured = measured.collect::<Vec<_>>().join("; ");
        let limits = join(cases.iter().map(|row| row.limit.as_str()), "; ");
        table += &format!("| {} | {measured} | {limits} |\n", cases[0].figure);
    }
    table
}

/// Without those that are empty.
fn join<'a>(texts: impl IntoIterator<Item = &'a str>, between: &str) -> String {
    texts.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(between)
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
        assert!(!Row::limited("f", "", 1.0, 1.0, "").misses());
        assert!(Row::limited("f", "", 1.01, 1.0, "").misses());
        assert!(Row::limited("f", "", f64::NAN, 1.0, "").misses());
        assert!(Row::failed("f", &Error::other("broken")).misses());
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    }

    #[test]
    fn cases_of_a_figure_share_a_line() {
        let rows = [
            Row::limited("f", "a", 1.0, 2.0, "1 ms"),
            Row::limited("f", "b", 3.0, 2.5, "3 ms"),
            Row::published("g", "", "7"),
        ];
        let table = render(&rows);
        let lines: Vec<_> = table.lines().skip(2).collect();
        assert_eq!(lines, ["| f | a: 1 ms; b: 3 ms | ≤ 2; ≤ 2.5 **missed** |", "| g | 7 |  |"]);
        assert_eq!(rows[1].name(), "f, b");
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
