//! What was fetched, as texts: a rule file as it is, or the `*.rules` files of a tar archive, each perhaps in gzip.
//!
//! *How it fits*: [`crate::Fetcher`] calls it with bytes whose digest was found right. Which form they have is seen from the bytes, not
//! from a name or a media type: `oras push` calls a plain file a tar archive.
//!
//! *Invariants*: 1. everything happens in memory: no path of an archive is opened, made or followed; 2. an archive with a path that
//! leads outside (`..`, `/`) is refused whole, since it was not made to be unpacked; 3. a link or device that is called `*.rules` is left
//! out and named, never followed; 4. total over any bytes, and bounded in memory: nothing is kept that is beyond a limit.
//!
//! *Limits*: [`MAX_UNPACKED`] bytes after gzip, [`MAX_ENTRIES`] entries, [`MAX_FILES`] rule files of [`MAX_FILE`] bytes, names of
//! [`MAX_NAME`] bytes. gzip is read in all its members, one layer of it; other compressions are refused by name.
//!
//! *Spec*: RFC 1952; POSIX.1-2017 `pax` (ustar and pax headers), GNU tar's long names, as the crate `tar` reads them.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Component;

/// Bytes that are read of what was compressed, rule files and all else.
pub const MAX_UNPACKED: u64 = 128 << 20;
/// Entries of an archive.
pub const MAX_ENTRIES: usize = 20_000;
/// Rule files.
pub const MAX_FILES: usize = 1_000;
/// Bytes of a rule file.
pub const MAX_FILE: u64 = 32 << 20;
/// Bytes of a path.
pub const MAX_NAME: usize = 512;
/// How names of rule files end.
const ENDING: &str = ".rules";
/// A block of an archive.
const BLOCK: usize = 512;
/// What is left out is named so many times.
const MAX_NAMED: usize = 8;

/// Rule files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Texts by path; without one: what was fetched is a rule file itself.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What is called like rules and is none, and why.
    pub left_out: Vec<String>,
}

/// Why nothing is taken of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnpackError {
    /// No bytes.
    #[error("it is empty")]
    Empty,
    /// More than [`MAX_UNPACKED`] bytes.
    #[error("it is more than {} MiB unpacked", MAX_UNPACKED >> 20)]
    TooBig,
    /// Another compression, or a form that is not read.
    #[error("it is {0}, which is not read; give plain rules, or .tar or .tar.gz of *.rules files")]
    Form(&'static str),
    /// gzip or tar is damaged.
    #[error("it cannot be unpacked: {0}")]
    Damaged(String),
    /// More than [`MAX_ENTRIES`].
    #[error("the archive has more than {MAX_ENTRIES} entries")]
    Entries,
    /// More than [`MAX_FILES`].
    #[error("the archive has more than {MAX_FILES} rule files")]
    Files,
    /// A rule file beyond [`MAX_FILE`].
    #[error("{0} is more than {max} MiB", max = MAX_FILE >> 20)]
    File(String),
    /// A path beyond [`MAX_NAME`].
    #[error("the archive has a path of {0} bytes, {MAX_NAME} are taken")]
    Name(usize),
    /// A path that leads outside.
    #[error("the archive has the path {0:?}, which leads outside of it; such archives are not taken")]
    Outside(String),
    /// Nothing of it is called `*.rules`.
    #[error("there is no *{ENDING} file in the archive ({0} other entries)")]
    NoRules(usize),
}

/// Unpacks bytes in any of the forms.
pub fn unpack(bytes: &[u8]) -> Result<Unpacked, UnpackError> {
    if bytes.is_empty() {
        return Err(UnpackError::Empty);
    }
    if let Some(form) = other_form(bytes) {
        return Err(UnpackError::Form(form));
    }
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return flat(bytes.to_vec());
    }
    let mut plain = Vec::new();
    let mut inflated = flate2::read::MultiGzDecoder::new(bytes).take(MAX_UNPACKED + 1);
    inflated.read_to_end(&mut plain).map_err(|error| UnpackError::Damaged(format!("gzip: {error}")))?;
    if plain.is_empty() {
        return Err(UnpackError::Empty);
    }
    match other_form(&plain) {
        Some(form) => Err(UnpackError::Form(form)),
        None if plain.starts_with(&[0x1f, 0x8b]) => Err(UnpackError::Form("gzip in gzip")),
        None => flat(plain),
    }
}

/// Forms that people try.
fn other_form(bytes: &[u8]) -> Option<&'static str> {
    let forms: [(&[u8], &str); 5] = [
        (&[0x28, 0xb5, 0x2f, 0xfd], "zstd"),
        (b"BZh", "bzip2"),
        (b"\xfd7zXZ\0", "xz"),
        (b"PK\x03\x04", "a zip archive"),
        (b"<!DOCTYPE", "a page of HTML"),
    ];
    forms.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, name)| *name)
}

/// What is not compressed.
fn flat(bytes: Vec<u8>) -> Result<Unpacked, UnpackError> {
    if bytes.len() as u64 > MAX_UNPACKED {
        return Err(UnpackError::TooBig);
    }
    if is_archive(&bytes) {
        return archive(&bytes);
    }
    if bytes.len() as u64 > MAX_FILE {
        return Err(UnpackError::File("the file".to_owned()));
    }
    Ok(Unpacked { files: BTreeMap::from([(String::new(), bytes)]), left_out: Vec::new() })
}

/// Whether it begins with the header of an archive's entry, or is an archive of nothing.
fn is_archive(bytes: &[u8]) -> bool {
    let Some(block) = bytes.get(..BLOCK) else { return false };
    if block.iter().all(|byte| *byte == 0) {
        return true;
    }
    // The sum over the block, its own field as spaces, is written in the block: no text of rules has that by accident.
    let header = tar::Header::from_byte_slice(block);
    let field = 148..156;
    let sum: u32 =
        block.iter().enumerate().map(|(at, byte)| if field.contains(&at) { 32 } else { u32::from(*byte) }).sum();
    header.cksum().is_ok_and(|written| written == sum)
}

fn archive(bytes: &[u8]) -> Result<Unpacked, UnpackError> {
    let damaged = |error: std::io::Error| UnpackError::Damaged(format!("tar: {error}"));
    let mut unpacked = Unpacked::default();
    let mut others = 0_usize;
    let mut archive = tar::Archive::new(bytes);
    for (number, entry) in archive.entries().map_err(damaged)?.enumerate() {
        if number >= MAX_ENTRIES {
            return Err(UnpackError::Entries);
        }
        let entry = entry.map_err(damaged)?;
        let path = entry.path_bytes();
        if path.len() > MAX_NAME {
            return Err(UnpackError::Name(path.len()));
        }
        let name = label(&path)?;
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            continue;
        }
        // macOS puts `._x.rules` beside each file.
        let base = name.rsplit('/').next().unwrap_or_default();
        if !base.ends_with(ENDING) || base.starts_with('.') {
            others += 1;
            continue;
        }
        if !(kind.is_file() || kind.is_contiguous()) {
            let what = if kind.is_symlink() || kind.is_hard_link() { "a link" } else { "no file" };
            if unpacked.left_out.len() < MAX_NAMED {
                unpacked.left_out.push(format!("{name} is left out: it is {what}"));
            }
            others += 1;
            continue;
        }
        let mut text = Vec::new();
        entry.take(MAX_FILE + 1).read_to_end(&mut text).map_err(damaged)?;
        if text.len() as u64 > MAX_FILE {
            return Err(UnpackError::File(name));
        }
        // As for who unpacks to a disk, the last of a name holds.
        unpacked.files.insert(name, text);
        if unpacked.files.len() > MAX_FILES {
            return Err(UnpackError::Files);
        }
    }
    if unpacked.files.is_empty() {
        return Err(UnpackError::NoRules(others));
    }
    Ok(unpacked)
}

/// A path as a label: parts with `/` between, nothing that moves a cursor.
fn label(path: &[u8]) -> Result<String, UnpackError> {
    let text = String::from_utf8_lossy(path).replace(char::is_control, "\u{fffd}");
    let mut parts = Vec::new();
    for part in std::path::Path::new(&text).components() {
        match part {
            Component::Normal(part) => parts.push(part.to_string_lossy()),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(UnpackError::Outside(text.chars().take(80).collect()));
            }
        }
    }
    Ok(parts.join("/"))
}

/// For fuzzing: any bytes, as they are and in gzip.
pub fn fuzz_unpack(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let packed;
    let bytes = if first & 1 == 0 {
        rest
    } else {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        if encoder.write_all(rest).is_err() {
            return;
        }
        let Ok(written) = encoder.finish() else { return };
        packed = written;
        &packed
    };
    let Ok(unpacked) = unpack(bytes) else { return };
    assert!(!unpacked.files.is_empty() && unpacked.files.len() <= MAX_FILES && unpacked.left_out.len() <= MAX_NAMED);
    for (name, text) in &unpacked.files {
        assert!(name.len() <= 3 * MAX_NAME && text.len() as u64 <= MAX_FILE);
        assert!(
            !name.starts_with('/') && !name.split('/').any(|part| part == "..") && !name.contains(char::is_control)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;
    use tar::{Builder, EntryType, Header};

    fn header(kind: EntryType, size: u64) -> Header {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(0o644);
        header
    }

    /// An archive; paths are put into headers as they are, whatever a builder thinks of them.
    fn tar(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (path, kind, data) in entries {
            let mut header = header(*kind, data.len() as u64);
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_cksum();
            builder.append(&header, *data).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn files(entries: &[(&str, &str)]) -> Vec<u8> {
        tar(&entries.iter().map(|(path, text)| (*path, EntryType::Regular, text.as_bytes())).collect::<Vec<_>>())
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn names(bytes: &[u8]) -> Vec<String> {
        unpack(bytes).unwrap().files.into_keys().collect()
    }

    #[test]
    fn every_form_gives_its_rules() {
        let rules = "alert tcp any any -> any any ( msg:\"x\"; sid:1; )\n".repeat(20);
        for bytes in [rules.as_bytes().to_vec(), gzip(rules.as_bytes()), [gzip(b""), gzip(rules.as_bytes())].concat()] {
            let unpacked = unpack(&bytes).unwrap();
            assert_eq!(unpacked.files, BTreeMap::from([(String::new(), rules.clone().into_bytes())]));
        }
        let archive =
            files(&[("./rules/b.rules", &rules), ("rules/a.rules", "#"), ("LICENSE", "x"), ("._a.rules", "x")]);
        for bytes in [archive.clone(), gzip(&archive)] {
            assert_eq!(names(&bytes), ["rules/a.rules", "rules/b.rules"]);
        }
        let long = format!("{}/x.rules", "d".repeat(200));
        let mut builder = Builder::new(Vec::new());
        builder.append_data(&mut header(EntryType::Regular, 1), &long, &b"#"[..]).unwrap();
        assert_eq!(names(&builder.into_inner().unwrap()), [long]);
        let twice = unpack(&files(&[("a.rules", "old"), ("a.rules", "new")])).unwrap();
        assert_eq!(twice.files["a.rules"], b"new");
    }

    #[test]
    fn paths_that_lead_outside_are_refused() {
        for path in ["../x.rules", "/etc/x.rules", "a/../../x.rules", "..", "a/../b.txt"] {
            let found = unpack(&files(&[("good.rules", "#"), (path, "#")]));
            assert!(matches!(found, Err(UnpackError::Outside(_))), "{path}: {found:?}");
        }
        let odd = unpack(&files(&[("a\u{1b}[2J.rules", "#")])).unwrap();
        assert_eq!(odd.files.keys().next().unwrap(), "a\u{fffd}[2J.rules");
    }

    #[test]
    fn links_and_devices_are_named_and_not_followed() {
        let mut link = header(EntryType::Symlink, 0);
        link.set_link_name("/etc/passwd").unwrap();
        let mut builder = Builder::new(Vec::new());
        builder.append_data(&mut link, "link.rules", std::io::empty()).unwrap();
        let mut hard = header(EntryType::Link, 0);
        hard.set_link_name("a.rules").unwrap();
        builder.append_data(&mut hard, "hard.rules", std::io::empty()).unwrap();
        builder.append_data(&mut header(EntryType::Fifo, 0), "pipe.rules", std::io::empty()).unwrap();
        builder.append_data(&mut header(EntryType::Regular, 1), "a.rules", &b"#"[..]).unwrap();
        let unpacked = unpack(&builder.into_inner().unwrap()).unwrap();
        assert_eq!(unpacked.files.keys().collect::<Vec<_>>(), ["a.rules"]);
        assert_eq!(
            unpacked.left_out,
            [
                "link.rules is left out: it is a link",
                "hard.rules is left out: it is a link",
                "pipe.rules is left out: it is no file"
            ]
        );
        let only = tar(&[("l.rules", EntryType::Symlink, b"")]);
        assert_eq!(unpack(&only), Err(UnpackError::NoRules(1)));
    }

    #[test]
    fn what_holds_nothing_is_refused() {
        assert_eq!(unpack(b""), Err(UnpackError::Empty));
        assert_eq!(unpack(&gzip(b"")), Err(UnpackError::Empty));
        assert_eq!(unpack(&files(&[])), Err(UnpackError::NoRules(0)));
        assert_eq!(unpack(&gzip(&files(&[("README", "x"), ("a.yaml", "y")]))), Err(UnpackError::NoRules(2)));
        for (bytes, name) in
            [(&b"PK\x03\x04..."[..], "zip"), (b"\x28\xb5\x2f\xfd..", "zstd"), (b"<!DOCTYPE html>", "HTML")]
        {
            assert!(unpack(bytes).unwrap_err().to_string().contains(name));
            assert!(unpack(&gzip(bytes)).unwrap_err().to_string().contains(name));
        }
        assert_eq!(unpack(&gzip(&gzip(b"x"))), Err(UnpackError::Form("gzip in gzip")));
    }

    #[test]
    fn bombs_are_refused_before_they_fill_the_memory() {
        // 200 MiB of nothing in some 200 KiB.
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mebibyte = vec![0; 1 << 20];
        for _ in 0..200 {
            encoder.write_all(&mebibyte).unwrap();
        }
        let bomb = encoder.finish().unwrap();
        assert!(bomb.len() < 2 << 20, "{}", bomb.len());
        assert_eq!(unpack(&bomb), Err(UnpackError::TooBig));

        let big = vec![b'#'; MAX_FILE as usize + 1];
        let archive = tar(&[("big.rules", EntryType::Regular, &big)]);
        assert_eq!(unpack(&gzip(&archive)), Err(UnpackError::File("big.rules".into())));
        assert_eq!(unpack(&big), Err(UnpackError::File("the file".into())));
        // What is no rule file may be as big as the archive may be.
        let archive = tar(&[("big.bin", EntryType::Regular, &big), ("a.rules", EntryType::Regular, b"#")]);
        assert_eq!(names(&archive), ["a.rules"]);

        let many: Vec<String> = (0..=MAX_FILES).map(|number| format!("{number}.rules")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "#")).collect();
        assert_eq!(unpack(&files(&many)), Err(UnpackError::Files));
        let many = vec![("x", ""); MAX_ENTRIES + 1];
        assert_eq!(unpack(&files(&many)), Err(UnpackError::Entries));
        let mut builder = Builder::new(Vec::new());
        let huge = format!("{}.rules", "x/".repeat(50_000));
        builder.append_data(&mut header(EntryType::Regular, 1), &huge, &b"#"[..]).unwrap();
        assert_eq!(unpack(&builder.into_inner().unwrap()), Err(UnpackError::Name(huge.len())));
        // A size that is not there.
        let mut claimed = header(EntryType::Regular, u64::MAX >> 1);
        claimed.as_old_mut().name[..7].copy_from_slice(b"a.rules");
        claimed.set_cksum();
        assert!(matches!(unpack(claimed.as_bytes()), Err(UnpackError::Damaged(_) | UnpackError::File(_))));
    }

    #[test]
    fn damage_is_told() {
        let whole = gzip(&files(&[("a.rules", &"alert tcp\n".repeat(1000))]));
        for cut in [3, 12, 40, whole.len() - 4] {
            let error = unpack(&whole[..cut]).unwrap_err();
            assert!(matches!(error, UnpackError::Damaged(_)), "{cut}: {error:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_and_any_damage(data in proptest::collection::vec(any::<u8>(), 0..600), at in 0_usize..3000, to: u8) {
            fuzz_unpack(&data);
            let mut archive = files(&[("a.rules", "alert"), ("b/c.rules", "x"), ("d", "y")]);
            let at = at % archive.len();
            archive[at] = to;
            archive.insert(0, to);
            fuzz_unpack(&archive);
        }
    }
}
