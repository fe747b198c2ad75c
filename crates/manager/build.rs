//! With feature `ui`: a table of the files of `ui/dist`, included into the binary.
//!
//! Why no crate for it: it is a list of `include_bytes!`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("pages.rs");
    let mut table = String::from("&[\n");
    if env::var_os("CARGO_FEATURE_UI").is_some() {
        let dist = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../../ui/dist");
        println!("cargo::rerun-if-changed={}", dist.display());
        let dist = dist.canonicalize().map_err(|error| {
            io::Error::new(error.kind(), format!("feature ui needs {} ({error}): run `make ui` first", dist.display()))
        })?;
        files(&dist, &dist, &mut table)?;
    }
    table.push(']');
    println!("cargo::rerun-if-changed=build.rs");
    fs::write(out, table)
}

fn files(root: &Path, dir: &Path, table: &mut String) -> io::Result<()> {
    let mut paths = fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            files(root, &path, table)?;
        } else if let Ok(name) = path.strip_prefix(root) {
            let _ = writeln!(
                table,
                "({:?}, include_bytes!({:?}) as &[u8]),",
                name.display().to_string(),
                path.display().to_string()
            );
        }
    }
    Ok(())
}
