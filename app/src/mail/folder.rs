//! The local mail folder: one file a mail, named by its Message-ID, there whole or not at all.

use super::Mail;
use crate::jobs::Failure;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(path: PathBuf) -> Folder {
        Folder(path)
    }

    pub async fn put(&self, mail: Mail) -> Result<(), Failure> {
        let is_a_file_name = |id: &str| {
            !id.starts_with('.')
                && id
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'@'))
        };
        if !is_a_file_name(&mail.id) {
            return Err(Failure::lasting(format!("`{}` is no Message-ID of ours", mail.id)));
        }
        let folder = self.0.clone();
        let written = tokio::task::spawn_blocking(move || write(&folder, &mail)).await;
        written.map_err(Failure::passing)?.map_err(|error| {
            let folder = self.0.display();
            Failure::passing(format!("cannot write into the mail folder `{folder}`: {error}"))
        })
    }
}

/// A second attempt replaces the file by the same bytes, so that the mail is there once. Its contents reach the disk
/// before its name, and its name before the job is done.
fn write(folder: &Path, mail: &Mail) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let unfinished = folder.join(format!(".{}.{:016x}", mail.id, rand::random::<u64>()));
    let outcome = File::create_new(&unfinished)
        .and_then(|mut file| file.write_all(mail.message.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&unfinished, folder.join(format!("{}.eml", mail.id))))
        .and_then(|()| File::open(folder)?.sync_all());
    if outcome.is_err() {
        // It may be gone already.
        fs::remove_file(&unfinished).ok();
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(id: &str) -> Mail {
        Mail {
            id: id.to_owned(),
            from: "a@b.co".to_owned(),
            to: "c@d.co".to_owned(),
            message: "Subject: hello\r\n\r\n".to_owned(),
        }
    }

    #[tokio::test]
    async fn a_mail_put_twice_is_there_once_and_whole() {
        let path = std::env::temp_dir().join(format!("mail-{:016x}", rand::random::<u64>()));
        let folder = Folder::new(path.join("made"));
        for _ in 0..2 {
            folder.put(mail("1@b.co")).await.expect("put");
        }
        let files: Vec<_> = fs::read_dir(path.join("made")).expect("a folder").flatten().collect();
        assert_eq!(files.len(), 1, "{files:?}");
        assert_eq!(files[0].file_name(), "1@b.co.eml");
        assert_eq!(fs::read_to_string(files[0].path()).expect("a file"), mail("").message);
        fs::remove_dir_all(path).expect("removed");
    }

    #[tokio::test]
    async fn no_file_is_written_outside_the_folder_and_a_folder_that_cannot_be_written_is_tried_again() {
        let folder = Folder::new("/dev/null/mail".into());
        for id in ["../x", "/etc/x", ".hidden", "a b"] {
            assert!(matches!(folder.put(mail(id)).await, Err(Failure::Lasting(_))), "{id}");
        }
        assert!(matches!(folder.put(mail("1@b.co")).await, Err(Failure::Passing(_))));
    }
}
