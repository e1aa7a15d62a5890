//! Links for a bare target: each chip has its memory.

fn main() {
    let rp2040 = std::env::var_os("CARGO_FEATURE_RP2040").is_some();
    let chip = if rp2040 { "rp2040" } else { "rp235x" };
    println!("cargo:rerun-if-changed={chip}/memory.x");
    println!("cargo:rustc-link-search={}/{chip}", std::env::var("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let boot = rp2040.then_some("-Tlink-rp.x");
    for argument in ["--nmagic", "-Tlink.x", "-Tdefmt.x"].into_iter().chain(boot) {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
}
