//! Memory of a consumer on a 32-bit microcontroller, from the compiler.

use crate::broker::Broker;
use crate::table::Row;
use crate::Error;
use std::path::Path;
use std::process::{Command, Stdio};

const FIGURE: &str = "bytes, 32 bit: `size_of::<Resources<8, 2, 4096>>() - 4096` with `group`";
const TARGET: &str = "thumbv7em-none-eabihf";
const SOURCE: &str = "host-tests/bench/device/sizes.rs";

pub fn run(_: &mut Broker) -> Result<Vec<Row>, Error> {
    let build = ["build", "--quiet", "--release", "-p", "nanokafka", "--features", "group", "--target", TARGET];
    succeed(Command::new("cargo").args(build))?;
    // …/target/release/nanokafka-bench: the other target is beside `release`
    let own = std::env::current_exe()?;
    let target = own.ancestors().nth(2).ok_or("no target directory")?.join(TARGET).join("release");
    let assembly = target.join("nanokafka-sizes.s");
    let library = |path: &Path, kind| format!("{kind}={}", path.display());
    succeed(
        Command::new("rustc")
            .args(["--edition=2021", "--crate-type=lib", "--emit=asm", "--target", TARGET, SOURCE])
            .args(["--extern", &library(&target.join("libnanokafka.rlib"), "nanokafka")])
            .args(["-L", &library(&target.join("deps"), "dependency"), "-o"])
            .arg(&assembly),
    )?;
    let assembly = std::fs::read_to_string(assembly)?;
    let (state, partition, name) = (size(&assembly, "STATE")?, size(&assembly, "PARTITION")?, size(&assembly, "NAME")?);
    Ok(vec![
        Row::limited(FIGURE, "", state, 3072.0, format!("{state} bytes")),
        Row::limited(
            FIGURE,
            format!("each further partition, besides {name} for names"),
            partition - name,
            48.0,
            format!("{} bytes", partition - name),
        ),
    ])
}

fn succeed(command: &mut Command) -> Result<(), Error> {
    let status = command.stdin(Stdio::null()).status()?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("{command:?}: {status}").into()),
    }
}

/// The size of a static: `.size _ZN…STATE…, 2345`.
fn size(assembly: &str, name: &str) -> Result<f64, Error> {
    let mut sizes = assembly.lines().filter_map(|line| line.trim().strip_prefix(".size")?.split_once(", "));
    let (_, size) = sizes.find(|(symbol, _)| symbol.contains(name)).ok_or_else(|| format!("no {name}"))?;
    Ok(size.parse()?)
}
