//! Tables of READMEs that commands write: between `<!-- name -->` and `<!-- /name -->`.

use std::ops::Range;

/// The repository's.
pub const README: &str = "README.md";
/// The firmware's.
pub const FIRMWARE: &str = "firmware-example/README.md";

/// Puts `table` between the marks of `name`.
pub fn write(file: &str, name: &str, table: &str) -> Result<(), String> {
    let (before, _, after) = parts(file, name)?;
    std::fs::write(file, before + table + &after).map_err(|error| format!("{file}: {error}"))
}

/// Fails if [`write`] would change anything.
pub fn check(file: &str, name: &str, table: &str) -> Result<(), String> {
    match parts(file, name)?.1 == table {
        true => Ok(()),
        false => Err(format!("the table {name} of {file} is out of date: cargo xtask {name}. It must be\n{table}")),
    }
}

/// What stands between the marks of `name`.
pub fn between(text: &str, name: &str) -> Option<Range<usize>> {
    let begin = format!("<!-- {name} -->\n");
    let from = text.find(&begin)? + begin.len();
    let length = text[from..].find(&format!("<!-- /{name} -->"))?;
    Some(from..from + length)
}

/// What is before, between and behind the marks.
fn parts(file: &str, name: &str) -> Result<(String, String, String), String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let table = between(&text, name).ok_or(format!("{file} has no <!-- {name} -->"))?;
    Ok((text[..table.start].into(), text[table.clone()].into(), text[table.end..].into()))
}
