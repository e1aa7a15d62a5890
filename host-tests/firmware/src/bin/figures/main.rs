//! `cargo xtask firmware`: the tables of `firmware-example/README.md`, on standard output; or those that are named.

mod capture;
mod figures;
mod programs;

use std::io::Result;

fn main() -> Result<()> {
    let names: Vec<_> = std::env::args().skip(1).collect();
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    if wanted("programs") {
        println!("<!-- programs -->\n{}<!-- /programs -->", programs::table()?);
    }
    if wanted("figures") {
        println!("<!-- figures -->\n{}<!-- /figures -->", figures::table()?);
    }
    Ok(())
}
