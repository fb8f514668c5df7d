//! Files out of a ZIP archive that is part of the binary, handed out as they are compressed in it.
//!
//! What an archive has compressed becomes gzip by another head and tail, so that nothing is unpacked here. Nothing of the
//! archive is made at build time either: what a build script writes lies at a path that ends up in the binary, and would
//! make it another one in each folder.

const END: &[u8] = b"PK\x05\x06";
const END_BYTES: usize = 22;
const ENTRY: &[u8] = b"PK\x01\x02";
const ENTRY_BYTES: usize = 46;
const LOCAL_BYTES: usize = 30;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

#[derive(Debug, PartialEq, Eq)]
pub enum File {
    Plain(Vec<u8>),
    Gzipped(Vec<u8>),
}

/// The file whose path in the archive ends so; `None` too for what is no archive.
pub fn find(archive: &[u8], ending: &str) -> Option<File> {
    let end = archive.windows(END.len()).rposition(|bytes| bytes == END)?;
    let end = archive.get(end..end + END_BYTES)?;
    let mut entries = archive.get(number(end, 16)?..)?;
    for _ in 0..short(end, 10)? {
        let name_bytes = usize::from(short(entries, 28)?);
        let name = entries.get(ENTRY_BYTES..ENTRY_BYTES + name_bytes)?;
        if entries.starts_with(ENTRY) && name.ends_with(ending.as_bytes()) {
            return file(archive, entries);
        }
        let rest = usize::from(short(entries, 30)?) + usize::from(short(entries, 32)?);
        entries = entries.get(ENTRY_BYTES + name_bytes + rest..)?;
    }
    None
}

fn file(archive: &[u8], entry: &[u8]) -> Option<File> {
    let local = archive.get(number(entry, 42)?..)?;
    let head = LOCAL_BYTES + usize::from(short(local, 26)?) + usize::from(short(local, 28)?);
    let bytes = local.get(head..head + number(entry, 20)?)?;
    match short(entry, 10)? {
        STORED => Some(File::Plain(bytes.to_vec())),
        DEFLATED => {
            let (sum, size) = (entry.get(16..20)?, entry.get(24..28)?);
            // Deflated, without a time, by nobody in particular.
            let head = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF];
            Some(File::Gzipped([&head[..], bytes, sum, size].concat()))
        }
        _ => None,
    }
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let number = u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?);
    usize::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;

    #[test]
    fn a_file_is_found_by_the_end_of_its_path_and_nothing_in_what_is_no_archive() {
        assert!(matches!(
            find(SWAGGER_UI_VENDORED, "/dist/swagger-ui.css"),
            Some(File::Gzipped(_))
        ));
        assert_eq!(find(SWAGGER_UI_VENDORED, "/dist/nothing.css"), None);
        assert_eq!(find(b"", "/dist/swagger-ui.css"), None);
        assert_eq!(find(&SWAGGER_UI_VENDORED[..1_000_000], "/dist/swagger-ui.css"), None);
    }
}
