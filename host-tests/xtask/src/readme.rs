//! Tables of the README that commands write: between `<!-- name -->` and `<!-- /name -->`.

const README: &str = "README.md";

/// Puts `table` between the marks of `name`.
pub fn write(name: &str, table: &str) -> Result<(), String> {
    let (before, _, after) = parts(name)?;
    std::fs::write(README, before + table + &after).map_err(|error| format!("{README}: {error}"))
}

/// Fails if [`write`] would change anything.
pub fn check(name: &str, table: &str) -> Result<(), String> {
    match parts(name)?.1 == table {
        true => Ok(()),
        false => Err(format!("the table {name} of {README} is out of date: cargo xtask {name}. It must be\n{table}")),
    }
}

/// What is before, between and behind the marks.
fn parts(name: &str) -> Result<(String, String, String), String> {
    let text = std::fs::read_to_string(README).map_err(|error| format!("{README}: {error}"))?;
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let from = text.find(&begin).ok_or(format!("{README} has no {begin}"))? + begin.len();
    let to = text[from..].find(&end).ok_or(format!("{README} has no {end}"))? + from;
    Ok((text[..from].into(), text[from..to].into(), text[to..].into()))
}
